/* Every key of a request: what it may be, what it may not, and what is said then. */
#include "proto/query.h"
#include "tests/unit/support/expect.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int set(struct query *q, const char *key, const char *text, struct err *e)
{
    return query_set(q, key, text, strlen(text), e);
}

static struct query good(const char *key, const char *text)
{
    struct query q;
    struct err e = {0};
    query_init(&q);
    if (set(&q, key, text, &e) != 0)
        fail_msg("%s=%s: %s", key, text, e.message);
    return q;
}

static void bad(const char *key, const char *text, size_t length, const char *part)
{
    struct query q;
    struct err e = {0};
    char what[400];
    query_init(&q);
    snprintf(what, sizeof what, "%s=%.*s", key, (int)length, text);
    if (query_set(&q, key, text, length, &e) == 0)
        fail_msg("accepted: %s", what);
    expect_error(&e, ERR_REQUEST, part, what);
}

static void all_bad(const char *key, const char *const *texts, const char *part)
{
    for (; *texts != NULL; texts++)
        bad(key, *texts, strlen(*texts), part);
}

static void test_nothing_given_is_the_default(void **state)
{
    struct query q;
    (void)state;
    query_init(&q);
    assert_string_equal(q.model, "");
    assert_int_equal(q.format, FORMAT_UNSET);
    assert_true(q.labels);
    assert_true(!q.has_window && !q.has_normalization && !q.spectral.has_scale);
    assert_int_equal(q.spectral.bands, BANDS_AUTO);
    assert_int_equal(q.nodata.rule, NODATA_AUTO);
    assert_int_equal(q.nodata.source, NODATA_OF_FILE);
    assert_true(q.deadline_s == 0);
}

static void test_model_is_a_plain_name(void **state)
{
    char name[300];
    (void)state;
    assert_string_equal(good("model", "salinas150").model, "salinas150");
    assert_string_equal(good("model", "for\xc3\xaat").model, "for\xc3\xaat");
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    assert_int_equal(strlen(good("model", name).model), 255);
    name[255] = 'n';
    bad("model", name, 256, "the name of a model");
    bad("model", "", 0, "the name of a model");
    bad("model", "a\nb", 3, "model=a?b is not understood");
    bad("model", "a\0b", 3, "model=a?b is not understood");
    bad("model", "a\xff", 2, "model=a? is not understood");
}

static void test_format_is_one_of_those_served(void **state)
{
    static const char *const others[] = {"tiff", "JSON", "", "jsonx", "jso", NULL};
    static const char *const later[] = {"cog", "envi", "png", "zip", NULL};
    (void)state;
    assert_int_equal(good("format", "json").format, FORMAT_JSON);
    assert_int_equal(good("format", "geotiff").format, FORMAT_GEOTIFF);
    assert_int_equal(good("format", "npy").format, FORMAT_NPY);
    all_bad("format", others, "expected json, geotiff or npy");
    all_bad("format", later, "is not served by this version; ask for json, geotiff or npy");
    for (enum result_format f = FORMAT_JSON; f <= FORMAT_NPY; f++)
        assert_int_equal(good("format", result_format_name(f)).format, f);
}

static void test_window_is_four_whole_numbers(void **state)
{
    static const char *const refused[] = {"",
                                          "1",
                                          "1,2,3",
                                          "1,2,3,4,",
                                          "1,2,3,4,5",
                                          ",1,2,3",
                                          "1,2,0,4",
                                          "1,2,3,0",
                                          "-1,2,3,4",
                                          "1,2,3,-4",
                                          "1.5,2,3,4",
                                          "1, 2,3,4",
                                          "1,2,3,4 ",
                                          "a,b,c,d",
                                          "1;2;3;4",
                                          "1,2,3,2147483648",
                                          "1,,3,4",
                                          "0x1,2,3,4",
                                          "1,2,3,1e2",
                                          "[1,2,3,4]",
                                          "99999999999999999999,2,3,4",
                                          NULL};
    (void)state;
    struct query q = good("window", "1,2,3,4");
    assert_true(q.has_window && q.window.column == 1 && q.window.line == 2 && q.window.columns == 3 &&
                q.window.lines == 4);
    q = good("window", "0,0,1,2147483647");
    assert_true(q.window.column == 0 && q.window.lines == INT32_MAX);
    all_bad("window", refused, "expected column,row,columns,rows");
    bad("window", "1,2,3,4\0,5", 10, "window=1,2,3,4?,5 is not understood");
}

static void test_words_choose_normalization_bands_and_nodata_rule(void **state)
{
    static const char *const refused[] = {"", "Model", "scene ", "any,all", "auto\n", NULL};
    (void)state;
    struct query q = good("normalization", "scene");
    assert_true(q.has_normalization && q.normalization == NORMALIZATION_SCENE);
    q = good("normalization", "model");
    assert_true(q.has_normalization && q.normalization == NORMALIZATION_MODEL);
    assert_int_equal(good("bands", "auto").spectral.bands, BANDS_AUTO);
    assert_int_equal(good("bands", "index").spectral.bands, BANDS_INDEX);
    assert_int_equal(good("bands", "wavelength").spectral.bands, BANDS_WAVELENGTH);
    assert_int_equal(good("nodata_rule", "auto").nodata.rule, NODATA_AUTO);
    assert_int_equal(good("nodata_rule", "any").nodata.rule, NODATA_ANY);
    assert_int_equal(good("nodata_rule", "all").nodata.rule, NODATA_ALL);
    all_bad("normalization", refused, "expected model or scene");
    all_bad("bands", refused, "expected auto, index or wavelength");
    all_bad("nodata_rule", refused, "expected auto, any or all");
}

