/* A label map lies where the scene lies, and says what its labels are; a truth raster gives class ids. */
#include "scene/label_raster.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include "tests/unit/support/tiff_file.h"
#include <cpl_conv.h>
#include <cpl_string.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct package_class classes[] = {
    {.id = 2, .name = (char[]){"roof"}, .red = 230, .green = 0, .blue = 1},
    {.id = 255, .name = (char[]){"for\xc3\xaat & <tree>"}, .red = 12, .green = 34, .blue = 56},
    {.id = 7, .name = (char[]){"water"}, .red = 0, .green = 0, .blue = 255},
    {.id = 0},
};
static const struct package package = {.network = {.N = 3}, .classes = classes};

enum { LINES = 3, COLUMNS = 4 };
static const uint8_t labels[LINES][COLUMNS] = {{0, 2, 7, 255}, {2, 2, 2, 2}, {0, 0, 7, 7}};
static const struct cube_description nowhere = {.columns = 100, .lines = 100};

static struct scratch scratch;

static const char *write_map(const struct label_place *place, const struct label_tag *tags, bool names)
{
    struct err e;
    const char *path = scratch_path(&scratch, "map.tif");
    if (label_raster_write_geotiff(path, labels[0], LINES, COLUMNS, place, &package, tags, names, &e) != 0)
        fail_msg("%s", e.message);
    return path;
}

/* Opens as a user's program does, .aux.xml included: GDAL 3.6 reads that late, for metadata but not for names. */
static GDALDatasetH open_map(const char *path)
{
    CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", "YES");
    GDALDatasetH d = GDALOpen(path, GA_ReadOnly);
    assert_non_null(d);
    GDALGetMetadata(d, NULL);
    return d;
}

static void close_map(GDALDatasetH d)
{
    GDALClose(d);
    CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", NULL);
}

static int open_scratch(void **state)
{
    (void)state;
    scratch_open(&scratch);
    return 0;
}

static int close_scratch(void **state)
{
    (void)state;
    scratch_close(&scratch);
    return 0;
}

static void test_labels_colors_and_nodata_come_back(void **state)
{
    uint8_t found[LINES][COLUMNS];
    int has = 0;
    (void)state;
    GDALDatasetH d = open_map(write_map(&(struct label_place){&nowhere, 0, 0}, NULL, false));
    assert_int_equal(GDALGetRasterCount(d), 1);
    assert_int_equal(GDALGetRasterXSize(d), COLUMNS);
    assert_int_equal(GDALGetRasterYSize(d), LINES);
    GDALRasterBandH band = GDALGetRasterBand(d, 1);
    assert_int_equal(GDALGetRasterDataType(band), GDT_Byte);
    assert_int_equal(GDALRasterIO(band, GF_Read, 0, 0, COLUMNS, LINES, found, COLUMNS, LINES, GDT_Byte, 0, 0), CE_None);
    assert_memory_equal(found, labels, sizeof labels);
    assert_true(GDALGetRasterNoDataValue(band, &has) == 0 && has);
    assert_int_equal(GDALGetRasterColorInterpretation(band), GCI_PaletteIndex);
    GDALColorTableH table = GDALGetRasterColorTable(band);
    for (int i = 0; i < 3; i++) {
        GDALColorEntry c;
        GDALGetColorEntryAsRGB(table, classes[i].id, &c);
        assert_true(c.c1 == classes[i].red && c.c2 == classes[i].green && c.c3 == classes[i].blue && c.c4 == 255);
    }
    double g[6];
    assert_int_equal(GDALGetGeoTransform(d, g), CE_Failure); /* nowhere is nowhere */
    assert_null(GDALGetSpatialRef(d));
    close_map(d);
}

