/* fake_engine.h - an engine that classifies nothing and remembers everything: what the scheduler gave it, and when.
 *
 * A block is tagged by its job in `column` and by its place in the job in `line`. A good run writes the number of the
 * model into labels[0]. Threading: the fields of struct engine under its lock, or before the scheduler is opened.
 */
#pragma once
#include "engine/engine.h"
#include "engine/scheduler.h"
#include <pthread.h>
#include <stdbool.h>

enum { FAKE_LOG = 4096 };

struct fake_entry {
    int job, place, model, batch;
    size_t pixels;
};

struct engine {
    pthread_mutex_t lock;
    pthread_cond_t changed;

    size_t batch_pixels;
    bool closed_gate;    /* runs wait until it opens */
    bool heeds_canceled; /* or until all their blocks are canceled */
    double seconds;      /* that a run or a load takes at least */
    int failures;        /* runs that still fail */
    int refused_loads;   /* loads that still fail */

    int entered; /* runs begun */
    int runs;    /* runs ended */
    int models, unloads, closes;
    size_t logged;
    struct fake_entry log[FAKE_LOG]; /* what was run, in order; the first FAKE_LOG blocks */

    atomic_int inside; /* calls of load, unload or run under way: one at most */
    atomic_int clashes;
};

extern const struct engine_backend fake_backend;

void fake_init(struct engine *x, size_t batch_pixels);
void fake_release(struct engine *x);
void fake_set_gate(struct engine *x, bool closed);

/* Waits until `entered` runs have begun. */
void fake_wait_entered(struct engine *x, int entered);

/* A block of `pixels` centre pixels without halo, one band, one class. */
struct block *fake_block(int job, int place, int pixels);
