/* Which pixels can be classified: nodata, what is not finite, masks. */
#include "scene/validity.h"
#include "tests/unit/support/expect.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BANDS = 3, COLUMNS = 8, STRIDE = 9 };

/* A cube of three bands, all picked, and what its nodata is. */
struct scene {
    struct package package;
    struct cube_description cube;
    struct cube_band band[BANDS];
    int picked[BANDS];
    struct spectral_match match;
    struct nodata_options options;
    struct validity_count count;
};

static void make(struct scene *s)
{
    memset(s, 0, sizeof *s);
    s->cube = (struct cube_description){.bands = BANDS, .band = s->band};
    s->match = (struct spectral_match){.B = BANDS, .picked = s->picked};
    for (int i = 0; i < BANDS; i++)
        s->picked[i] = i;
}

static void declare(struct scene *s, double nodata)
{
    for (int i = 0; i < BANDS; i++) {
        s->band[i].has_nodata = true;
        s->band[i].nodata = nodata;
    }
}

/* Marks one line of `columns` pixels, all of them counted, and compares: 'v' valid, '-' not. */
static void expect_line(struct scene *s, enum sample_type type, const void *samples, size_t stride, const uint8_t *mask,
                        const char *expected)
{
    struct validity v;
    struct err e;
    uint16_t scratch[64];
    uint8_t valid[64];
    char found[65] = "";
    size_t columns = strlen(expected);
    memset(scratch, 0xa5, sizeof scratch);
    memset(valid, 0xa5, sizeof valid);
    s->count = (struct validity_count){0};
    assert_int_equal(validity_init(&v, &s->package, &s->cube, &s->match, &s->options, &e), 0);
    validity_mark(&v, type, samples, stride, columns, mask, scratch, valid, 0, columns, &s->count);
    validity_release(&v);
    for (size_t i = 0; i < columns; i++)
        found[i] = valid[i] == 1 ? 'v' : valid[i] == 0 ? '-' : '?';
    assert_string_equal(found, expected);
    assert_int_equal(valid[columns], 0xa5);
}

static void expect_counts(const struct scene *s, uint64_t valid, uint64_t invalid, uint64_t partly)
{
    if (s->count.valid != valid || s->count.invalid != invalid || s->count.partly_nodata != partly)
        fail_msg("counted %d valid, %d invalid, %d partly nodata", (int)s->count.valid, (int)s->count.invalid,
                 (int)s->count.partly_nodata);
}

/* Pixels: whole, first band 0, two bands 0, all 0. */
static const int16_t zeros[BANDS][4] = {{1, 0, 0, 0}, {2, 2, 0, 0}, {3, 3, 3, 0}};

static void test_zero_nodata_in_one_band_keeps_the_pixel(void **state)
{
    struct scene s;
    (void)state;
    make(&s);
    declare(&s, 0);
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "vvv-");
    expect_counts(&s, 3, 1, 2);
    declare(&s, -0.0);
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "vvv-");
}

static void test_any_other_nodata_in_one_band_is_enough(void **state)
{
    static const int16_t samples[BANDS][4] = {{1, -9999, 0, -9999}, {2, 2, 0, -9999}, {3, 3, 0, -9999}};
    struct scene s;
    (void)state;
    make(&s);
    declare(&s, -9999);
    expect_line(&s, SAMPLE_INT16, samples, 4, NULL, "v-v-");
    expect_counts(&s, 2, 2, 1);
}

static void test_the_rule_can_be_asked_for(void **state)
{
    static const int16_t samples[BANDS][3] = {{5, 7, 7}, {5, 5, 7}, {5, 5, 7}};
    struct scene s;
    (void)state;
    make(&s);
    declare(&s, 0);
    s.options.rule = NODATA_ANY;
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "v---");
    declare(&s, 7);
    expect_line(&s, SAMPLE_INT16, samples, 3, NULL, "v--");
    s.options.rule = NODATA_ALL;
    expect_line(&s, SAMPLE_INT16, samples, 3, NULL, "vv-");
    expect_counts(&s, 2, 1, 1);
}

