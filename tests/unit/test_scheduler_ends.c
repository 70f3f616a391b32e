/* The scheduler's ends: deadline, cancel, an engine that fails, closing; and all of it at once. */
#include "base/clock.h"
#include "tests/unit/support/random.h"
#include "tests/unit/support/scheduler_fixture.h"
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A calloc that cannot succeed must return NULL under the sanitizers too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_deadline_ends_a_job_whose_blocks_still_wait(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *plugged = plug(f);
    double start = clock_now();
    struct scheduler_job *j = job_open(f, start + 0.2);
    struct scheduler_stats stats;
    struct err e;
    submit(j, 0, 0, 3, 10);
    assert_int_equal(take_all(j, 0, ERR_DEADLINE), 3);
    double waited = clock_now() - start;
    assert_true(waited >= 0.2 && waited < 10); /* it was not the gate that let it go */
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.blocks_queued, 0);
    assert_int_equal(stats.blocks_running, 1);
    struct block *late = fake_block(0, 3, 10);
    assert_int_equal(scheduler_job_submit(j, late, &e), -1);
    expect_error(&e, ERR_DEADLINE, "deadline", "after it");
    block_close(late);
    scheduler_job_close(j);
    unplug(f, plugged);
    assert_int_equal(f->engine[0].logged, 1);
    fixture_close(f);
}

static void test_job_past_its_deadline_is_not_run(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *plugged = plug(f), *j = job_open(f, clock_now() + 0.2);
    submit(j, 0, 0, 3, 10);
    nanosleep(&(struct timespec){0, 250000000}, NULL); /* nobody waits for it meanwhile */
    unplug(f, plugged);
    assert_int_equal(take_all(j, 0, ERR_DEADLINE), 3);
    scheduler_job_close(j);
    assert_int_equal(f->engine[0].logged, 1);
    fixture_close(f);
}

static void test_block_is_refused_after_the_deadline(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *j = job_open(f, clock_now() - 1);
    struct block *b = fake_block(0, 0, 10);
    struct err e;
    assert_int_equal(scheduler_job_submit(j, b, &e), -1);
    expect_error(&e, ERR_DEADLINE, "deadline", "a deadline that has passed");
    block_close(b);
    scheduler_job_close(j);
    fixture_close(f);
}

/* A deadline and a cancel reach the engine by the task's flag, and the block is waited for. */
static void test_deadline_stops_the_run_under_way(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    f->engine[0].heeds_canceled = true;
    fake_set_gate(&f->engine[0], true);
    struct scheduler_job *j = job_open(f, clock_now() + 0.2);
    submit(j, 0, 0, 2, 10);
    fake_wait_entered(&f->engine[0], 1);
    assert_int_equal(take_all(j, 0, ERR_DEADLINE), 2);
    assert_int_equal(f->engine[0].runs, 1);
    scheduler_job_close(j);
    fake_set_gate(&f->engine[0], false);
    fixture_close(f);
}

static void *cancel_soon(void *job)
{
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    scheduler_job_cancel(job);
    return NULL;
}

static void test_cancel_wakes_the_waiting_thread_and_stops_the_run(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_stats stats;
    pthread_t thread;
    struct err e;
    f->engine[0].heeds_canceled = true;
    fake_set_gate(&f->engine[0], true);
    struct scheduler_job *j = job_open(f, 0);
    submit(j, 0, 0, 4, 10);
    fake_wait_entered(&f->engine[0], 1);
    pthread_create(&thread, NULL, cancel_soon, j);
    assert_int_equal(take_all(j, 0, ERR_CANCELED), 4);
    pthread_join(thread, NULL);
    assert_int_equal(f->engine[0].runs, 1);
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.pixels, 0); /* what is thrown away is not classified, and proves nothing of the engine */
    assert_true(stats.last_success_age == -1);
    struct block *late = fake_block(0, 4, 10);
    assert_int_equal(scheduler_job_submit(j, late, &e), -1);
    expect_error(&e, ERR_CANCELED, "canceled", "after it");
    block_close(late);
    scheduler_job_close(j);
    fake_set_gate(&f->engine[0], false);
    fixture_close(f);
}

static void test_cancel_ends_one_waiting_job_and_no_other(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *plugged = plug(f), *left = job_open(f, 0), *stays = job_open(f, 0);
    struct scheduler_stats stats;
    pthread_t thread;
    submit(left, 0, 0, 2, 10);
    submit(stays, 1, 0, 2, 10);
    pthread_create(&thread, NULL, cancel_soon, left);
    assert_int_equal(take_all(left, 0, ERR_CANCELED), 2); /* while the engine is held */
    pthread_join(thread, NULL);
    scheduler_job_close(left);
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.blocks_queued, 2);
    unplug(f, plugged);
    finish(stays, 2);
    assert_int_equal(f->engine[0].logged, 3);
    fixture_close(f);
}

