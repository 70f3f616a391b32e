#include "tests/unit/support/fake_engine.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct engine_model {
    int number;
};

void fake_init(struct engine *x, size_t batch_pixels)
{
    *x = (struct engine){.batch_pixels = batch_pixels};
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
}

void fake_release(struct engine *x)
{
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
}

void fake_set_gate(struct engine *x, bool closed)
{
    pthread_mutex_lock(&x->lock);
    x->closed_gate = closed;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

void fake_wait_entered(struct engine *x, int entered)
{
    pthread_mutex_lock(&x->lock);
    while (x->entered < entered)
        pthread_cond_wait(&x->changed, &x->lock);
    pthread_mutex_unlock(&x->lock);
}

struct block *fake_block(int job, int place, int pixels)
{
    struct block *b;
    if (block_open(&b, 1, pixels, 0, 1, 1, SAMPLE_UINT8, 0, NULL) != 0)
        abort();
    b->column = job;
    b->line = place;
    return b;
}

static void enter(struct engine *x)
{
    if (atomic_fetch_add(&x->inside, 1) != 0)
        atomic_fetch_add(&x->clashes, 1);
}

static void leave(struct engine *x)
{
    atomic_fetch_sub(&x->inside, 1);
}

static int fake_probe(struct engine_device *out, size_t *count, struct err *e)
{
    (void)out;
    (void)e;
    *count = 0;
    return 0;
}

static int fake_open(struct engine **out, const struct engine_options *o, struct err *e)
{
    (void)o;
    *out = NULL;
    return err_set(e, ERR_DEVICE, "a fake engine is the test's own");
}

static void pause_for(double seconds)
{
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
}

static int fake_load(struct engine *x, const struct network *n, struct engine_model **out, struct err *e)
{
    (void)n;
    int result = 0;
    enter(x);
    pthread_mutex_lock(&x->lock);
    if (x->refused_loads > 0) {
        x->refused_loads--;
        result = err_set(e, ERR_NOMEM, "no memory on the fake device");
    } else {
        *out = calloc(1, sizeof **out);
        (*out)->number = x->models++;
    }
    double seconds = x->seconds;
    pthread_mutex_unlock(&x->lock);
    pause_for(seconds);
    leave(x);
    return result;
}

static bool all_canceled(const struct engine_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!atomic_load(tasks[i].canceled))
            return false;
    return true;
}

static void wait_at_gate(struct engine *x, const struct engine_task *tasks, size_t count)
{
    while (x->closed_gate && !(x->heeds_canceled && all_canceled(tasks, count))) {
        pthread_mutex_unlock(&x->lock);
        pause_for(0.0005);
        pthread_mutex_lock(&x->lock);
    }
}

static int fake_run(struct engine *x, struct engine_task *tasks, size_t count, struct err *e)
{
    enter(x);
    pthread_mutex_lock(&x->lock);
    int batch = x->entered++;
    for (size_t i = 0; i < count && x->logged < FAKE_LOG; i++) {
        const struct block *b = tasks[i].block;
        x->log[x->logged++] = (struct fake_entry){b->column, b->line, tasks[i].model->number, batch,
                                                  (size_t)b->lines * (size_t)b->columns};
    }
    pthread_cond_broadcast(&x->changed);
    wait_at_gate(x, tasks, count);
    bool fails = x->failures > 0;
    x->failures -= fails;
    double seconds = x->seconds;
    pthread_mutex_unlock(&x->lock);
    pause_for(seconds);
    for (size_t i = 0; i < count; i++)
        tasks[i].block->labels[0] = (uint8_t)tasks[i].model->number;
    pthread_mutex_lock(&x->lock);
    x->runs++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    leave(x);
    return fails ? err_set(e, ERR_IO, "the fake device fell off its bus") : 0; /* not what the scheduler makes of it */
}

static void fake_describe(const struct engine *x, struct engine_info *out)
{
    *out = (struct engine_info){.threads = 1, .batch_pixels = x->batch_pixels, .memory = (uint64_t)x->models};
    snprintf(out->backend, sizeof out->backend, "fake");
}

static void fake_unload(struct engine *x, struct engine_model *m)
{
    enter(x);
    x->unloads += m != NULL;
    free(m);
    leave(x);
}

static void fake_close(struct engine *x)
{
    x->closes++;
}

const struct engine_backend fake_backend = {
    .name = "fake",
    .probe = fake_probe,
    .open = fake_open,
    .load = fake_load,
    .run = fake_run,
    .describe = fake_describe,
    .unload = fake_unload,
    .close = fake_close,
};
