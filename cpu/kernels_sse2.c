#if defined(__x86_64__)
#define KERNEL_TABLE kernels_sse2
#define KERNEL_ISA   "sse2"
#define LANES        4
#define TILE_ROWS    6
#include "cpu/kernels.inc"
#endif
