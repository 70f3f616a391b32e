/* One table: where a setting comes from, which source wins, and what is said of a bad one. */
#include "base/option.h"
#include "tests/unit/support/expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    bool verbose, help;
    long long threads;
    double ratio;
    uint64_t size;
    char *name;
    int mode;
    char items[64];
};

static const char *const modes[] = {"fast", "slow", NULL};

static int add_item(void *settings, const struct option_row *row, const char *text, struct err *e)
{
    struct settings *s = settings;
    if (strcmp(text, "bad") == 0)
        return err_set(e, ERR_REQUEST, "a bad %s", row->name);
    if (strcmp(text, "huge") == 0)
        return err_nomem(e);
    size_t used = strlen(s->items);
    snprintf(s->items + used, sizeof s->items - used, "%s;", text);
    return 0;
}

#define AT(field) .offset = offsetof(struct settings, field)
static const struct option_row rows[] = {
    {.name = "verbose", .letter = 'v', .type = OPTION_FLAG, AT(verbose), .help = "say more"},
    {.name = "threads",
     .letter = 't',
     .type = OPTION_INTEGER,
     AT(threads),
     .value = "N",
     .fallback = "2",
     .min = 1,
     .max = 64,
     .help = "how many threads"},
    {.name = "ratio", .type = OPTION_NUMBER, AT(ratio), .fallback = "0.5", .min = 0, .max = 1},
    {.name = "max-body", .type = OPTION_BYTES, AT(size), .value = "BYTES", .fallback = "4G", .min = 1, .max = 0},
    {.name = "name", .type = OPTION_STRING, AT(name), .fallback = "nobody"},
    {.name = "mode", .type = OPTION_CHOICE, AT(mode), .fallback = "slow", .choices = modes},
    {.name = "item", .type = OPTION_CALLBACK, .set = add_item},
    {.name = "help", .letter = 'h', .type = OPTION_FLAG, AT(help), .command_line_only = true},
};
static const struct option_table table = {.rows = rows,
                                          .count = sizeof rows / sizeof rows[0],
                                          .usage = "test [OPTION]...",
                                          .summary = "Tests options.",
                                          .environment_prefix = "UNITTEST_"};

static const char path[] = "test_option.conf"; /* in a directory of the test's own */

static void write_bytes(const char *text, size_t length)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
}

static int from_file(struct settings *s, const char *text, struct err *e)
{
    write_bytes(text, strlen(text));
    return option_file(&table, s, path, e);
}

/* argv of words separated by blanks. Returns what option_arguments does; operands joined by commas in `rest`. */
static int from_words(struct settings *s, const char *words, char rest[64], struct err *e)
{
    char copy[256], *argv[32], *save;
    int argc = 0, operands = -1;
    snprintf(copy, sizeof copy, "test %s", words);
    for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    int result = option_arguments(&table, s, argc, argv, &operands, e);
    size_t used = 0;
    rest[0] = '\0';
    for (int i = operands; result == 0 && i < argc; i++)
        used += (size_t)snprintf(rest + used, 64 - used, "%s,", argv[i]);
    return result;
}

static void test_later_sources_win_in_the_order_default_file_environment_arguments(void **state)
{
    struct settings s = {0};
    struct err e = {0};
    char rest[64];
    (void)state;
    assert_int_equal(option_defaults(&table, &s, &e), 0);
    assert_int_equal(s.threads, 2);
    assert_int_equal(s.mode, 1);
    assert_string_equal(s.name, "nobody");
    assert_true(s.size == 4ull << 30);
    assert_int_equal(from_file(&s, "threads = 3\nname = file\nmax-body = 1K\n", &e), 0);
    assert_int_equal(s.threads, 3);
    setenv("UNITTEST_THREADS", "4", 1);
    setenv("UNITTEST_MAX_BODY", "2M", 1);
    assert_int_equal(option_environment(&table, &s, &e), 0);
    assert_int_equal(s.threads, 4);
    assert_true(s.size == 2u << 20);
    assert_int_equal(from_words(&s, "--threads 5", rest, &e), 0);
    assert_int_equal(s.threads, 5);
    assert_true(s.size == 2u << 20);            /* from the environment */
    assert_string_equal(s.name, "file");        /* from the file */
    assert_true(s.mode == 1 && s.ratio == 0.5); /* by default */
    unsetenv("UNITTEST_THREADS");
    unsetenv("UNITTEST_MAX_BODY");
    option_release(&table, &s);
    assert_null(s.name);
}

static void expect_refused(const char *text, const char *part)
{
    struct settings s = {0};
    struct err e = {0};
    if (from_file(&s, text, &e) == 0)
        fail_msg("accepted: %s", text);
    expect_error(&e, ERR_USAGE, part, text);
    option_release(&table, &s);
}

