/* The affine map of units and package, its bits whatever stands beside a pixel, and the statistics of a scene. */
#include "model/preprocess.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const enum sample_type types[] = {SAMPLE_UINT8,  SAMPLE_INT16,   SAMPLE_UINT16, SAMPLE_INT32,
                                         SAMPLE_UINT32, SAMPLE_FLOAT32, SAMPLE_FLOAT64};

static double *doubles(struct random *r, size_t n, double low, double high)
{
    double *values = malloc(n * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = random_between(r, low, high);
    return values;
}

static struct preprocess make(struct random *r, int B, int K, bool matrix)
{
    return (struct preprocess){
        .B = B,
        .K = K,
        .scale = doubles(r, (size_t)B, 0.5, 2),
        .matrix = matrix ? doubles(r, (size_t)B * (size_t)K, -1, 1) : NULL,
        .offset = doubles(r, (size_t)K, -3, 3),
    };
}

/* Whole numbers that every type holds. */
static void put_sample(enum sample_type type, void *samples, size_t i, int value)
{
    switch (type) {
    case SAMPLE_UINT8:
        ((uint8_t *)samples)[i] = (uint8_t)value;
        break;
    case SAMPLE_INT16:
        ((int16_t *)samples)[i] = (int16_t)value;
        break;
    case SAMPLE_UINT16:
        ((uint16_t *)samples)[i] = (uint16_t)value;
        break;
    case SAMPLE_INT32:
        ((int32_t *)samples)[i] = value;
        break;
    case SAMPLE_UINT32:
        ((uint32_t *)samples)[i] = (uint32_t)value;
        break;
    case SAMPLE_FLOAT32:
        ((float *)samples)[i] = (float)value;
        break;
    case SAMPLE_FLOAT64:
        ((double *)samples)[i] = value;
        break;
    }
}

/* Steps 1 and 3 of the model notes, one pixel, one network band, as they are written. */
static double by_the_notes(const struct preprocess *p, const double *gain, const double *offset, const double *dn,
                           int k)
{
    double x = p->offset[k];
    for (int b = 0; b < p->B; b++) {
        double v = dn[b] * (gain == NULL ? 1 : gain[b]) + (offset == NULL ? 0 : offset[b]);
        double m = p->matrix != NULL ? p->matrix[k * p->B + b] : b == k;
        x += m * p->scale[b] * v;
    }
    return x;
}

static void check_map(const struct preprocess *p, enum sample_type type, bool units, struct random *r)
{
    enum { PIXELS = 37, STRIDE = 41 };
    assert(p->B > 0); /* else gcc warns of what calloc would be asked for */
    size_t B = (size_t)p->B, K = (size_t)p->K;
    struct affine_map m;
    struct err e;
    double *gain = units ? doubles(r, B, 0.001, 2) : NULL, *offset = units ? doubles(r, B, -5, 5) : NULL;
    double *dn = malloc(B * sizeof *dn);
    /* Each of its own size: AddressSanitizer sees a step beyond. The last band has no padding behind it. */
    void *samples = calloc((B - 1) * STRIDE + PIXELS, sample_size(type));
    int *values = malloc(B * PIXELS * sizeof *values);
    float *x = malloc(PIXELS * K * sizeof *x);
    uint8_t valid[PIXELS];
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < PIXELS; i++)
            put_sample(type, samples, b * STRIDE + i, values[b * PIXELS + i] = (int)random_below(r, 250));
    for (size_t i = 0; i < PIXELS; i++)
        valid[i] = i < 32 && i >= 16 ? 0 : random_below(r, 3) != 0; /* one tile without a valid pixel */
    assert_int_equal(affine_map_init(&m, p, gain, offset, &e), 0);
    void *scratch = malloc(affine_map_scratch(&m));
    affine_map_apply(&m, type, samples, STRIDE, units ? valid : NULL, PIXELS, x, scratch);
    for (size_t i = 0; i < PIXELS; i++) {
        for (size_t b = 0; b < B; b++)
            dn[b] = values[b * PIXELS + i];
        for (size_t k = 0; k < K; k++) {
            double expected = units && !valid[i] ? 0 : by_the_notes(p, gain, offset, dn, (int)k);
            double found = (double)x[i * K + k], bound = units && !valid[i] ? 0 : 1e-6 * (fabs(expected) + 1);
            if (!(fabs(found - expected) <= bound))
                fail_msg("%s, pixel %zu, band %zu: %g, expected %g", sample_name(type), i, k, found, expected);
        }
    }
    affine_map_release(&m);
    free(scratch);
    free(x);
    free(values);
    free(samples);
    free(dn);
    free(offset);
    free(gain);
}

static void test_map_is_units_then_package_for_every_type(void **state)
{
    (void)state;
    struct random r = {.state = 1};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (int form = 0; form < 4; form++) {
            struct preprocess p = make(&r, form & 1 ? 23 : 9, 9, form & 1);
            check_map(&p, types[t], form & 2, &r);
            preprocess_release(&p);
        }
    }
}

