/* scheduler_internal.h - the scheduler's own state, shared by scheduler.c (engines, models), scheduler_feed.c (their
 * threads) and scheduler_job.c (what requests call). Not for others.
 *
 * Locks: one. scheduler.lock guards every field marked so, of the scheduler, its feeders, its queue and all jobs.
 * Nothing else is locked under it but the C library's own locks, and it is never held while anybody waits, except on a
 * condition variable. No function of an engine is called under it: whoever runs, loads or unloads has made the engine
 * its own first (feeder.busy, feeder.reserved).
 */
#pragma once
#include "engine/scheduler.h"
#include "engine/scheduler_queue.h"

/* One engine and the thread that feeds it. */
struct feeder {
    struct scheduler *scheduler;
    size_t index;
    const struct engine_backend *backend;
    struct engine *engine;
    pthread_t thread;
    bool started;

    struct engine_info info; /* lock; as of the last load: describing must not wait for a run */
    bool busy;               /* lock; a run is under way */
    bool reserved;           /* lock; scheduler_load has, or waits for, the engine */
    int failures;            /* lock; runs failed since the last good one */
    double resume;           /* lock; clock_now() before which nothing is run after failures */

    struct scheduler_pick *picks; /* (batch_most); the thread's own, as are tasks */
    struct engine_task *tasks;
};

/* A network, as each engine holds it. */
struct loaded {
    struct engine_model **on; /* (feeder_count) */
};

struct scheduler {
    struct feeder *feeders; /* (feeder_count) */
    size_t feeder_count;
    struct scheduler_options options;
    size_t batch_most; /* blocks that can be queued at all */

    pthread_mutex_t lock;
    pthread_cond_t work; /* feeders wait: blocks queued, an engine given back, stopping; CLOCK_MONOTONIC */
    pthread_cond_t idle; /* scheduler_load waits: a run has ended, an engine is given back */

    bool stopping;                         /* lock */
    struct loaded *models;                 /* lock; (model_count) */
    int model_count;                       /* lock */
    int jobs;                              /* lock; open */
    struct scheduler_queue queue;          /* lock */
    uint64_t pixels, batches, runs_failed; /* lock */
    double last_success;                   /* lock; clock_now(), 0: none yet */
};

/* The thread of one engine; arg is its struct feeder. */
void *scheduler_feed(void *arg);
