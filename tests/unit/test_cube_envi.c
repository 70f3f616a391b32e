/* ENVI pairs: every layout reads as the same scene; what is short, long, or half a pair is refused. */
#include "scene/cube_internal.h"
#include "scene/label_raster.h"
#include "tests/unit/support/envi_file.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct envi_form plain = {.samples = 13, .lines = 9, .bands = 7, .interleave = "bil", .data_type = 2};

/* A window of the cube, bands picked in any order, equals the values that were written; beside it nothing is touched.
 */
static void expect_window(struct cube *c, const struct envi_form *f, const int *picked, int B, int column, int line,
                          int columns, int lines)
{
    struct err e;
    enum sample_type type = cube_describe(c)->type;
    size_t stride = (size_t)columns + 3, size = sample_size(type), all = (size_t)lines * (size_t)B * stride * size;
    unsigned char *samples = malloc(all);
    uint8_t *mask = malloc((size_t)lines * stride);
    double *row = malloc((size_t)columns * sizeof *row);
    memset(samples, 0xa5, all);
    memset(mask, 0xa5, (size_t)lines * stride);
    if (cube_read(c, picked, B, column, line, columns, lines, samples, stride, mask, stride, NULL, &e) != 0)
        fail_msg("%s", e.message);
    for (int k = 0; k < lines; k++)
        for (int b = 0; b < B; b++) {
            unsigned char *from = samples + ((size_t)k * (size_t)B + (size_t)b) * stride * size;
            sample_to_double(type, from, 1, (size_t)columns, row);
            for (int i = 0; i < columns; i++)
                if (row[i] != envi_file_value(f->data_type, line + k, picked[b], column + i))
                    fail_msg("line %d band %d column %d: %g", line + k, picked[b], column + i, row[i]);
            for (size_t i = (size_t)columns * size; i < stride * size && (k < lines - 1 || b < B - 1); i++)
                assert_int_equal(from[i], 0xa5);
            assert_int_equal(mask[(size_t)k * stride], 255);
        }
    free(samples);
    free(mask);
    free(row);
}

static void expect_form(const struct envi_form *f, enum sample_type type)
{
    static const int order[] = {6, 0, 3, 3, 1}, all[] = {0, 1, 2, 3, 4, 5, 6}, one[] = {4};
    struct scratch s;
    scratch_open(&s);
    envi_file_write(&s, "cube", f);
    struct cube *c = envi_file_open(&s, "cube");
    const struct cube_description *d = cube_describe(c);
    assert_int_equal(d->columns, f->samples);
    assert_int_equal(d->lines, f->lines);
    assert_int_equal(d->bands, f->bands);
    assert_int_equal(d->type, type);
    assert_string_equal(d->driver, "ENVI");
    expect_window(c, f, all, 7, 0, 0, f->samples, f->lines);
    expect_window(c, f, order, 5, 2, 3, 5, 4);
    expect_window(c, f, one, 1, f->samples - 1, f->lines - 1, 1, 1);
    expect_window(c, f, all, 7, 0, 1, f->samples, 1);
    cube_close(c);
    scratch_close(&s);
}

static void test_every_layout_reads_as_the_same_scene(void **state)
{
    static const struct {
        int code;
        enum sample_type type;
    } types[] = {{1, SAMPLE_UINT8},   {2, SAMPLE_INT16},   {3, SAMPLE_INT32},  {4, SAMPLE_FLOAT32},
                 {5, SAMPLE_FLOAT64}, {12, SAMPLE_UINT16}, {13, SAMPLE_UINT32}};
    static const char *const interleaves[] = {"bsq", "bil", "bip"};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int i = 0; i < 3; i++)
            for (int big = 0; big < 2; big++)
                for (int offset = 0; offset < 2000; offset += 1001) {
                    struct envi_form f = plain;
                    f.data_type = types[t].code;
                    f.interleave = interleaves[i];
                    f.big_endian = big;
                    f.offset = offset;
                    expect_form(&f, types[t].type);
                }
}

/* GDAL holds an offset in an int: ours is applied before it looks. */
static void test_offset_beyond_four_gigabytes(void **state)
{
    struct envi_form f = plain;
    (void)state;
    f.offset = 5000000001;
    expect_form(&f, SAMPLE_INT16);
}

