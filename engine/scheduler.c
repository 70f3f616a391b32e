#include "base/clock.h"
#include "engine/scheduler_internal.h"
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Signals are for the threads that know what to do with them. */
static int start(struct feeder *f, struct err *e)
{
    sigset_t all, before;
    char name[16];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&f->thread, NULL, scheduler_feed, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return err_set(e, ERR_NOMEM, "no thread could be started for engine %zu: %s", f->index, strerror(failed));
    f->started = true;
    snprintf(name, sizeof name, "feeder-%zu", f->index);
    pthread_setname_np(f->thread, name);
    return 0;
}

/* ---- open and close --------------------------------------------------------------------------------------------- */

static int make_feeders(struct scheduler *s, const struct scheduler_engine *engines, size_t count, struct err *e)
{
    size_t quantum = SIZE_MAX;
    s->feeders = calloc(count, sizeof *s->feeders);
    if (s->feeders == NULL)
        return err_nomem(e);
    s->feeder_count = count;
    for (size_t i = 0; i < count; i++) /* all, before anything can fail: scheduler_close closes them */
        s->feeders[i] =
            (struct feeder){.scheduler = s, .index = i, .backend = engines[i].backend, .engine = engines[i].engine};
    for (size_t i = 0; i < count; i++) {
        struct feeder *f = &s->feeders[i];
        f->backend->describe(f->engine, &f->info);
        if (f->info.batch_pixels < quantum)
            quantum = f->info.batch_pixels;
        f->picks = calloc(s->batch_most, sizeof *f->picks);
        f->tasks = calloc(s->batch_most, sizeof *f->tasks);
        if (f->picks == NULL || f->tasks == NULL)
            return err_nomem(e);
    }
    queue_init(&s->queue, quantum);
    return 0;
}

static void init_locks(struct scheduler *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, &monotonic);
    pthread_cond_init(&s->idle, NULL);
    pthread_condattr_destroy(&monotonic);
}

int scheduler_open(struct scheduler **out, const struct scheduler_engine *engines, size_t count,
                   const struct scheduler_options *o, struct err *e)
{
    assert(count >= 1 && o->max_jobs >= 1 && o->blocks_per_job >= 1);
    struct scheduler *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL) {
        err_nomem(e);
        goto failed;
    }
    s->options = *o;
    s->batch_most = (size_t)o->max_jobs * (size_t)o->blocks_per_job;
    init_locks(s);
    if (make_feeders(s, engines, count, e) != 0)
        goto failed;
    for (size_t i = 0; i < count; i++)
        if (start(&s->feeders[i], e) != 0)
            goto failed;
    *out = s;
    return 0;
failed:
    if (s == NULL || s->feeders == NULL)
        for (size_t i = 0; i < count; i++)
            engines[i].backend->close(engines[i].engine);
    scheduler_close(s);
    return -1;
}

static void stop(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    assert(s->jobs == 0);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->feeder_count; i++)
        if (s->feeders[i].started)
            pthread_join(s->feeders[i].thread, NULL);
}

void scheduler_close(struct scheduler *s)
{
    if (s == NULL)
        return;
    stop(s);
    for (size_t i = 0; i < s->feeder_count; i++) {
        struct feeder *f = &s->feeders[i];
        for (int m = 0; m < s->model_count; m++)
            f->backend->unload(f->engine, s->models[m].on[i]);
        f->backend->close(f->engine);
        free(f->picks);
        free(f->tasks);
    }
    for (int m = 0; m < s->model_count; m++)
        free(s->models[m].on);
    free(s->models);
    free(s->feeders);
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- models ----------------------------------------------------------------------------------------------------- */

/* From here to engine_return the engine is the caller's: its thread starts no run. */
static void engine_borrow(struct feeder *f)
{
    struct scheduler *s = f->scheduler;
    pthread_mutex_lock(&s->lock);
    while (f->reserved)
        pthread_cond_wait(&s->idle, &s->lock);
    f->reserved = true; /* before the run ends: its thread would begin another */
    while (f->busy)
        pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void engine_return(struct feeder *f)
{
    struct scheduler *s = f->scheduler;
    struct engine_info info;
    f->backend->describe(f->engine, &info);
    pthread_mutex_lock(&s->lock);
    f->info = info;
    f->reserved = false;
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

/* Gives the model its number once every engine has it. */
static int publish(struct scheduler *s, struct engine_model **on, int *model, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    struct loaded *models = realloc(s->models, ((size_t)s->model_count + 1) * sizeof *models);
    if (models != NULL) {
        s->models = models;
        models[s->model_count].on = on;
        *model = s->model_count++;
    }
    pthread_mutex_unlock(&s->lock);
    return models != NULL ? 0 : err_nomem(e);
}

int scheduler_load(struct scheduler *s, const struct network *n, int *model, struct err *e)
{
    size_t loaded = 0;
    struct engine_model **on = calloc(s->feeder_count, sizeof *on);
    if (on == NULL)
        return err_nomem(e);
    for (; loaded < s->feeder_count; loaded++) {
        struct feeder *f = &s->feeders[loaded];
        engine_borrow(f);
        int result = f->backend->load(f->engine, n, &on[loaded], e);
        engine_return(f);
        if (result != 0)
            goto failed;
    }
    if (publish(s, on, model, e) == 0)
        return 0;
failed:
    while (loaded > 0) {
        struct feeder *f = &s->feeders[--loaded];
        engine_borrow(f);
        f->backend->unload(f->engine, on[loaded]);
        engine_return(f);
    }
    free(on);
    return -1;
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

size_t scheduler_engine_count(const struct scheduler *s)
{
    return s->feeder_count;
}

void scheduler_engine_info(struct scheduler *s, size_t index, struct engine_info *out)
{
    assert(index < s->feeder_count);
    pthread_mutex_lock(&s->lock);
    *out = s->feeders[index].info;
    pthread_mutex_unlock(&s->lock);
}

void scheduler_stats(struct scheduler *s, struct scheduler_stats *out)
{
    pthread_mutex_lock(&s->lock);
    *out = (struct scheduler_stats){.jobs = s->jobs,
                                    .blocks_queued = s->queue.blocks_queued,
                                    .blocks_running = s->queue.blocks_running,
                                    .pixels = s->pixels,
                                    .batches = s->batches,
                                    .failures = s->runs_failed,
                                    .last_success_age = s->last_success > 0 ? clock_now() - s->last_success : -1};
    for (size_t i = 0; i < s->feeder_count; i++)
        out->engines_failing += s->feeders[i].failures > 0;
    pthread_mutex_unlock(&s->lock);
}
