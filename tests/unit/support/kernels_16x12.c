/* The kernel template at the width of AVX-512, compiled for whatever machine runs the tests: the compiler splits
 * vectors. */
#include "tests/unit/support/test_kernels.h"

#define KERNEL_TABLE kernels_16x12
#define KERNEL_ISA   "template 16 x 12"
#define LANES        16
#define TILE_ROWS    12
#include "cpu/kernels.inc"