static void test_description_holds_what_the_header_says(void **state)
{
    struct envi_form f = plain;
    struct scratch s;
    (void)state;
    f.more = "wavelength units = Micrometers\nwavelength = {0.4, 0.5, 0.6, 0.7, 0.65, 0.8, 0.9}\n"
             "fwhm = {0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02}\nbbl = {1, 1, 0, 1, 1, 1, 1}\n"
             "data ignore value = -9999\nreflectance scale factor = 10000\ndefault bands = {3, 2, 1}\n"
             "data gain values = {2, 2, 2, 2, 2, 2, 4}\ndata offset values = {0, 0, 0, 0, 0, 0, 1}\n"
             "map info = {UTM, 1.5, 1.5, 500000, 4000000, 30, 20, 11, North, WGS-84, units=Meters}\n";
    scratch_open(&s);
    envi_file_write(&s, "cube", &f);
    struct cube *c = envi_file_open(&s, "cube");
    const struct cube_description *d = cube_describe(c);
    assert_true(d->has_wavelengths && d->has_band_scale && !d->has_mask && d->has_reflectance_scale_factor);
    assert_true(d->reflectance_scale_factor == 10000);
    assert_float_equal(d->band[4].wavelength_nm, 650, 1e-9);
    assert_float_equal(d->band[6].fwhm_nm, 20, 1e-9);
    assert_true(d->band[2].bad && !d->band[3].bad && !d->band[0].alpha);
    assert_true(d->band[5].has_nodata && d->band[5].nodata == -9999);
    assert_true(d->band[6].gain == 4 && d->band[6].offset == 1 && d->band[0].gain == 2);
    assert_true(d->default_bands[0] == 3 && d->default_bands[2] == 1);
    assert_string_equal(d->interleave, "LINE");
    assert_string_equal(d->crs, "EPSG:32611");
    assert_true(d->has_geotransform && d->gcp_count == 0);
    static const double place[] = {499985, 30, 0, 4000010, 0, -20};
    for (int i = 0; i < 6; i++)
        assert_float_equal(d->geotransform[i], place[i], 1e-6);
    cube_close(c);
    scratch_close(&s);
}

/* No header is known that GDAL would understand otherwise: so an open cube is described with one that is not its own.
 */
static void test_a_header_that_gdal_understood_otherwise_is_refused(void **state)
{
    const struct envi_header own = {.samples = 13, .lines = 9, .bands = 7, .type = SAMPLE_INT16};
    struct envi_header others[] = {own, own, own, own, own};
    struct scratch s;
    (void)state;
    others[1].samples = 14;
    others[2].lines = 8;
    others[3].bands = 6; /* GDAL's count is larger than the lists are long */
    others[4].type = SAMPLE_UINT16;
    scratch_open(&s);
    envi_file_write(&s, "cube", &plain);
    struct cube *c = envi_file_open(&s, "cube");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct cube again = {.dataset = c->dataset, .source = c->source};
        struct err e;
        int result = cube_fill_description(&again, &others[i], &cube_limits_default, 13 * 9 * 7 * 2, &e);
        free(again.band);
        free(again.d.crs);
        assert_int_equal(result, i == 0 ? 0 : -1);
        if (result != 0)
            expect_error(&e, ERR_INPUT, "understood in two ways", "another header");
    }
    cube_close(c);
    scratch_close(&s);
}

static void test_data_one_byte_short_or_long_is_refused(void **state)
{
    struct scratch s;
    struct cube *c;
    struct err e;
    (void)state;
    scratch_open(&s);
    envi_file_write(&s, "cube", &plain);
    assert_int_equal(truncate(scratch_path(&s, "cube"), 13 * 9 * 7 * 2 - 1), 0);
    assert_int_equal(envi_file_try(&s, "cube", &c, &e), -1);
    expect_error(&e, ERR_INPUT, "makes 1638 bytes, and the data has 1637", "short");
    assert_int_equal(truncate(scratch_path(&s, "cube"), 13 * 9 * 7 * 2 + 1), 0);
    assert_int_equal(envi_file_try(&s, "cube", &c, &e), -1);
    expect_error(&e, ERR_INPUT, "too long", "long");
    scratch_close(&s);
}

static void test_data_that_shrinks_after_opening_is_an_error_not_zeros(void **state)
{
    static const int first = 0;
    struct scratch s;
    struct err e;
    int16_t samples[13];
    (void)state;
    scratch_open(&s);
    envi_file_write(&s, "cube", &plain);
    struct cube *c = envi_file_open(&s, "cube");
    assert_int_equal(truncate(scratch_path(&s, "cube"), 700), 0);
    assert_int_equal(cube_read(c, &first, 1, 0, 8, 13, 1, samples, 13, NULL, 0, NULL, &e), -1);
    expect_error(&e, ERR_INPUT, "truncated or damaged", "shrunk");
    cube_close(c);
    scratch_close(&s);
}

