/* What is refused by the headers alone. */
#include "server/guard.h"
#include "tests/unit/support/expect.h"
#include <stdio.h>
#include <string.h>

/* Lines "Name: value"; the name is what stands before the first ':', the value what follows a blank. */
static int check(struct framing *f, struct err *e, const char *const *lines)
{
    struct headers h = {.count = 0};
    for (; *lines != NULL; lines++) {
        const char *colon = strchr(*lines, ':');
        headers_add(&h, *lines, (size_t)(colon - *lines), colon + 2, strlen(colon + 2));
    }
    return guard_check(&h, f, e);
}

#define CHECK(f, e, ...) check(f, e, (const char *const[]){__VA_ARGS__, NULL})

static void refused(const char *word, const char *const *lines)
{
    struct framing f;
    struct err e = {0};
    assert_int_equal(check(&f, &e, lines), -1);
    assert_int_equal(e.code, ERR_REQUEST);
    if (strstr(e.message, word) == NULL)
        fail_msg("'%s' does not say '%s'", e.message, word);
}

#define REFUSED(word, ...) refused(word, (const char *const[]){__VA_ARGS__, NULL})

static void test_a_length_is_understood(void **state)
{
    (void)state;
    struct framing f;
    struct err e;
    assert_int_equal(CHECK(&f, &e, "Host: x", "content-LENGTH: 0012345678901"), 0);
    assert_true(f.has_length && !f.chunked);
    assert_int_equal(f.length, 12345678901);
    assert_int_equal(CHECK(&f, &e, "Host: x"), 0);
    assert_false(f.has_length || f.chunked);
    assert_int_equal(CHECK(&f, &e, "Host: x", "Transfer-Encoding: CHUNKED"), 0);
    assert_true(f.chunked);
}

static void test_a_length_that_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "+1", "-1", "1,1", "1, 1", "0x1", "1 ", "", "1e3", "18446744073709551616", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "Content-Length: %s", bad[i]);
        REFUSED("Content-Length", "Host: x", line);
    }
}

static void test_the_largest_lengths_are_exact_or_refused(void **state)
{
    (void)state;
    struct framing f;
    struct err e;
    assert_int_equal(CHECK(&f, &e, "Content-Length: 9223372036854775807"), 0);
    assert_true(f.length == INT64_MAX);
}

static void test_doubled_framing_headers_are_refused(void **state)
{
    (void)state;
    REFUSED("Content-Length", "Content-Length: 5", "content-length: 5");
    REFUSED("Host", "Host: a", "Host: a");
    REFUSED("Transfer-Encoding", "Transfer-Encoding: chunked", "transfer-encoding: chunked");
    REFUSED("Content-Type", "Content-Type: a/b", "Content-Type: c/d");
    REFUSED("exclude", "Content-Length: 5", "Transfer-Encoding: chunked");
}

static void test_an_encoding_but_chunked_is_refused(void **state)
{
    (void)state;
    REFUSED("chunked", "Transfer-Encoding: gzip, chunked");
    REFUSED("chunked", "Transfer-Encoding: identity");
    REFUSED("chunked", "Transfer-Encoding: ");
    REFUSED("chunked", "Transfer-Encoding: \tchunked");
}

static void test_a_name_with_a_blank_is_refused(void **state)
{
    (void)state;
    REFUSED("name", "Content-Length : 5");
    REFUSED("name", "Content-Length\t: 5");
    REFUSED("name", "X(Y: 5");
    REFUSED("name", "X\x80Y: 5");
    REFUSED("no name", ": 5");
}

static void test_a_control_character_is_refused_a_tab_is_not(void **state)
{
    (void)state;
    struct framing f;
    struct err e;
    REFUSED("control", "X: a\x01");
    REFUSED("control", "X: a\x7f");
    REFUSED("control", "X: a\rb");
    assert_int_equal(CHECK(&f, &e, "X: a\tb \xc3\xa4"), 0);
    struct headers h = {.count = 0};
    headers_add(&h, "X", 1, "a\0b", 3);
    assert_int_equal(guard_check(&h, &f, &e), -1);
}

static void test_too_many_headers_are_refused(void **state)
{
    (void)state;
    struct headers h = {.count = 0};
    struct framing f;
    struct err e;
    for (int i = 0; i < HEADERS_MOST; i++)
        headers_add(&h, "X", 1, "y", 1);
    assert_int_equal(guard_check(&h, &f, &e), 0);
    headers_add(&h, "X", 1, "y", 1);
    assert_int_equal(guard_check(&h, &f, &e), -1);
}

static void test_a_header_is_found_whole_and_in_any_case(void **state)
{
    (void)state;
    struct headers h = {.count = 0};
    headers_add(&h, "Content-Type2", 13, "no", 2);
    headers_add(&h, "content-type", 12, "Yes, it is", 3);
    assert_true(header_is(headers_find(&h, "Content-Type"), "yes"));
    assert_false(header_is(headers_find(&h, "Content-Type"), "ye"));
    assert_null(headers_find(&h, "Content"));
    assert_false(header_is(NULL, "yes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_length_is_understood),
        cmocka_unit_test(test_a_length_that_is_no_number_is_refused),
        cmocka_unit_test(test_the_largest_lengths_are_exact_or_refused),
        cmocka_unit_test(test_doubled_framing_headers_are_refused),
        cmocka_unit_test(test_an_encoding_but_chunked_is_refused),
        cmocka_unit_test(test_a_name_with_a_blank_is_refused),
        cmocka_unit_test(test_a_control_character_is_refused_a_tab_is_not),
        cmocka_unit_test(test_too_many_headers_are_refused),
        cmocka_unit_test(test_a_header_is_found_whole_and_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
