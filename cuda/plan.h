/* plan.h - how much of a device a model needs, decided before anything is allocated.
 *
 * Letters of shapes.h. Threading: pure functions.
 */
#pragma once
#include "base/err.h"
#include "cuda/kernels.h"
#include "cuda/shapes.h"
#include <stddef.h>

/* What of the device decides. */
struct plan_device {
    int processors;       /* streaming multiprocessors */
    size_t shared_memory; /* bytes that a block may have, with the attribute set */
    size_t shared_memory_processor;
    size_t l2; /* bytes */
};

/* Bytes of one model's working memory on the device, array by array. */
struct plan {
    struct cuda_launch launch; /* all but the stream */
    size_t x, seen, patches, p, q, sums, u, g, middle, out1, out2, waist;
    size_t total;
};

enum {
    PLAN_LINES = 32,         /* most of a piece */
    PLAN_MAP = 512 * 4096,   /* doubles: the largest map of a package */
    PLAN_SAMPLES = 32 << 20, /* bytes: of a piece */
};

/* The plan for pieces of at most `centres` centre pixels. Errors: ERR_DEVICE where a stage does not fit the device's
 * shared memory. */
int plan_make(struct plan *out, const struct cuda_shapes *s, enum precision p, const struct plan_device *d, int centres,
              struct err *e);

/* Cuts the memory at `base` (total bytes) into the buffers' arrays that the two slots share. */
void plan_place(const struct plan *p, char *base, struct cuda_buffers *b);
