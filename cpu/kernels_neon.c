#if defined(__aarch64__)
#define KERNEL_TABLE kernels_neon
#define KERNEL_ISA   "neon"
#define LANES        4
#define TILE_ROWS    12
#include "cpu/kernels.inc"
#endif
