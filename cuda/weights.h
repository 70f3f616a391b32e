/* weights.h - a network's weights in the order in which the kernels read them.
 *
 * A product's weights lie as fragments (tile.cuh): [k-step][n][lane] pairs of words. For two-byte formats a step is 16
 * elements of a row, word r of lane (g = lane / 4, t = lane % 4) holds elements 8 r + 2 t and the next of output 8 n +
 * g; for four-byte ones a step is 8 elements, word r is element 4 r + t. A half step is [n][lane] words, r = 0.
 * Everything else is float. Channels behind C are zeros. Threading: pure functions on the caller's memory.
 */
#pragma once
#include "base/err.h"
#include "cuda/shapes.h"
#include "engine/precision.h"
#include "model/network.h"

/* Sizes of a network as the kernels see them. Errors: ERR_INPUT if C is above 64. */
int weights_shapes(struct cuda_shapes *out, const struct network *n, struct err *e);

/* Bytes of a packed network. */
size_t weights_bytes(const struct network *n, enum precision p);

/* Fills host (weights_bytes) and *out, whose pointers are those of a copy of it at `device`. */
void weights_pack(struct cuda_network *out, const struct network *n, enum precision p, void *host, void *device);
