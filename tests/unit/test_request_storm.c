/* A storm of broken query values and Accept headers, the same on every run; under the address sanitizer it shows reads
 * beyond the end. */
#include "base/text.h"
#include "proto/accept.h"
#include "proto/query.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 400, STORM = 100000 };

static const char *const pieces[] = {",",          ";",      "/",    "*",    "q=",    "\"",       "\\",
                                     "=",          "-",      "+",    ".",    "e",     "0",        "9999999999",
                                     "\n",         " ",      "\t",   "\xff", "é",     "nan",      "NaN",
                                     "none",       "inf",    "0x1",  "1e",   "1e308", "q=0",      "image/tiff",
                                     "%",          "auto",   "json", "*/*",  "\x7f",  "\xc2\x85", "application=geotiff",
                                     "2147483648", "0,0,1,1"};

/* Bytes changed, cut, left out, put in. Returns the new length; text has ROOM. */
static size_t mutate(char *text, size_t length, struct random *r)
{
    for (uint64_t n = random_below(r, 5); n > 0; n--) {
        size_t at = (size_t)random_below(r, length + 1);
        const char *piece = pieces[random_below(r, sizeof pieces / sizeof pieces[0])];
        size_t more = strlen(piece), hole = (size_t)random_below(r, 6);
        switch (random_below(r, 5)) {
        case 0:
            if (at < length)
                text[at] = (char)random_below(r, 256);
            break;
        case 1:
            length = random_below(r, 4) == 0 ? at : length;
            break;
        case 2:
            hole = hole > length - at ? length - at : hole;
            memmove(text + at, text + at + hole, length - at - hole);
            length -= hole;
            break;
        default:
            if (length + more > ROOM)
                break;
            memmove(text + at + more, text + at, length - at);
            memcpy(text + at, piece, more);
            length += more;
        }
    }
    return length;
}

/* A copy that ends where the text does, so that a read beyond it is seen. */
static char *exact(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    return copy;
}

static void check_promises(const struct query *q)
{
    if (q->has_window)
        assert_true(q->window.column >= 0 && q->window.line >= 0 && q->window.columns >= 1 && q->window.lines >= 1);
    assert_in_range(q->format, FORMAT_UNSET, FORMAT_NPY);
    assert_true(!q->spectral.has_scale || (isfinite(q->spectral.scale) && q->spectral.scale != 0));
    assert_true(q->nodata.source == NODATA_GIVEN ? !isinf(q->nodata.value) : true);
    assert_in_range(q->nodata.rule, NODATA_AUTO, NODATA_ALL);
    assert_in_range(q->spectral.bands, BANDS_AUTO, BANDS_WAVELENGTH);
    assert_in_range(q->normalization, NORMALIZATION_MODEL, NORMALIZATION_SCENE);
    assert_true(isfinite(q->deadline_s) && q->deadline_s >= 0 && q->deadline_s <= 7 * 24 * 3600);
    assert_true(memchr(q->model, '\0', sizeof q->model) != NULL && text_is_plain(q->model, strlen(q->model)));
}

static void test_mutated_values_are_refused_or_hold(void **state)
{
    static const char *const values[] = {"salinas", "geotiff", "10,20,30,40", "scene",      "0.0001",
                                         "-32768",  "any",     "wavelength",  "1",          "2.5",
                                         "json",    "NaN",     "none",        "0,0,145,90", "-1e-5"};
    struct random r = {4711};
    int accepted = 0;
    (void)state;
    for (int i = 0; i < STORM; i++) {
        char text[ROOM];
        const char *whole = values[random_below(&r, sizeof values / sizeof values[0])];
        const char *key = query_keys[random_below(&r, query_key_count)].name;
        memcpy(text, whole, strlen(whole));
        size_t length = mutate(text, strlen(whole), &r);
        char *value = exact(text, length);
        struct query q;
        struct err e = {0};
        query_init(&q);
        if (query_set(&q, key, value, length, &e) == 0) {
            accepted++;
            check_promises(&q);
        } else {
            assert_int_equal(e.code, ERR_REQUEST);
            assert_true(text_is_plain(e.message, strlen(e.message)) && strstr(e.message, key) != NULL);
        }
        free(value);
    }
    assert_in_range(accepted, STORM / 100, STORM / 2); /* it reaches what lies behind the checks, and is refused too */
}

/* What a header means does not depend on the case of its letters. */
static void check_case(const char *header, int result, enum result_format chosen)
{
    char upper[ROOM + 1];
    enum result_format again;
    struct err e;
    size_t n = strlen(header);
    for (size_t i = 0; i <= n; i++)
        upper[i] = (char)toupper((unsigned char)header[i]);
    assert_int_equal(accept_choose(FORMAT_UNSET, upper, &again, &e), result);
    if (result == 0)
        assert_int_equal(again, chosen);
}

static void test_mutated_accept_headers_choose_or_are_refused(void **state)
{
    static const char *const headers[] = {"application/json",
                                          "image/tiff; application=geotiff",
                                          "*/*",
                                          "image/*;q=0.5, application/json;q=0.4",
                                          "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
                                          "text/plain; x=\"a, \\\"b; c\", image/tiff;q=0.001",
                                          "application/json;q=0, */*;q=1.000"};
    struct random r = {1234};
    int results[ERR_USAGE + 1] = {0}, formats[FORMAT_NPY + 1] = {0};
    (void)state;
    for (int i = 0; i < STORM; i++) {
        char text[ROOM + 1];
        const char *whole = headers[random_below(&r, sizeof headers / sizeof headers[0])];
        memcpy(text, whole, strlen(whole));
        size_t length = mutate(text, strlen(whole), &r);
        text[length] = '\0';
        char *header = exact(text, strlen(text) + 1);
        enum result_format chosen = FORMAT_UNSET;
        struct err e = {0};
        int result = accept_choose(FORMAT_UNSET, header, &chosen, &e);
        if (result == 0) {
            assert_in_range(chosen, FORMAT_JSON, FORMAT_GEOTIFF); /* npy has no type to ask for */
            formats[chosen]++;
        } else {
            assert_true(e.code == ERR_REQUEST || e.code == ERR_ACCEPT);
            assert_true(text_is_plain(e.message, strlen(e.message)));
        }
        results[e.code]++;
        check_case(header, result, chosen);
        free(header);
    }
    assert_true(results[ERR_REQUEST] > STORM / 100 && results[ERR_ACCEPT] > STORM / 100);
    assert_true(formats[FORMAT_JSON] > STORM / 100 && formats[FORMAT_GEOTIFF] > STORM / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutated_values_are_refused_or_hold),
        cmocka_unit_test(test_mutated_accept_headers_choose_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
