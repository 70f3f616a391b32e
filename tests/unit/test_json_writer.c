/* JSON written in pieces: text, numbers, more than the buffer holds, and descriptors that fail. */
#include "base/json.h"
#include "proto/json_writer.h"
#include "tests/unit/support/expect.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

/* A writer into memory; text() finishes it. */
static struct json_writer *writer(void)
{
    struct json_writer *w = malloc(sizeof *w);
    assert_non_null(w);
    memset(w, 0xa5, sizeof *w); /* init leaves nothing to chance */
    int fd = memfd_create("json", MFD_CLOEXEC);
    assert_true(fd >= 0);
    json_writer_init(w, fd);
    return w;
}

/* All that was written, for free(); frees the writer. */
static char *text_of(struct json_writer *w)
{
    struct err e = {0};
    assert_int_equal(json_writer_finish(w, &e), 0);
    off_t end = lseek(w->fd, 0, SEEK_END);
    char *text = malloc((size_t)end + 1);
    assert_non_null(text);
    assert_int_equal(pread(w->fd, text, (size_t)end, 0), end);
    text[end] = '\0';
    close(w->fd);
    free(w);
    return text;
}

static void expect_text(struct json_writer *w, const char *expected)
{
    char *text = text_of(w);
    assert_string_equal(text, expected);
    free(text);
}

/* ---- what is written -------------------------------------------------------------------------------------------- */

static void test_commas_stand_between_values_at_every_depth(void **state)
{
    (void)state;
    struct json_writer *w = writer();
    json_writer_open(w, NULL, '{');
    json_writer_open(w, "none", '[');
    json_writer_close(w, ']');
    json_writer_open(w, "some", '[');
    json_writer_integer(w, NULL, 1);
    json_writer_open(w, NULL, '{');
    json_writer_close(w, '}');
    json_writer_open(w, NULL, '[');
    json_writer_number(w, NULL, 2);
    json_writer_close(w, ']');
    json_writer_integer(w, NULL, UINT64_MAX);
    json_writer_close(w, ']');
    json_writer_string(w, "last", "x");
    json_writer_close(w, '}');
    expect_text(w, "{\"none\":[],\"some\":[1,{},[2],18446744073709551615],\"last\":\"x\"}");
}

static void test_strings_are_escaped_and_what_is_no_text_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"", "\"\""},
        {NULL, "null"},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\x01\n\x1f\x7f", "\"\\u0001\\u000a\\u001f\\u007f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9d\x84\x9e", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9d\x84\x9e\""},
        {"a\xff\x62", "\"a?b\""},         /* no UTF-8 begins so */
        {"\xe2\x82", "\"??\""},           /* cut */
        {"\xc0\xaf", "\"??\""},           /* overlong */
        {"\xed\xa0\x80", "\"???\""},      /* a surrogate */
        {"\xf4\x90\x80\x80", "\"????\""}, /* above U+10FFFF */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_writer *w = writer();
        json_writer_string(w, NULL, cases[i].text);
        expect_text(w, cases[i].written);
    }
    struct json_writer *w = writer();
    json_writer_open(w, NULL, '{');
    json_writer_integer(w, "a\"b", 1); /* keys too */
    json_writer_close(w, '}');
    expect_text(w, "{\"a\\\"b\":1}");
}

static void test_numbers_are_as_short_as_reads_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *written;
    } cases[] = {
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {364155, "364155"},
        {-32768, "-32768"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_writer *w = writer();
        json_writer_number(w, NULL, cases[i].value);
        expect_text(w, cases[i].written);
        assert_true(!isfinite(cases[i].value) || strtod(cases[i].written, NULL) == cases[i].value);
    }
}

/* Values of changing length, so that many of them lie across the buffer's end. */
static void test_more_than_the_buffer_holds_arrives_whole(void **state)
{
    (void)state;
    enum { VALUES = 50000 };
    struct json_writer *w = writer();
    const size_t room = sizeof w->buffer;
    char *long_text = malloc(2 * room + 1);
    struct err e = {0};
    cJSON *t;
    assert_non_null(long_text);
    memset(long_text, 'x', 2 * room);
    long_text[2 * room] = '\0';
    json_writer_open(w, NULL, '[');
    json_writer_string(w, NULL, long_text);
    for (uint64_t i = 0; i < VALUES; i++)
        json_writer_integer(w, NULL, i * i);
    json_writer_close(w, ']');
    char *text = text_of(w);
    assert_true(strlen(text) > 20 * room);
    assert_int_equal(json_parse(&t, text, strlen(text), &e), 0);
    const cJSON *value = t->child;
    assert_string_equal(value->valuestring, long_text);
    for (uint64_t i = 0; i < VALUES; i++) {
        value = value->next;
        assert_non_null(value);
        assert_true(value->valuedouble == (double)(i * i));
    }
    assert_null(value->next);
    cJSON_Delete(t);
    free(text);
    free(long_text);
}

