/* The area of a pixel, where the coordinate reference system tells. */
#include "scene/area.h"
#include "tests/unit/support/expect.h"
#include <cpl_conv.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>

static const char *why;

/* The areas of `lines` lines from `line` on of a scene with that CRS and geotransform. */
static bool areas(const char *crs, const double *g, int line, int lines, double *area)
{
    struct cube_description scene = {.crs = (char *)(uintptr_t)crs, .has_geotransform = g != NULL};
    struct label_place place = {.scene = &scene, .column = 5, .line = line};
    if (g != NULL)
        memcpy(scene.geotransform, g, sizeof scene.geotransform);
    bool known = area_of_pixels(&place, lines, area, &why);
    assert_int_equal(known, why == NULL);
    return known;
}

static void expect_close(double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("%.12g is not %.12g", found, expected);
}

static void expect_constant(const char *crs, const double *g, double expected)
{
    double area[3] = {0};
    if (!areas(crs, g, 7, 3, area))
        fail_msg("%s: %s", crs, why);
    for (int k = 0; k < 3; k++)
        expect_close(area[k], expected, 1e-12);
}

static void test_a_utm_pixel_of_30_m_has_900_m2(void **state)
{
    (void)state;
    expect_constant("EPSG:32633", (const double[]){367000, 30, 0, 5807000, 0, -30}, 900);
}

static void test_feet_are_converted(void **state)
{
    static const double g[] = {1000000, 10, 0, 200000, 0, -10};
    (void)state;
    expect_constant("EPSG:2263", g, 100 * (1200.0 / 3937) * (1200.0 / 3937)); /* New York, US survey feet */
    expect_constant("EPSG:2222", g, 100 * 0.3048 * 0.3048);                   /* Arizona, international feet */
}

static void test_a_rotated_projected_grid_has_the_area_of_its_determinant(void **state)
{
    (void)state;
    expect_constant("EPSG:32633", (const double[]){0, 3, 4, 0, 4, -3}, 25);
    expect_constant("EPSG:32633", (const double[]){0, 30, 10, 0, 0, -20}, 600); /* sheared */
    expect_constant("EPSG:32633", (const double[]){0, 30, 0, 0, 0, 30}, 900);   /* south up */
}

/* Integrates M N cos(phi) over a cell of the ellipsoid with Simpson's rule: the radii of curvature, no closed form. */
static double integrated(double a, double f, double south, double north, double width)
{
    enum { STEPS = 200 };
    double e2 = f * (2 - f), sum = 0, h = (north - south) / STEPS;
    for (int i = 0; i <= STEPS; i++) {
        double phi = south + i * h, s = sin(phi), w = 1 - e2 * s * s;
        double value = a * (1 - e2) / pow(w, 1.5) * a / sqrt(w) * cos(phi);
        sum += value * (i == 0 || i == STEPS ? 1 : i % 2 == 1 ? 4 : 2);
    }
    return sum * h / 3 * width;
}

static void test_a_cell_of_latitude_and_longitude_is_that_of_the_ellipsoid(void **state)
{
    const double degree = M_PI / 180, grad = M_PI / 200, step = 0.25;
    double area[720];
    (void)state;
    assert_true(areas("EPSG:4326", (const double[]){-180, 0.5, 0, 90, 0, -step}, 0, 720, area));
    for (int k = 0; k < 720; k += 7) {
        double north = 90 - k * step;
        expect_close(area[k],
                     integrated(6378137, 1 / 298.257223563, (north - step) * degree, north * degree, 0.5 * degree),
                     1e-9);
    }
    /* Paris counts in grads, on Clarke's ellipsoid of 1880 as the IGN has it. */
    assert_true(areas("EPSG:4807", (const double[]){0, 0.01, 0, 52, 0, -0.02}, 0, 10, area));
    for (int k = 0; k < 10; k++)
        expect_close(area[k],
                     integrated(6378249.2, 1 - 6356515.0 / 6378249.2, (52 - 0.02 * (k + 1)) * grad,
                                (52 - 0.02 * k) * grad, 0.01 * grad),
                     1e-8);
}

static void test_small_cells_keep_their_digits(void **state)
{
    double area[4];
    (void)state;
    assert_true(areas("EPSG:4326", (const double[]){13, 1e-5, 0, 52.4, 0, -1e-5}, 1000, 4, area));
    double north = (52.4 - 1000 * 1e-5) * M_PI / 180, step = 1e-5 * M_PI / 180;
    expect_close(area[0], integrated(6378137, 1 / 298.257223563, north - step, north, step), 1e-7);
}

