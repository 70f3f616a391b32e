/* engine.h - what every engine is: one device that holds networks and classifies blocks.
 *
 * A backend is one const table of functions, all mandatory. An open engine is a device (the CPU with its thread pool,
 * one GPU); networks are loaded into it and stay there. The scheduler owns open engines and calls load, unload and run
 * of one engine from one thread at a time, never at once; probe may be called from any thread.
 */
#pragma once
#include "base/err.h"
#include "engine/block.h"
#include "engine/precision.h"
#include "model/network.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct engine_options {
    int ordinal; /* which device of the backend */
    int threads; /* 0: as many as the process may use */
    enum precision precision;
    const char *isa; /* CPU only: NULL or "auto", "sse2", "avx2", "avx512", "neon"; borrowed during open */
    uint64_t memory; /* bytes the engine may take; 0: its own judgement */
};

struct engine_device {
    char name[96];   /* "AMD EPYC 7B13, 2 threads, avx2" */
    uint64_t memory; /* bytes; 0 where it means nothing */
};

struct engine_info {
    char backend[16]; /* "cpu" */
    char device[96];
    char isa[16];
    int threads;
    enum precision precision;
    size_t batch_pixels; /* centre pixels that one run takes with profit; the scheduler gathers up to so many */
    uint64_t memory;     /* bytes held now: weights and working memory */
};

struct engine;       /* a backend's own; opaque here */
struct engine_model; /* a network loaded into one engine */

/* One block of one run. */
struct engine_task {
    struct engine_model *model;
    struct block *block;
    const atomic_bool *canceled; /* borrowed; once true, the block may be skipped and its results are undefined */
};

struct engine_backend {
    const char *name;

    /* How many devices there are, and what each is. *count is in/out: room in, found out. ERR_DEVICE says why none. */
    int (*probe)(struct engine_device *out, size_t *count, struct err *e);

    /* Opens one device: threads, streams, nothing of a network yet. ERR_DEVICE, ERR_NOMEM; ERR_REQUEST for a precision
     * or isa that this machine has not. */
    int (*open)(struct engine **out, const struct engine_options *o, struct err *e);

    /* Packs and uploads a network and allocates what a run of it needs; nothing is allocated by run. The network may be
     * released afterwards. */
    int (*load)(struct engine *x, const struct network *n, struct engine_model **out, struct err *e);

    /* Classifies count blocks, of any loaded models: fills labels, confidence and, where not NULL, logits. The bits of
     * a pixel depend on its patch alone: not on threads, block size, or what else is in the run. ERR_DEVICE on failure:
     * then no result of the run may be used. */
    int (*run)(struct engine *x, struct engine_task *tasks, size_t count, struct err *e);

    void (*describe)(const struct engine *x, struct engine_info *out);
    void (*unload)(struct engine *x, struct engine_model *m); /* accepts NULL */
    void (*close)(struct engine *x);                          /* every model unloaded first; accepts NULL */
};