static void test_first_end_is_the_one_that_counts(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *plugged = plug(f), *j = job_open(f, clock_now() + 0.01);
    struct block *b;
    submit(j, 0, 0, 3, 10);
    assert_int_equal(scheduler_job_take(j, &b, NULL), -1);
    block_close(b);
    scheduler_job_cancel(j); /* the client leaves, since the deadline passed */
    assert_int_equal(take_all(j, 1, ERR_DEADLINE), 2);
    scheduler_job_close(j);
    unplug(f, plugged);
    fixture_close(f);
}

static void *open_gate_soon(void *engine)
{
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    fake_set_gate(engine, false);
    return NULL;
}

static void test_block_is_not_handed_back_while_an_engine_writes_into_it(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    pthread_t thread;
    fake_set_gate(&f->engine[0], true); /* and it does not heed the flag */
    struct scheduler_job *j = job_open(f, 0);
    submit(j, 0, 0, 1, 10);
    fake_wait_entered(&f->engine[0], 1);
    scheduler_job_cancel(j);
    pthread_create(&thread, NULL, open_gate_soon, &f->engine[0]);
    assert_int_equal(take_all(j, 0, ERR_CANCELED), 1);
    assert_int_equal(f->engine[0].runs, 1);
    pthread_join(thread, NULL);
    scheduler_job_close(j);
    fixture_close(f);
}

static void test_failed_run_ends_its_jobs_and_no_others(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 20);
    struct scheduler_job *failing = job_open(f, 0), *other = job_open(f, 0);
    struct scheduler_stats stats;
    struct block *block;
    struct err e;
    fake_set_gate(&f->engine[0], true);
    f->engine[0].failures = 1;
    submit(failing, 0, 0, 1, 20); /* fills the run that fails */
    fake_wait_entered(&f->engine[0], 1);
    submit(failing, 0, 1, 2, 20); /* and has more waiting */
    submit(other, 1, 0, 1, 20);
    fake_set_gate(&f->engine[0], false);
    assert_int_equal(scheduler_job_take(failing, &block, &e), -1);
    expect_error(&e, ERR_DEVICE, "the engine failed: the fake device fell", "the run that failed");
    block_close(block);
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.failures, 1);
    assert_int_equal(stats.engines_failing, 1);
    assert_int_equal(take_all(failing, 1, ERR_DEVICE), 2);
    scheduler_job_close(failing);
    finish(other, 1); /* the engine was tried again */
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.engines_failing, 0);
    fixture_close(f);
}

static void test_dead_engine_does_not_drain_the_queue_of_a_good_one(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(2, 10);
    struct scheduler_job *j[MOST_JOBS];
    int failed = 0;
    f->engine[0].failures = 1000;
    f->engine[1].seconds = 0.001;
    for (int i = 0; i < MOST_JOBS; i++) {
        j[i] = job_open(f, 0);
        submit(j[i], i, 0, 1, 10);
    }
    for (int i = 0; i < MOST_JOBS; i++) {
        struct block *b;
        failed += scheduler_job_take(j[i], &b, NULL) != 0;
        block_close(b);
        scheduler_job_close(j[i]);
    }
    assert_in_range(failed, 0, MOST_JOBS / 4);
    fixture_close(f);
}

static void test_engines_are_closed_where_the_scheduler_cannot_open(void **state)
{
    (void)state;
    struct engine x[2];
    struct scheduler *s;
    struct scheduler_engine engines[2];
    struct err e;
    const struct scheduler_options absurd = {.max_jobs = INT_MAX, .blocks_per_job = INT_MAX};
    for (int i = 0; i < 2; i++) {
        fake_init(&x[i], 10);
        engines[i] = (struct scheduler_engine){&fake_backend, &x[i]};
    }
    assert_int_equal(scheduler_open(&s, engines, 2, &absurd, &e), -1);
    expect_error(&e, ERR_NOMEM, "memory", "more blocks than memory");
    assert_null(s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(x[i].closes, 1);
        fake_release(&x[i]);
    }
}

static void test_close_unloads_and_closes_once_and_accepts_nothing(void **state)
{
    (void)state;
    struct engine x;
    struct scheduler *s;
    const struct scheduler_engine engine = {&fake_backend, &x};
    const struct scheduler_options o = {.max_jobs = 1, .blocks_per_job = 1};
    int model;
    fake_init(&x, 10);
    assert_int_equal(scheduler_open(&s, &engine, 1, &o, NULL), 0);
    assert_int_equal(scheduler_load(s, &fake_network, &model, NULL), 0);
    assert_int_equal(scheduler_load(s, &fake_network, &model, NULL), 0);
    scheduler_close(s);
    assert_int_equal(x.unloads, 2);
    assert_int_equal(x.closes, 1);
    fake_release(&x);
    scheduler_close(NULL);
    scheduler_job_close(NULL);
}

