#if defined(__x86_64__)
#define KERNEL_TABLE kernels_avx512
#define KERNEL_ISA   "avx512"
#define LANES        16
#define TILE_ROWS    12
#include "cpu/kernels.inc"
#endif
