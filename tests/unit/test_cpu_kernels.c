/* Every kernel of every table that runs here against plain C, over shapes that do not fit a vector or a tile, and its
 * bits wherever a spectrum lies. */
#include "cpu/pack.h"
#include "cpu/plain_layers.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include "tests/unit/support/test_kernels.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const size_t channels[] = {1, 2, 3, 5, 6, 7, 12, 13, 16, 24, 64};
static const size_t spectra[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 99, 253};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Rows as kernels.h has them, between canaries. */
struct rows {
    size_t C, D, positions, spectrum, groups, row, length;
    float *storage, *x;
    int32_t *live;
};

static const float CANARY = 12345.5f;

static struct rows make_rows(const struct kernels *k, size_t C, size_t D, size_t positions)
{
    struct rows r = {.C = C, .D = D, .positions = positions, .spectrum = D + SPECTRAL_GAP};
    r.groups = (positions * r.spectrum + k->tile_columns - 1) / k->tile_columns;
    r.row = ROW_LEAD + r.groups * k->tile_columns + KERNEL_LANES_MOST;
    r.length = C * r.row + ROW_LEAD + KERNEL_LANES_MOST;
    r.storage = calloc(r.length + 2, sizeof *r.storage);
    r.live = calloc(r.row, sizeof *r.live);
    assert_true(r.storage != NULL && r.live != NULL);
    r.storage[0] = r.storage[r.length + 1] = CANARY;
    r.x = r.storage + 1 + ROW_LEAD;
    for (size_t i = 0; i < positions * r.spectrum; i++)
        r.live[i] = i % r.spectrum < D ? -1 : 0;
    return r;
}

static void free_rows(struct rows *r)
{
    assert_true(r->storage[0] == CANARY && r->storage[r->length + 1] == CANARY);
    free(r->storage);
    free(r->live);
}

static float *at(const struct rows *r, size_t c, size_t position, size_t d)
{
    return r->x + c * r->row + position * r->spectrum + d;
}

static void fill_rows(const struct rows *r, struct random *random)
{
    for (size_t c = 0; c < r->C; c++)
        for (size_t p = 0; p < r->positions; p++)
            for (size_t d = 0; d < r->D; d++)
                *at(r, c, p, d) = (float)random_between(random, -1, 1);
}

/* Everything between the spectra is zero, in the lead and behind the last too. */
static void expect_gaps(const struct rows *r, const char *what)
{
    for (size_t c = 0; c < r->C; c++)
        for (size_t i = 0; i < r->row; i++) {
            float x = r->x[c * r->row + i];
            if (!r->live[i] && x != 0)
                fail_msg("%s, C = %zu, D = %zu: %g between the spectra, at %zu", what, r->C, r->D, (double)x, i);
        }
}

static float *floats(struct random *r, size_t n, double low, double high)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)random_between(r, low, high);
    return x;
}

static void expect_near(double found, double expected, double scale, const char *isa, const char *what, size_t C,
                        size_t D, size_t index)
{
    if (!(fabs(found - expected) <= 2e-6 * scale + 1e-6))
        fail_msg("%s, %s, C = %zu, D = %zu, element %zu: %.9g, expected %.9g", isa, what, C, D, index, found, expected);
}

/* A spectral convolution with all it needs. */
struct convolution {
    struct layer layer;
    float *packed, *scale, *shift;
    struct spectral_call call;
};

static struct convolution make_convolution(const struct kernels *k, const struct rows *in, const struct rows *out,
                                           enum spectral_finish finish, struct random *r)
{
    size_t C = in->C, n = C * C * SPECTRAL_TAPS;
    double bound = sqrt(3.0 / (double)(C * SPECTRAL_TAPS));
    struct convolution v = {
        .layer = {floats(r, n, -bound, bound), floats(r, C, -1, 1)},
        .packed = calloc(n, sizeof(float)),
        .scale = floats(r, C, -1, 1),
        .shift = floats(r, C, -1, 1),
    };
    assert_non_null(v.packed);
    pack_spectral(v.packed, v.layer.weight, C, k->tile_rows);
    v.call = (struct spectral_call){.C = C,
                                    .groups = in->groups,
                                    .row = in->row,
                                    .in = in->x,
                                    .out = out->x,
                                    .weight = v.packed,
                                    .bias = v.layer.bias,
                                    .live = in->live,
                                    .finish = finish,
                                    .scale = v.scale,
                                    .shift = v.shift};
    return v;
}

static void convolve(const struct kernels *k, const struct convolution *v)
{
    size_t first, rows;
    for (size_t tile = 0; (rows = tile_split(v->call.C, k->tile_rows, tile, &first)) > 0; tile++)
        k->spectral(&v->call, first, rows);
}

static void free_convolution(struct convolution *v)
{
    free(v->layer.weight);
    free(v->layer.bias);
    free(v->packed);
    free(v->scale);
    free(v->shift);
}

