/* Multipart bodies, in pieces of every size, well-formed and hostile. */
#include "proto/multipart.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPE       "multipart/form-data; boundary=XyZ"
#define PART(name) "--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define END        "\r\n--XyZ--\r\n"

/* Parts as "name=data;" one after the other. */
struct heard {
    char text[1 << 16];
    size_t used;
    int fail_at_data;
    int pieces; /* calls of on_data */
};

static void hear(struct heard *h, const void *bytes, size_t n)
{
    assert_true(h->used + n < sizeof h->text);
    memcpy(h->text + h->used, bytes, n);
    h->used += n;
}

static int on_begin(void *arg, const char *name, struct err *e)
{
    (void)e;
    hear(arg, name, strlen(name));
    hear(arg, "=", 1);
    return 0;
}

static int on_data(void *arg, const void *bytes, size_t n, struct err *e)
{
    struct heard *h = arg;
    if (h->fail_at_data)
        return err_set(e, ERR_SPACE, "full");
    h->pieces++;
    hear(h, bytes, n);
    return 0;
}

static int on_end(void *arg, struct err *e)
{
    (void)e;
    hear(arg, ";", 1);
    return 0;
}

static int parse(struct heard *h, const char *type, const char *body, size_t length, size_t piece, struct err *e)
{
    const struct multipart_sink sink = {on_begin, on_data, on_end, h};
    struct multipart m;
    h->used = 0;
    if (multipart_init(&m, type, strlen(type), &sink, e) != 0)
        return -1;
    for (size_t at = 0; at < length; at += piece) {
        /* A copy of exactly the piece, so that a sanitizer sees any read beyond it. */
        size_t n = length - at < piece ? length - at : piece;
        char *copy = malloc(n);
        memcpy(copy, body + at, n);
        int result = multipart_feed(&m, copy, n, e);
        free(copy);
        if (result != 0)
            return -1;
    }
    return multipart_finish(&m, e);
}

/* In pieces of every size the same must be heard. */
static void assert_heard(const char *type, const char *body, size_t length, const char *expected,
                         size_t expected_length)
{
    static struct heard h;
    struct err e;
    h.fail_at_data = 0;
    for (size_t piece = 1; piece <= length + 1; piece++) {
        if (parse(&h, type, body, length, piece, &e) != 0)
            fail_msg("pieces of %zu: %s", piece, e.message);
        assert_int_equal(h.used, expected_length);
        assert_memory_equal(h.text, expected, expected_length);
    }
}

static void assert_parts(const char *body, const char *expected)
{
    assert_heard(TYPE, body, strlen(body), expected, strlen(expected));
}

static void assert_refused(const char *body, const char *word)
{
    static struct heard h;
    h.fail_at_data = 0;
    for (size_t piece = 1; piece <= strlen(body) + 1; piece++) {
        struct err e = {0};
        assert_int_equal(parse(&h, TYPE, body, strlen(body), piece, &e), -1);
        assert_int_equal(e.code, ERR_REQUEST);
        if (strstr(e.message, word) == NULL)
            fail_msg("'%s' does not say '%s'", e.message, word);
    }
}

static void test_two_parts(void **state)
{
    (void)state;
    assert_parts(PART("cube") "abc\r\n" PART("header") "ENVI\n" END, "cube=abc;header=ENVI\n;");
}

static void test_an_empty_part_is_heard(void **state)
{
    (void)state;
    assert_parts(PART("cube") END, "cube=;");
    assert_parts(PART("cube") "--XyZ--", "cube=;");
}

static void test_preamble_and_epilogue_are_skipped(void **state)
{
    (void)state;
    assert_parts("not read by anyone\r\n" PART("cube") "x" END "nor this\r\n--XyZ\r\n", "cube=x;");
}

static void test_what_looks_like_a_boundary_in_data_is_data(void **state)
{
    (void)state;
    assert_parts(PART("cube") "a--XyZ \r\n--Xy\r\n-\r\r\n\r\n--X" END, "cube=a--XyZ \r\n--Xy\r\n-\r\r\n\r\n--X;");
    assert_parts(PART("cube") "\r\nfirst" END, "cube=\r\nfirst;");
    assert_parts(PART("cube") "\r\n-" END, "cube=\r\n-;");
    assert_parts(PART("cube") "-" END, "cube=-;");
}

static void test_binary_data_with_nul_bytes(void **state)
{
    (void)state;
    static const char body[] = PART("cube") "a\0\r\n\0b" END, expected[] = "cube=a\0\r\n\0b;";
    assert_heard(TYPE, body, sizeof body - 1, expected, sizeof expected - 1);
}

static void test_boundary_with_blanks_after_it(void **state)
{
    (void)state;
    assert_parts("--XyZ \t\r\ncontent-DISPOSITION:form-data;name=cube\r\nX: y\r\n\r\n1" END, "cube=1;");
}

static void test_quoted_boundary_and_escaped_file_name(void **state)
{
    (void)state;
    static const char body[] =
        "--a b:c\r\nContent-Disposition: form-data; filename=\"a\\\";name=.tif\"; name=\"cube\"\r\n"
        "Content-Type: image/tiff\r\n\r\n1\r\n--a b:c--";
    assert_heard("multipart/form-data; charset=x; Boundary=\"a b:c\"", body, sizeof body - 1, "cube=1;", 7);
}

