/* A result file appears whole or not at all. */
#include "cli/output.h"
#include "tests/unit/support/expect.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        fail_msg("%s cannot be made", path);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void expect_text(const char *path, const char *text)
{
    char found[256] = "";
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s is not there", path);
    found[fread(found, 1, sizeof found - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(found, text);
}

/* The names in a folder, "." and ".." left out; nothing else than `expected` (NULL ends) may be there. */
static void expect_files(const char *folder, const char *const *expected)
{
    DIR *d = opendir(folder);
    size_t found = 0, wanted = 0;
    assert_non_null(d);
    while (expected[wanted] != NULL)
        wanted++;
    for (struct dirent *f; (f = readdir(d)) != NULL;) {
        bool known = strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0;
        for (size_t i = 0; i < wanted; i++)
            if (strcmp(f->d_name, expected[i]) == 0) {
                known = true;
                found++;
            }
        if (!known)
            fail_msg("%s lies in %s", f->d_name, folder);
    }
    closedir(d);
    assert_int_equal(found, wanted);
}
#define EXPECT_FILES(folder, ...) expect_files(folder, (const char *const[]){__VA_ARGS__, NULL})

static char companion[300];

static const char *beside(const struct output *o)
{
    snprintf(companion, sizeof companion, "%s.aux.xml", o->path);
    return companion;
}

static void open_output(struct output *o, const char *target)
{
    struct err e;
    if (output_open(o, target, &e) != 0)
        fail_msg("%s: %s", target, e.message);
}

static void test_nothing_is_seen_before_commit_and_everything_after(void **state)
{
    struct output o;
    struct err e;
    (void)state;
    write_text("map.tif", "old");
    open_output(&o, "map.tif");
    write_text(o.path, "new");
    write_text(beside(&o), "names");
    expect_text("map.tif", "old");
    assert_int_equal(access("map.tif.aux.xml", F_OK), -1);
    assert_int_equal(output_commit(&o, &e), 0);
    output_release(&o);
    expect_text("map.tif", "new");
    expect_text("map.tif.aux.xml", "names");
    EXPECT_FILES(".", "map.tif", "map.tif.aux.xml");
    unlink("map.tif");
    unlink("map.tif.aux.xml");
}

static void test_release_without_commit_leaves_what_was_there(void **state)
{
    struct output o;
    (void)state;
    write_text("map.tif", "old");
    open_output(&o, "map.tif");
    write_text(o.path, "half");
    write_text(beside(&o), "names");
    output_release(&o);
    expect_text("map.tif", "old");
    EXPECT_FILES(".", "map.tif");
    unlink("map.tif");
    output_release(&o); /* once more does nothing */
}

static void test_the_private_directory_is_private_and_beside_the_target(void **state)
{
    struct output o;
    struct stat s, here;
    (void)state;
    mkdir("sub", 0755);
    open_output(&o, "sub/out.json");
    assert_int_equal(stat(o.directory, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    assert_int_equal(stat("sub", &here), 0);
    assert_int_equal(s.st_dev, here.st_dev); /* so that a rename is enough */
    assert_memory_equal(o.directory, "sub/.", 5);
    assert_string_equal(strrchr(o.path, '/'), "/out.json");
    output_release(&o);
    rmdir("sub");
}

static void test_a_target_in_another_folder_gets_its_companions_there(void **state)
{
    struct output o;
    struct err e;
    (void)state;
    mkdir("sub", 0755);
    open_output(&o, "./sub//map.tif");
    write_text(o.path, "map");
    write_text(beside(&o), "names");
    assert_int_equal(output_commit(&o, &e), 0);
    output_release(&o);
    EXPECT_FILES("sub", "map.tif", "map.tif.aux.xml");
    EXPECT_FILES(".", "sub");
    unlink("sub/map.tif");
    unlink("sub/map.tif.aux.xml");
    rmdir("sub");
}

static void test_a_commit_that_fails_leaves_the_target_alone(void **state)
{
    struct output o;
    struct err e;
    (void)state;
    write_text("map.tif", "old");
    open_output(&o, "map.tif"); /* and nothing is written */
    assert_int_equal(output_commit(&o, &e), -1);
    expect_error(&e, ERR_IO, "map.tif cannot be written: No such file", "no result");
    output_release(&o);
    expect_text("map.tif", "old");
    EXPECT_FILES(".", "map.tif");
    unlink("map.tif");
}

static void test_a_target_that_cannot_be_a_file_is_refused_at_once(void **state)
{
    static const struct {
        const char *target, *part;
    } cases[] = {
        {"", "'' is not the name of a file"},
        {"new/", "'new/' is not the name of a file"},
        {"sub", "sub exists and is not a regular file"},
        {".", ". exists and is not a regular file"},
        {"/dev/null", "/dev/null exists and is not a regular file"},
        {"no/map.tif", "nothing can be written in no: No such file"},
        {"file/map.tif", "nothing can be written in file: Not a directory"},
    };
    (void)state;
    mkdir("sub", 0755);
    write_text("file", "x");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct output o;
        struct err e = {0};
        if (output_open(&o, cases[i].target, &e) == 0)
            fail_msg("accepted: %s", cases[i].target);
        expect_error(&e, ERR_IO, cases[i].part, cases[i].target);
        assert_true(o.directory == NULL && o.path == NULL && o.target == NULL);
    }
    EXPECT_FILES(".", "sub", "file");
    unlink("file");
    rmdir("sub");
}

/* Standard output goes to `to` while `o` is committed. */
static int commit_into(struct output *o, int to, struct err *e)
{
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(to, STDOUT_FILENO);
    int result = output_commit(o, e);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    return result;
}

static void test_standard_output_gets_the_whole_result_and_no_companion(void **state)
{
    struct output o;
    struct err e;
    size_t length = 300000; /* more than a pipe or a buffer holds */
    char *text = malloc(length + 1);
    (void)state;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + i % 23);
    text[length] = '\0';
    mkdir("tmp", 0755);
    setenv("TMPDIR", "tmp", 1);
    open_output(&o, "-");
    assert_null(o.target);
    assert_memory_equal(o.directory, "tmp/.", 5);
    write_text(o.path, text);
    int file = open("captured", O_RDWR | O_CREAT, 0600);
    assert_int_equal(commit_into(&o, file, &e), 0);
    output_release(&o);
    char *found = calloc(length + 2, 1);
    assert_int_equal(pread(file, found, length + 1, 0), length);
    assert_string_equal(found, text);
    close(file);
    EXPECT_FILES(".", "tmp", "captured");
    assert_int_equal(rmdir("tmp"), 0); /* nothing is left in it */
    unlink("captured");
    unsetenv("TMPDIR");
    free(found);
    free(text);
}

static void test_a_full_standard_output_is_an_error(void **state)
{
    struct output o;
    struct err e;
    (void)state;
    int full = open("/dev/full", O_WRONLY);
    if (full < 0) {
        print_message("skipped: there is no /dev/full\n");
        skip();
    }
    open_output(&o, "-");
    write_text(o.path, "result");
    assert_int_equal(commit_into(&o, full, &e), -1);
    expect_error(&e, ERR_SPACE, "standard output cannot be written: no space is left", "full");
    output_release(&o);
    close(full);
}

static void test_a_standard_output_that_takes_a_part_is_an_error(void **state)
{
    struct rlimit old, few;
    struct output o;
    struct err e;
    (void)state;
    open_output(&o, "-");
    write_text(o.path, "a result of more than ten bytes");
    int file = open("captured", O_WRONLY | O_CREAT, 0600);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    few = (struct rlimit){10, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &few);
    int result = commit_into(&o, file, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(result, -1);
    expect_error(&e, ERR_SPACE, "standard output cannot be written: no space is left", "a part");
    expect_text("captured", "a result o");
    output_release(&o);
    close(file);
    unlink("captured");
}

static char directory[] = "/tmp/spectrad-test-output.XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL || chdir(directory) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") != 0 || rmdir(directory) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_seen_before_commit_and_everything_after),
        cmocka_unit_test(test_release_without_commit_leaves_what_was_there),
        cmocka_unit_test(test_the_private_directory_is_private_and_beside_the_target),
        cmocka_unit_test(test_a_target_in_another_folder_gets_its_companions_there),
        cmocka_unit_test(test_a_commit_that_fails_leaves_the_target_alone),
        cmocka_unit_test(test_a_target_that_cannot_be_a_file_is_refused_at_once),
        cmocka_unit_test(test_standard_output_gets_the_whole_result_and_no_companion),
        cmocka_unit_test(test_a_standard_output_that_takes_a_part_is_an_error),
        cmocka_unit_test(test_a_full_standard_output_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