/* ---- all at once ------------------------------------------------------------------------------------------------ */

enum { CLIENTS = 8, JOBS_EACH = 60 };

struct client {
    struct fixture *fixture;
    int number;
    uint64_t seed;
    int ends[ERR_USAGE + 1];
};

/* One job: a random number of blocks, a few of them out at a time, now and then a deadline. Every block must come back,
 * in order, and carry its model's number if it is good. */
static enum err_code one_job(struct client *c, struct random *r)
{
    struct scheduler_job *j = job_open(c->fixture, random_below(r, 4) == 0 ? clock_now() + 0.002 : 0);
    int sent = 0, taken = 0, total = 1 + (int)random_below(r, 20), ahead = 1 + (int)random_below(r, 5);
    bool cancels = random_below(r, 8) == 0;
    struct err e = {0};
    while (e.code == ERR_NONE && taken < total) {
        struct block *b = NULL;
        while (e.code == ERR_NONE && sent < total && sent - taken < ahead) {
            b = fake_block(c->number, sent, 1 + (int)random_below(r, 30));
            b->labels[0] = 99;
            if (scheduler_job_submit(j, b, &e) == 0)
                sent++;
            else
                block_close(b);
        }
        if (cancels && sent > total / 2)
            scheduler_job_cancel(j);
        if (sent > taken && scheduler_job_take(j, &b, &e) == 0)
            assert_int_equal(b->labels[0], 0);
        else if (sent == taken)
            break;
        assert_int_equal(b->line, taken++);
        block_close(b);
    }
    taken += take_all(j, taken, e.code);
    assert_int_equal(taken, sent);
    scheduler_job_close(j);
    return e.code;
}

static void *client(void *arg)
{
    struct client *c = arg;
    struct random r = {c->seed};
    for (int i = 0; i < JOBS_EACH; i++)
        c->ends[one_job(c, &r)]++;
    return NULL;
}

static void test_many_threads_cancels_deadlines_failures_and_loads_at_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(2, 40);
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    struct scheduler_stats stats;
    int ends[ERR_USAGE + 1] = {0}, model;
    f->engine[0].seconds = 0.0001;
    f->engine[0].heeds_canceled = f->engine[1].heeds_canceled = true;
    f->engine[1].failures = 3;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.fixture = f, .number = i, .seed = 17 + (uint64_t)i};
        pthread_create(&threads[i], NULL, client, &clients[i]);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(scheduler_load(f->scheduler, &fake_network, &model, NULL), 0);
        scheduler_stats(f->scheduler, &stats);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        for (int k = 0; k <= ERR_USAGE; k++)
            ends[k] += clients[i].ends[k];
    }
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.jobs, 0);
    assert_int_equal(stats.blocks_queued, 0);
    assert_int_equal(stats.blocks_running, 0);
    assert_int_equal(ends[ERR_NONE] + ends[ERR_CANCELED] + ends[ERR_DEADLINE] + ends[ERR_DEVICE], CLIENTS * JOBS_EACH);
    assert_true(ends[ERR_NONE] > 0 && ends[ERR_CANCELED] > 0 && ends[ERR_DEVICE] > 0);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline_ends_a_job_whose_blocks_still_wait),
        cmocka_unit_test(test_job_past_its_deadline_is_not_run),
        cmocka_unit_test(test_block_is_refused_after_the_deadline),
        cmocka_unit_test(test_deadline_stops_the_run_under_way),
        cmocka_unit_test(test_cancel_wakes_the_waiting_thread_and_stops_the_run),
        cmocka_unit_test(test_cancel_ends_one_waiting_job_and_no_other),
        cmocka_unit_test(test_first_end_is_the_one_that_counts),
        cmocka_unit_test(test_block_is_not_handed_back_while_an_engine_writes_into_it),
        cmocka_unit_test(test_failed_run_ends_its_jobs_and_no_others),
        cmocka_unit_test(test_dead_engine_does_not_drain_the_queue_of_a_good_one),
        cmocka_unit_test(test_engines_are_closed_where_the_scheduler_cannot_open),
        cmocka_unit_test(test_close_unloads_and_closes_once_and_accepts_nothing),
        cmocka_unit_test(test_many_threads_cancels_deadlines_failures_and_loads_at_once),
    };
    alarm(240); /* a scheduler that forgets to wake somebody */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