static void test_all_cells_together_are_the_globe(void **state)
{
    double area[1801], sum = 0;
    (void)state;
    assert_true(areas("EPSG:4326", (const double[]){-180, 0.1, 0, 90, 0, -0.1}, 0, 1800, area));
    for (int k = 0; k < 1800; k++)
        sum += area[k] * 3600;
    expect_close(sum / 1e6, 510065621.7, 2e-10); /* km2: WGS 84's surface */
    /* Cell centres on the poles: the outer half of the first and last line is beyond the globe and counts nothing. */
    assert_true(areas("EPSG:4326", (const double[]){-180, 0.1, 0, 90.05, 0, -0.1}, 0, 1801, area));
    sum = 0;
    for (int k = 0; k < 1801; k++)
        sum += area[k] * 3600;
    expect_close(sum / 1e6, 510065621.7, 2e-10);
}

static void test_a_sphere_is_a_sphere(void **state)
{
    double area[180], sum = 0;
    (void)state;
    assert_true(areas("EPSG:4047", (const double[]){-180, 1, 0, 90, 0, -1}, 0, 180, area)); /* radius 6371007 m */
    for (int k = 0; k < 180; k++)
        sum += area[k] * 360;
    expect_close(sum, 4 * M_PI * 6371007.0 * 6371007.0, 1e-12);
}

static void test_lines_are_those_of_the_window_and_may_run_northwards(void **state)
{
    double whole[90], part[10];
    (void)state;
    assert_true(areas("EPSG:4326", (const double[]){0, 1, 0, 90, 0, -1}, 0, 90, whole));
    assert_true(areas("EPSG:4326", (const double[]){0, 1, 0, 90, 0, -1}, 40, 10, part));
    for (int k = 0; k < 10; k++)
        expect_close(part[k], whole[40 + k], 1e-12);
    assert_true(areas("EPSG:4326", (const double[]){0, -1, 0, 0, 0, 1}, 0, 10, part));
    for (int k = 0; k < 10; k++)
        expect_close(part[k], whole[89 - k], 1e-12);
}

static void expect_undefined(const char *crs, const double *g, const char *part)
{
    double area[2];
    if (areas(crs, g, 0, 2, area))
        fail_msg("an area of %g", area[0]);
    if (strstr(why, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void test_what_has_no_area_says_why(void **state)
{
    static const double north_up[] = {10, 1, 0, 50, 0, -1};
    (void)state;
    expect_undefined("EPSG:4326", (const double[]){10, 1, 0.1, 50, 0.1, -1}, "rotated");
    expect_undefined("EPSG:4326", (const double[]){10, 1, 0, 50, 0.1, -1}, "rotated");
    expect_undefined("EPSG:4326", (const double[]){10, 1, 0, 500, 0, -1}, "beyond the poles");
    expect_undefined("EPSG:4326", (const double[]){10, 1, 0, -90, 0, -2}, "beyond the poles");
    expect_undefined("EPSG:32633", (const double[]){0, 0, 0, 0, 0, -30}, "no area");
    expect_undefined("EPSG:4978", north_up, "neither projected nor geographic");
    expect_undefined("LOCAL_CS[\"lab bench\",UNIT[\"metre\",1]]", north_up, "neither projected nor geographic");
    expect_undefined("nonsense", north_up, "cannot be understood");
    expect_undefined(NULL, north_up, "no coordinate reference system");
    expect_undefined("EPSG:32633", NULL, "no geotransform");
}

static void test_control_points_are_no_geotransform(void **state)
{
    struct cube_description scene = {.crs = (char *)(uintptr_t) "EPSG:4326", .gcp_count = 4};
    struct label_place place = {.scene = &scene};
    double area[1];
    (void)state;
    assert_false(area_of_pixels(&place, 1, area, &why));
    assert_non_null(strstr(why, "control points"));
}

static void test_heights_in_feet_change_no_area(void **state)
{
    static const double g[] = {0, 30, 0, 0, 0, -30};
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    char *wkt = NULL;
    (void)state;
    assert_int_equal(OSRSetFromUserInput(srs, "EPSG:32618+6360"), OGRERR_NONE); /* UTM and heights in US survey feet */
    assert_int_equal(OSRExportToWkt(srs, &wkt), OGRERR_NONE);
    expect_constant(wkt, g, 900);
    CPLFree(wkt);
    OSRRelease(srs);
}

static int set_up(void **state)
{
    (void)state;
    scene_init(16 << 20);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_utm_pixel_of_30_m_has_900_m2),
        cmocka_unit_test(test_feet_are_converted),
        cmocka_unit_test(test_a_rotated_projected_grid_has_the_area_of_its_determinant),
        cmocka_unit_test(test_a_cell_of_latitude_and_longitude_is_that_of_the_ellipsoid),
        cmocka_unit_test(test_small_cells_keep_their_digits),
        cmocka_unit_test(test_all_cells_together_are_the_globe),
        cmocka_unit_test(test_a_sphere_is_a_sphere),
        cmocka_unit_test(test_lines_are_those_of_the_window_and_may_run_northwards),
        cmocka_unit_test(test_what_has_no_area_says_why),
        cmocka_unit_test(test_control_points_are_no_geotransform),
        cmocka_unit_test(test_heights_in_feet_change_no_area),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
