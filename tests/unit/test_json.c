/* What cJSON would let pass is refused before it gets there, and everything that is JSON is read. */
#include "base/json.h"
#include "base/text.h"
#include "tests/unit/support/expect.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text, *message;
} refused[] = {
    {"", "a value is expected"},
    {"   ", "a value is expected"},
    {"{", "a string is expected"},
    {"[1,]", "a value is expected"},
    {"[1 2]", "a comma or ]"},
    {"{\"a\" 1}", "a colon"},
    {"{\"a\":1,}", "a string is expected"},
    {"{a:1}", "a string is expected"},
    {"{\"a\":1 \"b\":2}", "a comma or }"},
    {"01", "more follows"},
    {"1.", "a digit"},
    {".5", "a value is expected"},
    {"+1", "a value is expected"},
    {"1e", "a digit"},
    {"-", "a value is expected"},
    {"0x10", "more follows"},
    {"NaN", "a value is expected"},
    {"Infinity", "a value is expected"},
    {"1e999", "too large"},
    {"[1,-1e999]", "too large"},
    {"1111111111111111111111111111111111111111111111111111111111111111", "too long"},
    {"tru", "a value is expected"},
    {"nullx", "more follows"},
    {"{} {}", "more follows"},
    {"\"a", "without an end"},
    {"\"a\tb\"", "control character"},
    {"\"a\nb\"", "control character"},
    {"\"\\u0000\"", "NUL"},
    {"\"\\u00g0\"", "hexadecimal"},
    {"\"\\u12", "hexadecimal"},
    {"\"\\x41\"", "unknown escape"},
    {"\"\\", "unknown escape"},
    {"\"\\ud800\"", "surrogate"},
    {"\"\\ud800\\u0041\"", "surrogate"},
    {"\"\\udc00\"", "surrogate"},
    {"\"\xff\"", "not UTF-8"},
    {"\"\xc0\xaf\"", "not UTF-8"},
    {"\"\xed\xa0\x80\"", "not UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "not UTF-8"},
    {"\"\xe2\x82\"", "not UTF-8"},
    {"\xef\xbb\xbf{}", "a value is expected"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "\"a\" appears twice"},
    {"[{\"x\":{\"a\":1,\"\\u0061\":2}}]", "\"a\" appears twice"},
    {"/**/1", "a value is expected"},
};

static void test_hostile_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        /* In memory of its own size, so that a byte too many is seen by AddressSanitizer. */
        size_t length = strlen(refused[i].text);
        char *copy = malloc(length + (length == 0));
        cJSON *tree;
        struct err e;
        memcpy(copy, refused[i].text, length);
        if (json_parse(&tree, copy, length, &e) == 0)
            fail_msg("accepted: %s", refused[i].text);
        assert_null(tree);
        expect_error(&e, ERR_INPUT, refused[i].message, refused[i].text);
        free(copy);
    }
}

static void test_json_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        " [ ] ",
        "{}",
        "-0",
        "1e-400",
        "1.5E+3",
        "[true,false,null]",
        "\"\\ud83d\\ude00 \xf0\x9f\x98\x80 \\/\"",
        "{\"a\":[{\"b\":\"c\"}],\"A\":1}",
        "{\"\":0}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cJSON *tree;
        struct err e;
        if (json_parse(&tree, texts[i], strlen(texts[i]), &e) != 0)
            fail_msg("%s: %s", texts[i], e.message);
        cJSON_Delete(tree);
    }
}

static void test_nul_byte_does_not_end_the_text(void **state)
{
    (void)state;
    cJSON *tree;
    struct err e;
    assert_int_equal(json_parse(&tree, "{}\0{}", 5, &e), -1);
    assert_int_equal(json_parse(&tree, "\"a\0b\"", 5, &e), -1);
    assert_int_equal(json_parse(&tree, "{}garbage", 2, &e), 0);
    cJSON_Delete(tree);
}

/* A text of n openings; the depth is counted before the missing end is noticed. */
static void test_depth_is_bounded(void **state)
{
    (void)state;
    enum { DEEP = 1000000 };
    cJSON *tree;
    struct err e;
    char *text = malloc(DEEP);
    memset(text, '[', DEEP);
    assert_int_equal(json_parse(&tree, text, DEEP, &e), -1);
    expect_error(&e, ERR_INPUT, "nested too deeply", "a million brackets");
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    assert_int_equal(json_parse(&tree, text, 2 * JSON_MAX_DEPTH, &e), 0);
    cJSON_Delete(tree);
    free(text);
}

static void test_number_of_values_is_bounded(void **state)
{
    (void)state;
    size_t length = 2 * (size_t)JSON_MAX_VALUES + 1;
    cJSON *tree;
    struct err e;
    char *text = malloc(length);
    for (size_t i = 0; i < length; i++)
        text[i] = i % 2 == 0 ? ',' : '0';
    text[0] = '[';
    text[length - 1] = ']';
    assert_int_equal(json_parse(&tree, text, length, &e), -1);
    expect_error(&e, ERR_INPUT, "too many values", "zeros");
    text[length - 3] = ']';
    assert_int_equal(json_parse(&tree, text, length - 2, &e), 0);
    cJSON_Delete(tree);
    free(text);
}

static void test_integers_are_whole_and_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"0", true},      {"10", true},      {"-3", true},     {"1e1", true},   {"11", false},
        {"-4", false},    {"1.5", false},    {"\"5\"", false}, {"true", false}, {"9007199254740993", false},
        {"1e300", false}, {"-1e300", false}, {"null", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *tree;
        struct err e;
        long long value;
        assert_int_equal(json_parse(&tree, cases[i].text, strlen(cases[i].text), &e), 0);
        if (json_integer(tree, -3, 10, &value) != cases[i].good)
            fail_msg("%s", cases[i].text);
        cJSON_Delete(tree);
    }
    cJSON *tree;
    struct err e;
    long long value;
    assert_int_equal(json_parse(&tree, "[18446744073709551616, 9007199254740994, 9007199254740992]", 58, &e), 0);
    assert_false(json_integer(cJSON_GetArrayItem(tree, 0), 0, 9223372036854775807, &value));
    assert_false(json_integer(cJSON_GetArrayItem(tree, 1), 0, 9223372036854775807, &value));
    assert_true(json_integer(cJSON_GetArrayItem(tree, 2), 0, 9223372036854775807, &value));
    assert_true(value == 1ll << 53);
    cJSON_Delete(tree);
    assert_false(json_integer(NULL, 0, 1, &value));
}

static void test_shown_text_is_plain_and_fits(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"conv1.weight", "conv1.we..."},
        {"0123456789", "0123456789"},
        {"01234567890", "01234567890"},
        {"a\nb\x1b[0m", "a?b?[0m"},
        {"\xff\xfe", "??"},
        {"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4..."},
        {"\xc2\x85x", "?x"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[12];
        assert_string_equal(text_show(out, sizeof out, cases[i].text, strlen(cases[i].text)), cases[i].shown);
        assert_true(text_is_plain(out, strlen(out)));
    }
    assert_false(text_is_plain("a\x7f", 2));
    assert_false(text_is_plain("\xc2\x80", 2));
    assert_true(text_is_plain("\xc3\xa4 b", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_text_is_refused),        cmocka_unit_test(test_json_is_read),
        cmocka_unit_test(test_nul_byte_does_not_end_the_text), cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_number_of_values_is_bounded),    cmocka_unit_test(test_integers_are_whole_and_exact),
        cmocka_unit_test(test_shown_text_is_plain_and_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