static void test_large_integers_are_not_rounded_before_the_map(void **state)
{
    (void)state;
    struct preprocess p = {.B = 1, .K = 1, .scale = (double[]){1}, .offset = (double[]){-4294967290.0}};
    struct affine_map m;
    struct err e;
    double scratch[64];
    float x;
    assert_int_equal(affine_map_init(&m, &p, NULL, NULL, &e), 0);
    assert_true(affine_map_scratch(&m) <= sizeof scratch);
    affine_map_apply(&m, SAMPLE_UINT32, (uint32_t[]){4294967295u}, 1, NULL, 1, &x, scratch);
    assert_true(x == 5);
    affine_map_release(&m);
}

static void test_reach_is_the_sample_that_makes_the_largest_input(void **state)
{
    (void)state;
    double scale[] = {2, 0.5}, offset[] = {0, 1e14}, gain[] = {10, 1}, huge[] = {1e308, 1}, matrix[] = {1, 1, -1, 3};
    struct preprocess p = {.B = 2, .K = 2, .scale = scale, .offset = offset};
    struct affine_map m;
    struct err e;
    assert_int_equal(affine_map_init(&m, &p, gain, NULL, &e), 0);
    assert_true(fabs(affine_map_reach(&m) - 1e15 / 20) < 1); /* band 0: 20 a sample; band 1: (1e15 - 1e14) / 0.5 */
    affine_map_release(&m);
    p.matrix = matrix;
    assert_int_equal(affine_map_init(&m, &p, gain, NULL, &e), 0);
    assert_true(fabs(affine_map_reach(&m) - 9e14 / 21.5) < 1); /* row 1: 20 and 1.5 */
    affine_map_release(&m);
    assert_int_equal(affine_map_init(&m, &p, huge, NULL, &e), 0);
    assert_true(affine_map_reach(&m) <= 0);
    affine_map_release(&m);
}

