#include "tests/unit/support/scheduler_fixture.h"
#include <stdlib.h>

const struct network fake_network;

struct fixture *fixture_open(size_t engines, size_t batch)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct scheduler_engine opened[2];
    const struct scheduler_options options = {.max_jobs = MOST_JOBS, .blocks_per_job = MOST_BLOCKS};
    struct err e;
    for (size_t i = 0; i < 2; i++) {
        fake_init(&f->engine[i], batch);
        opened[i] = (struct scheduler_engine){&fake_backend, &f->engine[i]};
    }
    assert_int_equal(scheduler_open(&f->scheduler, opened, engines, &options, &e), 0);
    assert_int_equal(scheduler_load(f->scheduler, &fake_network, &f->model, &e), 0);
    return f;
}

void fixture_close(struct fixture *f)
{
    scheduler_close(f->scheduler);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(f->engine[i].unloads, f->engine[i].models);
        assert_int_equal(f->engine[i].clashes, 0); /* load, unload and run of an engine: one at a time */
        fake_release(&f->engine[i]);
    }
    free(f);
}

struct scheduler_job *job_open(struct fixture *f, double deadline)
{
    struct scheduler_job *j;
    assert_int_equal(scheduler_job_open(f->scheduler, f->model, deadline, &j, NULL), 0);
    return j;
}

void submit(struct scheduler_job *j, int job, int first, int count, int pixels)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(scheduler_job_submit(j, fake_block(job, first + i, pixels), NULL), 0);
}

int take_all(struct scheduler_job *j, int first, enum err_code code)
{
    struct block *b;
    for (int i = 0;; i++) {
        struct err e = {0};
        int result = scheduler_job_take(j, &b, &e);
        if (b == NULL)
            return i;
        assert_int_equal(result, code == ERR_NONE ? 0 : -1);
        assert_int_equal(e.code, code);
        assert_int_equal(b->line, first + i);
        block_close(b);
    }
}

void finish(struct scheduler_job *j, int count)
{
    assert_int_equal(take_all(j, 0, ERR_NONE), count);
    scheduler_job_close(j);
}

struct scheduler_job *plug(struct fixture *f)
{
    struct scheduler_job *j = job_open(f, 0);
    fake_set_gate(&f->engine[0], true);
    submit(j, -1, 0, 1, 1);
    fake_wait_entered(&f->engine[0], 1);
    return j;
}

void unplug(struct fixture *f, struct scheduler_job *j)
{
    fake_set_gate(&f->engine[0], false);
    finish(j, 1);
}