static void test_without_nodata_every_integer_is_a_measurement(void **state)
{
    static const enum nodata_rule rules[] = {NODATA_AUTO, NODATA_ANY, NODATA_ALL};
    struct scene s;
    (void)state;
    make(&s);
    for (int i = 0; i < 3; i++) {
        s.options.rule = rules[i];
        expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "vvvv");
        expect_counts(&s, 4, 0, 0);
    }
}

static void test_the_request_beats_the_file_and_the_file_the_package(void **state)
{
    struct scene s;
    (void)state;
    make(&s);
    s.package.has_nodata = true;
    s.package.nodata = 3;
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "---v"); /* the package's stands in */
    declare(&s, 2);
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "--vv");
    s.options = (struct nodata_options){.source = NODATA_GIVEN, .value = 1};
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "-vvv");
    s.options.source = NODATA_IGNORED;
    expect_line(&s, SAMPLE_INT16, zeros, 4, NULL, "vvvv"); /* also what the package says */
}

static void test_each_band_has_its_own_nodata(void **state)
{
    static const int16_t samples[BANDS][5] = {{1, 8, 7, 7, 9}, {1, 7, 8, 7, 9}, {1, 7, 7, 9, 9}};
    struct scene s;
    (void)state;
    make(&s);
    for (int i = 0; i < BANDS; i++)
        s.band[i] = (struct cube_band){.has_nodata = true, .nodata = 7 + i};
    expect_line(&s, SAMPLE_INT16, samples, 5, NULL, "vv---");
    expect_counts(&s, 2, 3, 3);
}

static void test_zero_in_some_bands_and_another_value_in_others_are_judged_apart(void **state)
{
    static const int16_t samples[BANDS][4] = {{0, 5, 0, 0}, {0, 5, 0, 5}, {3, -1, -1, 0}};
    struct scene s;
    struct validity v;
    struct err e;
    (void)state;
    make(&s);
    declare(&s, 0);
    s.band[2].nodata = -1;
    expect_line(&s, SAMPLE_INT16, samples, 4, NULL, "v--v");
    assert_int_equal(validity_init(&v, &s.package, &s.cube, &s.match, &s.options, &e), 0);
    assert_true(!v.all && v.any_nodata && v.shown == 0);
    validity_release(&v);
}

static void test_only_picked_bands_count(void **state)
{
    static const int16_t samples[2][3] = {{1, 5, 0}, {1, 1, 0}}; /* of bands 2 and 0 */
    struct scene s;
    (void)state;
    make(&s);
    s.match.B = 2;
    s.picked[0] = 2;
    s.picked[1] = 0;
    s.band[2] = (struct cube_band){.has_nodata = true, .nodata = 5};
    s.band[1] = (struct cube_band){.has_nodata = true, .nodata = 1};
    expect_line(&s, SAMPLE_INT16, samples, 3, NULL, "v-v");
    declare(&s, 0);
    expect_line(&s, SAMPLE_INT16, samples, 3, NULL, "vv-"); /* all of two, not of three */
}

static void test_float32_nodata_given_as_text_is_the_float_that_it_becomes(void **state)
{
    static const float samples[BANDS][5] = {
        {-9999.1f, -9999.f, 0.1f, -FLT_MAX, 1e-40f}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}};
    struct scene s;
    (void)state;
    make(&s);
    declare(&s, strtod("-9999.1", NULL));
    expect_line(&s, SAMPLE_FLOAT32, samples, 5, NULL, "-vvvv");
    declare(&s, strtod("0.1", NULL));
    expect_line(&s, SAMPLE_FLOAT32, samples, 5, NULL, "vv-vv");
    declare(&s, strtod("-3.4028235e+38", NULL));
    expect_line(&s, SAMPLE_FLOAT32, samples, 5, NULL, "vvv-v");
    declare(&s, 1e300); /* no float at all */
    expect_line(&s, SAMPLE_FLOAT32, samples, 5, NULL, "vvvvv");
}