/* ---- descriptors that fail -------------------------------------------------------------------------------------- */

/* Writes more than the buffer holds to fd, so that some of it fails before the end. */
static int write_much(int fd, struct err *e)
{
    struct json_writer *w = malloc(sizeof *w);
    assert_non_null(w);
    json_writer_init(w, fd);
    json_writer_open(w, NULL, '[');
    for (uint64_t i = 0; i < 60000; i++)
        json_writer_integer(w, NULL, i);
    json_writer_close(w, ']');
    int result = json_writer_finish(w, e);
    free(w);
    return result;
}

static void test_a_full_disk_is_an_error_of_space(void **state)
{
    (void)state;
    struct err e = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write_much(fd, &e), -1);
    expect_error(&e, ERR_SPACE, "no space is left", "/dev/full");
    close(fd);
}

static void test_a_file_at_its_limit_is_an_error_of_space(void **state)
{
    (void)state;
    struct rlimit before, small;
    struct err e = {0};
    FILE *f = tmpfile(); /* a limit binds files on a disk, not a memfd */
    assert_non_null(f);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 20000; /* within the second buffer: what fits of it is written, then nothing */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int result = write_much(fileno(f), &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result, -1);
    expect_error(&e, ERR_SPACE, "no space is left", "a limit of 20000 bytes");
    assert_int_equal(lseek(fileno(f), 0, SEEK_END), 20000);
    fclose(f);
}

static void test_any_other_failure_is_one_of_the_system(void **state)
{
    (void)state;
    struct err e = {0};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write_much(fd, &e), -1);
    expect_error(&e, ERR_IO, "cannot be written", "a descriptor to read from");
    assert_null(strstr(e.message, "space"));
    close(fd);
}

/* A hole in the text would be worse than none: after a failure nothing follows, though the disk had room again. */
static void test_after_a_failure_nothing_is_written(void **state)
{
    (void)state;
    struct json_writer *w = writer();
    struct err e = {0};
    int memory = w->fd;
    w->fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(w->fd >= 0);
    for (uint64_t i = 0; i < sizeof w->buffer; i++)
        json_writer_integer(w, NULL, 1);
    close(w->fd);
    w->fd = memory;
    for (uint64_t i = 0; i < sizeof w->buffer; i++)
        json_writer_integer(w, NULL, 2);
    assert_int_equal(json_writer_finish(w, &e), -1);
    expect_error(&e, ERR_SPACE, "no space is left", "the first failure is kept");
    assert_int_equal(lseek(memory, 0, SEEK_END), 0);
    close(memory);
    free(w);
}

static void on_signal(int number)
{
    (void)number;
}

struct slow_reader {
    int fd;
    size_t used;
    char text[1 << 19];
};

static void *read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    for (ssize_t n; (n = read(r->fd, r->text + r->used, 8192)) > 0; r->used += (size_t)n)
        usleep(2000);
    return NULL;
}

static void test_signals_and_a_slow_reader_lose_nothing(void **state)
{
    (void)state;
    const struct sigaction interrupts = {.sa_handler = on_signal}; /* no SA_RESTART: write is left with EINTR */
    const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    struct slow_reader *reader = calloc(1, sizeof *reader);
    pthread_t thread;
    sigset_t alarm_only;
    struct err e = {0};
    cJSON *t;
    int ends[2];
    assert_non_null(reader);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    reader->fd = ends[0];
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &interrupts, NULL);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL); /* the reader inherits it */
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, reader), 0);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int result = write_much(ends[1], &e);
    setitimer(ITIMER_REAL, &never, NULL);
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
    assert_int_equal(result, 0);
    assert_int_equal(json_parse(&t, reader->text, reader->used, &e), 0);
    assert_int_equal(cJSON_GetArraySize(t), 60000);
    cJSON_Delete(t);
    free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas_stand_between_values_at_every_depth),
        cmocka_unit_test(test_strings_are_escaped_and_what_is_no_text_is_replaced),
        cmocka_unit_test(test_numbers_are_as_short_as_reads_back),
        cmocka_unit_test(test_more_than_the_buffer_holds_arrives_whole),
        cmocka_unit_test(test_a_full_disk_is_an_error_of_space),
        cmocka_unit_test(test_a_file_at_its_limit_is_an_error_of_space),
        cmocka_unit_test(test_any_other_failure_is_one_of_the_system),
        cmocka_unit_test(test_after_a_failure_nothing_is_written),
        cmocka_unit_test(test_signals_and_a_slow_reader_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