static void test_a_large_map_comes_back(void **state)
{
    enum { SIDE = 1100 };
    uint8_t *map = malloc((size_t)SIDE * SIDE), *found = malloc((size_t)SIDE * SIDE);
    struct label_place place = {&nowhere, 0, 0};
    struct random r = {.state = 5};
    struct err e;
    (void)state;
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        map[i] = (uint8_t)random_below(&r, 256);
    const char *path = scratch_path(&scratch, "map.tif");
    assert_int_equal(label_raster_write_geotiff(path, map, SIDE, SIDE, &place, &package, NULL, false, &e), 0);
    GDALDatasetH d = open_map(path);
    assert_int_equal(
        GDALRasterIO(GDALGetRasterBand(d, 1), GF_Read, 0, 0, SIDE, SIDE, found, SIDE, SIDE, GDT_Byte, 0, 0), CE_None);
    assert_memory_equal(found, map, (size_t)SIDE * SIDE);
    close_map(d);
    free(map);
    free(found);
}

static void test_names_lie_beside_the_map_only_when_asked_for(void **state)
{
    struct label_place place = {&nowhere, 0, 0};
    char companion[160];
    (void)state;
    const char *path = write_map(&place, NULL, false);
    snprintf(companion, sizeof companion, "%s.aux.xml", path);
    assert_int_equal(access(companion, F_OK), -1);
    write_map(&place, NULL, true);
    assert_int_equal(access(companion, F_OK), 0);
    GDALDatasetH d = open_map(path);
    char **names = GDALGetRasterCategoryNames(GDALGetRasterBand(d, 1));
    assert_int_equal(CSLCount(names), 256);
    assert_string_equal(names[0], "unclassified");
    assert_string_equal(names[1], "");
    for (int i = 0; i < 3; i++)
        assert_string_equal(names[classes[i].id], classes[i].name);
    close_map(d);
}

static void expect_place(const struct label_place *place, const double *expected)
{
    double g[6];
    GDALDatasetH d = open_map(write_map(place, NULL, false));
    assert_int_equal(GDALGetGeoTransform(d, g), CE_None);
    for (int i = 0; i < 6; i++)
        if (fabs(g[i] - expected[i]) > 1e-9)
            fail_msg("the geotransform's number %d is %.12g, not %.12g", i, g[i], expected[i]);
    OGRSpatialReferenceH srs = GDALGetSpatialRef(d);
    assert_non_null(srs);
    assert_string_equal(OSRGetAuthorityCode(srs, NULL), "32633");
    assert_int_equal(GDALGetGCPCount(d), 0);
    close_map(d);
}

static void test_the_map_of_a_window_lies_where_the_window_lies(void **state)
{
    struct cube_description scene = {
        .crs = (char[]){"EPSG:32633"}, .has_geotransform = true, .geotransform = {367000, 30, 0, 5807000, 0, -20}};
    (void)state;
    expect_place(&(struct label_place){&scene, 0, 0}, scene.geotransform);
    expect_place(&(struct label_place){&scene, 5, 7}, (const double[]){367150, 30, 0, 5806860, 0, -20});
}

static void test_a_rotated_scene_s_window_moves_along_its_axes(void **state)
{
    struct cube_description scene = {
        .crs = (char[]){"EPSG:32633"}, .has_geotransform = true, .geotransform = {1000, 3, 4, 2000, 4.5, -3.25}};
    (void)state;
    expect_place(&(struct label_place){&scene, 10, 100},
                 (const double[]){1000 + 30 + 400, 3, 4, 2000 + 45 - 325, 4.5, -3.25});
}

static void test_control_points_move_with_the_window(void **state)
{
    static const struct cube_point points[] = {
        {0, 0, 13, 52, 40}, {99.5, 0, 14, 52, 41}, {0, 80, 13, 51, 42}, {99, 80, 14, 51, 43}};
    struct cube_description scene = {.crs = (char[]){"EPSG:4326"}, .gcps = points, .gcp_count = 4};
    double g[6];
    (void)state;
    GDALDatasetH d = open_map(write_map(&(struct label_place){&scene, 10, 20}, NULL, false));
    assert_int_equal(GDALGetGCPCount(d), 4);
    const GDAL_GCP *found = GDALGetGCPs(d);
    for (int i = 0; i < 4; i++) {
        assert_true(found[i].dfGCPPixel == points[i].pixel - 10 && found[i].dfGCPLine == points[i].line - 20);
        assert_true(found[i].dfGCPX == points[i].x && found[i].dfGCPY == points[i].y && found[i].dfGCPZ == points[i].z);
    }
    OGRSpatialReferenceH srs = GDALGetGCPSpatialRef(d);
    assert_non_null(srs);
    assert_string_equal(OSRGetAuthorityCode(srs, NULL), "4326");
    assert_int_equal(GDALGetGeoTransform(d, g), CE_Failure);
    close_map(d);
}