static void test_data_goes_on_in_one_piece_whatever_it_holds(void **state)
{
    (void)state;
    static struct heard h;
    struct err e;
    char body[2048] = PART("cube");
    size_t n = strlen(body);
    memset(body + n, '\r', 1000);
    memcpy(body + n + 1000, END, strlen(END));
    h.pieces = 0;
    assert_int_equal(parse(&h, TYPE, body, n + 1000 + strlen(END), sizeof body, &e), 0);
    assert_int_equal(h.used, strlen("cube=;") + 1000);
    assert_int_equal(h.pieces, 1);
}

static void test_a_cut_body_is_refused(void **state)
{
    (void)state;
    static const char body[] = PART("cube") "abc\r\n--XyZ--";
    for (size_t n = 0; n < sizeof body - 1; n++) {
        static struct heard h;
        struct err e;
        assert_int_equal(parse(&h, TYPE, body, n, 7, &e), -1);
        assert_int_equal(e.code, ERR_REQUEST);
    }
}

static void test_malformed_parts_are_refused(void **state)
{
    (void)state;
    assert_refused("--XyZ\r\n\r\nx" END, "no Content-Disposition");
    assert_refused("--XyZ\r\nContent-Type: image/tiff\r\n\r\nx" END, "no Content-Disposition");
    assert_refused("--XyZ\r\nContent-Disposition: form-data\r\n\r\nx" END, "name");
    assert_refused("--XyZ\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nx" END, "name");
    assert_refused("--XyZ\r\nContent-Disposition: form-data; name=\"cube\r\n\r\nx" END, "name");
    assert_refused("--XyZ\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx" END, "name");
    assert_refused("--XyZ\r\nContent-Disposition: attachment; name=cube\r\n\r\nx" END, "form-data");
    assert_refused("--XyZ\r\nContent-Disposition: form-datax; name=cube\r\n\r\nx" END, "form-data");
    assert_refused("--XyZ\r\nContent-Disposition: form-data; name=cube\r\nContent-Disposition: form-data; name=header"
                   "\r\n\r\nx" END,
                   "two");
    assert_refused("--XyZ\r\nContent-Disposition: form-data;\r\n name=cube\r\n\r\nx" END, "");
    assert_refused("--XyZ\nContent-Disposition: form-data; name=cube\r\n\r\nx" END, "end of its line");
    assert_refused("--XyZ\r\nContent-Disposition: form-data; name=cube\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\nx" END,
                   "Content-Transfer-Encoding");
    assert_refused("--XyZabc\r\n\r\nx" END, "end of its line");
    assert_refused("--XyZ-x\r\n", "end of its line");
}

static void test_a_flood_of_headers_is_refused(void **state)
{
    (void)state;
    static struct heard h;
    static char body[1 << 20];
    struct err e = {0};
    size_t n = (size_t)snprintf(body, sizeof body, "--XyZ\r\n");
    while (n + 8 < sizeof body)
        n += (size_t)snprintf(body + n, sizeof body - n, "a: b\r\n");
    assert_int_equal(parse(&h, TYPE, body, n, 4096, &e), -1);
    assert_non_null(strstr(e.message, "4096"));
}

static void test_a_flood_of_parts_is_refused(void **state)
{
    (void)state;
    static struct heard h;
    static char body[1 << 14];
    struct err e = {0};
    size_t n = 0;
    for (int i = 0; i < MULTIPART_PARTS + 1; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, "%s", PART("cube") "x\r\n");
    assert_int_equal(parse(&h, TYPE, body, n, 4096, &e), -1);
    assert_non_null(strstr(e.message, "parts"));
}

static void test_bad_boundaries_are_refused(void **state)
{
    (void)state;
    static const char *const types[] = {
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a\x01\"",
        "multipart/form-data; boundary=\"abc",
        "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
    };
    static struct heard h;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct err e = {0};
        assert_int_equal(parse(&h, types[i], "", 0, 1, &e), -1);
        assert_non_null(strstr(e.message, "boundary"));
    }
}

static void test_the_sinks_error_ends_the_parsing(void **state)
{
    (void)state;
    static struct heard h;
    struct err e = {0};
    h.fail_at_data = 1;
    assert_int_equal(parse(&h, TYPE, PART("cube") "x" END, strlen(PART("cube") "x" END), 3, &e), -1);
    assert_int_equal(e.code, ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_parts),
        cmocka_unit_test(test_an_empty_part_is_heard),
        cmocka_unit_test(test_preamble_and_epilogue_are_skipped),
        cmocka_unit_test(test_what_looks_like_a_boundary_in_data_is_data),
        cmocka_unit_test(test_binary_data_with_nul_bytes),
        cmocka_unit_test(test_boundary_with_blanks_after_it),
        cmocka_unit_test(test_quoted_boundary_and_escaped_file_name),
        cmocka_unit_test(test_data_goes_on_in_one_piece_whatever_it_holds),
        cmocka_unit_test(test_a_cut_body_is_refused),
        cmocka_unit_test(test_malformed_parts_are_refused),
        cmocka_unit_test(test_a_flood_of_headers_is_refused),
        cmocka_unit_test(test_a_flood_of_parts_is_refused),
        cmocka_unit_test(test_bad_boundaries_are_refused),
        cmocka_unit_test(test_the_sinks_error_ends_the_parsing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