static void test_not_finite_in_any_band_is_invalid_whatever_the_rule(void **state)
{
    static const float floats[BANDS][5] = {{1, NAN, 1, 1, NAN}, {1, 1, INFINITY, 1, NAN}, {1, 1, 1, -INFINITY, NAN}};
    static const enum nodata_rule rules[] = {NODATA_AUTO, NODATA_ANY, NODATA_ALL};
    double doubles[BANDS][5];
    struct scene s;
    (void)state;
    for (int i = 0; i < BANDS * 5; i++)
        doubles[i / 5][i % 5] = (double)floats[i / 5][i % 5];
    make(&s);
    for (int i = 0; i < 3; i++) {
        s.options = (struct nodata_options){.rule = rules[i]};
        expect_line(&s, SAMPLE_FLOAT32, floats, 5, NULL, "v----");
        expect_line(&s, SAMPLE_FLOAT64, doubles, 5, NULL, "v----");
        s.options.source = NODATA_GIVEN;
        s.options.value = NAN;
        expect_line(&s, SAMPLE_FLOAT32, floats, 5, NULL, "v----");
        expect_line(&s, SAMPLE_FLOAT64, doubles, 5, NULL, "v----");
    }
}

static void test_largest_finite_values_are_measurements(void **state)
{
    static const float floats[BANDS][2] = {{FLT_MAX, FLT_MIN}, {-FLT_MAX, 1e-45f}, {0, -0.f}};
    static const double doubles[BANDS][2] = {{DBL_MAX, DBL_MIN}, {-DBL_MAX, 5e-324}, {0, -0.}};
    struct scene s;
    (void)state;
    make(&s);
    expect_line(&s, SAMPLE_FLOAT32, floats, 2, NULL, "vv");
    expect_line(&s, SAMPLE_FLOAT64, doubles, 2, NULL, "vv");
}

static void test_nodata_that_the_type_cannot_hold_equals_nothing(void **state)
{
    static const uint8_t bytes[BANDS][4] = {{241, 0, 255, 128}, {1, 1, 1, 1}, {1, 1, 1, 1}};
    static const int16_t shorts[BANDS][3] = {{-1, 0, 1}, {5, 5, 5}, {5, 5, 5}};
    static const double other[] = {-9999, 256, 497, -15, 0.5, 1e300, -1e300, 4294967296.0 + 241, NAN, INFINITY};
    struct scene s;
    (void)state;
    make(&s);
    s.options.rule = NODATA_ANY;
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        declare(&s, other[i]);
        expect_line(&s, SAMPLE_UINT8, bytes, 4, NULL, "vvvv");
    }
    declare(&s, 65535); /* -1 as an unsigned short */
    expect_line(&s, SAMPLE_INT16, shorts, 3, NULL, "vvv");
}

#define EXPECT_LIMITS(type, c_type, least, most)                                                                       \
    do {                                                                                                               \
        const c_type samples[BANDS][3] = {{least, most, 3}, {3, 3, 3}, {3, 3, 3}};                                     \
        s.options.rule = NODATA_ANY;                                                                                   \
        declare(&s, (double)(least));                                                                                  \
        expect_line(&s, type, samples, 3, NULL, "-vv");                                                                \
        declare(&s, (double)(most));                                                                                   \
        expect_line(&s, type, samples, 3, NULL, "v-v");                                                                \
    } while (0)

static void test_nodata_at_the_ends_of_every_type(void **state)
{
    struct scene s;
    (void)state;
    make(&s);
    EXPECT_LIMITS(SAMPLE_UINT8, uint8_t, 0, UINT8_MAX);
    EXPECT_LIMITS(SAMPLE_INT16, int16_t, INT16_MIN, INT16_MAX);
    EXPECT_LIMITS(SAMPLE_UINT16, uint16_t, 0, UINT16_MAX);
    EXPECT_LIMITS(SAMPLE_INT32, int32_t, INT32_MIN, INT32_MAX);
    EXPECT_LIMITS(SAMPLE_UINT32, uint32_t, 0, UINT32_MAX);
    EXPECT_LIMITS(SAMPLE_FLOAT32, float, -FLT_MAX, FLT_MAX);
    EXPECT_LIMITS(SAMPLE_FLOAT64, double, -DBL_MAX, DBL_MAX);
}

