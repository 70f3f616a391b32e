/* What an Accept header asks for (RFC 9110, 12.5.1). */
#include "proto/accept.h"
#include "tests/unit/support/expect.h"
#include <string.h>

struct accept_case {
    const char *header;
    enum result_format format;
};

static void expect_format(const struct accept_case *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum result_format f = FORMAT_UNSET;
        struct err e = {0};
        if (accept_choose(FORMAT_UNSET, c[i].header, &f, &e) != 0)
            fail_msg("\"%s\": %s", c[i].header, e.message);
        if (f != c[i].format)
            fail_msg("\"%s\" gives %s", c[i].header, result_format_name(f));
    }
}
#define EXPECT_FORMATS(cases) expect_format(cases, sizeof cases / sizeof cases[0])

static void expect_refused(const char *header, enum err_code code, const char *part)
{
    enum result_format f;
    struct err e = {0};
    if (accept_choose(FORMAT_UNSET, header, &f, &e) == 0)
        fail_msg("accepted: %s", header);
    expect_error(&e, code, part, header);
}

static void test_no_header_or_an_empty_one_is_json(void **state)
{
    static const struct accept_case cases[] = {
        {NULL, FORMAT_JSON}, {"", FORMAT_JSON}, {" \t", FORMAT_JSON}, {", ,", FORMAT_JSON}};
    (void)state;
    EXPECT_FORMATS(cases);
}

static void test_format_wins_over_the_header(void **state)
{
    enum result_format f;
    struct err e;
    (void)state;
    assert_int_equal(accept_choose(FORMAT_NPY, "image/png", &f, &e), 0);
    assert_int_equal(f, FORMAT_NPY);
    assert_int_equal(accept_choose(FORMAT_GEOTIFF, "application/json", &f, &e), 0);
    assert_int_equal(f, FORMAT_GEOTIFF);
}

static void test_types_choose_the_format(void **state)
{
    static const struct accept_case cases[] = {
        {"application/json", FORMAT_JSON},
        {"image/tiff", FORMAT_GEOTIFF},
        {"image/tiff; application=geotiff", FORMAT_GEOTIFF},
        {"image/tiff;application=\"geotiff\"", FORMAT_GEOTIFF},
        {"IMAGE/TIFF ; Application=GeoTIFF", FORMAT_GEOTIFF},
        {"application/json; charset=utf-8", FORMAT_JSON},
        {"text/html, image/tiff", FORMAT_GEOTIFF},
        {"application/json;;q=0.5;", FORMAT_JSON}, /* empty parameters are allowed */
        {",application/json,,", FORMAT_JSON},
        {"text/plain; x=\"a, b; c\\\"\", image/tiff", FORMAT_GEOTIFF}, /* a quoted string hides its separators */
    };
    (void)state;
    EXPECT_FORMATS(cases);
}

static void test_q_values_are_obeyed(void **state)
{
    static const struct accept_case cases[] = {
        {"application/json;q=0.1, image/tiff;q=0.2", FORMAT_GEOTIFF},
        {"application/json;q=0.200, image/tiff;q=0.2", FORMAT_JSON}, /* equal: the server's order */
        {"image/tiff;Q=0.9,application/json ; q=1.000", FORMAT_JSON},
        {"image/tiff;q=0.5, application/json;q=0", FORMAT_GEOTIFF},
        {"image/tiff, application/json", FORMAT_JSON},
        {"image/tiff;q=0.001", FORMAT_GEOTIFF},
    };
    (void)state;
    EXPECT_FORMATS(cases);
}

static void test_wildcards_take_what_the_server_prefers(void **state)
{
    static const struct accept_case cases[] = {
        {"*/*", FORMAT_JSON},
        {"image/*", FORMAT_GEOTIFF},
        {"application/*", FORMAT_JSON},
        {"image/*, */*;q=0.1", FORMAT_GEOTIFF},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", FORMAT_JSON}, /* browsers */
        {"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", FORMAT_JSON}, /* Java's HttpURLConnection */
        {"*", FORMAT_JSON},
    };
    (void)state;
    EXPECT_FORMATS(cases);
}