static void test_tags_are_written_but_for_empty_ones(void **state)
{
    static const struct label_tag tags[] = {{"SPECTRAD_MODEL", "salinas150/1"},
                                            {"SPECTRAD_REQUEST_ID", ""},
                                            {"SPECTRAD_ENGINE", "<cpu> & \"x\""},
                                            {NULL, NULL}};
    (void)state;
    GDALDatasetH d = open_map(write_map(&(struct label_place){&nowhere, 0, 0}, tags, false));
    assert_string_equal(GDALGetMetadataItem(d, "SPECTRAD_MODEL", NULL), "salinas150/1");
    assert_string_equal(GDALGetMetadataItem(d, "SPECTRAD_ENGINE", NULL), "<cpu> & \"x\"");
    assert_null(GDALGetMetadataItem(d, "SPECTRAD_REQUEST_ID", NULL));
    close_map(d);
}

static void expect_write_fails(const char *path, const uint8_t *map, int side, bool names, enum err_code code,
                               const char *what)
{
    struct label_place place = {&nowhere, 0, 0};
    struct err e = {0};
    if (label_raster_write_geotiff(path, map, side, side, &place, &package, NULL, names, &e) == 0)
        fail_msg("%s: no error", what);
    expect_error(&e, code, "the label map cannot be written", what);
}

static void test_a_map_that_cannot_be_written_whole_is_an_error(void **state)
{
    enum { SIDE = 600 };
    struct rlimit old, few = {.rlim_cur = 20000};
    struct random r = {.state = 6};
    uint8_t *map = malloc((size_t)SIDE * SIDE);
    char path[160];
    (void)state;
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        map[i] = (uint8_t)random_next(&r); /* does not compress */
    expect_write_fails("/nonexistent/map.tif", map, SIDE, false, ERR_IO, "no folder");
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "map.tif"));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    few.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &few); /* the disk ends after 20,000 bytes */
    expect_write_fails(path, map, SIDE, false, ERR_SPACE, "a write that fails");
    setrlimit(RLIMIT_FSIZE, &old);
    free(map);
}

static void test_a_map_whose_names_cannot_be_written_is_an_error(void **state)
{
    char companion[160], path[128];
    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "map.tif"));
    snprintf(companion, sizeof companion, "%s.aux.xml", path);
    assert_int_equal(mkdir(companion, 0700), 0); /* in its place */
    expect_write_fails(path, labels[0], LINES, true, ERR_IO, "names");
    rmdir(companion);
}

/* ---- truth ---- */
static const double truth[LINES][COLUMNS] = {{0, 1, 255, 256}, {-2, 65534, 65535, 70000}, {3, 9, 2.5, 9}};
static bool with_nodata;

static void fill_truth(GDALDatasetH d)
{
    GDALRasterBandH band = GDALGetRasterBand(d, 1);
    assert_int_equal(
        GDALRasterIO(band, GF_Write, 0, 0, COLUMNS, LINES, (void *)(uintptr_t)truth, COLUMNS, LINES, GDT_Float64, 0, 0),
        CE_None);
    if (with_nodata)
        GDALSetRasterNoDataValue(band, 9);
}

static const char *write_truth(GDALDataType type, int bands)
{
    return tiff_file_write(&scratch, "truth.tif",
                           &(struct tiff_form){COLUMNS, LINES, bands, type, NULL, fill_truth, true});
}

static void expect_truth(const char *path, int column, int line, int columns, int lines, const uint16_t *expected)
{
    uint16_t *found;
    struct err e;
    if (label_raster_read_truth(path, COLUMNS, LINES, column, line, columns, lines, &found, &e) != 0)
        fail_msg("%s", e.message);
    for (int i = 0; i < columns * lines; i++)
        if (found[i] != expected[i])
            fail_msg("id %d is %d, not %d", i, found[i], expected[i]);
    free(found);
}