static void test_a_masked_pixel_is_invalid(void **state)
{
    static const uint8_t mask[] = {255, 0, 1, 0};
    struct scene s;
    (void)state;
    make(&s);
    declare(&s, 0);
    expect_line(&s, SAMPLE_INT16, zeros, 4, mask, "v-v-");
    expect_counts(&s, 2, 2, 2);
}

static void test_only_the_counted_part_of_a_line_is_counted(void **state)
{
    int16_t samples[BANDS][STRIDE];
    uint16_t scratch[COLUMNS];
    uint8_t valid[COLUMNS];
    struct validity v;
    struct err e;
    struct scene s;
    (void)state;
    make(&s);
    declare(&s, 0);
    for (int i = 0; i < BANDS * STRIDE; i++)
        samples[i / STRIDE][i % STRIDE] = 1;
    for (int b = 0; b < BANDS; b++)
        samples[b][1] = samples[b][4] = samples[b][8] = 0; /* 1: in the halo; 8: behind the line */
    samples[0][5] = samples[0][6] = 0;
    assert_int_equal(validity_init(&v, &s.package, &s.cube, &s.match, &s.options, &e), 0);
    validity_mark(&v, SAMPLE_INT16, samples, STRIDE, COLUMNS, NULL, scratch, valid, 2, 4, &s.count);
    assert_memory_equal(valid, ((uint8_t[]){1, 0, 1, 1, 0, 1, 1, 1}), COLUMNS);
    expect_counts(&s, 3, 1, 1);
    validity_mark(&v, SAMPLE_INT16, samples, STRIDE, COLUMNS, NULL, scratch, valid, 2, 4, &s.count);
    expect_counts(&s, 6, 2, 2); /* added to what was there */
    validity_mark(&v, SAMPLE_INT16, samples, STRIDE, COLUMNS, NULL, scratch, valid, 0, 0, NULL);
    validity_release(&v);
}

static void test_what_is_reported_is_what_was_decided(void **state)
{
    struct scene s;
    struct validity v;
    struct err e;
    (void)state;
    make(&s);
    s.band[1] = (struct cube_band){.has_nodata = true, .nodata = -5};
    assert_int_equal(validity_init(&v, &s.package, &s.cube, &s.match, &s.options, &e), 0);
    assert_true(v.any_nodata && v.shown == -5 && !v.all);
    validity_release(&v);
    declare(&s, 0);
    assert_int_equal(validity_init(&v, &s.package, &s.cube, &s.match, &s.options, &e), 0);
    assert_true(v.any_nodata && v.shown == 0 && v.all);
    validity_release(&v);
    s.options.source = NODATA_IGNORED;
    assert_int_equal(validity_init(&v, &s.package, &s.cube, &s.match, &s.options, &e), 0);
    assert_false(v.any_nodata);
    validity_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_nodata_in_one_band_keeps_the_pixel),
        cmocka_unit_test(test_any_other_nodata_in_one_band_is_enough),
        cmocka_unit_test(test_the_rule_can_be_asked_for),
        cmocka_unit_test(test_without_nodata_every_integer_is_a_measurement),
        cmocka_unit_test(test_the_request_beats_the_file_and_the_file_the_package),
        cmocka_unit_test(test_each_band_has_its_own_nodata),
        cmocka_unit_test(test_zero_in_some_bands_and_another_value_in_others_are_judged_apart),
        cmocka_unit_test(test_only_picked_bands_count),
        cmocka_unit_test(test_float32_nodata_given_as_text_is_the_float_that_it_becomes),
        cmocka_unit_test(test_not_finite_in_any_band_is_invalid_whatever_the_rule),
        cmocka_unit_test(test_largest_finite_values_are_measurements),
        cmocka_unit_test(test_nodata_that_the_type_cannot_hold_equals_nothing),
        cmocka_unit_test(test_nodata_at_the_ends_of_every_type),
        cmocka_unit_test(test_a_masked_pixel_is_invalid),
        cmocka_unit_test(test_only_the_counted_part_of_a_line_is_counted),
        cmocka_unit_test(test_what_is_reported_is_what_was_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
