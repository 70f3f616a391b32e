/* A number is all of a text or none of it. */
#include "base/number.h"
#include "tests/unit/support/expect.h"
#include <string.h>

static bool real(const char *text, double *value)
{
    return number_double(text, strlen(text), value);
}

static bool whole(const char *text, long long min, long long max, long long *value)
{
    return number_integer(text, strlen(text), min, max, value);
}

static void test_decimal_numbers_are_read_to_the_last_bit(void **state)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0},           {"-0.5", -0.5},
        {"+3", 3},          {".25", 0.25},
        {"1.", 1},          {"1e3", 1000},
        {"1E-2", 0.01},     {"0.1", 0.1},
        {"007", 7},         {"-9999.1", -9999.1},
        {"5e-324", 5e-324}, {"1e308", 1e308},
        {"1e-999", 0.0},    {"3.4028235e38", 3.4028235e38},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double v = -1;
        if (!real(cases[i].text, &v) || v != cases[i].value)
            fail_msg("'%s' is read as %g", cases[i].text, v);
    }
}

static void test_what_is_no_finite_decimal_number_is_refused(void **state)
{
    static const char *const cases[] = {"",    " 1",    "1 ",     "1,5",  "0x10", "inf", "nan",
                                        "NaN", "1e999", "-1e999", "--1",  "1.2.", "1e",  "e5",
                                        ".",   "+",     "1\n",    "1e5x", "0b1",  "1_0", "\xc2\xb2"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double v = 42;
        if (real(cases[i], &v))
            fail_msg("'%s' is read as %g", cases[i], v);
        assert_true(v == 42); /* left alone */
    }
}

static void test_only_the_length_given_is_read(void **state)
{
    double v;
    long long n;
    char text[80];
    (void)state;
    assert_true(number_double("12,34", 2, &v) && v == 12);
    assert_true(number_integer("12,34", 2, 0, 99, &n) && n == 12);
    assert_false(number_double("1\0002", 3, &v));
    assert_false(number_integer("1\0002", 3, 0, 99, &n));
    memset(text, '1', sizeof text);
    assert_false(number_double(text, sizeof text, &v)); /* longer than any number that is meant */
    assert_false(number_integer(text, sizeof text, 0, 99, &n));
}

static void test_integers_keep_to_their_range(void **state)
{
    long long v = 7;
    (void)state;
    assert_true(whole("9223372036854775807", 0, INT64_MAX, &v) && v == INT64_MAX);
    assert_true(whole("-5", -5, 5, &v) && v == -5);
    assert_true(whole("+5", -5, 5, &v) && v == 5);
    assert_true(whole("005", -5, 5, &v) && v == 5);
    static const char *const refused[] = {
        "-6", "6",  "9223372036854775808", "-9223372036854775809", "", "1.0", "1e1", "0x1", " 1", "1 ", "-",
        "1-", "+-1"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        v = 7;
        if (whole(refused[i], -5, 5, &v) || v != 7)
            fail_msg("'%s' is read as %lld", refused[i], v);
    }
    assert_false(whole("9223372036854775808", INT64_MIN, INT64_MAX, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal_numbers_are_read_to_the_last_bit),
        cmocka_unit_test(test_what_is_no_finite_decimal_number_is_refused),
        cmocka_unit_test(test_only_the_length_given_is_read),
        cmocka_unit_test(test_integers_keep_to_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
