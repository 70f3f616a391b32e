/* The scheduler while all goes well: order, shares, batches, bounds, models, figures. */
#include "base/clock.h"
#include "tests/unit/support/scheduler_fixture.h"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void test_blocks_come_back_in_order_though_an_engine_overtakes(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(2, 10);
    struct scheduler_job *j = job_open(f, 0);
    fake_set_gate(&f->engine[0], true);
    fake_set_gate(&f->engine[1], true);
    submit(j, 0, 0, 60, 10);
    fake_wait_entered(&f->engine[0], 1);
    fake_wait_entered(&f->engine[1], 1);
    int slow = f->engine[0].log[0].place == 0 ? 0 : 1;
    fake_set_gate(&f->engine[1 - slow], false);
    fake_wait_entered(&f->engine[1 - slow], 59); /* all but the first block */
    fake_set_gate(&f->engine[slow], false);
    finish(j, 60);
    fixture_close(f);
}

static void test_job_goes_on_past_the_blocks_that_may_be_out_at_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 100);
    struct scheduler_job *j = job_open(f, 0);
    const int some = MOST_BLOCKS - 200;
    for (int round = 0; round < 4; round++) {
        submit(j, 0, round * some, some, 1);
        assert_int_equal(take_all(j, round * some, ERR_NONE), some);
    }
    scheduler_job_close(j);
    fixture_close(f);
}

static void test_take_of_nothing_gives_nothing(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *j = job_open(f, 0);
    struct block *b = (struct block *)f;
    assert_int_equal(scheduler_job_take(j, &b, NULL), 0);
    assert_null(b);
    scheduler_job_close(j);
    fixture_close(f);
}

static void test_full_queue_is_busy_until_a_job_closes(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *jobs[MOST_JOBS], *more;
    struct err e;
    for (int i = 0; i < MOST_JOBS; i++)
        jobs[i] = job_open(f, 0);
    assert_int_equal(scheduler_job_open(f->scheduler, f->model, 0, &more, &e), -1);
    expect_error(&e, ERR_BUSY, "40 requests", "a job too many");
    assert_null(more);
    scheduler_job_close(jobs[0]);
    jobs[0] = job_open(f, 0);
    for (int i = 0; i < MOST_JOBS; i++)
        scheduler_job_close(jobs[i]);
    fixture_close(f);
}

/* ---- shares and batches ----------------------------------------------------------------------------------------- */

/* Where a block stands among all that the engine ran. */
static int position(const struct engine *x, int job, int place)
{
    for (size_t i = 0; i < x->logged; i++)
        if (x->log[i].job == job && x->log[i].place == place)
            return (int)i;
    fail_msg("block %d of job %d was not run", place, job);
    return -1;
}

static void test_small_job_is_not_kept_behind_a_large_one(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 16);
    struct scheduler_job *plugged = plug(f), *large = job_open(f, 0), *small = job_open(f, 0);
    submit(large, 0, 0, 500, 16);
    submit(small, 1, 0, 5, 16);
    unplug(f, plugged);
    finish(small, 5);
    finish(large, 500);
    assert_true(position(&f->engine[0], 1, 4) <= 10); /* the plug, then turn about */
    fixture_close(f);
}

/* Runs jobs of blocks of these sizes, all waiting from the start; while all still wait, none may be ahead of another by
 * more than a turn and a block. */
static void check_shares(size_t batch, const int *sizes, int jobs)
{
    struct fixture *f = fixture_open(1, batch);
    struct scheduler_job *plugged = plug(f), *j[4];
    size_t served[4] = {0}, most = 0;
    int total[4];
    for (int i = 0; i < jobs; i++) {
        j[i] = job_open(f, 0);
        total[i] = 6000 / sizes[i] < MOST_BLOCKS ? 6000 / sizes[i] : MOST_BLOCKS;
        submit(j[i], i, 0, total[i], sizes[i]);
        most = (size_t)sizes[i] > most ? (size_t)sizes[i] : most;
    }
    unplug(f, plugged);
    for (int i = 0; i < jobs; i++)
        finish(j[i], total[i]);
    for (size_t i = 1; i < f->engine[0].logged; i++) {
        const struct fake_entry *entry = &f->engine[0].log[i];
        served[entry->job] += entry->pixels;
        if (entry->place == total[entry->job] - 1)
            break;
        for (int a = 0; a < jobs; a++)
            if (served[a] + batch + most < served[entry->job])
                fail_msg("blocks of %d pixels are at %zu when those of %d are at %zu", sizes[entry->job],
                         served[entry->job], sizes[a], served[a]);
    }
    fixture_close(f);
}

static void test_waiting_jobs_get_equal_shares_of_pixels(void **state)
{
    (void)state;
    check_shares(256, (int[]){200, 200}, 2); /* no two fit a batch */
    check_shares(256, (int[]){256, 64, 11}, 3);
    check_shares(100, (int[]){350, 10}, 2); /* larger than a batch */
    check_shares(1000, (int[]){999, 2, 700, 30}, 4);
}

