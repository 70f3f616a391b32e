/* GeoTIFFs: every form reads as the same scene, and says what it declares. */
#include "tests/unit/support/expect.h"
#include "tests/unit/support/tiff_file.h"
#include <cpl_conv.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct tiff_form plain = {.columns = 45, .lines = 38, .bands = 5, .type = GDT_Int16};

static void expect_window(struct cube *c, const int *picked, int B, int column, int line, int columns, int lines)
{
    struct err e;
    enum sample_type type = cube_describe(c)->type;
    size_t size = sample_size(type);
    char *samples = malloc((size_t)lines * (size_t)B * (size_t)columns * size);
    double *row = malloc((size_t)columns * sizeof *row);
    if (cube_read(c, picked, B, column, line, columns, lines, samples, (size_t)columns, NULL, 0, NULL, &e) != 0)
        fail_msg("%s", e.message);
    for (int k = 0; k < lines; k++)
        for (int b = 0; b < B; b++) {
            sample_to_double(type, samples + ((size_t)k * (size_t)B + (size_t)b) * (size_t)columns * size, 1,
                             (size_t)columns, row);
            for (int i = 0; i < columns; i++)
                if (row[i] != tiff_file_value(line + k, picked[b], column + i))
                    fail_msg("line %d band %d column %d: %g", line + k, picked[b], column + i, row[i]);
        }
    free(samples);
    free(row);
}

static void test_every_form_reads_as_the_same_scene(void **state)
{
    static const int order[] = {4, 1, 1, 0}, all[] = {0, 1, 2, 3, 4};
    const char *const *const forms[] = {
        OPTIONS("INTERLEAVE=PIXEL"),
        OPTIONS("INTERLEAVE=BAND"),
        OPTIONS("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=32", "INTERLEAVE=PIXEL"),
        OPTIONS("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16", "INTERLEAVE=BAND"),
        OPTIONS("BLOCKYSIZE=1", "COMPRESS=DEFLATE", "PREDICTOR=2"),
        OPTIONS("BLOCKYSIZE=38", "COMPRESS=LZW", "PREDICTOR=2", "INTERLEAVE=BAND"),
        OPTIONS("COMPRESS=ZSTD", "TILED=YES", "INTERLEAVE=BAND"),
        OPTIONS("COMPRESS=PACKBITS"),
        OPTIONS("BIGTIFF=YES"),
        OPTIONS("ENDIANNESS=BIG", "COMPRESS=LZW", "PREDICTOR=2"),
        OPTIONS("BIGTIFF=YES", "ENDIANNESS=BIG", "INTERLEAVE=BAND"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct scratch s;
        struct tiff_form f = plain;
        f.options = forms[i];
        scratch_open(&s);
        struct cube *c = tiff_file_open(&s, &f);
        expect_window(c, all, 5, 0, 0, 45, 38);
        expect_window(c, order, 4, 14, 15, 20, 19);
        expect_window(c, all, 5, 44, 37, 1, 1);
        cube_close(c);
        scratch_close(&s);
    }
}

static void test_every_sample_type(void **state)
{
    static const struct {
        GDALDataType file;
        enum sample_type type;
    } types[] = {
        {GDT_Byte, SAMPLE_UINT8},      {GDT_Int16, SAMPLE_INT16},   {GDT_UInt16, SAMPLE_UINT16},
        {GDT_Int32, SAMPLE_INT32},     {GDT_UInt32, SAMPLE_UINT32}, {GDT_Float32, SAMPLE_FLOAT32},
        {GDT_Float64, SAMPLE_FLOAT64}, {GDT_Int64, SAMPLE_FLOAT64}, {GDT_UInt64, SAMPLE_FLOAT64},
    };
    static const int all[] = {0, 1, 2, 3, 4};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct scratch s;
        struct tiff_form f = plain;
        f.type = types[i].file;
        scratch_open(&s);
        struct cube *c = tiff_file_open(&s, &f);
        assert_int_equal(cube_describe(c)->type, types[i].type);
        expect_window(c, all, 5, 3, 3, 30, 30);
        cube_close(c);
        scratch_close(&s);
    }
}

