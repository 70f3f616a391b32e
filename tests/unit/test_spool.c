/* The spool: private, counted, swept of what a killed daemon left, shared with daemons that live. */
#include "server/spool.h"
#include "tests/unit/support/expect.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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
    assert_int_equal(entries(s.path), 2); /* and the marker */
    free(two);                            /* forgotten: closing removes it */
    spool_close(&s);
    assert_int_equal(entries(base), 0);
}

static void test_bytes_are_claimed_up_to_the_limit(void **state)
{
    (void)state;
    struct spool s;
    struct spool_claim one, two, none = {0};
    struct err e = {0};
    assert_int_equal(spool_open(&s, base, 1000, &e), 0);
    assert_int_equal(spool_claim(&s, &one, 600, &e), 0);
    assert_int_equal(spool_claim(&s, &none, 401, &e), -1);
    assert_int_equal(e.code, ERR_SPACE);
    assert_int_equal(spool_claim(&s, &none, UINT64_MAX, &e), -1);
    spool_release(&none);
    assert_int_equal(spool_claim(&s, &two, 400, &e), 0);
    assert_int_equal(spool_used(&s), 1000);
    spool_release(&one);
    spool_release(&one);
    assert_int_equal(spool_claim(&s, &one, 600, &e), 0);
    spool_keep(&one, 100);
    assert_int_equal(spool_used(&s), 500);
    spool_keep(&one, 700); /* there already, whatever the limit */
    assert_int_equal(spool_claim(&s, &none, 1, &e), -1);
    spool_release(&one);
    spool_release(&two);
    assert_int_equal(spool_used(&s), 0);
    spool_close(&s);
}

static void test_more_than_the_disk_has_is_refused(void **state)
{
    (void)state;
    struct spool s;
    struct spool_claim none = {0};
    struct err e = {0};
    assert_int_equal(spool_open(&s, base, UINT64_MAX, &e), 0);
    assert_int_equal(spool_claim(&s, &none, (uint64_t)1 << 62, &e), -1);
    assert_int_equal(e.code, ERR_SPACE);
    assert_int_equal(spool_used(&s), 0);
    spool_close(&s);
}

static void test_the_disk_is_not_promised_twice(void **state)
{
    (void)state;
    struct spool s;
    struct spool_claim one, two = {0};
    struct statvfs disk;
    struct err e = {0};
    assert_int_equal(statvfs(base, &disk), 0);
    uint64_t most = (uint64_t)disk.f_bavail * disk.f_frsize / 3 * 2;
    assert_int_equal(spool_open(&s, base, UINT64_MAX, &e), 0);
    assert_int_equal(spool_claim(&s, &one, most, &e), 0);
    assert_int_equal(spool_claim(&s, &two, most, &e), -1);
    assert_int_equal(e.code, ERR_SPACE);
    spool_wrote(&one, most); /* so it says: then the disk counts it itself */
    assert_int_equal(spool_claim(&s, &two, most, &e), 0);
    spool_release(&one);
    spool_release(&two);
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
        write_file(folder, "result");
        write_file(folder, "labels.a1B2c3");
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

static void make_folder(const char *name, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", base, name);
    assert_int_equal(mkdir(path, mode), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static bool there_is(const char *name)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return access(path, F_OK) == 0;
}

static void test_folders_that_only_look_like_ours_stay(void **state)
{
    (void)state;
    /* {folder, mode, what lies in it}; a trailing slash: a folder */
    static const struct {
        const char *folder;
        mode_t mode;
        const char *held[4];
    } strangers[] = {
        {"spectrad-0.1.0", 0755, {"README.md"}},
        {"spectrad-0.1.01", 0700, {"README.md"}},        /* the name and the mode fit */
        {"spectrad-models", 0700, {"demo.safetensors"}}, /* so here */
        {"spectrad-abcdef", 0755, {".spectrad-spool"}},  /* not the mode */
        {"spectrad-abcdefg", 0700, {".spectrad-spool"}}, /* not the length */
        {"spectrad-empty0", 0700, {NULL}},               /* no marker: made and killed at once, or another's */
        {"spectrad-notes1", 0700, {".spectrad-spool", "notes.txt"}},
        {"spectrad-inside", 0700, {".spectrad-spool", "1/", "1/thesis.tif"}},
        {"spectrad-folder", 0700, {".spectrad-spool", "src/", "src/cube"}},
    };
    struct spool s;
    struct err e;
    char path[192];
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        make_folder(strangers[i].folder, strangers[i].mode);
        for (size_t k = 0; k < 4 && strangers[i].held[k] != NULL; k++) {
            snprintf(path, sizeof path, "%s/%s", strangers[i].folder, strangers[i].held[k]);
            if (path[strlen(path) - 1] == '/')
                make_folder(path, 0700);
            else
                write_file(base, path);
        }
    }
    assert_int_equal(spool_open(&s, base, 1000, &e), 0);
    spool_close(&s);
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        for (size_t k = 4; k-- > 0;) {
            if (strangers[i].held[k] == NULL)
                continue;
            snprintf(path, sizeof path, "%s/%s", strangers[i].folder, strangers[i].held[k]);
            if (!there_is(path))
                fail_msg("%s was removed", path);
            snprintf(path, sizeof path, "%s/%s/%s", base, strangers[i].folder, strangers[i].held[k]);
            assert_int_equal(remove(path), 0);
        }
        snprintf(path, sizeof path, "%s/%s", base, strangers[i].folder);
        assert_int_equal(rmdir(path), 0);
    }
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
        cmocka_unit_test_setup_teardown(test_bytes_are_claimed_up_to_the_limit, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_the_disk_is_not_promised_twice, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_more_than_the_disk_has_is_refused, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_leftovers_go_and_what_lives_or_is_not_ours_stays, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_folders_that_only_look_like_ours_stay, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there_is_named, make_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