static void test_batches_are_full_and_never_overfull(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 100);
    struct scheduler_job *plugged = plug(f), *large = job_open(f, 0), *small = job_open(f, 0), *huge = job_open(f, 0);
    submit(large, 0, 0, 40, 25);
    submit(small, 1, 0, 1, 5);
    submit(huge, 2, 0, 1, 170); /* more than a batch: alone */
    unplug(f, plugged);
    finish(large, 40);
    finish(small, 1);
    finish(huge, 1);
    size_t pixels[64] = {0}, blocks[64] = {0};
    const struct engine *x = &f->engine[0];
    for (size_t i = 0; i < x->logged; i++) {
        pixels[x->log[i].batch] += x->log[i].pixels;
        blocks[x->log[i].batch]++;
    }
    for (int i = 0; i < x->runs; i++)
        assert_true(pixels[i] <= 100 || blocks[i] == 1);
    assert_int_equal(x->runs, 1 + 11 + 1);                    /* 1,005 pixels are 11 batches */
    assert_true(blocks[x->log[position(x, 1, 0)].batch] > 1); /* the 5 pixels rode with the large job's */
    fixture_close(f);
}

/* ---- models ----------------------------------------------------------------------------------------------------- */

static void test_models_share_a_batch_each_with_its_own_network(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 100);
    struct scheduler_job *second;
    struct block *b;
    int other;
    assert_int_equal(scheduler_load(f->scheduler, &fake_network, &other, NULL), 0);
    assert_int_not_equal(other, f->model);
    struct scheduler_job *plugged = plug(f), *first = job_open(f, 0);
    assert_int_equal(scheduler_job_open(f->scheduler, other, 0, &second, NULL), 0);
    submit(first, 0, 0, 1, 10);
    submit(second, 1, 0, 1, 10);
    unplug(f, plugged);
    assert_int_equal(scheduler_job_take(second, &b, NULL), 0);
    assert_int_equal(b->labels[0], 1);
    block_close(b);
    finish(first, 1);
    scheduler_job_close(second);
    const struct engine *x = &f->engine[0];
    assert_int_equal(x->log[position(x, 0, 0)].batch, x->log[position(x, 1, 0)].batch);
    assert_int_equal(x->log[position(x, 0, 0)].model, 0);
    fixture_close(f);
}

static void *load_another(void *fixture)
{
    struct fixture *f = fixture;
    int *model = malloc(sizeof *model);
    if (scheduler_load(f->scheduler, &fake_network, model, NULL) != 0)
        *model = -1;
    return model;
}

static void test_load_gets_its_turn_while_the_queue_is_never_empty(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 1);
    struct scheduler_job *j = job_open(f, 0);
    struct scheduler_stats stats;
    pthread_t thread;
    void *model;
    f->engine[0].seconds = 0.002;
    submit(j, 0, 0, 500, 1);
    fake_wait_entered(&f->engine[0], 2);
    pthread_create(&thread, NULL, load_another, f);
    pthread_join(thread, &model);
    assert_int_equal(*(int *)model, 1);
    free(model);
    scheduler_stats(f->scheduler, &stats);
    assert_true(stats.blocks_queued > 250);
    finish(j, 500);
    fixture_close(f);
}

static void test_loads_at_once_follow_one_another(void **state)
{
    (void)state;
    enum { LOADS = 6 };
    struct fixture *f = fixture_open(2, 1); /* no block comes by, whose end would wake them */
    pthread_t threads[LOADS];
    bool seen[1 + LOADS] = {0};
    f->engine[0].seconds = f->engine[1].seconds = 0.002;
    for (int i = 0; i < LOADS; i++)
        pthread_create(&threads[i], NULL, load_another, f);
    for (int i = 0; i < LOADS; i++) {
        void *model;
        pthread_join(threads[i], &model);
        assert_in_range(*(int *)model, 1, LOADS);
        assert_false(seen[*(int *)model]);
        seen[*(int *)model] = true;
        free(model);
    }
    fixture_close(f);
}