static void test_a_file_error_names_file_and_line(void **state)
{
    (void)state;
    expect_refused("# head\n\nthreads = 0\n", "test_option.conf:3: threads: '0' is not a whole number from 1 to 64");
    expect_refused("threads = 3\nthread = 4\n", "test_option.conf:2: there is no setting 'thread'");
    expect_refused("threads = 3\nmode = slow\nthreads = 4\n", "test_option.conf:3: threads is set twice");
    expect_refused("threads = 3\n[server]\nmode = fast\n",
                   "test_option.conf:3: there are no sections here, found [server]");
    expect_refused("threads = 3\nmode fast\n", "test_option.conf:2: not `key = value`");
    expect_refused("mode = other\n", "'other' is not one of fast, slow");
    expect_refused("ratio = -0.1\n", "'-0.1' is not a number from 0 to 1");
    expect_refused("ratio = 1.5\n", "'1.5' is not a number from 0 to 1");
    expect_refused("verbose = maybe\n", "'maybe' is neither true nor false");
    expect_refused("help = true\n", "there is no setting 'help'");
    expect_refused("\x1b[2J = 1\n", "test_option.conf:1: ");
    expect_refused("name\x1b[2J = 1\n", "there is no setting 'name?[2J'");
}

static void test_the_first_of_several_errors_is_reported(void **state)
{
    (void)state;
    expect_refused("mode fast\nthreads = 99\n", "test_option.conf:1: not `key = value`");
    expect_refused("threads = 99\nmode fast\n", "test_option.conf:1: threads: '99'");
    expect_refused("threads = 99\nmode = other\n", "test_option.conf:1: threads: '99'");
}

static void test_a_line_is_never_cut(void **state)
{
    char text[512];
    struct settings s = {0};
    struct err e = {0};
    (void)state;
    /* What lies behind libinih's buffer looks like a comment, like nothing, and like another setting. */
    static const char *const tails[] = {"; comment", "", "\nthreads = 3"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "mode = slow\nname = %0300d%s\n", 1, tails[i]);
        expect_refused(text, "test_option.conf:2: a line is longer than");
    }
    snprintf(text, sizeof text, "name = %0190d", 1); /* the last line, without an end */
    assert_int_equal(from_file(&s, text, &e), 0);
    assert_int_equal(strlen(s.name), 190);
    write_bytes("threads = 3\nname = a\0b\n", 23);
    assert_int_equal(option_file(&table, &s, path, &e), -1);
    expect_error(&e, ERR_USAGE, ":2: ", "a zero byte");
    option_release(&table, &s);
}

static void test_comments_blanks_and_callbacks_in_a_file(void **state)
{
    struct settings s = {0};
    struct err e = {0};
    (void)state;
    assert_int_equal(
        from_file(&s, "\xef\xbb\xbf; c\n# c\n\n  \nitem = a b\nitem=c ; why\nverbose = Yes\r\nname: x", &e), 0);
    assert_string_equal(s.items, "a b;c;");
    assert_true(s.verbose);
    assert_string_equal(s.name, "x");
    option_release(&table, &s);
}

static void test_a_file_that_cannot_be_read_is_an_error(void **state)
{
    struct settings s = {0};
    struct err e = {0};
    (void)state;
    assert_int_equal(option_file(&table, &s, "no/such.conf", &e), -1);
    expect_error(&e, ERR_IO, "no/such.conf cannot be read: No such file", "missing");
    assert_int_equal(option_file(&table, &s, ".", &e), -1);
    expect_error(&e, ERR_IO, ". cannot be read: Is a directory", "a directory");
}

static void test_sizes_have_suffixes_and_bounds(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"1", 1},
                {"1k", 1024},
                {"1K", 1024},
                {"3M", 3u << 20},
                {"4G", 4ull << 30},
                {"2T", 2ull << 40},
                {"8388607T", 8388607ull << 40},
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"0",
                                      "",
                                      "K",
                                      "-1",
                                      "1.5G",
                                      "4GB",
                                      "4 G",
                                      "8388608T",
                                      "16777217T",
                                      "9223372036854775808",
                                      "99999999999999999999T",
                                      "0x10",
                                      "G4"};
    struct err e = {0};
    char line[64];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct settings s = {0};
        snprintf(line, sizeof line, "max-body = %s\n", good[i].text);
        if (from_file(&s, line, &e) != 0 || s.size != good[i].bytes)
            fail_msg("%s is %llu", good[i].text, (unsigned long long)s.size);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(line, sizeof line, "max-body = %s\n", bad[i]);
        expect_refused(line, "is not a number of bytes in range");
    }
}

