/* scheduler.h - many requests, few engines: a bounded queue, fair shares, batches across requests, deadlines, cancel.
 *
 * A request opens a job, submits blocks and takes them back, in the order it submitted them. One feeder thread per
 * engine gathers up to the engine's batch of pixels, going round the jobs so that each gets an equal share of pixels
 * whatever its size (deficit round robin; Shreedhar and Varghese 1996), and runs them together. Threading: every
 * function from any thread, except that one job is used by one thread at a time (scheduler_job_cancel: any). The
 * locks are described in scheduler_internal.h.
 *
 * A failed run ends the jobs that had a block in it. Its engine then pauses, longer each time, and is tried again: a
 * dead device among several fails blocks faster than the others classify them and would drain the queue. Whether to
 * give up is for whoever watches scheduler_stats.
 */
#pragma once
#include "base/err.h"
#include "engine/engine.h"

struct scheduler;
struct scheduler_job;

struct scheduler_engine {
    const struct engine_backend *backend;
    struct engine *engine; /* open; the scheduler closes it */
};

struct scheduler_options {
    int max_jobs;       /* open jobs; one more is ERR_BUSY */
    int blocks_per_job; /* submitted and not yet taken back; bounds the memory of a request */
};

struct scheduler_stats {
    int jobs; /* open */
    int blocks_queued, blocks_running;
    uint64_t pixels; /* centre pixels run since start, those of ended jobs left out */
    uint64_t batches;
    uint64_t failures;       /* runs that an engine failed */
    int engines_failing;     /* whose latest run failed */
    double last_success_age; /* seconds; -1: none yet */
};

/* Takes the engines (also on failure: they are closed). */
int scheduler_open(struct scheduler **out, const struct scheduler_engine *engines, size_t count,
                   const struct scheduler_options *o, struct err *e);
/* Every job must be closed. Unloads, closes the engines. Accepts NULL. */
void scheduler_close(struct scheduler *s);

/* Loads a network into every engine; *model names it in scheduler_job_open. */
int scheduler_load(struct scheduler *s, const struct network *n, int *model, struct err *e);

size_t scheduler_engine_count(const struct scheduler *s);
void scheduler_engine_info(struct scheduler *s, size_t index, struct engine_info *out);
void scheduler_stats(struct scheduler *s, struct scheduler_stats *out);

/* deadline: clock_now() at which the job ends with ERR_DEADLINE; 0: none. Errors: ERR_BUSY, ERR_NOMEM. */
int scheduler_job_open(struct scheduler *s, int model, double deadline, struct scheduler_job **out, struct err *e);

/* Puts a block in the queue; it belongs to the scheduler until scheduler_job_take returns it. Never blocks: the caller
 * takes back a block when blocks_per_job are out (an assertion holds it to that). Errors: ERR_CANCELED, ERR_DEADLINE,
 * ERR_DEVICE; the block then stays the caller's. */
int scheduler_job_submit(struct scheduler_job *j, struct block *b, struct err *e);

/* Waits for the oldest block submitted. 0 with *b, or with *b NULL when none is out. On -1 (ERR_CANCELED, ERR_DEADLINE,
 * ERR_DEVICE) *b is still the oldest block, handed back without results: call again until *b is NULL. */
int scheduler_job_take(struct scheduler_job *j, struct block **b, struct err *e);

/* Seconds by the clock, so far, in which some block of the job ran, and in which none ran but some waited. */
void scheduler_job_times(const struct scheduler_job *j, double *queued, double *ran);

void scheduler_job_cancel(struct scheduler_job *j);

/* Every block must have been taken back. Accepts NULL. */
void scheduler_job_close(struct scheduler_job *j);