static void test_model_that_one_engine_refuses_is_unloaded_from_the_others(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(2, 10);
    struct engine_info info;
    struct err e;
    int model = -1;
    f->engine[1].refused_loads = 1;
    assert_int_equal(scheduler_load(f->scheduler, &fake_network, &model, &e), -1);
    expect_error(&e, ERR_NOMEM, "fake device", "a refused load");
    assert_int_equal(f->engine[0].models, 2);
    assert_int_equal(f->engine[0].unloads, 1);
    assert_int_equal(scheduler_load(f->scheduler, &fake_network, &model, &e), 0);
    assert_int_equal(model, 1);
    scheduler_engine_info(f->scheduler, 0, &info);
    assert_int_equal(info.memory, 3); /* as it is after the last load */
    fixture_close(f);
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

static void test_figures_do_not_wait_for_a_run(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_stats stats;
    struct engine_info info;
    scheduler_stats(f->scheduler, &stats);
    assert_true(stats.last_success_age == -1);
    struct scheduler_job *plugged = plug(f), *j = job_open(f, 0);
    submit(j, 0, 0, 3, 10);
    scheduler_engine_info(f->scheduler, 0, &info);
    assert_string_equal(info.backend, "fake");
    assert_int_equal(scheduler_engine_count(f->scheduler), 1);
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.jobs, 2);
    assert_int_equal(stats.blocks_queued, 3);
    assert_int_equal(stats.blocks_running, 1);
    unplug(f, plugged);
    finish(j, 3);
    scheduler_stats(f->scheduler, &stats);
    assert_int_equal(stats.jobs, 0);
    assert_int_equal(stats.blocks_queued, 0);
    assert_int_equal(stats.blocks_running, 0);
    assert_int_equal(stats.pixels, 31);
    assert_int_equal(stats.batches, 4);
    assert_int_equal(stats.failures, 0);
    assert_true(stats.last_success_age >= 0 && stats.last_success_age < 60);
    fixture_close(f);
}

static void wait_for(double seconds)
{
    for (double end = clock_now() + seconds; clock_now() < end;)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void test_times_tell_waiting_from_running(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *plugged = plug(f), *j = job_open(f, 0);
    double queued, ran, again;
    wait_for(0.02); /* nothing is submitted: neither grows */
    double submitted = clock_now();
    submit(j, 0, 0, 2, 5); /* one batch: its time counts once, not for each block */
    wait_for(0.03);
    scheduler_job_times(j, &queued, &ran);
    assert_true(queued >= 0.03 && ran == 0);
    scheduler_job_times(plugged, &again, &ran);
    assert_true(ran >= 0.03); /* a run counts before it ends */
    f->engine[0].seconds = 0.03;
    unplug(f, plugged);
    assert_int_equal(take_all(j, 0, ERR_NONE), 2);
    double taken = clock_now();
    scheduler_job_times(j, &queued, &ran);
    assert_true(ran >= 0.03 && queued >= 0.03 && queued + ran <= taken - submitted);
    wait_for(0.02); /* nothing is out: neither grows */
    scheduler_job_times(j, &queued, &again);
    assert_true(again == ran && queued + again <= taken - submitted);
    scheduler_job_close(j);
    fixture_close(f);
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What waits until a time, on a clock that is not the one it was read from, does not sleep but spin. */
static void test_waiting_costs_no_processor_time(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(1, 10);
    struct scheduler_job *plugged = plug(f), *j = job_open(f, clock_now() + 0.3);
    submit(j, 0, 0, 1, 10);
    double before = processor_seconds();
    assert_int_equal(take_all(j, 0, ERR_DEADLINE), 1);
    assert_true(processor_seconds() - before < 0.05); /* who spins takes 0.15 */
    scheduler_job_close(j);
    unplug(f, plugged);
    f->engine[0].failures = 3; /* pauses of 0.05, 0.1 and 0.2 seconds */
    before = processor_seconds();
    for (int i = 0; i < 4; i++) {
        j = job_open(f, 0);
        submit(j, 0, 0, 1, 10);
        assert_int_equal(take_all(j, 0, i < 3 ? ERR_DEVICE : ERR_NONE), 1);
        scheduler_job_close(j);
    }
    assert_true(processor_seconds() - before < 0.05); /* who spins takes 0.15 */
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_come_back_in_order_though_an_engine_overtakes),
        cmocka_unit_test(test_job_goes_on_past_the_blocks_that_may_be_out_at_once),
        cmocka_unit_test(test_take_of_nothing_gives_nothing),
        cmocka_unit_test(test_full_queue_is_busy_until_a_job_closes),
        cmocka_unit_test(test_small_job_is_not_kept_behind_a_large_one),
        cmocka_unit_test(test_waiting_jobs_get_equal_shares_of_pixels),
        cmocka_unit_test(test_batches_are_full_and_never_overfull),
        cmocka_unit_test(test_models_share_a_batch_each_with_its_own_network),
        cmocka_unit_test(test_load_gets_its_turn_while_the_queue_is_never_empty),
        cmocka_unit_test(test_loads_at_once_follow_one_another),
        cmocka_unit_test(test_model_that_one_engine_refuses_is_unloaded_from_the_others),
        cmocka_unit_test(test_figures_do_not_wait_for_a_run),
        cmocka_unit_test(test_times_tell_waiting_from_running),
        cmocka_unit_test(test_waiting_costs_no_processor_time),
    };
    alarm(120); /* a scheduler that forgets to wake somebody */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
