/* The kernel template at the width of NEON, compiled for whatever machine runs the tests. */
#include "tests/unit/support/test_kernels.h"

#define KERNEL_TABLE kernels_4x12
#define KERNEL_ISA   "template 4 x 12"
#define LANES        4
#define TILE_ROWS    12
#include "cpu/kernels.inc"