/* The same spectrum at every place of lines of every length, beside NaN, infinity and other spectra. */
static void test_bits_do_not_depend_on_place_or_neighbours(void **state)
{
    (void)state;
    enum { B = 13, K = 7, MOST = 40 };
    struct random r = {.state = 2};
    for (int matrix = 0; matrix < 2; matrix++) {
        struct preprocess p = make(&r, matrix ? B : K, K, matrix);
        struct affine_map m;
        struct err e;
        float spectrum[B], alone[K], *line = malloc(B * MOST * sizeof *line), *x = malloc(MOST * K * sizeof *x);
        for (int b = 0; b < p.B; b++)
            spectrum[b] = (float)random_between(&r, 0, 1);
        assert_int_equal(affine_map_init(&m, &p, NULL, NULL, &e), 0);
        void *scratch = malloc(affine_map_scratch(&m));
        affine_map_apply(&m, SAMPLE_FLOAT32, spectrum, 1, NULL, 1, alone, scratch);
        for (size_t pixels = 1; pixels <= MOST; pixels++) {
            for (size_t place = 0; place < pixels; place++) {
                for (size_t i = 0; i < B * MOST; i++)
                    line[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : (float)random_between(&r, -1e30, 1e30);
                for (int b = 0; b < p.B; b++)
                    line[(size_t)b * pixels + place] = spectrum[b];
                affine_map_apply(&m, SAMPLE_FLOAT32, line, pixels, NULL, pixels, x, scratch);
                assert_memory_equal(x + place * K, alone, sizeof alone);
            }
        }
        affine_map_release(&m);
        preprocess_release(&p);
        free(scratch);
        free(line);
        free(x);
    }
}

/* Statistics of lines of random length, and the same in two passes over all of them. */
static void test_statistics_are_those_of_all_valid_pixels(void **state)
{
    (void)state;
    enum { B = 5, K = 7, LINES = 30, MOST = 50 };
    struct random r = {.state = 3};
    struct preprocess p = make(&r, B, K, true);
    struct affine_map m;
    struct scene_statistics s;
    struct err e;
    double *all = malloc((size_t)LINES * MOST * K * sizeof *all);
    size_t n = 0;
    assert_int_equal(affine_map_init(&m, &p, NULL, NULL, &e), 0);
    assert_int_equal(scene_statistics_init(&s, K, &e), 0);
    void *scratch = malloc(affine_map_scratch(&m));
    for (int line = 0; line < LINES; line++) {
        size_t pixels = 1 + random_below(&r, MOST);
        int16_t samples[B * MOST];
        uint8_t valid[MOST];
        for (size_t i = 0; i < pixels; i++) {
            double dn[B];
            valid[i] = random_below(&r, 4) != 0;
            for (size_t b = 0; b < B; b++)
                dn[b] = samples[b * pixels + i] = (int16_t)(valid[i] ? 10000 + random_below(&r, 100) : 0);
            for (int k = 0; valid[i] && k < K; k++)
                all[n * K + (size_t)k] = by_the_notes(&p, NULL, NULL, dn, k);
            n += valid[i];
        }
        scene_statistics_add(&s, &m, SAMPLE_INT16, samples, pixels, valid, pixels, scratch);
    }
    assert_int_equal(s.pixels, n);
    for (size_t k = 0; k < K; k++) {
        double mean = 0, m2 = 0;
        for (size_t i = 0; i < n; i++)
            mean += all[i * K + k] / (double)n;
        for (size_t i = 0; i < n; i++)
            m2 += (all[i * K + k] - mean) * (all[i * K + k] - mean);
        assert_true(fabs(s.mean[k] - mean) <= 1e-10 * fabs(mean));
        assert_true(fabs(s.m2[k] - m2) <= 1e-9 * m2);
    }
    scene_statistics_release(&s);
    affine_map_release(&m);
    preprocess_release(&p);
    free(scratch);
    free(all);
}

/* Gathers one line, folds its statistics in, and maps it again. */
static void normalize_line(const struct preprocess *p, const float *samples, const uint8_t *valid, size_t pixels,
                           float *x)
{
    struct affine_map m;
    struct scene_statistics s;
    struct err e;
    assert_int_equal(affine_map_init(&m, p, NULL, NULL, &e), 0);
    assert_int_equal(scene_statistics_init(&s, p->K, &e), 0);
    void *scratch = malloc(affine_map_scratch(&m));
    scene_statistics_add(&s, &m, SAMPLE_FLOAT32, samples, pixels, valid, pixels, scratch);
    affine_map_normalize(&m, &s);
    affine_map_apply(&m, SAMPLE_FLOAT32, samples, pixels, valid, pixels, x, scratch);
    free(scratch);
    scene_statistics_release(&s);
    affine_map_release(&m);
}

static void test_normalized_scene_has_mean_0_and_population_deviation_1(void **state)
{
    (void)state;
    enum { B = 6, PIXELS = 75 };
    struct random r = {.state = 4};
    for (int matrix = 0; matrix < 2; matrix++) {
        struct preprocess p = make(&r, B, B, matrix);
        float samples[B * PIXELS], x[PIXELS * B];
        uint8_t valid[PIXELS];
        int n = 0;
        for (size_t i = 0; i < B * PIXELS; i++)
            samples[i] = (float)random_between(&r, 5, 6);
        for (size_t i = 0; i < PIXELS; i++)
            n += valid[i] = i % 5 != 0;
        normalize_line(&p, samples, valid, PIXELS, x);
        for (size_t k = 0; k < B; k++) {
            double sum = 0, squares = 0;
            for (size_t i = 0; i < PIXELS; i++) {
                sum += (double)x[i * B + k];
                squares += (double)x[i * B + k] * (double)x[i * B + k];
                assert_true(valid[i] || x[i * B + k] == 0);
            }
            assert_true(fabs(sum / n) < 1e-5);
            assert_true(fabs(squares / n - 1) < 1e-5);
        }
        preprocess_release(&p);
    }
}

/* 0.1f sums with rounding errors; divided by their deviation of 1e-17 they would be anything. */
static void test_constant_band_becomes_zero_not_noise(void **state)
{
    (void)state;
    enum { B = 7, PIXELS = 100 };
    struct random r = {.state = 5};
    struct preprocess p = make(&r, B, B, true);
    float samples[B * PIXELS], x[PIXELS * B];
    for (size_t i = 0; i < B * PIXELS; i++)
        samples[i] = 0.1f;
    normalize_line(&p, samples, NULL, PIXELS, x);
    for (size_t i = 0; i < B * PIXELS; i++)
        assert_true(fabsf(x[i]) < 1e-12f);
    preprocess_release(&p);
}

static void test_scene_without_a_valid_pixel_keeps_the_map(void **state)
{
    (void)state;
    struct preprocess p = {.B = 1, .K = 1, .scale = (double[]){2}, .offset = (double[]){3}};
    float x[2];
    normalize_line(&p, (float[]){NAN, 1}, (uint8_t[]){0, 0}, 2, x);
    assert_true(x[0] == 0 && x[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_is_units_then_package_for_every_type),
        cmocka_unit_test(test_large_integers_are_not_rounded_before_the_map),
        cmocka_unit_test(test_reach_is_the_sample_that_makes_the_largest_input),
        cmocka_unit_test(test_bits_do_not_depend_on_place_or_neighbours),
        cmocka_unit_test(test_statistics_are_those_of_all_valid_pixels),
        cmocka_unit_test(test_normalized_scene_has_mean_0_and_population_deviation_1),
        cmocka_unit_test(test_constant_band_becomes_zero_not_noise),
        cmocka_unit_test(test_scene_without_a_valid_pixel_keeps_the_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
