/* Which bands of a cube feed a package, and by what factor. */
#include "scene/spectral.h"
#include "tests/unit/support/expect.h"
#include <math.h>
#include <string.h>

enum { MOST = 16 };

/* A package of B bands and a cube of `bands`, in memory; wavelengths where given. */
struct pair {
    struct package package;
    struct cube_description cube;
    struct cube_band band[MOST];
    double wavelengths[MOST], fwhm[MOST];
};

static void make(struct pair *t, int B, const double *model, int bands, const double *cube)
{
    memset(t, 0, sizeof *t);
    t->package.preprocess.B = B;
    if (model != NULL) {
        memcpy(t->wavelengths, model, (size_t)B * sizeof *model);
        t->package.wavelengths_nm = t->wavelengths;
    }
    t->cube = (struct cube_description){.bands = bands, .band = t->band, .has_wavelengths = cube != NULL};
    for (int i = 0; i < bands; i++)
        t->band[i] = (struct cube_band){.wavelength_nm = cube != NULL ? cube[i] : NAN, .fwhm_nm = NAN, .gain = 1};
}

static const struct spectral_options usual = {0};

static void expect_picked_by(const struct pair *t, const struct spectral_options *o, bool by_wavelength,
                             const int *picked)
{
    struct spectral_match m;
    struct err e = {0};
    if (spectral_match_init(&m, &t->package, &t->cube, o, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(m.B, t->package.preprocess.B);
    assert_int_equal(m.by_wavelength, by_wavelength);
    for (int b = 0; b < m.B; b++)
        if (m.picked[b] != picked[b])
            fail_msg("band %d of the model is fed by %d, not %d", b, m.picked[b], picked[b]);
    spectral_match_release(&m);
}
#define EXPECT_PICKED(t, ...) expect_picked_by(t, &usual, true, (const int[]){__VA_ARGS__})

static void expect_refused_with(const struct pair *t, const struct spectral_options *o, const char *part)
{
    struct spectral_match m;
    struct err e = {0};
    if (spectral_match_init(&m, &t->package, &t->cube, o, &e) == 0)
        fail_msg("accepted, expected: %s", part);
    expect_error(&e, ERR_INPUT, part, part);
    assert_null(m.picked);
}

static void test_nearest_band_within_5_nm_where_the_package_has_no_fwhm(void **state)
{
    struct pair t;
    (void)state;
    make(&t, 2, (double[]){500, 600}, 5, (double[]){490, 497, 501, 595, 606});
    EXPECT_PICKED(&t, 2, 3); /* 595 is exactly 5 nm away */
    t.band[3].wavelength_nm = 594.9;
    expect_refused_with(&t, &usual, "no good band near 1 of 2 (600.0 nm)");
}

static void test_nearest_band_within_half_the_package_s_fwhm(void **state)
{
    struct pair t;
    (void)state;
    make(&t, 3, (double[]){500, 600, 700}, 3, (double[]){510, 601, 704});
    t.package.fwhm_nm = t.fwhm;
    t.fwhm[0] = 20;
    t.fwhm[1] = 2;
    t.fwhm[2] = NAN; /* not known: 5 nm */
    EXPECT_PICKED(&t, 0, 1, 2);
    t.fwhm[0] = 19.9;
    expect_refused_with(&t, &usual, "(500.0 nm)");
    t.fwhm[0] = 20;
    t.fwhm[1] = 1.9;
    expect_refused_with(&t, &usual, "(600.0 nm)"); /* narrower than the 5 nm */
    t.fwhm[1] = 0;
    EXPECT_PICKED(&t, 0, 1, 2);
    for (int i = 0; i < 3; i++)
        t.band[i].fwhm_nm = 0.01; /* the cube's own does not matter */
    EXPECT_PICKED(&t, 0, 1, 2);
}

static void test_a_tie_goes_to_the_lower_band(void **state)
{
    struct pair t;
    (void)state;
    make(&t, 1, (double[]){500}, 3, (double[]){502, 498, 498});
    EXPECT_PICKED(&t, 0);
    /* A tie in micrometres is no less a tie for what the conversion rounds: 0.4998 and 0.5002 um. */
    t.band[0].wavelength_nm = 0.5002 * 1000 + 1e-10;
    t.band[1].wavelength_nm = 0.4998 * 1000;
    EXPECT_PICKED(&t, 0);
    t.band[1].wavelength_nm = 499.9;
    EXPECT_PICKED(&t, 1);
}

static void test_bad_and_alpha_bands_are_no_candidates_by_wavelength(void **state)
{
    struct pair t;
    (void)state;
    make(&t, 1, (double[]){500}, 4, (double[]){500, 500.5, 503, 504});
    t.band[0].bad = true;
    t.band[1].alpha = true;
    EXPECT_PICKED(&t, 2);
    t.band[2].bad = t.band[3].alpha = true;
    expect_refused_with(&t, &usual, "no good band near 1 of 1 (500.0 nm)");
}

static void test_overlapping_detectors_need_no_order(void **state)
{
    struct pair t;
    (void)state;
    /* Two detectors, the second beginning below the first one's end, as EnMAP's do. */
    make(&t, 4, (double[]){900, 911, 905, 922}, 6, (double[]){890, 901, 912, 904, 914, 924});
    EXPECT_PICKED(&t, 1, 2, 3, 5);
    make(&t, 3, (double[]){700, 600, 500}, 3, (double[]){500, 600, 700});
    EXPECT_PICKED(&t, 2, 1, 0);
    make(&t, 2, (double[]){500, 501}, 2, (double[]){500.4, 900}); /* one band may feed two */
    EXPECT_PICKED(&t, 0, 0);
}

static void test_uncovered_wavelengths_are_named_with_both_ranges(void **state)
{
    struct pair t;
    (void)state;
    make(&t, 5, (double[]){400, 500, 600, 700, 800}, 5, (double[]){450, 500, 900, 950, 990});
    t.band[4].bad = true; /* not in the range that can be used */
    expect_refused_with(
        &t, &usual,
        "no good band near 4 of 5 (400.0, 600.0, 700.0, ... nm); the model's range is 400.0 to 800.0 nm, "
        "the cube's 450.0 to 950.0 nm");
}

static void test_by_index_where_one_of_them_has_no_wavelengths(void **state)
{
    struct pair t;
    static const double three[] = {400, 500, 600};
    (void)state;
    make(&t, 3, NULL, 3, three);
    expect_picked_by(&t, &usual, false, (const int[]){0, 1, 2});
    make(&t, 3, three, 3, NULL);
    t.band[1].bad = true; /* the count decides: bad bands are still bands */
    expect_picked_by(&t, &usual, false, (const int[]){0, 1, 2});
    make(&t, 2, NULL, 3, NULL);
    t.band[0].alpha = true;
    expect_picked_by(&t, &usual, false, (const int[]){1, 2});
}

static void test_wrong_count_says_expected_and_found(void **state)
{
    struct pair t;
    struct cube_band bands[200] = {{0}};
    (void)state;
    make(&t, 3, NULL, 4, NULL);
    t.package.preprocess.B = 204;
    t.cube.band = bands;
    t.cube.bands = 200;
    bands[0].alpha = bands[199].alpha = true;
    expect_refused_with(&t, &usual, "expected 204 bands, got 198");
    make(&t, 2, (double[]){400, 2500}, 3, NULL);
    expect_refused_with(&t, &usual, "expected 2 bands, got 3; the model's range is 400.0 to 2500.0 nm");
}

static void test_the_request_overrides_how_bands_are_matched(void **state)
{
    static const struct spectral_options index = {.bands = BANDS_INDEX}, wavelength = {.bands = BANDS_WAVELENGTH};
    struct pair t;
    (void)state;
    make(&t, 2, (double[]){600, 500}, 2, (double[]){500, 600});
    expect_picked_by(&t, &index, false, (const int[]){0, 1});
    expect_picked_by(&t, &wavelength, true, (const int[]){1, 0});
    make(&t, 2, (double[]){600, 500}, 2, NULL);
    expect_refused_with(&t, &wavelength, "bands=wavelength: the cube has no wavelengths");
    make(&t, 2, NULL, 2, (double[]){500, 600});
    expect_refused_with(&t, &wavelength, "bands=wavelength: the model has no wavelengths");
}

static void expect_scaling(const struct pair *t, const struct spectral_options *o, double gain, double offset,
                           const char *text)
{
    struct spectral_match m;
    struct err e = {0};
    if (spectral_match_init(&m, &t->package, &t->cube, o, &e) != 0)
        fail_msg("%s", e.message);
    for (int b = 0; b < m.B; b++)
        assert_true(m.gain[b] == gain && m.offset[b] == offset);
    assert_string_equal(m.scaling, text);
    spectral_match_release(&m);
}

static void test_exactly_one_scaling_is_applied(void **state)
{
    static const struct spectral_options request = {.has_scale = true, .scale = 0.5};
    struct pair t;
    (void)state;
    make(&t, 2, NULL, 2, NULL);
    expect_scaling(&t, &usual, 1, 0, "none");
    t.cube.has_reflectance_scale_factor = true;
    t.cube.reflectance_scale_factor = 10000;
    expect_scaling(&t, &usual, 1.0 / 10000, 0, "reflectance scale factor 10000");
    t.cube.has_band_scale = true; /* before the factor, not together with it */
    t.band[0].gain = t.band[1].gain = 0.0001;
    expect_scaling(&t, &usual, 0.0001, 0, "band scale 0.0001");
    t.band[0].offset = t.band[1].offset = -0.1;
    expect_scaling(&t, &usual, 0.0001, -0.1, "band scale 0.0001 and offset -0.1");
    t.package.scaling_none = true;
    expect_scaling(&t, &usual, 1, 0, "none");
    expect_scaling(&t, &request, 0.5, 0, "request 0.5");
    t.package.scaling_none = false;
    expect_scaling(&t, &request, 0.5, 0, "request 0.5");
}

static void test_band_scales_follow_the_band_that_was_picked(void **state)
{
    struct spectral_match m;
    struct err e;
    struct pair t;
    (void)state;
    make(&t, 2, (double[]){600, 500}, 3, (double[]){500, 550, 600});
    t.cube.has_band_scale = true;
    t.band[0].gain = 2;
    t.band[0].offset = 7;
    t.band[1].gain = 0; /* not picked: no harm */
    t.band[2].gain = 3;
    assert_int_equal(spectral_match_init(&m, &t.package, &t.cube, &usual, &e), 0);
    assert_true(m.gain[0] == 3 && m.offset[0] == 0 && m.gain[1] == 2 && m.offset[1] == 7);
    assert_string_equal(m.scaling, "band scale and offset, not the same for all");
    spectral_match_release(&m);
}

static void test_a_scale_that_cannot_be_applied_is_refused_unless_overridden(void **state)
{
    static const struct spectral_options request = {.has_scale = true, .scale = 2};
    static const double bad[] = {0, NAN, INFINITY};
    struct pair t;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make(&t, 2, NULL, 2, NULL);
        t.cube.has_band_scale = true;
        t.band[1].gain = bad[i];
        expect_refused_with(&t, &usual, "band 2 declares the scale");
        expect_scaling(&t, &request, 2, 0, "request 2");
        make(&t, 2, NULL, 2, NULL);
        t.cube.has_reflectance_scale_factor = true;
        t.cube.reflectance_scale_factor = bad[i];
        expect_refused_with(&t, &usual, "reflectance scale factor is");
        t.package.scaling_none = true;
        expect_scaling(&t, &usual, 1, 0, "none");
    }
    make(&t, 2, NULL, 2, NULL);
    t.cube.has_band_scale = true;
    t.band[0].offset = NAN;
    expect_refused_with(&t, &usual, "band 1 declares the scale 1 and the offset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_band_within_5_nm_where_the_package_has_no_fwhm),
        cmocka_unit_test(test_nearest_band_within_half_the_package_s_fwhm),
        cmocka_unit_test(test_a_tie_goes_to_the_lower_band),
        cmocka_unit_test(test_bad_and_alpha_bands_are_no_candidates_by_wavelength),
        cmocka_unit_test(test_overlapping_detectors_need_no_order),
        cmocka_unit_test(test_uncovered_wavelengths_are_named_with_both_ranges),
        cmocka_unit_test(test_by_index_where_one_of_them_has_no_wavelengths),
        cmocka_unit_test(test_wrong_count_says_expected_and_found),
        cmocka_unit_test(test_the_request_overrides_how_bands_are_matched),
        cmocka_unit_test(test_exactly_one_scaling_is_applied),
        cmocka_unit_test(test_band_scales_follow_the_band_that_was_picked),
        cmocka_unit_test(test_a_scale_that_cannot_be_applied_is_refused_unless_overridden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