/* The header that was checked is the one that holds, not one that happens to lie beside the data. */
static void test_header_beside_the_data_is_not_looked_at(void **state)
{
    static const int all[] = {0, 1, 2, 3, 4, 5, 6};
    struct scratch s;
    struct cube *c;
    struct err e;
    char data[128], header[136];
    (void)state;
    scratch_open(&s);
    envi_file_write(&s, "cube", &plain);
    snprintf(data, sizeof data, "%s", scratch_path(&s, "cube.hdr"));
    snprintf(header, sizeof header, "%s", scratch_path(&s, "elsewhere"));
    assert_int_equal(rename(data, header), 0);
    scratch_write(&s, "cube.hdr", "ENVI\nsamples = 1\n", 17);
    snprintf(data, sizeof data, "%s", scratch_path(&s, "cube"));
    assert_int_equal(cube_open(&c, &(struct cube_files){.data = data, .header = header}, &cube_limits_default, &e), 0);
    expect_window(c, &plain, all, 7, 0, 0, 13, 9);
    cube_close(c);
    scratch_close(&s);
}

static void test_canceled_read_stops(void **state)
{
    static const int first = 0;
    atomic_bool cancel = true;
    struct scratch s;
    struct err e;
    int16_t samples[13 * 9];
    (void)state;
    scratch_open(&s);
    envi_file_write(&s, "cube", &plain);
    struct cube *c = envi_file_open(&s, "cube");
    assert_int_equal(cube_read(c, &first, 1, 0, 0, 13, 9, samples, 13, NULL, 0, &cancel, &e), -1);
    assert_int_equal(e.code, ERR_CANCELED);
    atomic_store(&cancel, false);
    assert_int_equal(cube_read(c, &first, 1, 0, 0, 13, 9, samples, 13, NULL, 0, &cancel, &e), 0);
    cube_close(c);
    scratch_close(&s);
}

static void test_limits_hold_before_the_data_is_looked_at(void **state)
{
    const struct cube_limits few_bands = {.pixels = 1000, .bands = 6, .inflation = 10};
    const struct cube_limits few_pixels = {.pixels = 13 * 9 - 1, .bands = 7, .inflation = 10};
    struct scratch s;
    struct cube *c;
    struct err e;
    char data[128], header[136];
    (void)state;
    scratch_open(&s);
    envi_file_write(&s, "cube", &plain);
    snprintf(data, sizeof data, "%s", scratch_path(&s, "cube"));
    snprintf(header, sizeof header, "%s.hdr", data);
    const struct cube_files files = {.data = data, .header = header};
    assert_int_equal(cube_open(&c, &files, &few_bands, &e), -1);
    expect_error(&e, ERR_LIMIT, "7 bands; at most 6", "bands");
    assert_int_equal(cube_open(&c, &files, &few_pixels, &e), -1);
    expect_error(&e, ERR_LIMIT, "117 pixels; at most 116", "pixels");
    assert_null(c);
    scratch_close(&s);
}

/* A classification is no cube, but the usual form of a truth. */
static void test_a_classification_is_a_truth_and_no_cube(void **state)
{
    static const char text[] =
        "ENVI\nsamples = 3\nlines = 2\nbands = 1\nfile type = ENVI Classification\ndata type = 1\n"
        "interleave = bsq\nclasses = 3\nclass names = {Unclassified, a, b}\n";
    static const uint8_t ids[] = {0, 1, 2, 2, 0, 255};
    struct scratch s;
    struct cube *c;
    struct err e;
    uint16_t *truth;
    (void)state;
    scratch_open(&s);
    scratch_write(&s, "truth.hdr", text, sizeof text - 1);
    scratch_write(&s, "truth", ids, sizeof ids);
    assert_int_equal(envi_file_try(&s, "truth", &c, &e), -1);
    expect_error(&e, ERR_INPUT, "'ENVI Classification'; only 'ENVI Standard' is a cube", "a classification");
    assert_int_equal(label_raster_read_truth(scratch_path(&s, "truth.hdr"), 3, 2, 1, 0, 2, 2, &truth, &e), 0);
    assert_true(truth[0] == 1 && truth[1] == 2 && truth[2] == 0 && truth[3] == 255);
    free(truth);
    scratch_close(&s);
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layout_reads_as_the_same_scene),
        cmocka_unit_test(test_offset_beyond_four_gigabytes),
        cmocka_unit_test(test_description_holds_what_the_header_says),
        cmocka_unit_test(test_a_header_that_gdal_understood_otherwise_is_refused),
        cmocka_unit_test(test_data_one_byte_short_or_long_is_refused),
        cmocka_unit_test(test_data_that_shrinks_after_opening_is_an_error_not_zeros),
        cmocka_unit_test(test_header_beside_the_data_is_not_looked_at),
        cmocka_unit_test(test_canceled_read_stops),
        cmocka_unit_test(test_a_classification_is_a_truth_and_no_cube),
        cmocka_unit_test(test_limits_hold_before_the_data_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
