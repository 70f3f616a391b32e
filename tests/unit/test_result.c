/* The JSON result: every member of the contract, in its order, and what is null. */
#include "base/json.h"
#include "proto/result.h"
#include "tests/unit/support/expect.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N = 3, LINES = 2, COLUMNS = 5 };

/* A result where every member has a value of its own. */
struct sample_result {
    struct result r;
    struct cube_description scene;
    struct package package;
    struct package_class classes[N + 1];
    struct result_class sums[N];
    uint64_t confusion[N * N];
    uint8_t labels[LINES * COLUMNS];
};

static char crs[] = "EPSG:32633", name[] = "meadow", version[] = "2.1", grass[] = "grass", water[] = "water",
            roof[] = "roof";

static struct sample_result *sample_result(void)
{
    struct sample_result *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->scene = (struct cube_description){.columns = 128,
                                         .lines = 64,
                                         .bands = 224,
                                         .driver = "GTiff",
                                         .type = SAMPLE_INT16,
                                         .crs = crs,
                                         .has_geotransform = true,
                                         .geotransform = {364155.1, 30, 0, 5808130.7, 0, -0.1}};
    s->package = (struct package){.name = name, .version = version, .classes = s->classes};
    memset(s->package.sha256, 'a', 64);
    s->package.network = (struct network){.N = N, .P = 9};
    s->classes[0] = (struct package_class){1, grass, 0x0a, 0xb0, 0x0c};
    s->classes[1] = (struct package_class){7, water, 0, 0, 255};
    s->classes[2] = (struct package_class){255, roof, 255, 255, 255};
    s->sums[0] = (struct result_class){4, 3600.25, 0.75};
    s->sums[1] = (struct result_class){2, 1800.125, 0.5};
    s->sums[2] = (struct result_class){0, NAN, NAN};
    memcpy(s->labels, (const uint8_t[]){1, 1, 1, 7, 0, 0, 0, 0, 1, 7}, sizeof s->labels);
    s->r = (struct result){.request_id = "abc-1",
                           .scene = &s->scene,
                           .window = {3, 4, COLUMNS, LINES},
                           .bands_used = 218,
                           .by_wavelength = true,
                           .scaling = "band scale 0.0001",
                           .has_nodata = true,
                           .nodata = -32768,
                           .nodata_rule = "any",
                           .pixels = {8, 2, 1},
                           .package = &s->package,
                           .device = "cpu",
                           .precision = "fp32",
                           .classes = s->sums,
                           .labels = s->labels,
                           .truth = {.confusion = s->confusion},
                           .timing = {1.5, 2.5, 3.5, 4.5, 5.5, 6.5}};
    return s;
}

/* What result_write_json writes, parsed by json.h, which takes RFC 8259 and nothing else. For cJSON_Delete. */
static cJSON *parsed(const struct result *r)
{
    struct err e = {0};
    cJSON *tree;
    int fd = memfd_create("result", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(result_write_json(r, fd, &e), 0);
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)length);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)length, 0), length);
    close(fd);
    if (json_parse(&tree, text, (size_t)length, &e) != 0)
        fail_msg("%s: %.*s", e.message, (int)length, text);
    free(text);
    return tree;
}

/* An object too: its values, in order. */
static void expect_array(const cJSON *array, const double *values, int count)
{
    assert_int_equal(cJSON_GetArraySize(array), count);
    for (int i = 0; i < count; i++)
        assert_true(cJSON_GetArrayItem(array, i)->valuedouble == values[i]);
}

/* The object has those members, in that order, and no others. */
static void expect_members(const cJSON *object, const char *names)
{
    char found[512] = "";
    size_t used = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%s", used > 0 ? " " : "", m->string);
    assert_string_equal(found, names);
}

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    if (m == NULL)
        fail_msg("no member %s", key);
    return m;
}

static void expect_text(const cJSON *object, const char *key, const char *value)
{
    const cJSON *m = member(object, key);
    assert_true(cJSON_IsString(m));
    assert_string_equal(m->valuestring, value);
}

