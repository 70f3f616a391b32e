#include "base/clock.h"
#include "base/log.h"
#include "engine/scheduler_internal.h"
#include <math.h>

/* After a failed run an engine pauses, longer each time: a dead device among several fails blocks faster than the
 * others classify them, and would else drain the whole queue. It is tried again for ever; whether to give up is for
 * whoever watches scheduler_stats. */
static const double PAUSE_FIRST = 0.05, PAUSE_MOST = 5;

/* lock held. Waits until there may be something to run. */
static void wait_for_work(struct feeder *f, double now)
{
    struct scheduler *s = f->scheduler;
    if (now >= f->resume) {
        pthread_cond_wait(&s->work, &s->lock);
        return;
    }
    double whole = floor(f->resume);
    struct timespec until = {(time_t)whole, (long)((f->resume - whole) * 1e9)};
    pthread_cond_timedwait(&s->work, &s->lock, &until);
}

/* lock held. The next batch, as tasks. */
static size_t next_batch(struct feeder *f)
{
    struct scheduler *s = f->scheduler;
    size_t count = queue_pick(&s->queue, f->info.batch_pixels, s->batch_most, f->picks);
    for (size_t i = 0; i < count; i++) {
        struct scheduler_job *j = f->picks[i].job;
        f->tasks[i] =
            (struct engine_task){s->models[j->model].on[f->index], j->slots[f->picks[i].slot].block, &j->canceled};
    }
    return count;
}

/* lock held. Hands the blocks of a run back; `failure` is NULL after a good one. */
static void batch_done(struct feeder *f, size_t count, const struct err *failure)
{
    struct scheduler *s = f->scheduler;
    uint64_t pixels = 0;
    for (size_t i = 0; i < count; i++) {
        const struct scheduler_pick *p = &f->picks[i];
        const struct block *b = p->job->slots[p->slot].block;
        if (failure != NULL)
            queue_end(&s->queue, p->job, failure);
        else if (p->job->end.code == ERR_NONE)
            pixels += (uint64_t)b->lines * (uint64_t)b->columns;
        queue_return(&s->queue, p);
    }
    s->batches++;
    s->pixels += pixels;
    if (failure != NULL) {
        s->runs_failed++;
        f->resume = clock_now() + fmin(ldexp(PAUSE_FIRST, f->failures), PAUSE_MOST);
        f->failures += f->failures < 16;
    } else if (pixels > 0) { /* a run of canceled blocks alone proves nothing */
        f->failures = 0;
        s->last_success = clock_now();
    }
}

void *scheduler_feed(void *arg)
{
    struct feeder *f = arg;
    struct scheduler *s = f->scheduler;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        double now = clock_now();
        size_t count = f->reserved || now < f->resume ? 0 : next_batch(f);
        if (count == 0) {
            wait_for_work(f, now);
            continue;
        }
        f->busy = true;
        pthread_mutex_unlock(&s->lock);
        struct err why = {0};
        int failed = f->backend->run(f->engine, f->tasks, count, &why);
        if (failed) {
            log_event(LOG_ERROR, "an engine failed", LOG_STR("engine", f->backend->name),
                      LOG_INT("number", (long long)f->index), LOG_STR("reason", why.message));
            err_prefix(&why, "the engine failed");
            why.code = ERR_DEVICE;
        }
        pthread_mutex_lock(&s->lock);
        f->busy = false;
        batch_done(f, count, failed ? &why : NULL);
        pthread_cond_broadcast(&s->idle);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
