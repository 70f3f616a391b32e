/* A line of the log is one line, whatever bytes are in it, whoever else writes. */
#include "base/log.h"
#include "tests/unit/support/expect.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Standard error goes to a file from begin to end; what was written meanwhile is then in `text`. */
static int saved, file;
static char *text;

static void begin(void)
{
    char name[] = "/tmp/spectrad-test-log.XXXXXX";
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    file = mkstemp(name);
    unlink(name);
    assert_true(saved >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
}

static void end(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    off_t length = lseek(file, 0, SEEK_END);
    text = calloc((size_t)length + 1, 1);
    assert_int_equal(pread(file, text, (size_t)length, 0), length);
    close(file);
}

/* The only line of the log as JSON; for cJSON_Delete. */
static cJSON *only_line(void)
{
    end();
    size_t length = strlen(text);
    assert_true(length > 0 && text[length - 1] == '\n');
    assert_ptr_equal(strchr(text, '\n'), text + length - 1);
    cJSON *o = cJSON_Parse(text);
    if (o == NULL)
        fail_msg("not JSON: %s", text);
    free(text);
    return o;
}

static const char *string_of(const cJSON *o, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s == NULL ? "(none)" : s;
}

static void test_a_json_line_holds_time_level_message_and_fields(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    begin();
    log_event(LOG_WARNING, "request", LOG_STR("path", "/classify"), LOG_INT("status", -422), LOG_NUM("seconds", 0.125),
              LOG_NUM("nothing", NAN), LOG_BOOL("drained", true), LOG_STR("model", NULL));
    cJSON *o = only_line();
    assert_int_equal(strlen(string_of(o, "time")), 24);
    assert_string_equal(string_of(o, "level"), "warning");
    assert_string_equal(string_of(o, "message"), "request");
    assert_string_equal(string_of(o, "path"), "/classify");
    assert_true(cJSON_GetObjectItem(o, "status")->valuedouble == -422);
    assert_true(cJSON_GetObjectItem(o, "seconds")->valuedouble == 0.125);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "nothing")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(o, "drained")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "model")));
    cJSON_Delete(o);
}

static void test_hostile_bytes_cannot_break_a_line(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    begin();
    log_event(LOG_INFO, "a\n{\"b\":1}", LOG_STR("x", "\"},{\n\r\t\x01\x1b[2J\x7f\xff\xc3(\\"));
    end();
    for (const unsigned char *c = (const unsigned char *)text; c[1] != '\0'; c++)
        if (*c < 0x20 || *c >= 0x7f)
            fail_msg("the byte %#x stands in: %s", *c, text);
    cJSON *o = cJSON_Parse(text);
    assert_non_null(o);
    assert_string_equal(string_of(o, "message"), "a\n{\"b\":1}");
    /* A byte that is no UTF-8 is shown as the character of that number. */
    assert_string_equal(string_of(o, "x"), "\"},{\n\r\t\x01\x1b[2J\x7f\xc3\xbf\xc3\x83(\\");
    cJSON_Delete(o);
    free(text);
}

static void test_names_in_any_script_are_kept(void **state)
{
    static const char name[] = "for\xc3\xaat \xe6\xa3\xae\xf0\x9f\x8c\xb2";
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    begin();
    log_event(LOG_INFO, "class", LOG_STR("name", name),
              LOG_STR("csi", "\xc2\x9b"
                             "2J"));
    end();
    assert_null(strstr(text, "\xc2\x9b")); /* a control character of two bytes */
    cJSON *o = cJSON_Parse(text);
    assert_string_equal(string_of(o, "name"), name);
    cJSON_Delete(o);
    free(text);
}

static void test_a_long_value_is_cut_and_the_line_stays_json(void **state)
{
    char value[6000];
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    for (size_t length = 3700; length < sizeof value; length += 1 + length / 300) {
        for (size_t i = 0; i < length; i++) /* plain, escaped and of two bytes in turn, so that every cut occurs */
            value[i] = "x\"\x01\xc3\xa9"[(i + length) % 5];
        value[length] = '\0';
        begin();
        log_event(LOG_INFO, "long", LOG_STR("value", value), LOG_STR("behind", value));
        cJSON_Delete(only_line());
    }
}

static void test_levels_below_the_lowest_are_silent(void **state)
{
    (void)state;
    log_configure(LOG_WARNING, LOG_FORMAT_JSON);
    begin();
    log_event(LOG_DEBUG, "debug");
    log_event(LOG_INFO, "info");
    log_event(LOG_WARNING, "warning");
    log_event(LOG_ERROR, "error");
    end();
    assert_null(strstr(text, "debug"));
    assert_null(strstr(text, "info"));
    assert_non_null(strstr(text, "\"message\":\"warning\""));
    assert_non_null(strstr(text, "\"message\":\"error\""));
    free(text);
}

static void test_plain_text_quotes_what_could_pass_for_fields(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
    begin();
    log_event(LOG_INFO, "request", LOG_STR("path", "/x status=200"), LOG_STR("word", "cpu"), LOG_STR("empty", ""),
              LOG_INT("status", 404));
    end();
    assert_non_null(strstr(text, " info: request path=\"/x status=200\" word=cpu empty=\"\" status=404\n"));
    free(text);
}

static void test_auto_is_json_where_standard_error_is_no_terminal(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_AUTO);
    begin();
    log_event(LOG_INFO, "auto");
    cJSON_Delete(only_line());
}

enum { WRITERS = 4, LINES = 4000 };

static pthread_barrier_t start;

static void *write_lines(void *arg)
{
    pthread_barrier_wait(&start);
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "line", LOG_INT("writer", *(int *)arg),
                  LOG_STR("value", "0123456789012345678901234567890123456789"));
    return NULL;
}

static void test_lines_of_several_threads_do_not_mix(void **state)
{
    pthread_t threads[WRITERS];
    int numbers[WRITERS], seen[WRITERS] = {0};
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    pthread_barrier_init(&start, NULL, WRITERS);
    begin();
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    end();
    for (char *at = text, *stop; (stop = strchr(at, '\n')) != NULL; at = stop + 1) {
        *stop = '\0';
        cJSON *o = cJSON_Parse(at);
        assert_non_null(o);
        seen[(int)cJSON_GetObjectItem(o, "writer")->valuedouble]++;
        cJSON_Delete(o);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(seen[i], LINES);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_json_line_holds_time_level_message_and_fields),
        cmocka_unit_test(test_hostile_bytes_cannot_break_a_line),
        cmocka_unit_test(test_names_in_any_script_are_kept),
        cmocka_unit_test(test_a_long_value_is_cut_and_the_line_stays_json),
        cmocka_unit_test(test_levels_below_the_lowest_are_silent),
        cmocka_unit_test(test_plain_text_quotes_what_could_pass_for_fields),
        cmocka_unit_test(test_auto_is_json_where_standard_error_is_no_terminal),
        cmocka_unit_test(test_lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
