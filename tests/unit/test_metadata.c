/* The metadata of a package is read as written; what it gets wrong is refused by its key. */
#include "tests/unit/support/package_expect.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct draft_recipe small = {.B = 9, .K = 9, .C = 3, .P = 7, .N = 2, .seed = 1};

static void test_metadata_is_read(void **state)
{
    (void)state;
    struct draft_recipe r = small;
    r.members = "\"wavelengths_nm\": [400, 410.5, 409, 430, 440, 450, 460, 470, 2500], \"fwhm_nm\": "
                "[10, 10, 10, 10, 10, 10, 10, 10, 0.5], \"nodata\": -9999, \"scaling\": \"none\", "
                "\"normalization\": \"scene\", \"training\": {\"seed\": 12345678901234567890}, \"Name\": 3";
    r.name = "W\303\244lder 2";
    struct package *p = expect_package(&r);
    assert_string_equal(p->name, r.name);
    assert_string_equal(p->version, "1");
    assert_int_equal(p->classes[1].id, 2);
    assert_string_equal(p->classes[1].name, "class 2");
    assert_int_equal(p->classes[1].red, 2);
    assert_int_equal(p->classes[1].green, 253);
    assert_int_equal(p->classes[1].blue, 74);
    assert_true(p->wavelengths_nm[2] == 409 && p->wavelengths_nm[8] == 2500);
    assert_true(p->fwhm_nm[8] == 0.5);
    assert_true(p->has_nodata && p->nodata == -9999);
    assert_true(p->scaling_none);
    assert_int_equal(p->normalization, NORMALIZATION_SCENE);
    package_close(p);
}

static void test_defaults_stand_where_the_metadata_is_silent(void **state)
{
    (void)state;
    struct package_draft d;
    struct package *p;
    struct err e;
    draft_make(&d, &(struct draft_recipe){.B = 9, .K = 9, .C = 24, .P = 7, .N = 2, .seed = 1});
    draft_metadata(
        &d,
        "{\"format\":1,\"architecture\":\"a2s2k-resnet\",\"name\":\"n\",\"version\":\"v\",\"sensor_bands\":9,"
        "\"bands\":9,\"patch\":7,\"classes\":[{\"id\":255,\"name\":\"a\"},{\"id\":1,\"name\":\"b\",\"color\":null}],"
        "\"nodata\":null,\"wavelengths_nm\":null,\"kernels\":null,\"scaling\":null}");
    assert_int_equal(draft_parse(&p, &d, &e), 0);
    draft_release(&d);
    assert_int_equal(p->network.C, 24);
    assert_false(p->scaling_none);
    assert_int_equal(p->normalization, NORMALIZATION_MODEL);
    assert_null(p->wavelengths_nm);
    assert_null(p->fwhm_nm);
    assert_false(p->has_nodata);
    assert_int_equal(p->classes[0].id, 255);
    struct package_class *a = &p->classes[0], *b = &p->classes[1];
    assert_false(a->red == b->red && a->green == b->green && a->blue == b->blue);
    package_close(p);
}

