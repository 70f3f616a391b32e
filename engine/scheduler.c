#include "engine/scheduler.h"
#include "base/clock.h"
#include "engine/scheduler_internal.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool scheduler_job_is_dead(const struct scheduler_job *j, double now)
{
    return atomic_load(&j->canceled) || j->failure.code != ERR_NONE || (j->deadline > 0 && now >= j->deadline);
}

void scheduler_job_account(struct scheduler_job *j, double now)
{
    if (j->running > 0)
        j->ran_s += now - j->accounted;
    else if (j->sent > j->started)
        j->queued_s += now - j->accounted;
    j->accounted = now;
}

/* Condition variables that wait by the clock of clock_now(). */
static void init_condition(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

/* ---- open, load, close ------------------------------------------------------------------------------------------ */

static int open_feeder(struct feeder *f, struct scheduler *s, const struct scheduler_engine *engine, struct err *e)
{
    f->scheduler = s;
    f->room = (size_t)s->options.max_jobs * (size_t)s->options.blocks_per_job;
    f->tasks = calloc(f->room, sizeof *f->tasks);
    f->jobs = calloc(f->room, sizeof *f->jobs);
    if (f->tasks == NULL || f->jobs == NULL)
        return err_nomem(e);
    engine->backend->describe(engine->engine, &f->info);
    if (pthread_create(&f->thread, NULL, scheduler_feed, f) != 0)
        return err_set(e, ERR_NOMEM, "no thread can be started for an engine");
    f->started = true;
    return 0;
}

int scheduler_open(struct scheduler **out, const struct scheduler_engine *engines, size_t count,
                   const struct scheduler_options *o, struct err *e)
{
    assert(count > 0 && o->max_jobs > 0 && o->blocks_per_job > 0);
    struct scheduler *s = calloc(1, sizeof *s);
    struct feeder *feeders = calloc(count, sizeof *feeders);
    if (s == NULL || feeders == NULL) {
        for (size_t i = 0; i < count; i++)
            engines[i].backend->close(engines[i].engine);
        free(s);
        free(feeders);
        return err_nomem(e);
    }
    pthread_mutex_init(&s->lock, NULL);
    init_condition(&s->work);
    init_condition(&s->idle);
    s->options = *o;
    s->feeders = feeders;
    s->feeder_count = count;
    for (size_t i = 0; i < count; i++)
        feeders[i].engine = engines[i];
    for (size_t i = 0; i < count; i++)
        if (open_feeder(&feeders[i], s, &engines[i], e) != 0) {
            scheduler_close(s);
            return -1;
        }
    *out = s;
    return 0;
}

void scheduler_close(struct scheduler *s)
{
    if (s == NULL)
        return;
    assert(s->job_count == 0);
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->feeder_count; i++) {
        struct feeder *f = &s->feeders[i];
        if (f->started)
            pthread_join(f->thread, NULL);
        for (int m = 0; m < s->model_count; m++)
            f->engine.backend->unload(f->engine.engine, s->models[m].handles[i]);
        f->engine.backend->close(f->engine.engine);
        free(f->tasks);
        free(f->jobs);
    }
    for (int m = 0; m < s->model_count; m++)
        free(s->models[m].handles);
    free(s->models);
    free(s->feeders);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Loads into one engine while nothing runs on it. */
static int load_into(struct feeder *f, const struct network *n, struct engine_model **handle, struct err *e)
{
    struct scheduler *s = f->scheduler;
    pthread_mutex_lock(&s->lock);
    while (f->busy)
        pthread_cond_wait(&s->idle, &s->lock);
    f->busy = true;
    pthread_mutex_unlock(&s->lock);
    int result = f->engine.backend->load(f->engine.engine, n, handle, e);
    struct engine_info info;
    f->engine.backend->describe(f->engine.engine, &info);
    pthread_mutex_lock(&s->lock);
    f->info = info;
    f->busy = false;
    pthread_cond_broadcast(&s->idle);
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    return result;
}

int scheduler_load(struct scheduler *s, const struct network *n, int *model, struct err *e)
{
    struct engine_model **handles = calloc(s->feeder_count, sizeof *handles);
    if (handles == NULL)
        return err_nomem(e);
    for (size_t i = 0; i < s->feeder_count; i++)
        if (load_into(&s->feeders[i], n, &handles[i], e) != 0)
            goto failed;
    pthread_mutex_lock(&s->lock);
    struct loaded *models = realloc(s->models, (size_t)(s->model_count + 1) * sizeof *models);
    if (models != NULL) {
        s->models = models;
        models[s->model_count].handles = handles;
        *model = s->model_count++;
    }
    pthread_mutex_unlock(&s->lock);
    if (models != NULL)
        return 0;
    err_nomem(e);
failed:
    for (size_t i = 0; i < s->feeder_count; i++)
        s->feeders[i].engine.backend->unload(s->feeders[i].engine.engine, handles[i]);
    free(handles);
    return -1;
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

size_t scheduler_engine_count(const struct scheduler *s)
{
    return s->feeder_count;
}

void scheduler_engine_info(struct scheduler *s, size_t index, struct engine_info *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->feeders[index].info;
    pthread_mutex_unlock(&s->lock);
}

void scheduler_stats(struct scheduler *s, struct scheduler_stats *out)
{
    pthread_mutex_lock(&s->lock);
    *out = (struct scheduler_stats){.jobs = s->job_count,
                                    .pixels = s->pixels,
                                    .batches = s->batches,
                                    .failures = s->failures,
                                    .last_success_age = s->last_success == 0 ? -1 : clock_now() - s->last_success};
    struct scheduler_job *j = s->cursor;
    for (int i = 0; i < s->job_count; i++, j = j->next) {
        out->blocks_queued += (int)(j->sent - j->started);
        out->blocks_running += j->running;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

/* Behind the cursor: the new job's turn comes after all others'. */
static void join_ring(struct scheduler *s, struct scheduler_job *j)
{
    struct scheduler_job *last = s->cursor;
    while (last != NULL && last->next != s->cursor)
        last = last->next;
    j->next = last == NULL ? j : s->cursor;
    if (last == NULL)
        s->cursor = j;
    else
        last->next = j;
    s->job_count++;
}

static void leave_ring(struct scheduler *s, struct scheduler_job *j)
{
    struct scheduler_job *before = j;
    while (before->next != j)
        before = before->next;
    before->next = j->next;
    if (s->cursor == j)
        s->cursor = j->next == j ? NULL : j->next;
    s->job_count--;
}

int scheduler_job_open(struct scheduler *s, int model, double deadline, struct scheduler_job **out, struct err *e)
{
    struct scheduler_job *j = calloc(1, sizeof *j);
    struct entry *ring = calloc((size_t)s->options.blocks_per_job, sizeof *ring);
    if (j == NULL || ring == NULL) {
        free(j);
        free(ring);
        return err_nomem(e);
    }
    *j = (struct scheduler_job){.scheduler = s,
                                .model = model,
                                .deadline = deadline,
                                .ring = ring,
                                .capacity = (size_t)s->options.blocks_per_job,
                                .accounted = clock_now()};
    init_condition(&j->done);
    pthread_mutex_lock(&s->lock);
    assert(model >= 0 && model < s->model_count);
    bool full = s->job_count >= s->options.max_jobs;
    if (!full)
        join_ring(s, j);
    pthread_mutex_unlock(&s->lock);
    if (full) {
        pthread_cond_destroy(&j->done);
        free(ring);
        free(j);
        return err_set(e, ERR_BUSY, "the queue is full: %d requests are being classified; try again later",
                       s->options.max_jobs);
    }
    *out = j;
    return 0;
}

static int death(const struct scheduler_job *j, struct err *e)
{
    if (j->failure.code != ERR_NONE)
        return err_set(e, ERR_DEVICE, "the engine failed: %s", j->failure.message);
    if (j->deadline > 0 && clock_now() >= j->deadline)
        return err_set(e, ERR_DEADLINE, "the deadline passed before the scene was classified");
    return err_set(e, ERR_CANCELED, "the request was canceled");
}

int scheduler_job_submit(struct scheduler_job *j, struct block *b, struct err *e)
{
    struct scheduler *s = j->scheduler;
    pthread_mutex_lock(&s->lock);
    double now = clock_now();
    bool dead = scheduler_job_is_dead(j, now);
    if (!dead) {
        assert(j->sent - j->taken < j->capacity);
        scheduler_job_account(j, now);
        j->ring[j->sent++ % j->capacity] = (struct entry){.block = b, .state = ENTRY_QUEUED};
        pthread_cond_broadcast(&s->work); /* an idle feeder must not miss it */
    } else {
        death(j, e);
    }
    pthread_mutex_unlock(&s->lock);
    return dead ? -1 : 0;
}

/* Waits until something changes for the job, at most until its deadline. */
static void wait_for_change(struct scheduler_job *j)
{
    if (j->deadline == 0) {
        pthread_cond_wait(&j->done, &j->scheduler->lock);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)j->deadline,
                             .tv_nsec = (long)((j->deadline - floor(j->deadline)) * 1e9)};
    pthread_cond_timedwait(&j->done, &j->scheduler->lock, &until);
}

int scheduler_job_take(struct scheduler_job *j, struct block **b, struct err *e)
{
    struct scheduler *s = j->scheduler;
    int result = 0;
    *b = NULL;
    pthread_mutex_lock(&s->lock);
    if (j->taken < j->sent) {
        struct entry *oldest = &j->ring[j->taken % j->capacity];
        while (oldest->state != ENTRY_DONE && !scheduler_job_is_dead(j, clock_now()))
            wait_for_change(j);
        if (scheduler_job_is_dead(j, clock_now())) {
            atomic_store(&j->canceled, true); /* the engine may stop; until it does, the block is its */
            while (oldest->state == ENTRY_RUNNING)
                pthread_cond_wait(&j->done, &s->lock);
            result = death(j, e);
        }
        scheduler_job_account(j, clock_now());
        j->started += oldest->state == ENTRY_QUEUED;
        j->taken++;
        *b = oldest->block;
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

void scheduler_job_times(const struct scheduler_job *j, double *queued, double *ran)
{
    pthread_mutex_lock(&j->scheduler->lock);
    *queued = j->queued_s;
    *ran = j->ran_s;
    pthread_mutex_unlock(&j->scheduler->lock);
}

void scheduler_job_cancel(struct scheduler_job *j)
{
    pthread_mutex_lock(&j->scheduler->lock);
    atomic_store(&j->canceled, true);
    pthread_cond_signal(&j->done);
    pthread_mutex_unlock(&j->scheduler->lock);
}

void scheduler_job_close(struct scheduler_job *j)
{
    if (j == NULL)
        return;
    pthread_mutex_lock(&j->scheduler->lock);
    assert(j->taken == j->sent);
    leave_ring(j->scheduler, j);
    pthread_mutex_unlock(&j->scheduler->lock);
    pthread_cond_destroy(&j->done);
    free(j->ring);
    free(j);
}