static void test_environment_error_names_the_variable(void **state)
{
    struct settings s = {0};
    struct err e = {0};
    (void)state;
    setenv("UNITTEST_RATIO", "much", 1);
    assert_int_equal(option_environment(&table, &s, &e), -1);
    expect_error(&e, ERR_USAGE, "environment variable UNITTEST_RATIO: 'much' is not a number from 0 to 1", "ratio");
    unsetenv("UNITTEST_RATIO");
    setenv("UNITTEST_HELP", "maybe", 1); /* for the command line only: not even looked at */
    setenv("UNITTEST_OTHER", "1", 1);    /* nobody's: environments are full of them */
    assert_int_equal(option_environment(&table, &s, &e), 0);
    assert_false(s.help);
    unsetenv("UNITTEST_HELP");
    unsetenv("UNITTEST_OTHER");
}

static void test_options_may_follow_operands(void **state)
{
    struct settings s = {0};
    struct err e = {0};
    char rest[64];
    (void)state;
    assert_int_equal(from_words(&s, "cube -v other --threads=7 -- --name", rest, &e), 0);
    assert_true(s.verbose && s.threads == 7);
    assert_string_equal(rest, "cube,other,--name,");
    assert_int_equal(from_words(&s, "-vt9 --item a - --item b", rest, &e), 0);
    assert_int_equal(s.threads, 9);
    assert_string_equal(rest, "-,");
    assert_string_equal(s.items, "a;b;");
}

static void test_bad_arguments_are_named(void **state)
{
    static const struct {
        const char *words, *part;
        enum err_code code;
    } cases[] = {
        {"--threads", "--threads needs a value: N", ERR_USAGE},
        {"-v -t", "--threads needs a value", ERR_USAGE},
        {"--mode", "--mode needs a value", ERR_USAGE},
        {"--threads 65", "--threads: '65' is not a whole number from 1 to 64", ERR_USAGE},
        {"--verbose=no", "--verbose takes no value", ERR_USAGE},
        {"--treads 3", "there is no option --treads", ERR_USAGE},
        {"--m 3", "there is no option --m", ERR_USAGE}, /* mode or max-body */
        {"cube -x", "there is no option -x", ERR_USAGE},
        {"-vx", "there is no option -x", ERR_USAGE},
        {"--item bad", "--item: a bad item", ERR_USAGE}, /* said as a request's error by who serves HTTP too */
        {"--item huge", "--item: out of memory", ERR_NOMEM},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s = {0};
        struct err e = {0};
        char rest[64];
        if (from_words(&s, cases[i].words, rest, &e) == 0)
            fail_msg("accepted: %s", cases[i].words);
        expect_error(&e, cases[i].code, cases[i].part, cases[i].words);
    }
}

static void test_a_later_argument_replaces_an_earlier_one(void **state)
{
    struct settings s = {0};
    struct err e = {0};
    char rest[64];
    (void)state;
    assert_int_equal(from_words(&s, "--name first --name second --threads 3 -t 4", rest, &e), 0);
    assert_string_equal(s.name, "second");
    assert_int_equal(s.threads, 4);
    option_release(&table, &s);
}

static void test_help_shows_every_option_its_default_and_variable(void **state)
{
    char *text = NULL;
    size_t length = 0;
    (void)state;
    FILE *out = open_memstream(&text, &length);
    option_help(&table, out);
    fclose(out);
    for (size_t i = 0; i < table.count; i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "--%s", rows[i].name);
        assert_non_null(strstr(text, flag));
    }
    assert_non_null(strstr(text, "usage: test [OPTION]..."));
    assert_non_null(strstr(text, "  -t, --threads N"));
    assert_non_null(strstr(text, "how many threads (default 2) [UNITTEST_THREADS]"));
    assert_non_null(strstr(text, "[UNITTEST_MAX_BODY]"));
    assert_null(strstr(text, "UNITTEST_HELP"));
    free(text);
}

static char directory[] = "/tmp/spectrad-test-option.XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL || chdir(directory) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return chdir("/") != 0 || rmdir(directory) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_later_sources_win_in_the_order_default_file_environment_arguments),
        cmocka_unit_test(test_a_file_error_names_file_and_line),
        cmocka_unit_test(test_the_first_of_several_errors_is_reported),
        cmocka_unit_test(test_a_line_is_never_cut),
        cmocka_unit_test(test_comments_blanks_and_callbacks_in_a_file),
        cmocka_unit_test(test_a_file_that_cannot_be_read_is_an_error),
        cmocka_unit_test(test_sizes_have_suffixes_and_bounds),
        cmocka_unit_test(test_environment_error_names_the_variable),
        cmocka_unit_test(test_options_may_follow_operands),
        cmocka_unit_test(test_bad_arguments_are_named),
        cmocka_unit_test(test_a_later_argument_replaces_an_earlier_one),
        cmocka_unit_test(test_help_shows_every_option_its_default_and_variable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
