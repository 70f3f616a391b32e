/* The fast engine layer by layer against plain C: what one patch leaves in the working memory, in every kernel table
 * that runs here. */
#include "cpu/pack.h"
#include "cpu/plain_layers.h"
#include "cpu/strip.h"
#include "cpu/work.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random_block.h"
#include "tests/unit/support/random_network.h"
#include "tests/unit/support/test_kernels.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One patch in both engines. */
struct pair {
    struct network n;
    struct packed m;
    struct random_scene scene;
    struct block *block;
    struct plain_trace trace;
    struct work work;
    float *memory;
    size_t C, D, P;
};

static void run_plain(struct pair *p)
{
    size_t P = p->P, K = (size_t)p->n.K;
    float *x = malloc(P * K * sizeof *x);
    void *scratch = malloc(affine_map_scratch(&p->scene.map));
    assert_true(x != NULL && scratch != NULL);
    for (size_t r = 0; r < P; r++) {
        affine_map_apply(&p->scene.map, SAMPLE_INT16, block_sample(p->block, (int)r, 0, 0), P, p->block->valid + r * P,
                         P, x, scratch);
        for (size_t i = 0; i < P * K; i++)
            p->trace.x[r * P * K + i] = (double)x[i];
    }
    plain_forward(&p->n, &p->trace);
    free(x);
    free(scratch);
}

static void run_fast(struct pair *p)
{
    size_t floats = work_size(&p->m, 1);
    void *scratch = malloc(affine_map_scratch(&p->scene.map));
    p->memory = aligned_alloc(64, floats * sizeof *p->memory);
    assert_true(p->memory != NULL && scratch != NULL);
    memset(p->memory, 0, floats * sizeof *p->memory);
    work_place(&p->work, &p->m, 1, p->memory);
    strip_run(
        &(struct strip){.m = &p->m, .w = &p->work, .map_scratch = scratch, .b = p->block, .columns = 1, .lines = 1});
    free(scratch);
}

static void open_pair(struct pair *p, const struct kernels *k, const struct network_sizes *sizes)
{
    struct err e;
    *p = (struct pair){.C = (size_t)sizes->C, .P = (size_t)sizes->P};
    random_network(&p->n, sizes, 11);
    p->D = (size_t)p->n.D;
    random_scene_init(&p->scene, sizes->P, sizes->P, sizes->K, 10, 12);
    p->scene.valid[sizes->P / 2 * (sizes->P + 1)] = 1;
    p->block = random_scene_block(&p->scene, &p->n, sizes->P / 2, sizes->P / 2, 1, 1, 1);
    assert_int_equal(pack_network(&p->m, &p->n, k, &e), 0);
    assert_int_equal(plain_trace_init(&p->trace, &p->n, &e), 0);
    run_plain(p);
    run_fast(p);
}

static void close_pair(struct pair *p)
{
    pack_release(&p->m);
    network_release(&p->n);
    random_scene_release(&p->scene);
    block_close(p->block);
    plain_trace_release(&p->trace);
    free(p->memory);
}

/* Largest difference allowed in units of the layer's own root mean square. */
static const double TOLERANCE = 2e-5;

static void expect_layer(const struct pair *p, const char *layer, const double *expected, const double *found, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += expected[i] * expected[i];
    double rms = sqrt(square / (double)n);
    if (!(rms > 1e-3))
        fail_msg("%s says nothing: its root mean square is %g", layer, rms);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(found[i] - expected[i]) <= TOLERANCE * (rms + fabs(expected[i]))))
            fail_msg("%s, K = %d, C = %d, P = %d, layer %s, element %zu: %.9g, expected %.9g", p->m.k->isa, p->n.K,
                     p->n.C, p->n.P, layer, i, found[i], expected[i]);
}

/* (C,P,P,D) as the trace has it, from rows. */
static void expect_rows(const struct pair *p, const char *layer, const double *expected, const float *rows)
{
    size_t positions = p->P * p->P, n = p->C * positions * p->D;
    double *found = malloc(n * sizeof *found);
    assert_non_null(found);
    for (size_t i = 0; i < n; i++)
        found[i] = (double)rows[i / (positions * p->D) * p->m.row + i / p->D % positions * p->m.spectrum + i % p->D];
    expect_layer(p, layer, expected, found, n);
    free(found);
}

/* The same from the entries of the patch; `plane` 0: p, 1: q. Layout as work.h has it. */
static void expect_entries(const struct pair *p, const char *layer, const double *expected, size_t plane)
{
    size_t P = p->P, D = p->D, n = p->C * P * P * D;
    double *found = malloc(n * sizeof *found);
    assert_non_null(found);
    for (size_t i = 0; i < n; i++) {
        size_t c = i / (P * P * D), row = i / (P * D) % P, column = i / D % P;
        size_t slot = row == 0 ? P - 2 : row == P - 1 ? P - 1 : row % (P - 2);
        size_t place = column == 0 ? PLACE_FIRST : column == P - 1 ? PLACE_LAST : PLACE_INSIDE;
        const float *entry = p->work.entries + ((slot * p->work.columns + column) * PLACES + place) * p->m.entry;
        found[i] = (double)entry[(plane * p->C + c) * p->m.entry_row + i % D];
    }
    expect_layer(p, layer, expected, found, n);
    free(found);
}

static void expect_waist(const struct pair *p)
{
    size_t positions = p->P * p->P, n = NETWORK_CONV2_OUT * positions;
    double *found = malloc(n * sizeof *found);
    assert_non_null(found);
    for (size_t i = 0; i < n; i++)
        found[i] = (double)p->work.waist[i % positions * NETWORK_CONV2_OUT + i / positions];
    expect_layer(p, "conv2", p->trace.waist, found, n);
    free(found);
}

static void expect_logits(const struct pair *p)
{
    double found[255];
    for (int k = 0; k < p->n.N; k++)
        found[k] = (double)p->block->logits[k];
    expect_layer(p, "logits", p->trace.logits, found, (size_t)p->n.N);
}

static void check(const struct kernels *k, struct network_sizes sizes)
{
    struct pair p;
    open_pair(&p, k, &sizes);
    expect_entries(&p, sizes.distinct_attention ? "conv1x1" : "V", sizes.distinct_attention ? p.trace.A : p.trace.V, 0);
    expect_entries(&p, sizes.distinct_attention ? "conv3x3" : "res_net1 before its gate",
                   sizes.distinct_attention ? p.trace.B : p.trace.branch1, 1);
    expect_rows(&p, "res_net2 between its convolutions", p.trace.middle2, p.work.z);
    expect_rows(&p, "res_net2", p.trace.out2, p.work.x);
    expect_waist(&p);
    expect_logits(&p);
    close_pair(&p);
}

static void test_every_layer_agrees_with_plain(void **state)
{
    (void)state;
    static const struct network_sizes shapes[] = {
        {204, 24, 7, 8, false}, {7, 24, 7, 3, false},   {8, 5, 7, 1, false},    {9, 1, 7, 2, false},
        {15, 24, 9, 8, false},  {40, 16, 11, 8, true},  {31, 24, 7, 4, true},   {7, 1, 7, 2, true},
        {37, 64, 7, 3, false},  {22, 13, 9, 255, true}, {512, 3, 11, 5, false}, {12, 7, 7, 5, true},
    };
    const struct kernels *k;
    for (size_t t = 0; (k = test_kernels(t)) != NULL; t++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check(k, shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_agrees_with_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
