/* Masks: the dataset's own and alpha bands; not what GDAL derives from nodata. */
#include "tests/unit/support/expect.h"
#include "tests/unit/support/tiff_file.h"
#include <cpl_conv.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { COLUMNS = 10, LINES = 6 };

static const struct tiff_form plain = {.columns = COLUMNS, .lines = LINES, .bands = 3, .type = GDT_Int16};

/* The mask of a window, with a stride, and the samples untouched by it. */
static void read_mask(struct cube *c, int column, int line, int columns, int lines, uint8_t *mask, size_t stride)
{
    static const int first = 0;
    struct err e;
    double samples[COLUMNS * LINES];
    assert_int_equal(sample_size(cube_describe(c)->type) <= sizeof(double), 1);
    if (cube_read(c, &first, 1, column, line, columns, lines, samples, (size_t)columns, mask, stride, NULL, &e) != 0)
        fail_msg("%s", e.message);
}

static void write_all(GDALRasterBandH band, const uint8_t *values)
{
    assert_int_equal(
        GDALRasterIO(band, GF_Write, 0, 0, COLUMNS, LINES, (void *)(uintptr_t)values, COLUMNS, LINES, GDT_Byte, 0, 0),
        CE_None);
}

/* 0 in the first two columns of line 1, `other` elsewhere. */
static void pattern(uint8_t values[COLUMNS * LINES], uint8_t other)
{
    memset(values, other, COLUMNS * LINES);
    values[COLUMNS] = values[COLUMNS + 1] = 0;
}

static void expect_pattern(struct cube *c)
{
    uint8_t mask[LINES * 16];
    memset(mask, 7, sizeof mask);
    read_mask(c, 1, 0, 9, LINES, mask, 16);
    for (int k = 0; k < LINES; k++)
        for (int i = 0; i < 16; i++)
            assert_int_equal(mask[k * 16 + i], i >= 9 ? 7 : k == 1 && i == 0 ? 0 : 255);
}

static void add_mask(GDALDatasetH d)
{
    uint8_t values[COLUMNS * LINES];
    CPLSetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES");
    assert_int_equal(GDALCreateDatasetMaskBand(d, GMF_PER_DATASET), CE_None);
    CPLSetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK", NULL);
    pattern(values, 255);
    write_all(GDALGetMaskBand(GDALGetRasterBand(d, 1)), values);
}

static void add_mask_and_nodata(GDALDatasetH d)
{
    add_mask(d);
    GDALSetRasterNoDataValue(GDALGetRasterBand(d, 1), 1);
}

static void test_internal_mask_is_read(void **state)
{
    struct scratch s;
    struct tiff_form f = plain;
    (void)state;
    for (int i = 0; i < 2; i++) {
        f.change = i == 0 ? add_mask : add_mask_and_nodata;
        scratch_open(&s);
        struct cube *c = tiff_file_open(&s, &f);
        assert_true(cube_describe(c)->has_mask);
        assert_int_equal(cube_describe(c)->band[0].has_nodata, i);
        expect_pattern(c);
        cube_close(c);
        scratch_close(&s);
    }
}

static void make_last_alpha(GDALDatasetH d)
{
    uint8_t values[COLUMNS * LINES];
    GDALRasterBandH last = GDALGetRasterBand(d, GDALGetRasterCount(d));
    pattern(values, 1); /* hardly opaque is not masked out */
    assert_int_equal(GDALSetRasterColorInterpretation(last, GCI_AlphaBand), CE_None);
    write_all(last, values);
}

/* GDAL itself looks for alpha only where there are 2 or 4 bands. */
static void test_alpha_band_is_a_mask_whatever_the_count(void **state)
{
    static const GDALDataType types[] = {GDT_Byte, GDT_UInt16, GDT_Int16, GDT_Float32};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int bands = 2; bands <= 6; bands++) {
            struct scratch s;
            struct tiff_form f = plain;
            f.type = types[t];
            f.bands = bands;
            f.options = OPTIONS("PHOTOMETRIC=MINISBLACK");
            f.change = make_last_alpha;
            scratch_open(&s);
            struct cube *c = tiff_file_open(&s, &f);
            const struct cube_description *d = cube_describe(c);
            for (int b = 0; b < bands; b++)
                assert_int_equal(d->band[b].alpha, b == bands - 1);
            assert_true(d->has_mask);
            expect_pattern(c);
            cube_close(c);
            scratch_close(&s);
        }
}

static void set_nodata(GDALDatasetH d)
{
    GDALSetRasterNoDataValue(GDALGetRasterBand(d, 1), tiff_file_value(0, 0, 0));
}

static void set_nodata_values(GDALDatasetH d)
{
    GDALSetMetadataItem(d, "NODATA_VALUES", "1 12 23", NULL); /* the first pixel's */
}

static void test_masks_derived_from_nodata_are_none(void **state)
{
    uint8_t mask[COLUMNS * LINES];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct scratch s;
        struct tiff_form f = plain;
        f.change = i == 0 ? set_nodata : set_nodata_values;
        scratch_open(&s);
        struct cube *c = tiff_file_open(&s, &f);
        assert_false(cube_describe(c)->has_mask);
        read_mask(c, 0, 0, COLUMNS, LINES, mask, COLUMNS);
        for (int k = 0; k < COLUMNS * LINES; k++)
            assert_int_equal(mask[k], 255);
        cube_close(c);
        scratch_close(&s);
    }
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_internal_mask_is_read),
        cmocka_unit_test(test_alpha_band_is_a_mask_whatever_the_count),
        cmocka_unit_test(test_masks_derived_from_nodata_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
