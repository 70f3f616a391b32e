/* patch.h - one patch, from the shared entries of its pixels to its logits.
 * Threading: a patch works in its thread's own memory.
 */
#pragma once
#include "cpu/pack.h"
#include "cpu/work.h"

/* entries[P P]: of every pixel the entry in the place that it has in this patch. Writes w->logits. */
void patch_run(const struct packed *m, struct work *w, const float *const *entries);

/* The part behind conv2: w->waist (P P, 128), before its ReLU, to w->logits. In head.c. */
void head_run(const struct packed *m, struct work *w);

/* A spectral convolution, tile by tile. */
void patch_convolve(const struct packed *m, const struct spectral_call *call);

/* gate[c] = sigmoid(kernel over mean[c-1..c+1]), zeros outside. */
void patch_gate(const float kernel[3], size_t C, const double *mean, float *gate);
