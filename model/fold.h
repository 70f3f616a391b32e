/* fold.h - from the tensors of a checkpoint to the network that engines run.
 *
 * Knows which batch normalisation folds into which convolution (network.h says what "folded" means).
 * Threading: pure function.
 */
#pragma once
#include "base/err.h"
#include "model/checkpoint.h"
#include "model/network.h"
#include "model/preprocess.h"
#include "model/safetensors.h"

/* Fills *n and *p, zeroed before, from tensors that checkpoint_check has passed. The caller releases both, also after
 * an error. Errors: ERR_INPUT names the tensor whose values cannot be used: not finite, a variance that is not
 * positive, a dtype that is none of F32, F16, BF16; ERR_NOMEM. */
int fold_network(struct network *n, const struct safetensors *s, const struct checkpoint_sizes *sizes,
                 bool distinct_attention, struct err *e);
int fold_preprocess(struct preprocess *p, const struct safetensors *s, const struct checkpoint_sizes *sizes,
                    struct err *e);
