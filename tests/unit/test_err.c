/* Errors keep their code, end inside their room, and have one name each. */
#include "tests/unit/support/expect.h"
#include <string.h>

static void test_set_fills_code_and_message_and_returns_failure(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, ERR_INPUT, "expected %d bands, got %d", 204, 198), -1);
    assert_int_equal(e.code, ERR_INPUT);
    assert_string_equal(e.message, "expected 204 bands, got 198");
    assert_int_equal(err_nomem(&e), -1);
    assert_int_equal(e.code, ERR_NOMEM);
}

static void test_nobody_listening_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_IO, "%s", "x"), -1);
    assert_int_equal(err_prefix(NULL, "%s", "x"), -1);
    assert_int_equal(err_nomem(NULL), -1);
}

static void test_long_message_is_cut_at_its_end(void **state)
{
    (void)state;
    struct err e;
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&e, ERR_REQUEST, "begin %s", text);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_memory_equal(e.message, "begin aaa", 9);
}

static void test_prefix_goes_before_and_keeps_the_code(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_LIMIT, "too many bands");
    assert_int_equal(err_prefix(&e, "part %d", 2), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.message, "part 2: too many bands");
}

static void test_prefix_longer_than_the_room_leaves_a_whole_string(void **state)
{
    (void)state;
    struct err e;
    char text[2000];
    memset(text, 'p', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&e, ERR_LIMIT, "too many bands");
    err_prefix(&e, "%s", text);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_int_equal(e.code, ERR_LIMIT);
}

static void test_every_code_has_a_name_of_its_own_fit_for_a_url(void **state)
{
    (void)state;
    for (int i = ERR_NONE; i <= ERR_USAGE; i++) {
        const char *name = err_name((enum err_code)i);
        assert_non_null(name);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
        for (int k = ERR_NONE; k < i; k++)
            assert_string_not_equal(name, err_name((enum err_code)k));
    }
    assert_string_equal(err_name((enum err_code)(ERR_USAGE + 1)), "unknown");
    assert_string_equal(err_name((enum err_code) - 1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_fills_code_and_message_and_returns_failure),
        cmocka_unit_test(test_nobody_listening_is_allowed),
        cmocka_unit_test(test_long_message_is_cut_at_its_end),
        cmocka_unit_test(test_prefix_goes_before_and_keeps_the_code),
        cmocka_unit_test(test_prefix_longer_than_the_room_leaves_a_whole_string),
        cmocka_unit_test(test_every_code_has_a_name_of_its_own_fit_for_a_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