static double finished(const struct convolution *v, size_t c, double y, double before)
{
    switch (v->call.finish) {
    case SPECTRAL_NORM_RELU:
        return fmax((double)v->scale[c] * fmax(y, 0) + (double)v->shift[c], 0);
    case SPECTRAL_RESIDUAL:
        return (double)v->scale[c] * y + before;
    case SPECTRAL_PLAIN:
        break;
    }
    return y;
}

static void check_spectral(const struct kernels *k, size_t C, size_t D, size_t positions, enum spectral_finish finish)
{
    struct random random = {.state = C * 1000 + D};
    struct rows in = make_rows(k, C, D, positions), out = make_rows(k, C, D, positions);
    size_t count = C * positions * D;
    double *x = calloc(count, sizeof *x), *y = calloc(count, sizeof *y), *before = calloc(count, sizeof *before);
    assert_true(x != NULL && y != NULL && before != NULL);
    fill_rows(&in, &random);
    fill_rows(&out, &random);
    for (size_t i = 0; i < count; i++) {
        x[i] = (double)*at(&in, i / (positions * D), i / D % positions, i % D);
        before[i] = (double)*at(&out, i / (positions * D), i / D % positions, i % D);
    }
    struct convolution v = make_convolution(k, &in, &out, finish, &random);
    convolve(k, &v);
    plain_spectral(&v.layer, C, positions, D, x, y);
    for (size_t i = 0; i < count; i++) {
        size_t c = i / (positions * D);
        expect_near((double)*at(&out, c, i / D % positions, i % D), finished(&v, c, y[i], before[i]), 2, k->isa,
                    "spectral", C, D, i);
    }
    expect_gaps(&out, "spectral");
    free(x);
    free(y);
    free(before);
    free_convolution(&v);
    free_rows(&in);
    free_rows(&out);
}

static void test_spectral_is_the_convolution(void **state)
{
    (void)state;
    const struct kernels *k;
    for (size_t t = 0; (k = test_kernels(t)) != NULL; t++)
        for (size_t c = 0; c < COUNT(channels); c++)
            for (size_t d = 0; d < COUNT(spectra); d++)
                for (int finish = SPECTRAL_PLAIN; finish <= SPECTRAL_RESIDUAL; finish++)
                    if (channels[c] * channels[c] * spectra[d] <= 24 * 24 * 99 || finish == SPECTRAL_NORM_RELU)
                        check_spectral(k, channels[c], spectra[d], 3, (enum spectral_finish)finish);
}

/* One spectrum, laid at every position among others that differ each time, NaN and infinities among them. */
static void test_spectral_bits_do_not_depend_on_position_or_neighbours(void **state)
{
    (void)state;
    enum { C = 7, POSITIONS = 9 };
    const struct kernels *k;
    for (size_t t = 0; (k = test_kernels(t)) != NULL; t++)
        for (size_t d = 0; d < COUNT(spectra); d++) {
            size_t D = spectra[d];
            struct random random = {.state = D};
            float *one = floats(&random, C * D, -1, 1), *first = calloc(C * D, sizeof *first);
            struct rows in = make_rows(k, C, D, POSITIONS), out = make_rows(k, C, D, POSITIONS);
            struct convolution v = make_convolution(k, &in, &out, SPECTRAL_NORM_RELU, &random);
            for (size_t p = 0; p < POSITIONS; p++) {
                fill_rows(&in, &random);
                for (size_t c = 0; c < C; c++) {
                    if (p > 0)
                        *at(&in, c, p - 1, D - 1) = p % 2 ? NAN : INFINITY;
                    if (p + 1 < POSITIONS)
                        *at(&in, c, p + 1, 0) = p % 2 ? -INFINITY : NAN;
                    memcpy(at(&in, c, p, 0), one + c * D, D * sizeof *one);
                }
                convolve(k, &v);
                for (size_t c = 0; c < C; c++) {
                    if (p == 0)
                        memcpy(first + c * D, at(&out, c, p, 0), D * sizeof *first);
                    else if (memcmp(first + c * D, at(&out, c, p, 0), D * sizeof *first) != 0)
                        fail_msg("%s, D = %zu: other bits at position %zu", k->isa, D, p);
                }
                expect_gaps(&out, "spectral beside NaN");
            }
            free(one);
            free(first);
            free_convolution(&v);
            free_rows(&in);
            free_rows(&out);
        }
}

static void check_multiply(const struct kernels *k, size_t rows, size_t stretches, size_t depth)
{
    size_t columns = k->tile_columns, sum_row = columns + 5, step = depth + 3, weight_step = depth * columns + 7;
    struct random random = {.state = rows * 1000 + depth};
    float *a = floats(&random, (20 + stretches) * step, -1, 1), *w = floats(&random, stretches * weight_step, -1, 1);
    float *sum = floats(&random, rows * sum_row, -1, 1), *before = calloc(rows * sum_row, sizeof *before);
    uint32_t offset[12];
    for (size_t r = 0; r < rows; r++)
        offset[r] = (uint32_t)random_below(&random, 19 * step + 1);
    memcpy(before, sum, rows * sum_row * sizeof *sum);
    k->multiply(&(struct multiply_call){rows, stretches, depth, step, a, offset, w, weight_step, sum, sum_row});
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < sum_row; j++) {
            double y = (double)before[r * sum_row + j];
            for (size_t n = 0; j < columns && n < stretches * depth; n++)
                y += (double)a[offset[r] + n / depth * step + n % depth] *
                     (double)w[n / depth * weight_step + n % depth * columns + j];
            expect_near((double)sum[r * sum_row + j], y, (double)(stretches * depth), k->isa, "multiply", rows, depth,
                        j);
        }
    free(a);
    free(w);
    free(sum);
    free(before);
}

