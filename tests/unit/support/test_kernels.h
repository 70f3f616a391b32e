/* test_kernels.h - every kernel table that can run here: those of the machine, and the template at widths that it has
 * not. Threading: pure functions.
 */
#pragma once
#include "cpu/kernels.h"

extern const struct kernels kernels_4x12, kernels_16x12;

/* NULL behind the last. */
const struct kernels *test_kernels(size_t index);