static void expect_figure(const cJSON *object, const char *key, double value)
{
    const cJSON *m = member(object, key);
    assert_true(cJSON_IsNumber(m));
    if (m->valuedouble != value) /* to the last bit: what is written reads back */
        fail_msg("%s is %.17g, not %.17g", key, m->valuedouble, value);
}

static void expect_null(const cJSON *object, const char *key)
{
    assert_true(cJSON_IsNull(member(object, key)));
}

/* ---- members ---------------------------------------------------------------------------------------------------- */

static void test_every_member_is_there_in_the_order_of_the_contract(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    result_warn(&s->r, "no areas: %s", "because");
    cJSON *t = parsed(&s->r);
    expect_members(t, "request_id scene model classes unclassified labels timing warnings");
    expect_text(t, "request_id", "abc-1");
    const cJSON *unclassified = member(t, "unclassified"), *timing = member(t, "timing");
    expect_members(unclassified, "pixels");
    expect_figure(unclassified, "pixels", 4);
    expect_members(timing, "upload_s queue_s read_s compute_s encode_s total_s");
    expect_array(timing, (const double[]){1.5, 2.5, 3.5, 4.5, 5.5, 6.5}, 6);
    const cJSON *warnings = member(t, "warnings");
    assert_int_equal(cJSON_GetArraySize(warnings), 1);
    assert_string_equal(warnings->child->valuestring, "no areas: because");
    cJSON_Delete(t);
    free(s);
}

static void test_scene_and_model_say_what_was_classified_and_by_what(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    cJSON *t = parsed(&s->r);
    const cJSON *scene = member(t, "scene"), *model = member(t, "model");
    expect_members(scene,
                   "columns rows bands driver data_type crs geotransform window band_matching bands_used scaling "
                   "nodata nodata_rule pixels_valid pixels_invalid pixels_partly_nodata");
    expect_figure(scene, "columns", 128);
    expect_figure(scene, "rows", 64);
    expect_figure(scene, "bands", 224);
    expect_text(scene, "driver", "GTiff");
    expect_text(scene, "data_type", "Int16");
    expect_text(scene, "crs", "EPSG:32633");
    expect_array(member(scene, "geotransform"), s->scene.geotransform, 6);
    expect_array(member(scene, "window"), (const double[]){3, 4, COLUMNS, LINES}, 4);
    expect_text(scene, "band_matching", "wavelength");
    expect_figure(scene, "bands_used", 218);
    expect_text(scene, "scaling", "band scale 0.0001");
    expect_figure(scene, "nodata", -32768);
    expect_text(scene, "nodata_rule", "any");
    expect_figure(scene, "pixels_valid", 8);
    expect_figure(scene, "pixels_invalid", 2);
    expect_figure(scene, "pixels_partly_nodata", 1);
    expect_members(model, "name version sha256 patch device precision normalization");
    expect_text(model, "name", "meadow");
    expect_text(model, "version", "2.1");
    expect_text(model, "sha256", s->package.sha256);
    expect_figure(model, "patch", 9);
    expect_text(model, "device", "cpu");
    expect_text(model, "precision", "fp32");
    expect_text(model, "normalization", "model");
    cJSON_Delete(t);
    free(s);
}

static void test_classes_are_all_listed_those_without_pixels_too(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    cJSON *t = parsed(&s->r);
    const cJSON *classes = member(t, "classes"), *first = classes->child, *last = cJSON_GetArrayItem(classes, N - 1);
    assert_int_equal(cJSON_GetArraySize(classes), N);
    expect_members(first, "id name color pixels fraction area_m2 mean_confidence");
    expect_figure(first, "id", 1);
    expect_text(first, "name", "grass");
    expect_text(first, "color", "#0ab00c");
    expect_figure(first, "pixels", 4);
    expect_figure(first, "fraction", 0.5); /* of the 8 valid ones, not of the window's 10 */
    expect_figure(first, "area_m2", 3600.25);
    expect_figure(first, "mean_confidence", 0.75);
    expect_figure(last, "id", 255);
    expect_text(last, "color", "#ffffff");
    expect_figure(last, "pixels", 0);
    expect_figure(last, "fraction", 0);
    expect_null(last, "area_m2");
    expect_null(last, "mean_confidence");
    cJSON_Delete(t);
    free(s);
}

