/* checkpoint.h - which tensors a checkpoint must, may and must not hold.
 *
 * The names are those of the authors' state_dict; the letters of the shapes those of network.h, and B sensor bands.
 * Threading: pure function.
 */
#pragma once
#include "base/err.h"
#include "model/safetensors.h"
#include <stdbool.h>
#include <stdint.h>

struct checkpoint_sizes {
    int B, K, C, P, N; /* within the ranges of the metadata */
};

struct checkpoint_findings {
    bool distinct_attention; /* it holds conv_ex_3x3 and conv_ex_1x1: the paper's form */
    uint64_t
        parameters; /* elements of all weights and biases, as PyTorch counts them; preprocessing is not among them */
};

/* Checks names and shapes of all tensors. A layer that the network does not use is accepted whatever its shape. Errors:
 * ERR_INPUT names the tensor that is missing, misshapen (shape found, shape expected) or unknown. */
int checkpoint_check(const struct safetensors *s, const struct checkpoint_sizes *sizes,
                     struct checkpoint_findings *findings, struct err *e);
