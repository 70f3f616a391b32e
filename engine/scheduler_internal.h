/* scheduler_internal.h - what scheduler.c (jobs) and scheduler_feed.c (engines) share. Not for others.
 *
 * Locks: one, scheduler.lock, guards every field of every struct here but those marked; nothing else is locked while it
 * is held, and it is not held while an engine works. Waiting: `work` for feeders, `idle` for whoever loads, job.done
 * for the job's thread.
 */
#pragma once
#include "engine/scheduler.h"
#include <pthread.h>
#include <stdbool.h>

enum entry_state { ENTRY_QUEUED, ENTRY_RUNNING, ENTRY_DONE };

/* A block that is out. Entries of a job start and are taken back in the order in which they came. */
struct entry {
    struct block *block;
    enum entry_state state;
};

struct scheduler_job {
    struct scheduler *scheduler;
    int model;
    double deadline;      /* clock_now(); 0: none. Constant */
    atomic_bool canceled; /* read by engines without the lock */
    struct err failure;   /* ERR_NONE: none; set when an engine failed a block of this job */
    pthread_cond_t done;

    struct entry *ring;            /* (capacity) */
    size_t capacity;               /* blocks_per_job. Constant */
    uint64_t taken, started, sent; /* counts since open: taken <= started <= sent, sent - taken <= capacity */
    int running;
    long deficit; /* pixels that the round robin owes this job */

    double accounted, queued_s, ran_s; /* clock_now() up to which the two sums are right */
    struct scheduler_job *next;        /* in the ring of open jobs, in which the last one's next is the first */
};

struct feeder {
    struct scheduler *scheduler;
    struct scheduler_engine engine;
    struct engine_info info;
    pthread_t thread;
    bool started;
    bool busy;                   /* running, or loading */
    struct engine_task *tasks;   /* (room), the batch under way; the feeder's own while busy */
    struct scheduler_job **jobs; /* (room), whose each task is */
    size_t room;
};

struct loaded {
    struct engine_model **handles; /* (feeders) */
};

struct scheduler {
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct scheduler_options options; /* constant */
    struct feeder *feeders;           /* (feeder_count) */
    size_t feeder_count;
    struct loaded *models; /* (model_count) */
    int model_count;
    struct scheduler_job *cursor; /* the job whose turn it is; NULL: no job is open */
    int job_count;
    bool closing;
    uint64_t pixels, batches, failures;
    double last_success; /* clock_now(); 0: none yet */
};

/* A job that will get no more results: canceled, failed, or past its deadline. */
bool scheduler_job_is_dead(const struct scheduler_job *j, double now);

/* Adds the time since the last call to what the job was doing in it: running if anything ran, else queued if anything
 * waited. */
void scheduler_job_account(struct scheduler_job *j, double now);

/* The thread of one engine; arg is its struct feeder. */
void *scheduler_feed(void *arg);