static void test_scale_is_finite_and_not_0(void **state)
{
    static const char *const refused[] = {"",      "0",   "-0.0", "1e-999", "inf", "nan",
                                          "1e999", "0x1", "1,5",  "1 ",     "--1", NULL};
    (void)state;
    struct query q = good("scale", "1e-4");
    assert_true(q.spectral.has_scale && q.spectral.scale == 1e-4);
    assert_true(good("scale", "-2").spectral.scale == -2);
    all_bad("scale", refused, "expected a finite number other than 0");
}

static void test_nodata_is_a_number_nan_or_none(void **state)
{
    static const char *const refused[] = {"", "None", "NAN", "inf", "-inf", "1e999", "0x0", "null", NULL};
    (void)state;
    struct query q = good("nodata", "-9999.5");
    assert_true(q.nodata.source == NODATA_GIVEN && q.nodata.value == -9999.5);
    q = good("nodata", "0");
    assert_true(q.nodata.source == NODATA_GIVEN && q.nodata.value == 0);
    assert_int_equal(good("nodata", "none").nodata.source, NODATA_IGNORED);
    static const char *const nans[] = {"NaN", "nan"};
    for (int i = 0; i < 2; i++) {
        q = good("nodata", nans[i]);
        assert_true(q.nodata.source == NODATA_GIVEN && isnan(q.nodata.value));
    }
    all_bad("nodata", refused, "expected a number, NaN, or none");
}

static void test_labels_is_a_switch(void **state)
{
    static const char *const refused[] = {"", "2", "yes", "00", "True", NULL};
    (void)state;
    assert_false(good("labels", "0").labels);
    assert_false(good("labels", "false").labels);
    assert_true(good("labels", "1").labels);
    assert_true(good("labels", "true").labels);
    all_bad("labels", refused, "expected 0 or 1");
}

static void test_deadline_is_a_time_ahead(void **state)
{
    static const char *const refused[] = {"", "0", "-1", "604800.5", "inf", "nan", "1s", "1e9", NULL};
    (void)state;
    assert_true(good("deadline", "0.5").deadline_s == 0.5);
    assert_true(good("deadline", "604800").deadline_s == 604800);
    all_bad("deadline", refused, "expected seconds, above 0 and at most 604800");
}

static void test_every_key_given_twice_is_refused(void **state)
{
    static const char *const values[][2] = {
        {"model", "a"},  {"format", "json"}, {"window", "0,0,1,1"},  {"normalization", "model"},
        {"scale", "1"},  {"nodata", "0"},    {"nodata_rule", "any"}, {"bands", "index"},
        {"labels", "1"}, {"deadline", "1"}};
    struct query q;
    struct err e = {0};
    (void)state;
    assert_int_equal(sizeof values / sizeof values[0], query_key_count); /* a new key wants a test */
    query_init(&q);
    for (size_t i = 0; i < query_key_count; i++)
        assert_int_equal(set(&q, values[i][0], values[i][1], &e), 0);
    for (size_t i = 0; i < query_key_count; i++) {
        char part[64];
        assert_int_equal(set(&q, values[i][0], values[i][1], &e), -1);
        snprintf(part, sizeof part, "%s is given twice", values[i][0]);
        expect_error(&e, ERR_REQUEST, part, values[i][0]);
    }
}

static void test_unknown_key_lists_those_there_are(void **state)
{
    static const char *const unknown[] = {"", "Model", "model ", "windows", "threshold"};
    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        for (size_t k = 0; k < query_key_count; k++)
            bad(unknown[i], "1", 1, query_keys[k].name);
    bad("wind\x1b[2Jow", "1", 1, "no query key 'wind?[2Jow'; this version knows model, format, window,");
}

static void test_hostile_values_are_shown_harmlessly(void **state)
{
    char text[4096];
    struct query q;
    struct err e;
    (void)state;
    memset(text, '\x1b', sizeof text);
    for (size_t i = 0; i < query_key_count; i++) {
        query_init(&q);
        assert_int_equal(query_set(&q, query_keys[i].name, text, sizeof text, &e), -1);
        assert_null(strchr(e.message, '\x1b'));
        assert_non_null(strstr(e.message, "?...")); /* cut, not endless */
        assert_true(strlen(e.message) < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_given_is_the_default),
        cmocka_unit_test(test_model_is_a_plain_name),
        cmocka_unit_test(test_format_is_one_of_those_served),
        cmocka_unit_test(test_window_is_four_whole_numbers),
        cmocka_unit_test(test_words_choose_normalization_bands_and_nodata_rule),
        cmocka_unit_test(test_scale_is_finite_and_not_0),
        cmocka_unit_test(test_nodata_is_a_number_nan_or_none),
        cmocka_unit_test(test_labels_is_a_switch),
        cmocka_unit_test(test_deadline_is_a_time_ahead),
        cmocka_unit_test(test_every_key_given_twice_is_refused),
        cmocka_unit_test(test_unknown_key_lists_those_there_are),
        cmocka_unit_test(test_hostile_values_are_shown_harmlessly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