static void test_the_closest_range_decides(void **state)
{
    static const struct accept_case cases[] = {
        {"*/*, application/json;q=0", FORMAT_GEOTIFF},
        {"application/json;q=0, */*", FORMAT_GEOTIFF},
        {"*/*;q=0.5, image/*;q=0.6, image/tiff;q=0.1", FORMAT_JSON},
        {"image/tiff;q=0.1, image/tiff;application=geotiff;q=0.9, application/json;q=0.5", FORMAT_GEOTIFF},
        {"*/*;q=0, image/tiff", FORMAT_GEOTIFF},
    };
    (void)state;
    EXPECT_FORMATS(cases);
}

static void test_what_is_not_served_is_406_with_what_is(void **state)
{
    static const char *const headers[] = {"text/html",
                                          "image/png",
                                          "application/json;q=0",
                                          "*/*;q=0",
                                          "image/tiff;application=other",
                                          "*/json",
                                          "application/*;q=0, image/*;q=0.0",
                                          "application/jsonx",
                                          "application/jso",
                                          "application/octet-stream"};
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        expect_refused(headers[i], ERR_ACCEPT, "application/json");
        expect_refused(headers[i], ERR_ACCEPT, "image/tiff; application=geotiff");
    }
}

static void test_malformed_headers_are_400(void **state)
{
    static const char *const headers[] = {
        "json",
        "application",
        "application/",
        "/json",
        "application/json text/html",
        "application/json;q",
        "application/json;q=",
        "application/json;q=2",
        "application/json;q=-1",
        "application/json;q=1.001",
        "application/json;q=a",
        "application/json;q=1e-1",
        "application/json;q=nan",
        "application/json;q=+1",
        "application/json;x=\"open",
        "application/json;x=\"open\\",
        "application/json;=1",
        "application /json",
        "a/b/c",
        "application/json;q = 1",
        "@/*",
        "\xff/\xff",
        "application/json\x01",
        "**",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        expect_refused(headers[i], ERR_REQUEST, "Accept header");
}

static void test_a_long_parameter_is_not_taken_for_a_short_one(void **state)
{
    char header[4096] = "image/tiff;application=geotiff";
    (void)state;
    memset(header + strlen(header), 'x', 4000);
    header[sizeof header - 1] = '\0';
    expect_refused(header, ERR_ACCEPT, "none of the accepted types");
}

static void test_every_format_has_a_type_and_an_extension(void **state)
{
    (void)state;
    assert_string_equal(accept_media_type(FORMAT_JSON), "application/json");
    assert_string_equal(accept_media_type(FORMAT_GEOTIFF), "image/tiff; application=geotiff");
    assert_string_equal(accept_media_type(FORMAT_NPY), "application/octet-stream");
    assert_string_equal(accept_extension(FORMAT_JSON), "json");
    assert_string_equal(accept_extension(FORMAT_GEOTIFF), "tif");
    assert_string_equal(accept_extension(FORMAT_NPY), "npy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_header_or_an_empty_one_is_json),
        cmocka_unit_test(test_format_wins_over_the_header),
        cmocka_unit_test(test_types_choose_the_format),
        cmocka_unit_test(test_q_values_are_obeyed),
        cmocka_unit_test(test_wildcards_take_what_the_server_prefers),
        cmocka_unit_test(test_the_closest_range_decides),
        cmocka_unit_test(test_what_is_not_served_is_406_with_what_is),
        cmocka_unit_test(test_malformed_headers_are_400),
        cmocka_unit_test(test_a_long_parameter_is_not_taken_for_a_short_one),
        cmocka_unit_test(test_every_format_has_a_type_and_an_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
