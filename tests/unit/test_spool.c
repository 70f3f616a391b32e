/* The spool: private, counted, swept of what a killed daemon left, shared with daemons that live. */
#include "server/spool.h"
#include "tests/unit/support/expect.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64];

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/test-spool-XXXXXX");
    return mkdtemp(base) == NULL ? -1 : 0;
}

static int remove_base(void **state)
{
    (void)state;
    return rmdir(base); /* fails where a test leaves anything */
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int count = -2;
    assert_non_null(d);
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

static void write_file(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static mode_t mode_of(const char *path)
{
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_mode & 07777;
}

static void test_folders_are_private_and_go_with_their_files(void **state)
{
    (void)state;
    struct spool s;
    struct err e;
    char *one, *two;
    assert_int_equal(spool_open(&s, base, 1000, &e), 0);
    assert_int_equal(spool_folder_make(&s, &one, &e), 0);
    assert_int_equal(spool_folder_make(&s, &two, &e), 0);
    assert_string_not_equal(one, two);
    assert_int_equal(mode_of(s.path), 0700);
    assert_int_equal(mode_of(one), 0700);
    write_file(one, "cube");
    write_file(two, "cube");
    spool_folder_remove(one);
    assert_int_equal(entries(s.path), 1);
    free(two); /* forgotten: closing removes it */
    spool_close(&s);
    assert_int_equal(entries(base), 0);
}

static void test_bytes_are_reserved_up_to_the_limit(void **state)
{
    (void)state;
    struct spool s;
    struct err e = {0};
    assert_int_equal(spool_open(&s, base, 1000, &e), 0);
    assert_int_equal(spool_reserve(&s, 600, &e), 0);
    assert_int_equal(spool_reserve(&s, 401, &e), -1);
    assert_int_equal(e.code, ERR_SPACE);
    assert_int_equal(spool_reserve(&s, UINT64_MAX, &e), -1);
    assert_int_equal(spool_reserve(&s, 400, &e), 0);
    assert_int_equal(spool_used(&s), 1000);
    spool_free(&s, 600);
    assert_int_equal(spool_reserve(&s, 600, &e), 0);
    spool_close(&s);
}

static void test_more_than_the_disk_has_is_refused(void **state)
{
    (void)state;
    struct spool s;
    struct err e = {0};
    assert_int_equal(spool_open(&s, base, UINT64_MAX, &e), 0);
    assert_int_equal(spool_reserve(&s, (uint64_t)1 << 62, &e), -1);
    assert_int_equal(e.code, ERR_SPACE);
    assert_int_equal(spool_used(&s), 0);
    spool_close(&s);
}

/* A child that makes a spool with an upload in it, and is killed. */
static void leave_a_spool(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct spool s;
        char *folder;
        if (spool_open(&s, base, 1000, NULL) != 0 || spool_folder_make(&s, &folder, NULL) != 0)
            _exit(1);
        write_file(folder, "cube");
        write_file(folder, "cube.hdr");
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
}

static void test_leftovers_go_and_what_lives_or_is_not_ours_stays(void **state)
{
    (void)state;
    struct spool alive, next;
    struct err e;
    char path[128];
    assert_int_equal(spool_open(&alive, base, 1000, &e), 0);
    leave_a_spool();
    leave_a_spool(); /* sweeps the first one */
    assert_int_equal(entries(base), 2);
    snprintf(path, sizeof path, "%s/other", base);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(base, "spectrad-file");
    snprintf(path, sizeof path, "%s/spectrad-link", base);
    assert_int_equal(symlink("/etc", path), 0);

    assert_int_equal(spool_open(&next, base, 1000, &e), 0);
    assert_int_equal(entries(base), 5);
    assert_int_equal(mode_of(alive.path), 0700);
    assert_true(access("/etc/passwd", F_OK) == 0);
    spool_close(&next);
    spool_close(&alive);

    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/spectrad-file", base);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/other", base);
    assert_int_equal(rmdir(path), 0);
}

static void test_a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct spool s;
    struct err e = {0};
    assert_int_equal(spool_open(&s, "/nowhere/at/all", 1000, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.message, "/nowhere/at/all"));
    spool_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folders_are_private_and_go_with_their_files, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_bytes_are_reserved_up_to_the_limit, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_more_than_the_disk_has_is_refused, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_leftovers_go_and_what_lives_or_is_not_ours_stays, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there_is_named, make_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