static void test_palette_has_a_colour_of_its_own_for_every_class(void **state)
{
    (void)state;
    struct package_draft d;
    struct package *p;
    struct err e;
    char list[255 * 32] = "";
    draft_make(&d, &(struct draft_recipe){.B = 9, .K = 9, .C = 1, .P = 7, .N = 255, .seed = 1});
    for (size_t i = 0, used = 0; i < 255; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s{\"id\":%zu,\"name\":\"x\"}", i == 0 ? "" : ",",
                                 i + 1);
    draft_metadata(
        &d,
        "{\"format\":1,\"architecture\":\"a2s2k-resnet\",\"name\":\"n\",\"version\":\"v\",\"sensor_bands\":9,"
        "\"bands\":9,\"patch\":7,\"kernels\":1,\"classes\":[%s]}",
        list);
    assert_int_equal(draft_parse(&p, &d, &e), 0);
    draft_release(&d);
    for (int i = 0; i < 255; i++) {
        const struct package_class *a = &p->classes[i];
        assert_true(a->red + a->green + a->blue > 0); /* black is label 0 in many viewers */
        for (int k = 0; k < i; k++) {
            const struct package_class *b = &p->classes[k];
            assert_false(a->red == b->red && a->green == b->green && a->blue == b->blue);
        }
    }
    package_close(p);
}

static void test_nodata_may_be_nan(void **state)
{
    (void)state;
    struct draft_recipe r = small;
    r.members = "\"nodata\": \"NaN\"";
    struct package *p = expect_package(&r);
    assert_true(p->has_nodata && isnan(p->nodata));
    package_close(p);
}

/* Members that replace those of a good metadata; NULL as text leaves the member out. */
static const struct {
    const char *key, *text, *message;
} bad_members[] = {
    {"format", NULL, "format is not 1"},
    {"format", "2", "format is not 1"},
    {"format", "\"1\"", "format is not 1"},
    {"format", "1.5", "format is not 1"},
    {"architecture", NULL, "architecture is not"},
    {"architecture", "\"A2S2K-ResNet\"", "architecture is not"},
    {"name", NULL, "name is not a text"},
    {"name", "\"\"", "name is not a text"},
    {"name", "7", "name is not a text"},
    {"name", "\"a\\u0000b\"", "NUL"},
    {"name", "\"a\\r\\nX-Evil: 1\"", "name is not a text"},
    {"name", "\"\\u001b[2J\"", "name is not a text"},
    {"name", "\"\\u0085\"", "name is not a text"},
    {"name", "\"\xff\"", "not UTF-8"},
    {"name", "\"../../etc/passwd\"", "name holds a slash"},
    {"version", NULL, "version is not a text"},
    {"version", "1", "version is not a text"},
    {"sensor_bands", NULL, "sensor_bands is missing"},
    {"sensor_bands", "0", "sensor_bands is not a whole number from 1 to 4096"},
    {"sensor_bands", "4097", "sensor_bands is not"},
    {"sensor_bands", "9.5", "sensor_bands is not"},
    {"sensor_bands", "1e999", "too large"},
    {"sensor_bands", "-9", "sensor_bands is not"},
    {"sensor_bands", "09", "not valid JSON"},
    {"bands", NULL, "bands is missing"},
    {"bands", "6", "bands is not a whole number from 7 to 512"},
    {"bands", "513", "bands is not"},
    {"bands", "18446744073709551625", "bands is not"},
    {"bands", "[9]", "bands is not"},
    {"patch", NULL, "patch is missing"},
    {"patch", "5", "published head does not fit a patch of 5"},
    {"patch", "8", "published head does not fit a patch of 8"},
    {"patch", "13", "published head does not fit a patch of 13"},
    {"patch", "7.5", "patch is not"},
    {"kernels", "0", "kernels is not a whole number from 1 to 64"},
    {"kernels", "65", "kernels is not"},
    {"kernels", "true", "kernels is not"},
    {"classes", NULL, "classes is not a list"},
    {"classes", "[]", "classes is not a list"},
    {"classes", "{}", "classes is not a list"},
    {"classes", "[1,2]", "class 1: id is missing"},
    {"classes", "[{\"id\":0,\"name\":\"a\"},{\"id\":2,\"name\":\"b\"}]", "class 1: id is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\"},{\"id\":256,\"name\":\"b\"}]", "class 2: id is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\"},{\"id\":1,\"name\":\"b\"}]", "class 2: another class has the id 1"},
    {"classes", "[{\"id\":1,\"name\":\"a\"},{\"id\":2}]", "class 2: name is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\"},{\"id\":2,\"name\":\"a\\tb\"}]", "class 2: name is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\",\"color\":\"red\"}]", "color is not of the form #rrggbb"},
    {"classes", "[{\"id\":1,\"name\":\"a\",\"color\":\"#12345\"}]", "color is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\",\"color\":\"#1234567\"}]", "color is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\",\"color\":\"#+12345\"}]", "color is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\",\"color\":7}]", "color is not"},
    {"classes", "[{\"id\":1,\"name\":\"a\"}]", "tensor full_connection.0.weight has the shape (2, 3), expected (1, 3)"},
    {"wavelengths_nm", "[400]", "expected 9, got 1"},
    {"wavelengths_nm", "400", "wavelengths_nm is not a list"},
    {"wavelengths_nm", "[1,2,3,4,0,6,7,8,9]", "wavelengths_nm: value 5 is not a number above 0"},
    {"wavelengths_nm", "[1,2,3,4,5,6,7,8,\"9\"]", "wavelengths_nm: value 9"},
    {"wavelengths_nm", "[1,2,3,4,5,6,7,8,1e999]", "too large"},
    {"fwhm_nm", "[1,2,3,4,5,6,7,8,-9]", "fwhm_nm: value 9"},
    {"nodata", "\"nan\"", "nodata is neither"},
    {"nodata", "[0]", "nodata is neither"},
    {"nodata", "true", "nodata is neither"},
    {"scaling", "\"File\"", "scaling is neither \"file\" nor \"none\""},
    {"scaling", "1", "scaling is neither"},
    {"normalization", "\"none\"", "normalization is neither"},
    {"training", "{\"a\":1,\"a\":2}", "\"a\" appears twice"},
};

static void set_member(struct package_draft *d, const char *key, const char *text)
{
    static const char *const good[][2] = {
        {"format", "1"},
        {"architecture", "\"a2s2k-resnet\""},
        {"name", "\"n\""},
        {"version", "\"1\""},
        {"sensor_bands", "9"},
        {"bands", "9"},
        {"patch", "7"},
        {"kernels", "3"},
        {"classes", "[{\"id\":1,\"name\":\"a\"},{\"id\":2,\"name\":\"b\"}]"},
        {"wavelengths_nm", NULL},
        {"fwhm_nm", NULL},
        {"nodata", NULL},
        {"scaling", NULL},
        {"normalization", NULL},
        {"training", NULL},
    };
    char json[1024] = "{\"\":0";
    size_t used = strlen(json);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *value = strcmp(key, good[i][0]) == 0 ? text : good[i][1];
        if (value != NULL)
            used += (size_t)snprintf(json + used, sizeof json - used, ",\"%s\":%s", good[i][0], value);
    }
    draft_metadata(d, "%s}", json);
}