/* Signed bytes have had two names in GDAL; either way -5 is -5. */
static void test_signed_bytes_keep_their_sign(void **state)
{
    static const int first = 0;
    static const signed char values[] = {-128, -5, 0, 127};
    struct scratch s;
    struct err e;
    int16_t samples[4];
    (void)state;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    const struct tiff_form f = {.columns = 4, .lines = 1, .bands = 1, .type = GDT_Int8, .empty = true};
#else
    const struct tiff_form f = {.columns = 4,
                                .lines = 1,
                                .bands = 1,
                                .type = GDT_Byte,
                                .empty = true,
                                .options = OPTIONS("PIXELTYPE=SIGNEDBYTE")};
#endif
    scratch_open(&s);
    tiff_file_write(&s, "cube.tif", &f);
    GDALDatasetH d = GDALOpen(scratch_path(&s, "cube.tif"), GA_Update);
    assert_int_equal(
        GDALRasterIO(GDALGetRasterBand(d, 1), GF_Write, 0, 0, 4, 1, (void *)(uintptr_t)values, 4, 1, f.type, 0, 0),
        CE_None);
    GDALClose(d);
    struct cube *c;
    assert_int_equal(cube_open(&c, &(struct cube_files){.data = s.path}, &cube_limits_default, &e), 0);
    assert_int_equal(cube_describe(c)->type, SAMPLE_INT16);
    assert_int_equal(cube_read(c, &first, 1, 0, 0, 4, 1, samples, 4, NULL, 0, NULL, &e), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(samples[i], values[i]);
    cube_close(c);
    scratch_close(&s);
}

static void declare(GDALDatasetH d)
{
    for (int b = 1; b <= 5; b++) {
        GDALRasterBandH band = GDALGetRasterBand(d, b);
        char text[32];
        snprintf(text, sizeof text, "%d", 400 + 10 * b);
        GDALSetMetadataItem(band, "wavelength", text, NULL);
        GDALSetMetadataItem(band, "wavelength_units", "Nanometers", NULL);
        GDALSetMetadataItem(band, "fwhm", "6.5", NULL);
        GDALSetMetadataItem(band, "bbl", b == 2 ? "0" : "1", NULL);
        GDALSetRasterScale(band, 0.0001);
        GDALSetRasterOffset(band, b == 5 ? 1 : 0);
        GDALSetRasterNoDataValue(band, -9999);
    }
}

static void test_description_holds_what_the_bands_say(void **state)
{
    struct scratch s;
    struct tiff_form f = plain;
    (void)state;
    f.change = declare;
    f.options = OPTIONS("INTERLEAVE=BAND", "TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16");
    scratch_open(&s);
    struct cube *c = tiff_file_open(&s, &f);
    const struct cube_description *d = cube_describe(c);
    assert_true(d->columns == 45 && d->lines == 38 && d->bands == 5 && d->block_columns == 32 && d->block_lines == 16);
    assert_string_equal(d->driver, "GTiff");
    assert_string_equal(d->interleave, "BAND");
    assert_true(d->has_wavelengths && d->has_band_scale && !d->has_mask && !d->has_reflectance_scale_factor);
    assert_true(d->crs == NULL && !d->has_geotransform && d->gcp_count == 0);
    assert_true(d->band[4].wavelength_nm == 450 && d->band[4].fwhm_nm == 6.5);
    assert_true(d->band[1].bad && !d->band[0].bad);
    assert_true(d->band[4].gain == 0.0001 && d->band[4].offset == 1 && d->band[0].offset == 0);
    assert_true(d->band[3].has_nodata && d->band[3].nodata == -9999);
    cube_close(c);
    scratch_close(&s);
}

/* Writes `key` of each band b as first + b * step, with a unit. */
static struct {
    const char *key, *domain, *unit, *unit_of_all;
    double first, step;
} wave;

static void set_wave(GDALDatasetH d)
{
    for (int b = 1; b <= 5; b++) {
        char text[32];
        snprintf(text, sizeof text, "%.6g", wave.first + (b - 1) * wave.step);
        GDALSetMetadataItem(GDALGetRasterBand(d, b), wave.key, text, wave.domain);
        if (wave.unit != NULL)
            GDALSetMetadataItem(GDALGetRasterBand(d, b), "wavelength_units", wave.unit, NULL);
    }
    if (wave.unit_of_all != NULL)
        GDALSetMetadataItem(d, "wavelength_units", wave.unit_of_all, NULL);
}

static void test_wavelengths_in_both_conventions_and_any_unit(void **state)
{
    static const struct {
        const char *key, *domain, *unit;
        double first, step, nm; /* nm of the last band; 0: none are known */
        const char *unit_of_all;
    } cases[] = {
        {"CENTRAL_WAVELENGTH_UM", "IMAGERY", NULL, 0.4, 0.1, 800},
        {"wavelength", NULL, "Micrometers", 0.4, 0.1, 800},
        {"Wavelength", NULL, "um", 0.4, 0.1, 800},
        {"wavelength", NULL, NULL, 0.4, 0.1, 800},
        {"wavelength", NULL, NULL, 400, 100, 800},
        {"wavelength", NULL, "Unknown", 400, 100, 800},
        {"wavelength", NULL, "Wavenumber", 400, 100, 12500},
        {"wavelength", NULL, NULL, 1, 1, 0},
        {"wavelength", NULL, "nm", -800, 100, 0},
        {"wavelength", NULL, NULL, 0.0004, 0.0001, 800, "mm"},
        {"wavelength", NULL, NULL, 400, 100, 374740.5725, "GHz"},
        {"wavelength", NULL, "nm", 400, 100, 800, "GHz"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scratch s;
        struct tiff_form f = plain;
        wave.key = cases[i].key;
        wave.domain = cases[i].domain;
        wave.unit = cases[i].unit;
        wave.unit_of_all = cases[i].unit_of_all;
        wave.first = cases[i].first;
        wave.step = cases[i].step;
        f.change = set_wave;
        scratch_open(&s);
        struct cube *c = tiff_file_open(&s, &f);
        const struct cube_description *d = cube_describe(c);
        assert_int_equal(d->has_wavelengths, cases[i].nm != 0);
        if (cases[i].nm != 0)
            assert_float_equal(d->band[4].wavelength_nm, cases[i].nm, 1e-9);
        else
            assert_true(isnan(d->band[4].wavelength_nm));
        cube_close(c);
        scratch_close(&s);
    }
}

static void set_points(GDALDatasetH d)
{
    static char none[] = "";
    GDAL_GCP points[3] = {
        {none, none, 0, 0, 10, 50, 0}, {none, none, 40, 0, 11, 50, 0}, {none, none, 0, 30, 10, 49, 7}};
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    OSRImportFromEPSG(srs, 4326);
    GDALSetGCPs2(d, 3, points, srs);
    GDALSetMetadataItem(d, "LINE_OFF", "1", "RPC");
    OSRRelease(srs);
}

static void test_control_points_are_shown_and_not_applied(void **state)
{
    static const int all[] = {0, 1, 2, 3, 4};
    struct scratch s;
    struct tiff_form f = plain;
    (void)state;
    f.change = set_points;
    scratch_open(&s);
    struct cube *c = tiff_file_open(&s, &f);
    const struct cube_description *d = cube_describe(c);
    assert_true(!d->has_geotransform && d->gcp_count == 3);
    assert_string_equal(d->crs, "EPSG:4326");
    assert_true(d->gcps[2].line == 30 && d->gcps[2].x == 10 && d->gcps[2].y == 49 && d->gcps[2].z == 7);
    expect_window(c, all, 5, 0, 0, 45, 38);
    cube_close(c);
    scratch_close(&s);
}

static void set_local_crs(GDALDatasetH d)
{
    double place[] = {100, 2, 0, 200, 0, -2};
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    OSRSetProjCS(srs, "of our own");
    OSRSetWellKnownGeogCS(srs, "WGS84");
    OSRSetTM(srs, 10, 20, 0.9, 30, 40);
    GDALSetSpatialRef(d, srs);
    GDALSetGeoTransform(d, place);
    OSRRelease(srs);
}

static void test_a_crs_without_a_code_is_its_wkt2(void **state)
{
    struct scratch s;
    struct tiff_form f = plain;
    (void)state;
    f.change = set_local_crs;
    scratch_open(&s);
    struct cube *c = tiff_file_open(&s, &f);
    assert_memory_equal(cube_describe(c)->crs, "PROJCRS[\"of our own\",", 21);
    assert_null(strchr(cube_describe(c)->crs, '\n'));
    cube_close(c);
    scratch_close(&s);
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_reads_as_the_same_scene),
        cmocka_unit_test(test_every_sample_type),
        cmocka_unit_test(test_signed_bytes_keep_their_sign),
        cmocka_unit_test(test_description_holds_what_the_bands_say),
        cmocka_unit_test(test_wavelengths_in_both_conventions_and_any_unit),
        cmocka_unit_test(test_control_points_are_shown_and_not_applied),
        cmocka_unit_test(test_a_crs_without_a_code_is_its_wkt2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