static void test_what_a_scene_has_not_is_null(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    s->scene.crs = NULL;
    s->scene.has_geotransform = false;
    s->r.has_nodata = false;
    s->r.nodata_rule = NULL;
    s->r.by_wavelength = false;
    s->r.normalization = NORMALIZATION_SCENE;
    s->r.pixels = (struct validity_count){0, 10, 0};
    cJSON *t = parsed(&s->r);
    const cJSON *scene = member(t, "scene");
    expect_null(scene, "crs");
    expect_null(scene, "geotransform");
    expect_null(scene, "nodata");
    expect_null(scene, "nodata_rule");
    expect_text(scene, "band_matching", "index");
    expect_text(member(t, "model"), "normalization", "scene");
    expect_null(member(t, "classes")->child, "fraction"); /* of no valid pixels */
    cJSON_Delete(t);
    s->r.has_nodata = true;
    s->r.nodata = NAN;
    t = parsed(&s->r);
    expect_text(member(t, "scene"), "nodata", "NaN");
    cJSON_Delete(t);
    free(s);
}

/* ---- labels ----------------------------------------------------------------------------------------------------- */

static void test_labels_are_runs_of_each_row(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    cJSON *t = parsed(&s->r);
    const cJSON *labels = member(t, "labels"), *rows = member(labels, "rows");
    expect_members(labels, "encoding rows");
    expect_text(labels, "encoding", "rle");
    assert_int_equal(cJSON_GetArraySize(rows), LINES);
    expect_array(cJSON_GetArrayItem(rows, 0), (const double[]){1, 3, 7, 1, 0, 1}, 6);
    expect_array(cJSON_GetArrayItem(rows, 1), (const double[]){0, 3, 1, 1, 7, 1}, 6); /* no run crosses a row's end */
    cJSON_Delete(t);
    s->r.labels = NULL;
    t = parsed(&s->r);
    assert_null(cJSON_GetObjectItemCaseSensitive(t, "labels"));
    expect_figure(member(t, "unclassified"), "pixels", 4); /* is known without the rows */
    cJSON_Delete(t);
    free(s);
}

/* ---- truth ------------------------------------------------------------------------------------------------------ */

/* Truth in rows, which sum to 10, 9, 1; the columns to 9, 8, 3. Right: 14 of 20; by chance (10*9 + 9*8 + 1*3) / 20^2.
 */
static const uint64_t by_hand[N * N] = {8, 1, 1, 1, 6, 2, 0, 1, 0};

static void expect_close(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-12))
        fail_msg("%.17g, not %.17g", found, expected);
}

static void test_truth_figures_are_those_computed_by_hand(void **state)
{
    (void)state;
    uint64_t confusion[N * N];
    memcpy(confusion, by_hand, sizeof confusion);
    struct result_truth t = {.pixels = 20, .confusion = confusion};
    result_truth_figures(&t, N);
    expect_close(t.overall_accuracy, 0.7);
    expect_close(t.average_accuracy, (0.8 + 2.0 / 3 + 0) / 3);
    expect_close(t.kappa, (0.7 - 0.4125) / (1 - 0.4125));
}

static void test_truth_figures_that_are_not_defined_are_not_numbers(void **state)
{
    (void)state;
    uint64_t confusion[N * N] = {0};
    struct result_truth t = {.confusion = confusion};
    result_truth_figures(&t, N); /* no truth at all */
    assert_true(isnan(t.overall_accuracy) && isnan(t.average_accuracy) && isnan(t.kappa));
    confusion[0] = t.pixels = 12; /* one class alone: agreement by chance is complete */
    result_truth_figures(&t, N);
    assert_true(t.overall_accuracy == 1 && t.average_accuracy == 1 && isnan(t.kappa));
    confusion[0] = 0;
    confusion[1] = 12; /* all wrong; classes without truth are no part of the average */
    result_truth_figures(&t, N);
    assert_true(t.overall_accuracy == 0 && t.average_accuracy == 0 && t.kappa == 0);
}