static void test_truth_ids_that_fit_no_package_are_65535(void **state)
{
    static const uint16_t ids[] = {0, 1, 255, 256, 65535, 65534, 65535, 65535, 3, 9, 65535, 9};
    (void)state;
    with_nodata = false;
    expect_truth(write_truth(GDT_Float32, 1), 0, 0, COLUMNS, LINES, ids);
    expect_truth(write_truth(GDT_Float64, 1), 0, 0, COLUMNS, LINES, ids);
}

static void test_truth_of_a_window_is_that_part(void **state)
{
    static const uint16_t ids[] = {65534, 65535, 9, 65535};
    (void)state;
    with_nodata = false;
    expect_truth(write_truth(GDT_Float32, 1), 1, 1, 2, 2, ids);
}

static void test_truth_nodata_is_no_truth(void **state)
{
    static const uint16_t ids[] = {3, 0, 65535, 0};
    (void)state;
    with_nodata = true;
    expect_truth(write_truth(GDT_Float32, 1), 0, 2, 4, 1, ids);
}

static void test_truth_is_read_from_every_integer_type(void **state)
{
    static const GDALDataType types[] = {GDT_Byte, GDT_UInt16, GDT_Int16, GDT_Int32, GDT_UInt32};
    static const uint16_t ids[] = {3, 9};
    (void)state;
    with_nodata = false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        expect_truth(write_truth(types[i], 1), 0, 2, 2, 1, ids);
}

static void expect_truth_refused(const char *path, int columns, int lines, enum err_code code, const char *part)
{
    uint16_t *found = (uint16_t *)&code;
    struct err e = {0};
    if (label_raster_read_truth(path, columns, lines, 0, 0, 1, 1, &found, &e) == 0)
        fail_msg("accepted: %s", part);
    if (e.code != code || strstr(e.message, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", err_name(e.code), e.message, part);
    assert_null(found);
}

static void test_truth_of_another_size_is_refused(void **state)
{
    (void)state;
    const char *path = write_truth(GDT_Float32, 1);
    expect_truth_refused(path, COLUMNS + 1, LINES, ERR_INPUT,
                         "the truth raster has 4 columns and 3 lines; the scene, and so its truth, has 5 and 3");
    expect_truth_refused(path, COLUMNS, LINES - 1, ERR_INPUT, "has 4 and 2");
    expect_truth_refused(path, LINES, COLUMNS, ERR_INPUT, "has 3 and 4");
    expect_truth_refused(write_truth(GDT_Float32, 2), COLUMNS, LINES, ERR_INPUT, "the truth raster has 2 bands");
}

static void test_truth_that_is_no_raster_is_refused(void **state)
{
    (void)state;
    const char *path = scratch_write(&scratch, "truth.png", "\x89PNG\r\n\x1a\n and more", 18);
    expect_truth_refused(path, COLUMNS, LINES, ERR_FORMAT, "the truth raster: ");
}

static int set_up(void **state)
{
    (void)state;
    scene_init(16 << 20);
    return 0;
}

#define MAP_TEST(f) cmocka_unit_test_setup_teardown(f, open_scratch, close_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MAP_TEST(test_labels_colors_and_nodata_come_back),
        MAP_TEST(test_a_large_map_comes_back),
        MAP_TEST(test_names_lie_beside_the_map_only_when_asked_for),
        MAP_TEST(test_the_map_of_a_window_lies_where_the_window_lies),
        MAP_TEST(test_a_rotated_scene_s_window_moves_along_its_axes),
        MAP_TEST(test_control_points_move_with_the_window),
        MAP_TEST(test_tags_are_written_but_for_empty_ones),
        MAP_TEST(test_a_map_that_cannot_be_written_whole_is_an_error),
        MAP_TEST(test_a_map_whose_names_cannot_be_written_is_an_error),
        MAP_TEST(test_truth_ids_that_fit_no_package_are_65535),
        MAP_TEST(test_truth_of_a_window_is_that_part),
        MAP_TEST(test_truth_nodata_is_no_truth),
        MAP_TEST(test_truth_is_read_from_every_integer_type),
        MAP_TEST(test_truth_of_another_size_is_refused),
        MAP_TEST(test_truth_that_is_no_raster_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
