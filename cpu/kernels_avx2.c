#if defined(__x86_64__)
#define KERNEL_TABLE kernels_avx2
#define KERNEL_ISA   "avx2"
#define LANES        8
#define TILE_ROWS    6
#include "cpu/kernels.inc"
#endif
