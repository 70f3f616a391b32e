/* Folding: every array of the network is what its tensors say, normalised in double and rounded once. */
#include "model/network.h"
#include "model/package.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/package_draft.h"
#include "tests/unit/support/random_network.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Element i of tensor PREFIX.MEMBER. */
static double at(const struct package_draft *d, const char *prefix, const char *member, size_t i)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", prefix, member);
    return draft_get(draft_find(d, name), i);
}

static double scale_of(const struct package_draft *d, const char *norm, double eps, size_t c)
{
    return norm == NULL ? 1 : at(d, norm, "weight", c) / sqrt(at(d, norm, "running_var", c) + eps);
}

static double shift_of(const struct package_draft *d, const char *norm, double eps, size_t c)
{
    return norm == NULL ? 0 : at(d, norm, "bias", c) - at(d, norm, "running_mean", c) * scale_of(d, norm, eps, c);
}

/* Rounded once: at most half a unit in the last place off. (The rest is for sums that nearly cancel.) */
static void expect_float(float found, double expected, const char *what, size_t i)
{
    if (fabs((double)found - expected) > fabs(expected) * 0x1p-24 + 1e-12)
        fail_msg("%s, element %zu: %.9g, expected %.9g", what, i, (double)found, expected);
}

static void expect_layer(const struct layer *l, const struct package_draft *d, const char *module, const char *norm,
                         double eps, size_t out, size_t in)
{
    for (size_t o = 0; o < out; o++) {
        double scale = scale_of(d, norm, eps, o);
        expect_float(l->bias[o], at(d, module, "bias", o) * scale + shift_of(d, norm, eps, o), module, o);
        for (size_t i = o * in; i < (o + 1) * in; i++)
            expect_float(l->weight[i], at(d, module, "weight", i) * scale, module, i);
    }
}

static void expect_norm(const struct norm *n, const struct package_draft *d, const char *norm, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        expect_float(n->scale[c], scale_of(d, norm, 1e-5, c), norm, c);
        expect_float(n->shift[c], shift_of(d, norm, 1e-5, c), norm, c);
    }
}

static const char *join(char out[64], const char *block, const char *member)
{
    snprintf(out, 64, "%s.%s", block, member);
    return out;
}

static void expect_block(const struct residual_block *b, const struct package_draft *d, const char *block, size_t C,
                         size_t in)
{
    char x[64], y[64];
    bool start = strcmp(block, "res_net1") == 0, end = strcmp(block, "res_net4") == 0;
    assert_int_equal(b->bn0.scale == NULL && b->bn0.shift == NULL, start);
    assert_int_equal(b->bn2.scale == NULL && b->bn2.shift == NULL, !end);
    if (!start)
        expect_norm(&b->bn0, d, join(x, block, "bn0"), C);
    expect_layer(&b->conv1, d, join(x, block, "conv1.0"), NULL, 0, C, in);
    expect_norm(&b->bn1, d, join(x, block, "bn1"), C);
    expect_layer(&b->conv2, d, join(x, block, "conv2"), start ? join(y, block, "bn2") : NULL, 1e-5, C, in);
    if (end)
        expect_norm(&b->bn2, d, join(x, block, "bn2"), C);
    for (size_t i = 0; i < 3; i++)
        expect_float(b->gate[i], at(d, block, "ecalayer.conv.weight", 3 + i), block, i);
}

static void expect_network(const struct network *n, const struct package_draft *d, bool distinct)
{
    size_t C = (size_t)n->C, S = (size_t)n->K / 2, D = (size_t)n->D;
    expect_layer(&n->conv1x1, d, "conv1x1", "batch_norm1x1.0", 1e-3, C, 7);
    expect_layer(&n->conv3x3, d, "conv3x3", "batch_norm3x3.0", 1e-3, C, 63);
    expect_block(&n->res_net1, d, "res_net1", C, C * 7);
    expect_block(&n->res_net2, d, "res_net2", C, C * 7);
    expect_layer(&n->conv2, d, "conv2", "batch_norm2.0", 1e-3, 128, C * D);
    expect_layer(&n->conv3, d, "conv3", "batch_norm3.0", 1e-3, C, 9 * 128);
    expect_block(&n->res_net3, d, "res_net3", C, C * 9);
    expect_block(&n->res_net4, d, "res_net4", C, C * 9);
    expect_layer(&n->full_connection, d, "full_connection.0", NULL, 0, (size_t)n->N, C);
    assert_int_equal(n->distinct_attention, distinct);
    assert_int_equal(n->conv_se.weight != NULL, distinct);
    if (!distinct)
        return;
    expect_layer(&n->conv_se, d, "conv_se.0", NULL, 0, S, C);
    expect_layer(&n->conv_ex_3x3, d, "conv_ex_3x3", NULL, 0, C, S);
    expect_layer(&n->conv_ex_1x1, d, "conv_ex_1x1", NULL, 0, C, S);
}

