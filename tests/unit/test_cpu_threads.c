/* Threads of the engine: how many, that all of them work, and what they must not do to the rest of the process. */
#include "cpu/cores.h"
#include "cpu/isa.h"
#include "cpu/peak.h"
#include "cpu/pool.h"
#include "tests/unit/support/expect.h"
#include <float.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/spectrad-cores-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file in the folder, and the folders on the way to it. */
static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static double quota(const char *proc)
{
    char path[512], mount[512];
    put("cgroup", proc);
    snprintf(path, sizeof path, "%s/cgroup", folder);
    snprintf(mount, sizeof mount, "%s/fs", folder);
    return cores_quota(path, mount);
}

static void expect_quota(double found, double expected)
{
    if (found < expected - 1e-9 || found > expected + 1e-9)
        fail_msg("a quota of %g, expected %g", found, expected);
}

static void test_the_tightest_quota_on_the_way_up_counts(void **state)
{
    (void)state;
    put("fs/a/b/cpu.max", "max 100000\n");
    put("fs/a/cpu.max", "250000 100000\n");
    put("fs/c/d/cpu.max", "50000 100000\n");
    put("fs/c/cpu.max", "200000 100000\n");
    put("fs/cpu/e/cpu.cfs_quota_us", "300000\n");
    put("fs/cpu/e/cpu.cfs_period_us", "200000\n");
    put("fs/cpu/f/cpu.cfs_quota_us", "-1\n");
    put("fs/cpu/f/cpu.cfs_period_us", "100000\n");
    expect_quota(quota("0::/a/b\n"), 2.5);
    expect_quota(quota("0::/c/d\n"), 0.5);
    expect_quota(quota("0::/none\n"), 0);
    expect_quota(quota("0::/\n"), 0);
    expect_quota(quota("12:pids:/a\n3:cpu,cpuacct:/e\n1:name=systemd:/x\n"), 1.5);
    expect_quota(quota("3:cpuacct,cpu:/e\n0::/a\n"), 1.5);
    expect_quota(quota("3:cpuset:/e\n"), 0);
    expect_quota(quota("3:cpu:/f\n"), 0);
    expect_quota(quota("nonsense\n"), 0);
    expect_quota(cores_quota("/nonexistent", "/nonexistent"), 0);
    assert_in_range(cores_available(), 1, 1 << 20);
}

struct visit {
    atomic_int calls[5];
    atomic_int wrong; /* threads that take signals, or keep denormals */
};

static void visit(void *argument, int thread)
{
    struct visit *v = argument;
    sigset_t blocked;
    volatile float smallest = FLT_MIN;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_fetch_add(&v->calls[thread], 1);
    if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGINT) || smallest / 2 != 0)
        atomic_fetch_add(&v->wrong, 1);
}

static void test_every_thread_works_in_every_turn(void **state)
{
    (void)state;
    enum { THREADS = 5, TURNS = 200 };
    struct pool *p;
    struct err e;
    struct visit v = {0};
    sigset_t before, after;
    volatile float smallest = FLT_MIN;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(pool_open(&p, THREADS, &e), 0);
    for (int turn = 1; turn <= TURNS; turn++) {
        pool_run(p, visit, &v);
        for (int t = 0; t < THREADS; t++)
            assert_int_equal(atomic_load(&v.calls[t]), turn);
    }
    pool_close(p);
    pool_close(NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(atomic_load(&v.wrong), 0);
    for (int signal = 1; signal < SIGRTMAX; signal++)
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
    assert_true(smallest / 2 > 0); /* the caller keeps its denormals */
}

static void test_isa_is_found_by_name(void **state)
{
    (void)state;
    const struct kernels *k, *widest = isa_runnable(0);
    struct err e;
    assert_non_null(widest);
    assert_int_equal(isa_select(NULL, &k, &e), 0);
    assert_ptr_equal(k, widest);
    assert_int_equal(isa_select("auto", &k, &e), 0);
    assert_ptr_equal(k, widest);
    for (size_t i = 0; isa_runnable(i) != NULL; i++) {
        assert_int_equal(isa_select(isa_runnable(i)->isa, &k, &e), 0);
        assert_ptr_equal(k, isa_runnable(i));
        assert_true(i == 0 || k->lanes <= isa_runnable(i - 1)->lanes);
    }
    assert_int_equal(isa_select("", &k, &e), -1);
    expect_error(&e, ERR_REQUEST, "unknown instruction set", "an empty name");
}

static void test_peak_is_a_rate(void **state)
{
    (void)state;
    assert_true(cpu_fma_peak_gflops(NULL, 1, 0.02) > 0.05);
    assert_true(cpu_fma_peak_gflops("mmx", 1, 0.02) <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_tightest_quota_on_the_way_up_counts, make_folder, remove_folder),
        cmocka_unit_test(test_every_thread_works_in_every_turn),
        cmocka_unit_test(test_isa_is_found_by_name),
        cmocka_unit_test(test_peak_is_a_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
