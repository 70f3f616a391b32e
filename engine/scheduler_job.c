#include "base/clock.h"
#include "engine/scheduler_internal.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

int scheduler_job_open(struct scheduler *s, int model, double deadline, struct scheduler_job **out, struct err *e)
{
    struct scheduler_job *j = calloc(1, sizeof *j);
    *out = NULL;
    if (j == NULL)
        return err_nomem(e);
    *j = (struct scheduler_job){.scheduler = s, .model = model, .deadline = deadline};
    if (job_init(j, s->options.blocks_per_job, e) != 0) {
        free(j);
        return -1;
    }
    pthread_mutex_lock(&s->lock);
    assert(model >= 0 && model < s->model_count);
    bool room = s->jobs < s->options.max_jobs;
    if (room)
        s->jobs++;
    pthread_mutex_unlock(&s->lock);
    if (!room) {
        job_release(j);
        free(j);
        return err_set(e, ERR_BUSY, "the queue is full: %d requests are being classified; send this one again later",
                       s->options.max_jobs);
    }
    *out = j;
    return 0;
}

int scheduler_job_submit(struct scheduler_job *j, struct block *b, struct err *e)
{
    struct scheduler *s = j->scheduler;
    int result = 0;
    pthread_mutex_lock(&s->lock);
    if (queue_ended(&s->queue, j, clock_now())) {
        result = err_set(e, j->end.code, "%s", j->end.message);
    } else {
        queue_put(&s->queue, j, b);
        pthread_cond_broadcast(&s->work); /* all: the one woken alone might be kept from its engine */
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

/* Waits until something about the job changes, its deadline at the latest. An ended job has none to wait for. */
static void wait_for_change(struct scheduler_job *j)
{
    pthread_mutex_t *lock = &j->scheduler->lock;
    if (j->deadline <= 0 || j->end.code != ERR_NONE) {
        pthread_cond_wait(&j->changed, lock);
        return;
    }
    double whole = floor(j->deadline);
    struct timespec until = {(time_t)whole, (long)((j->deadline - whole) * 1e9)};
    pthread_cond_timedwait(&j->changed, lock, &until);
}

int scheduler_job_take(struct scheduler_job *j, struct block **b, struct err *e)
{
    struct scheduler *s = j->scheduler;
    int result = 0;
    *b = NULL;
    pthread_mutex_lock(&s->lock);
    if (j->out > 0) {
        struct slot *oldest = &j->slots[j->first];
        /* An engine may still write into a block that runs, so that one is waited for, ended or not. */
        while (queue_ended(&s->queue, j, clock_now()), oldest->state != SLOT_BACK)
            wait_for_change(j);
        *b = oldest->block;
        j->first = (j->first + 1) % j->size;
        j->out--;
        if (j->end.code != ERR_NONE)
            result = err_set(e, j->end.code, "%s", j->end.message);
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

void scheduler_job_times(const struct scheduler_job *j, double *queued, double *ran)
{
    struct scheduler *s = j->scheduler;
    pthread_mutex_lock(&s->lock);
    double since_change = clock_now() - j->since;
    *ran = j->ran + (j->running > 0 ? since_change : 0);
    *queued = j->waited + (j->running == 0 && j->queued > 0 ? since_change : 0);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_job_cancel(struct scheduler_job *j)
{
    static const struct err canceled = {ERR_CANCELED, "the request was canceled"};
    struct scheduler *s = j->scheduler;
    pthread_mutex_lock(&s->lock);
    queue_end(&s->queue, j, &canceled);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_job_close(struct scheduler_job *j)
{
    if (j == NULL)
        return;
    struct scheduler *s = j->scheduler;
    pthread_mutex_lock(&s->lock);
    assert(j->out == 0);
    s->jobs--;
    pthread_mutex_unlock(&s->lock);
    job_release(j);
    free(j);
}