static void test_bad_metadata_names_its_key(void **state)
{
    (void)state;
    struct package_draft d;
    draft_make(&d, &small);
    set_member(&d, "training", "{}");
    expect_accepted(&d, "the metadata that the others are made of");
    for (size_t i = 0; i < sizeof bad_members / sizeof bad_members[0]; i++) {
        char what[128];
        draft_make(&d, &small);
        set_member(&d, bad_members[i].key, bad_members[i].text);
        snprintf(what, sizeof what, "%s: %s", bad_members[i].key, bad_members[i].text ? bad_members[i].text : "(none)");
        expect_refused(&d, bad_members[i].message, what);
    }
}

static void test_metadata_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "[]", "null", "1", "\"{}\"", "{", "{}x"};
    struct package_draft d;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        draft_make(&d, &small);
        draft_metadata(&d, "%s", texts[i]);
        expect_refused(&d, "metadata: not", texts[i]);
    }
    draft_make(&d, &small);
    free(d.metadata);
    d.metadata = NULL;
    expect_refused(&d, "no metadata under the key spectrad", "none at all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata_is_read),
        cmocka_unit_test(test_defaults_stand_where_the_metadata_is_silent),
        cmocka_unit_test(test_palette_has_a_colour_of_its_own_for_every_class),
        cmocka_unit_test(test_nodata_may_be_nan),
        cmocka_unit_test(test_bad_metadata_names_its_key),
        cmocka_unit_test(test_metadata_that_is_no_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
