#include "base/clock.h"
#include "engine/scheduler_internal.h"

/* What a job's turn adds to what it is owed, in pixels: small, so that shares are even from batch to batch. */
enum { QUANTUM = 256 };

static long pixels_of(const struct block *b)
{
    return (long)b->lines * b->columns;
}

static struct entry *next_queued(struct scheduler_job *j)
{
    return j->started == j->sent ? NULL : &j->ring[j->started % j->capacity];
}

static void start(struct feeder *f, struct scheduler_job *j, struct entry *entry, size_t *count, double now)
{
    scheduler_job_account(j, now);
    entry->state = ENTRY_RUNNING;
    j->started++;
    j->running++;
    f->jobs[*count] = j;
    f->tasks[*count] = (struct engine_task){.model = f->scheduler->models[j->model].handles[f - f->scheduler->feeders],
                                            .block = entry->block,
                                            .canceled = &j->canceled};
    ++*count;
}

/* Deficit round robin (Shreedhar and Varghese, 1996): goes round the jobs, each turn adding a quantum to what the job
 * is owed, and takes the blocks that this pays for, until the engine's batch is full or nothing waits. A batch holds
 * one block at least. */
static size_t gather(struct feeder *f, double now)
{
    struct scheduler *s = f->scheduler;
    long room = (long)f->info.batch_pixels;
    size_t count = 0;
    int idle = 0; /* turns in a row in which a job had nothing waiting */
    while (s->cursor != NULL && idle < s->job_count && count < f->room) {
        struct scheduler_job *j = s->cursor;
        struct entry *entry = scheduler_job_is_dead(j, now) ? NULL : next_queued(j);
        idle = entry == NULL ? idle + 1 : 0;
        j->deficit = entry == NULL ? 0 : j->deficit + QUANTUM;
        while (entry != NULL && pixels_of(entry->block) <= j->deficit && count < f->room) {
            long pixels = pixels_of(entry->block);
            if (count > 0 && pixels > room)
                return count; /* the turn stays this job's */
            start(f, j, entry, &count, now);
            j->deficit -= pixels;
            room -= pixels;
            entry = next_queued(j);
        }
        s->cursor = j->next;
    }
    return count;
}

static void finish(struct feeder *f, size_t count, int failed, const struct err *why, double now)
{
    struct scheduler *s = f->scheduler;
    s->batches++;
    s->failures += failed != 0;
    s->last_success = failed != 0 ? s->last_success : now;
    for (size_t i = 0; i < count; i++) {
        struct scheduler_job *j = f->jobs[i];
        scheduler_job_account(j, now);
        for (uint64_t k = j->taken; k < j->started; k++)
            if (j->ring[k % j->capacity].block == f->tasks[i].block)
                j->ring[k % j->capacity].state = ENTRY_DONE;
        j->running--;
        if (failed == 0)
            s->pixels += (uint64_t)pixels_of(f->tasks[i].block);
        else if (j->failure.code == ERR_NONE)
            j->failure = *why;
        pthread_cond_signal(&j->done);
    }
}

void *scheduler_feed(void *arg)
{
    struct feeder *f = arg;
    struct scheduler *s = f->scheduler;
    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        size_t count = f->busy ? 0 : gather(f, clock_now());
        if (count == 0) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        struct err why = {0};
        f->busy = true;
        pthread_mutex_unlock(&s->lock);
        int failed = f->engine.backend->run(f->engine.engine, f->tasks, count, &why);
        pthread_mutex_lock(&s->lock);
        f->busy = false;
        finish(f, count, failed, &why, clock_now());
        pthread_cond_broadcast(&s->idle);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
