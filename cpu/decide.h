/* decide.h - from a pixel's logits to its label and confidence in a block.
 * Threading: pixels of one block may be written by different threads.
 */
#pragma once
#include "engine/block.h"
#include <stddef.h>

/* Writes label, confidence and, where the block has them, logits of centre pixel `pixel` (line * columns + column).
 * Confidence is the largest softmax probability: 1 / sum over k of exp(logit[k] - logit[best]). */
void decide_pixel(struct block *b, size_t pixel, const float *logits);

/* The same for a pixel that is not valid: label 0, NaN. */
void decide_nothing(struct block *b, size_t pixel);

/* True if centre pixel (line, column) can be classified. */
static inline int decide_is_valid(const struct block *b, int line, int column)
{
    size_t wide = (size_t)b->columns + 2 * (size_t)b->halo;
    return b->valid[(size_t)(line + b->halo) * wide + (size_t)(column + b->halo)] != 0;
}