static void test_multiply_is_the_product(void **state)
{
    (void)state;
    static const size_t depths[] = {1, 2, 3, 8, 17, 99, 128};
    const struct kernels *k;
    for (size_t t = 0; (k = test_kernels(t)) != NULL; t++)
        for (size_t rows = 1; rows <= k->tile_rows; rows++)
            for (size_t stretches = 1; stretches <= 3; stretches++)
                for (size_t i = 0; i < COUNT(depths); i++)
                    check_multiply(k, rows, stretches, depths[i]);
}

static void test_rows_and_entries_convert(void **state)
{
    (void)state;
    enum { C = 3, POSITIONS = 4 };
    const struct kernels *k;
    for (size_t t = 0; (k = test_kernels(t)) != NULL; t++)
        for (size_t n = 0; n < COUNT(spectra); n++) {
            size_t D = spectra[n], entry_row = round_up(D, k->lanes);
            struct random random = {.state = D};
            struct rows x = make_rows(k, C, D, POSITIONS), a = make_rows(k, C, D, POSITIONS);
            float *u = floats(&random, C, -1, 1), *g = floats(&random, C, -1, 1);
            float *p = calloc(POSITIONS * C * entry_row, sizeof *p), *q = calloc(POSITIONS * C * entry_row, sizeof *q);
            float *back = floats(&random, C * entry_row, 1, 2);
            for (size_t i = 0; i < POSITIONS * C * entry_row; i++) {
                p[i] = i % entry_row < D ? (float)random_between(&random, -1, 1) : 0;
                q[i] = i % entry_row < D ? (float)random_between(&random, -1, 1) : 0;
            }
            for (size_t i = 0; i < POSITIONS; i++)
                k->assemble(C, D, p + i * C * entry_row, q + i * C * entry_row, entry_row, u, g, at(&x, 0, i, 0),
                            x.row);
            expect_gaps(&x, "assemble");
            k->norm_relu(C, x.groups * k->tile_columns, x.x, a.x, x.row, g, u, x.live);
            expect_gaps(&a, "norm_relu");
            for (size_t i = 0; i < POSITIONS; i++) {
                k->collect(C, D, at(&x, 0, i, 0), x.row, back, entry_row);
                for (size_t c = 0; c < C; c++)
                    for (size_t d = 0; d < entry_row; d++) {
                        size_t e = (i * C + c) * entry_row + d;
                        double y = d < D ? (double)u[c] * (double)p[e] + (double)g[c] * (double)q[e] : 0;
                        expect_near((double)back[c * entry_row + d], y, 1, k->isa, "assemble, collect", C, D, e);
                        if (d < D)
                            expect_near((double)*at(&a, c, i, d), fmax((double)g[c] * y + (double)u[c], 0), 1, k->isa,
                                        "norm_relu", C, D, e);
                    }
            }
            k->assemble(C, D, p, q, entry_row, NULL, NULL, at(&x, 0, 1, 0), x.row);
            for (size_t c = 0; c < C; c++)
                assert_memory_equal(at(&x, c, 1, 0), p + c * entry_row, D * sizeof *p);
            double total = 0;
            for (size_t d = 0; d < D; d++)
                total += (double)p[d];
            expect_near((double)k->sum(p, entry_row), total, (double)D, k->isa, "sum", 1, D, 0);
            free(u);
            free(g);
            free(p);
            free(q);
            free(back);
            free_rows(&x);
            free_rows(&a);
        }
}

static void test_tiles_cover_all_rows_once(void **state)
{
    (void)state;
    for (size_t most = 1; most <= 12; most++)
        for (size_t n = 1; n <= 130; n++) {
            size_t next = 0, first, rows, least = most;
            for (size_t tile = 0; (rows = tile_split(n, most, tile, &first)) > 0; tile++) {
                assert_int_equal(first, next);
                assert_true(rows <= most);
                least = rows < least ? rows : least;
                next += rows;
            }
            assert_int_equal(next, n);
            assert_true(least >= n / ((n + most - 1) / most));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spectral_is_the_convolution),
        cmocka_unit_test(test_spectral_bits_do_not_depend_on_position_or_neighbours),
        cmocka_unit_test(test_multiply_is_the_product),
        cmocka_unit_test(test_rows_and_entries_convert),
        cmocka_unit_test(test_tiles_cover_all_rows_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
