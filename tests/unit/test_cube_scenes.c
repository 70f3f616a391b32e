/* Real scenes, where they are at hand: what each is known to hold. */
#include "scene/spectral.h"
#include "scene/validity.h"
#include "tests/unit/support/expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCENES   "../shared/scenes/"
#define PACKAGES "../shared/packages/"

/* A scene, opened, and matched with a package. */
struct fit {
    struct cube *cube;
    struct package *package;
    struct spectral_match match;
    struct validity validity;
    char *data, *header;
};

static void open_fit(struct fit *f, const char *scene, const char *package)
{
    struct err e;
    if (access(scene, R_OK) != 0 || access(package, R_OK) != 0) {
        print_message("skipped: %s or %s is not here\n", scene, package);
        skip();
    }
    *f = (struct fit){0};
    if (cube_find_files(scene, &f->data, &f->header, &e) != 0 ||
        cube_open(&f->cube, &(struct cube_files){.data = f->data, .header = f->header}, &cube_limits_default, &e) !=
            0 ||
        package_open(&f->package, package, &e) != 0 ||
        spectral_match_init(&f->match, f->package, cube_describe(f->cube), &(struct spectral_options){0}, &e) != 0 ||
        validity_init(&f->validity, f->package, cube_describe(f->cube), &f->match, &(struct nodata_options){0}, &e) !=
            0)
        fail_msg("%s: %s", scene, e.message);
}

static void close_fit(struct fit *f)
{
    validity_release(&f->validity);
    spectral_match_release(&f->match);
    package_close(f->package);
    cube_close(f->cube);
    free(f->data);
    free(f->header);
}

/* All picked samples (lines, B, columns); counts their validity. */
static void *read_all(struct fit *f, size_t *bytes, struct validity_count *count)
{
    const struct cube_description *d = cube_describe(f->cube);
    size_t columns = (size_t)d->columns, line = (size_t)f->match.B * columns * sample_size(d->type);
    uint16_t *scratch = malloc(columns * sizeof *scratch);
    uint8_t *valid = malloc(columns);
    struct err e;
    *bytes = (size_t)d->lines * line;
    *count = (struct validity_count){0};
    char *samples = malloc(*bytes);
    if (cube_read(f->cube, f->match.picked, f->match.B, 0, 0, d->columns, d->lines, samples, columns, NULL, 0, NULL,
                  &e) != 0)
        fail_msg("%s", e.message);
    for (int k = 0; k < d->lines; k++)
        validity_mark(&f->validity, d->type, samples + (size_t)k * line, columns, columns, NULL, scratch, valid, 0,
                      columns, count);
    free(scratch);
    free(valid);
    return samples;
}

static void test_potsdam_is_the_same_as_geotiff_and_as_envi(void **state)
{
    struct fit tiff, envi;
    struct validity_count in_tiff, in_envi;
    size_t bytes, envi_bytes;
    (void)state;
    open_fit(&tiff, SCENES "potsdam/potsdam_A_64x128.tif", PACKAGES "potsdam.safetensors");
    open_fit(&envi, SCENES "potsdam/potsdam_A_64x128_envi.hdr", PACKAGES "potsdam.safetensors");
    const struct cube_description *t = cube_describe(tiff.cube), *v = cube_describe(envi.cube);
    assert_true(t->bands == 224 && v->bands == 224 && tiff.match.B == 218 && tiff.match.by_wavelength);
    assert_string_equal(t->crs, "EPSG:32633");
    assert_string_equal(v->crs, "EPSG:32633");
    assert_memory_equal(t->geotransform, v->geotransform, sizeof t->geotransform);
    assert_memory_equal(tiff.match.picked, envi.match.picked, 218 * sizeof(int));
    assert_memory_equal(tiff.match.gain, envi.match.gain, 218 * sizeof(double));
    assert_string_equal(tiff.match.scaling, "band scale 0.0001");
    assert_string_equal(envi.match.scaling, "reflectance scale factor 10000");
    int bad = 0;
    for (int i = 0; i < 224; i++)
        bad += t->band[i].bad && v->band[i].bad;
    assert_int_equal(bad, 6);
    for (int i = 0; i < 218; i++)
        assert_false(t->band[tiff.match.picked[i]].bad);
    void *a = read_all(&tiff, &bytes, &in_tiff), *b = read_all(&envi, &envi_bytes, &in_envi);
    assert_true(bytes == envi_bytes && bytes == (size_t)64 * 218 * 128 * 2);
    assert_memory_equal(a, b, bytes);
    assert_true(in_tiff.valid == 8192 && in_envi.valid == 8192 && in_tiff.partly_nodata == 0);
    free(a);
    free(b);
    close_fit(&tiff);
    close_fit(&envi);
}

/* 1,831 pixels are 0 in single bands and good in the others. */
static void test_salinas_is_invalid_only_where_every_band_is_zero(void **state)
{
    struct fit f;
    struct validity_count count;
    size_t bytes;
    (void)state;
    open_fit(&f, SCENES "salinas150/salinas150.bip", PACKAGES "salinas150.safetensors");
    assert_true(f.match.B == 204 && !f.match.by_wavelength && f.validity.all && f.validity.shown == 0);
    assert_string_equal(f.match.scaling, "none");
    free(read_all(&f, &bytes, &count));
    assert_int_equal(count.valid, 13908);
    assert_int_equal(count.invalid, 8592);
    assert_int_equal(count.partly_nodata, 1831);
    close_fit(&f);
}

static void test_jasper_ridge_has_a_factor_and_overlapping_detectors(void **state)
{
    struct fit f;
    struct validity_count count;
    size_t bytes;
    (void)state;
    open_fit(&f, SCENES "jasper_ridge/jasperRidge2_R198.img", PACKAGES "jasper_ridge.safetensors");
    const struct cube_description *d = cube_describe(f.cube);
    assert_true(f.match.B == 198 && f.match.by_wavelength && !f.validity.any_nodata);
    assert_string_equal(f.match.scaling, "reflectance scale factor 10000");
    assert_true(d->band[29].wavelength_nm < d->band[28].wavelength_nm);
    for (int i = 0; i < 198; i++)
        assert_int_equal(f.match.picked[i], i);
    free(read_all(&f, &bytes, &count));
    assert_int_equal(count.valid, 10000);
    close_fit(&f);
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_potsdam_is_the_same_as_geotiff_and_as_envi),
        cmocka_unit_test(test_salinas_is_invalid_only_where_every_band_is_zero),
        cmocka_unit_test(test_jasper_ridge_has_a_factor_and_overlapping_detectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
