/* summary.h - from labels and sums to the report: classes, areas, truth, warnings.
 * Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include "pipeline/classify.h"
#include <math.h>

/* Pixels of one class, and their confidence in fixed point, so that the sum does not depend on the order of blocks. */
struct class_sum {
    uint64_t pixels;
    uint64_t confidence; /* in 2^-28: 10^10 pixels do not overflow */
};

static inline void class_sum_add(struct class_sum *s, float confidence)
{
    s->pixels++;
    s->confidence += (uint64_t)llrint((double)confidence * 0x1p28);
}

struct summary_input {
    const struct classify_request *request;
    const struct spectral_match *match;
    const struct validity *validity;
    const struct class_sum *sums; /* (N) */
    enum normalization normalization;
};

/* Fills c->result but for timing. Errors: ERR_INPUT (the truth raster), ERR_NOMEM. */
int summary_fill(struct classification *c, const struct summary_input *in, struct err *e);
