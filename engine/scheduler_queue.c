#include "engine/scheduler_queue.h"
#include "base/clock.h"
#include <assert.h>
#include <stdlib.h>

void queue_init(struct scheduler_queue *q, size_t quantum)
{
    *q = (struct scheduler_queue){.quantum = quantum > 0 ? quantum : 1};
    TAILQ_INIT(&q->ring);
}

int job_init(struct scheduler_job *j, int size, struct err *e)
{
    pthread_condattr_t monotonic;
    j->slots = calloc((size_t)size, sizeof *j->slots);
    if (j->slots == NULL)
        return err_nomem(e);
    j->size = size;
    j->since = clock_now();
    atomic_init(&j->canceled, false);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

void job_release(struct scheduler_job *j)
{
    pthread_cond_destroy(&j->changed);
    free(j->slots);
}

void job_clock(struct scheduler_job *j, double now)
{
    if (j->running > 0)
        j->ran += now - j->since;
    else if (j->queued > 0)
        j->waited += now - j->since;
    j->since = now;
}

static struct slot *oldest_queued(struct scheduler_job *j, int *index)
{
    *index = (j->first + j->out - j->queued) % j->size;
    return &j->slots[*index];
}

void queue_put(struct scheduler_queue *q, struct scheduler_job *j, struct block *b)
{
    assert(j->out < j->size);
    job_clock(j, clock_now());
    j->slots[(j->first + j->out) % j->size] = (struct slot){b, SLOT_QUEUED};
    j->out++;
    q->blocks_queued++;
    if (j->queued++ == 0) {
        j->deficit = q->quantum;
        TAILQ_INSERT_TAIL(&q->ring, j, link);
    }
}

size_t queue_pick(struct scheduler_queue *q, size_t pixels, size_t most, struct scheduler_pick *picks)
{
    struct scheduler_job *j;
    size_t count = 0, used = 0;
    double now = clock_now();
    while (count < most && (j = TAILQ_FIRST(&q->ring)) != NULL) {
        if (queue_ended(q, j, now)) /* and is out of the ring with that */
            continue;
        int index;
        struct slot *slot = oldest_queued(j, &index);
        size_t cost = (size_t)slot->block->lines * (size_t)slot->block->columns;
        if (cost > j->deficit) {
            j->deficit += q->quantum;
            TAILQ_REMOVE(&q->ring, j, link);
            TAILQ_INSERT_TAIL(&q->ring, j, link);
            continue;
        }
        if (count > 0 && (used >= pixels || cost > pixels - used))
            break; /* the turn stays: this job opens the next batch */
        job_clock(j, now);
        slot->state = SLOT_RUNNING;
        j->running++;
        q->blocks_running++;
        q->blocks_queued--;
        if (--j->queued == 0)
            TAILQ_REMOVE(&q->ring, j, link);
        j->deficit -= cost;
        used += cost;
        picks[count++] = (struct scheduler_pick){j, index};
    }
    return count;
}

void queue_return(struct scheduler_queue *q, const struct scheduler_pick *p)
{
    struct scheduler_job *j = p->job;
    job_clock(j, clock_now());
    j->slots[p->slot].state = SLOT_BACK;
    j->running--;
    q->blocks_running--;
    pthread_cond_signal(&j->changed); /* one thread uses a job */
}

void queue_end(struct scheduler_queue *q, struct scheduler_job *j, const struct err *why)
{
    if (j->end.code != ERR_NONE)
        return;
    j->end = *why;
    atomic_store(&j->canceled, true);
    job_clock(j, clock_now());
    if (j->queued > 0)
        TAILQ_REMOVE(&q->ring, j, link);
    while (j->queued > 0) {
        int index;
        oldest_queued(j, &index)->state = SLOT_BACK;
        j->queued--;
        q->blocks_queued--;
    }
    pthread_cond_signal(&j->changed);
}

bool queue_ended(struct scheduler_queue *q, struct scheduler_job *j, double now)
{
    static const struct err passed = {ERR_DEADLINE, "the deadline passed before the scene was classified"};
    if (j->end.code == ERR_NONE && j->deadline > 0 && now >= j->deadline)
        queue_end(q, j, &passed);
    return j->end.code != ERR_NONE;
}
