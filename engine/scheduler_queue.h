/* scheduler_queue.h - who is next: jobs with waiting blocks, served by deficit round robin. The scheduler's own.
 *
 * Shreedhar and Varghese 1996: jobs stand in a ring. Each turn grants a job `quantum` centre pixels; it may spend what
 * it was granted and has not spent, then the turn passes. A block that costs more than the grant waits for another
 * turn; a job that has nothing left to run leaves the ring and what it saved is lost. So each waiting job gets the same
 * number of pixels, to within a block, whatever its size and the size of its blocks.
 * Threading: the caller holds the scheduler's lock, but for job_init and job_release.
 */
#pragma once
#include "engine/scheduler.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

enum slot_state { SLOT_QUEUED, SLOT_RUNNING, SLOT_BACK }; /* BACK: job_take may have it */

struct slot {
    struct block *block;
    enum slot_state state;
};

struct scheduler_job {
    struct scheduler *scheduler;
    int model;
    double deadline;        /* clock_now(); 0: none */
    atomic_bool canceled;   /* no lock: engines look at it while they run */
    pthread_cond_t changed; /* a block is back, or the job has ended; CLOCK_MONOTONIC */
    struct err end;         /* code ERR_NONE while the job goes on */

    /* Ring, oldest first: `out` slots from `first` on are in use; the youngest `queued` of them wait. */
    struct slot *slots;
    int size, first, out, queued, running;

    size_t deficit;                  /* centre pixels granted and not spent */
    TAILQ_ENTRY(scheduler_job) link; /* in the ring while queued > 0 */

    double since, waited, ran; /* job_clock */
};

struct scheduler_queue {
    TAILQ_HEAD(, scheduler_job) ring; /* the first one has the turn */
    size_t quantum;
    int blocks_queued, blocks_running;
};

/* A block that is handed to an engine. */
struct scheduler_pick {
    struct scheduler_job *job;
    int slot;
};

void queue_init(struct scheduler_queue *q, size_t quantum);

/* size: how many blocks may be out. Errors: ERR_NOMEM. */
int job_init(struct scheduler_job *j, int size, struct err *e);
void job_release(struct scheduler_job *j);

/* Puts a block behind the job's others; there is room. */
void queue_put(struct scheduler_queue *q, struct scheduler_job *j, struct block *b);

/* Takes the blocks that run next into picks, at most `most`: one of any size, or several of up to `pixels` together.
 * Jobs whose deadline has passed end here. Returns how many. */
size_t queue_pick(struct scheduler_queue *q, size_t pixels, size_t most, struct scheduler_pick *picks);

/* The engine is done with the block, well or not. */
void queue_return(struct scheduler_queue *q, const struct scheduler_pick *p);

/* Ends a job: what waits is back at once, what runs is told to stop. The first end is the one that counts. */
void queue_end(struct scheduler_queue *q, struct scheduler_job *j, const struct err *why);

/* Ends the job if its deadline has passed. True if the job has ended, for whatever reason. */
bool queue_ended(struct scheduler_queue *q, struct scheduler_job *j, double now);

/* Brings the job's times up to now; before its counts change. */
void job_clock(struct scheduler_job *j, double now);
