/* The settings' table against the sample file, and what the sources make of it.
 *
 * `test_config --write` prints the sample as the table has it.
 */
#include "server/config.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/scratch.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sample[] = "config/spectrad.conf";

static char *sample_of_table(void)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fprintf(out,
            "# spectrad.conf - what `spectrad serve --config FILE` reads.\n"
            "# Every setting is here with its default. The same names are options of the command line (--max-body),\n"
            "# which beats the environment (SPECTRAD_MAX_BODY), which beats this file.\n");
    for (size_t i = 0; i < server_options.count; i++) {
        const struct option_row *row = &server_options.rows[i];
        if (!row->command_line_only) {
            const char *value = row->fallback == NULL ? "" : row->fallback;
            fprintf(out, "\n# %s\n#%s =%s%s\n", row->help, row->name, value[0] == '\0' ? "" : " ", value);
        }
    }
    fclose(out);
    return text;
}

static void test_the_sample_file_shows_every_setting_with_its_default(void **state)
{
    (void)state;
    char *expected = sample_of_table(), *found = calloc(1, 1 << 16);
    FILE *f = fopen(sample, "re");
    assert_non_null(f);
    size_t length = fread(found, 1, (1 << 16) - 1, f);
    fclose(f);
    if (length != strlen(expected) || strcmp(found, expected) != 0)
        fail_msg("%s differs from the table; write it anew with: test_config --write > %s", sample, sample);
    free(expected);
    free(found);
}

static int load(struct server_settings *s, struct err *e, const char *a, const char *b)
{
    char *arguments[] = {strdup("serve"), a == NULL ? NULL : strdup(a), b == NULL ? NULL : strdup(b), NULL};
    int count = 1 + (a != NULL) + (b != NULL);
    int result = server_settings_load(s, count, arguments, e);
    /* The settings may not point into the arguments. */
    for (int i = 0; i < 3; i++)
        free(arguments[i]);
    return result;
}

static void test_the_sample_file_with_its_lines_uncommented_is_the_default(void **state)
{
    (void)state;
    struct scratch folder;
    struct server_settings from_file, plain;
    struct err e = {0};
    char *text = sample_of_table();
    scratch_open(&folder);
    for (char *line = text; line != NULL; line = strchr(line + 1, '\n'))
        if (line[0] == '\n' && line[1] == '#' && line[2] != ' ' && strncmp(line, "\n#models", 8) != 0)
            line[1] = '\n'; /* but for the models: an empty path is none */
    const char *path = scratch_write(&folder, "spectrad.conf", text, strlen(text));
    assert_int_equal(load(&plain, &e, NULL, NULL), 0);
    if (load(&from_file, &e, "--config", path) != 0)
        fail_msg("%s", e.message);
    assert_string_equal(from_file.listen, plain.listen);
    assert_true(from_file.max_body == plain.max_body && plain.max_body == (uint64_t)4 << 30);
    assert_true(from_file.drain_timeout == plain.drain_timeout && plain.drain_timeout == 25);
    assert_int_equal(from_file.log_format, plain.log_format);
    server_settings_release(&from_file);
    server_settings_release(&plain);
    scratch_close(&folder);
    free(text);
}

static void test_models_add_up_within_a_source(void **state)
{
    (void)state;
    struct server_settings s;
    struct err e = {0};
    assert_int_equal(load(&s, &e, "--models=/a:/b", "--models=/c"), 0);
    assert_int_equal(s.models.count, 3);
    assert_string_equal(s.models.items[1], "/b");
    assert_string_equal(s.models.items[2], "/c");
    server_settings_release(&s);
}

static void test_a_stronger_source_replaces_the_models(void **state)
{
    (void)state;
    struct server_settings s;
    struct err e = {0};
    setenv("SPECTRAD_MODELS", "/of/the/environment", 1);
    assert_int_equal(load(&s, &e, NULL, NULL), 0);
    assert_string_equal(s.models.items[0], "/of/the/environment");
    server_settings_release(&s);
    assert_int_equal(load(&s, &e, "--models", "/of/the/command/line"), 0);
    assert_int_equal(s.models.count, 1);
    assert_string_equal(s.models.items[0], "/of/the/command/line");
    server_settings_release(&s);
    unsetenv("SPECTRAD_MODELS");
}

static void test_an_empty_model_path_and_an_operand_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"--models=", "--models=a::b", "--models=a:", "operand"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct server_settings s;
        struct err e = {0};
        assert_int_equal(load(&s, &e, bad[i], NULL), -1);
        assert_int_equal(e.code, ERR_USAGE);
        server_settings_release(&s);
    }
}

static void test_help_asks_for_nothing_else(void **state)
{
    (void)state;
    struct server_settings s;
    struct err e = {0};
    assert_int_equal(load(&s, &e, "--help", "--config=/nowhere"), 0);
    assert_true(s.help);
    server_settings_release(&s);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0) {
        char *text = sample_of_table();
        fputs(text, stdout);
        free(text);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample_file_shows_every_setting_with_its_default),
        cmocka_unit_test(test_the_sample_file_with_its_lines_uncommented_is_the_default),
        cmocka_unit_test(test_models_add_up_within_a_source),
        cmocka_unit_test(test_a_stronger_source_replaces_the_models),
        cmocka_unit_test(test_an_empty_model_path_and_an_operand_are_refused),
        cmocka_unit_test(test_help_asks_for_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
