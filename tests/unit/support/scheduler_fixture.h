/* scheduler_fixture.h - a scheduler of fake engines, and jobs of fake blocks. Every function fails the running test
 * where the scheduler does not do as it promises. */
#pragma once
#include "engine/scheduler.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/fake_engine.h"

enum { MOST_JOBS = 40, MOST_BLOCKS = 600 }; /* the scheduler's limits */

extern const struct network fake_network; /* empty: a fake engine does not look into it */

struct fixture {
    struct engine engine[2];
    struct scheduler *scheduler;
    int model; /* number 0 */
};

/* `engines` (1 or 2) of them, of batches of `batch` pixels, with one model loaded. */
struct fixture *fixture_open(size_t engines, size_t batch);
void fixture_close(struct fixture *f);

struct scheduler_job *job_open(struct fixture *f, double deadline);

/* Submits `count` blocks of `pixels`, tagged `job` and first, first + 1, ... */
void submit(struct scheduler_job *j, int job, int first, int count, int pixels);

/* Takes every block that is out, in order from `first` on, and expects `code` of each. Returns how many. */
int take_all(struct scheduler_job *j, int first, enum err_code code);

/* Takes `count` good blocks, from 0 on, and closes the job. */
void finish(struct scheduler_job *j, int count);

/* A job whose one block, of 1 pixel, is running on engine 0 and stays so until unplug: what comes now has to queue. */
struct scheduler_job *plug(struct fixture *f);
void unplug(struct fixture *f, struct scheduler_job *j);