static void test_truth_is_reported_class_by_class(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    memcpy(s->confusion, by_hand, sizeof s->confusion);
    s->r.truth =
        (struct result_truth){.present = true, .pixels = 20, .unlabelled = 3, .ignored = 5, .confusion = s->confusion};
    result_truth_figures(&s->r.truth, N);
    cJSON *t = parsed(&s->r);
    expect_members(t, "request_id scene model classes unclassified labels truth timing warnings");
    const cJSON *truth = member(t, "truth"), *matrix = member(truth, "confusion_matrix");
    expect_members(truth, "overall_accuracy average_accuracy kappa pixels unlabelled ignored confusion_matrix classes");
    expect_figure(truth, "overall_accuracy", s->r.truth.overall_accuracy);
    expect_figure(truth, "average_accuracy", s->r.truth.average_accuracy);
    expect_figure(truth, "kappa", s->r.truth.kappa);
    expect_figure(truth, "pixels", 20);
    expect_figure(truth, "unlabelled", 3);
    expect_figure(truth, "ignored", 5);
    assert_int_equal(cJSON_GetArraySize(matrix), N);
    expect_array(cJSON_GetArrayItem(matrix, 1), (const double[]){1, 6, 2}, N); /* truth in rows, labels in columns */
    const cJSON *classes = member(truth, "classes"), *second = cJSON_GetArrayItem(classes, 1);
    assert_int_equal(cJSON_GetArraySize(classes), N);
    expect_members(second, "id precision recall f1 support");
    expect_array(second, (const double[]){7, 6.0 / 8, 6.0 / 9, 12.0 / 17, 9}, 5);
    cJSON_Delete(t);
    memcpy(s->confusion, (const uint64_t[N * N]){8, 2}, sizeof s->confusion); /* no truth of 2; nothing of 3 */
    t = parsed(&s->r);
    classes = member(member(t, "truth"), "classes");
    expect_figure(cJSON_GetArrayItem(classes, 1), "precision", 0);
    expect_null(cJSON_GetArrayItem(classes, 1), "recall");
    expect_figure(cJSON_GetArrayItem(classes, 1), "f1", 0);
    expect_null(cJSON_GetArrayItem(classes, 2), "precision");
    expect_null(cJSON_GetArrayItem(classes, 2), "f1");
    cJSON_Delete(t);
    free(s);
}

/* ---- warnings and failures --------------------------------------------------------------------------------------- */

static void test_warnings_beyond_their_room_are_dropped_and_cut(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    result_warn(&s->r, "%0500d", 1);
    for (int i = 1; i < RESULT_WARNINGS + 3; i++)
        result_warn(&s->r, "warning %d", i);
    cJSON *t = parsed(&s->r);
    const cJSON *warnings = member(t, "warnings");
    assert_int_equal(cJSON_GetArraySize(warnings), RESULT_WARNINGS);
    assert_int_equal(strlen(warnings->child->valuestring), sizeof s->r.warnings[0] - 1);
    assert_string_equal(cJSON_GetArrayItem(warnings, RESULT_WARNINGS - 1)->valuestring, "warning 7");
    cJSON_Delete(t);
    free(s);
}

static void test_a_full_disk_is_an_error_of_space(void **state)
{
    (void)state;
    struct sample_result *s = sample_result();
    struct err e = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(result_write_json(&s->r, fd, &e), -1);
    expect_error(&e, ERR_SPACE, "no space is left", "/dev/full");
    close(fd);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_member_is_there_in_the_order_of_the_contract),
        cmocka_unit_test(test_scene_and_model_say_what_was_classified_and_by_what),
        cmocka_unit_test(test_classes_are_all_listed_those_without_pixels_too),
        cmocka_unit_test(test_what_a_scene_has_not_is_null),
        cmocka_unit_test(test_labels_are_runs_of_each_row),
        cmocka_unit_test(test_truth_figures_are_those_computed_by_hand),
        cmocka_unit_test(test_truth_figures_that_are_not_defined_are_not_numbers),
        cmocka_unit_test(test_truth_is_reported_class_by_class),
        cmocka_unit_test(test_warnings_beyond_their_room_are_dropped_and_cut),
        cmocka_unit_test(test_a_full_disk_is_an_error_of_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