static void test_every_tensor_is_folded_into_its_place(void **state)
{
    (void)state;
    static const struct draft_recipe recipes[] = {
        {.B = 20, .K = 20, .C = 5, .P = 7, .N = 3, .seed = 1},
        {.B = 7, .K = 7, .C = 1, .P = 9, .N = 1, .distinct_attention = true, .seed = 2},
        {.B = 31, .K = 31, .C = 24, .P = 11, .N = 255, .dtype = "F16", .distinct_attention = true, .seed = 3},
        {.B = 8, .K = 8, .C = 64, .P = 7, .N = 16, .dtype = "BF16", .seed = 4},
    };
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        struct package_draft d;
        struct package *p;
        struct err e;
        size_t length;
        draft_make(&d, &recipes[i]);
        uint8_t *bytes = draft_bytes(&d, &length);
        if (package_parse(&p, bytes, length, &e) != 0)
            fail_msg("recipe %zu: %s", i, e.message);
        free(bytes); /* nothing may point into the file any more */
        assert_int_equal(p->network.K, recipes[i].K);
        assert_int_equal(p->network.C, recipes[i].C);
        assert_int_equal(p->network.P, recipes[i].P);
        assert_int_equal(p->network.N, recipes[i].N);
        expect_network(&p->network, &d, recipes[i].distinct_attention);
        package_close(p);
        draft_release(&d);
    }
}

static void test_spectral_positions_are_the_ceiling(void **state)
{
    (void)state;
    for (int K = 7; K <= 512; K++)
        assert_int_equal(network_spectral_positions(K), (int)ceil((K - 6) / 2.0));
}

struct array {
    const float *start;
    size_t count;
};

static int compare_arrays(const void *a, const void *b)
{
    const struct array *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static size_t add_layer(struct array *a, size_t n, const struct layer *l, size_t out, size_t in)
{
    a[n++] = (struct array){l->weight, out * in};
    a[n++] = (struct array){l->bias, out};
    return n;
}

static size_t add_norm(struct array *a, size_t n, const struct norm *x, size_t channels)
{
    if (x->scale == NULL)
        return n;
    a[n++] = (struct array){x->scale, channels};
    a[n++] = (struct array){x->shift, channels};
    return n;
}

static size_t add_block(struct array *a, size_t n, const struct residual_block *b, size_t C, size_t taps)
{
    n = add_layer(a, n, &b->conv1, C, C * taps);
    n = add_layer(a, n, &b->conv2, C, C * taps);
    n = add_norm(a, n, &b->bn0, C);
    n = add_norm(a, n, &b->bn1, C);
    return add_norm(a, n, &b->bn2, C);
}

/* Array by array at its full extent: none may reach into the next, and each starts a cache line. */
static void test_arrays_are_aligned_and_apart(void **state)
{
    (void)state;
    struct network n;
    struct array a[64];
    size_t count = 0, C = 5, S = 11, D = 9;
    random_network(&n, &(struct network_sizes){.K = 23, .C = 5, .P = 7, .N = 3, .distinct_attention = true}, 1);
    count = add_layer(a, count, &n.conv1x1, C, 7);
    count = add_layer(a, count, &n.conv3x3, C, 63);
    count = add_layer(a, count, &n.conv_se, S, C);
    count = add_layer(a, count, &n.conv_ex_3x3, C, S);
    count = add_layer(a, count, &n.conv_ex_1x1, C, S);
    count = add_block(a, count, &n.res_net1, C, 7);
    count = add_block(a, count, &n.res_net2, C, 7);
    count = add_layer(a, count, &n.conv2, 128, C * D);
    count = add_layer(a, count, &n.conv3, C, 9 * 128);
    count = add_block(a, count, &n.res_net3, C, 9);
    count = add_block(a, count, &n.res_net4, C, 9);
    count = add_layer(a, count, &n.full_connection, 3, C);
    qsort(a, count, sizeof *a, compare_arrays);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal((uintptr_t)a[i].start % 64, 0);
        if (i > 0)
            assert_true(a[i - 1].start + a[i - 1].count <= a[i].start);
        for (size_t k = 0; k < a[i].count; k++) /* the last of them inside the block, AddressSanitizer says */
            assert_true(isfinite(a[i].start[k]));
    }
    network_release(&n);
    assert_null(n.storage);
    network_release(&n);
}

static void test_multiply_adds_are_those_of_the_naive_network(void **state)
{
    (void)state;
    struct network n;
    struct err e;
    /* By hand, K = 204 (D = 99), C = 24, P = 7, N = 8. */
    double blocks = 4.0 * 49 * 99 * 24 * 24 * 7, waist = 49.0 * 128 * 24 * 99, entry = 49.0 * 99 * 24 * 70;
    double head = 25.0 * 24 * 9 * 128 + 4.0 * 25 * 24 * 24 * 9 + 8 * 24, gates = 4 * 3 * 24;
    assert_int_equal(network_allocate(&n, &(struct network_sizes){.K = 204, .C = 24, .P = 7, .N = 8}, &e), 0);
    assert_true(network_multiply_adds(&n) == blocks + waist + entry + head + gates);
    network_release(&n);
    assert_int_equal(
        network_allocate(&n, &(struct network_sizes){.K = 204, .C = 24, .P = 7, .N = 8, .distinct_attention = true},
                         &e),
        0);
    assert_true(network_multiply_adds(&n) == blocks + waist + entry + head + gates + 3 * 24 * 102);
    network_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tensor_is_folded_into_its_place),
        cmocka_unit_test(test_spectral_positions_are_the_ceiling),
        cmocka_unit_test(test_arrays_are_aligned_and_apart),
        cmocka_unit_test(test_multiply_adds_are_those_of_the_naive_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
