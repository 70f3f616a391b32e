/* choose.cuh - from a precision and a width known when a network is loaded to the kernel compiled for them. */
#pragma once
#include "cuda/precision.cuh"
#include "cuda/shapes.h"
#include "engine/precision.h"

/* `return f<Precision, W>(...)` */
#define CUDA_CHOOSE(f, width, precision, ...)                                                                          \
    switch (precision) {                                                                                               \
    case PRECISION_TF32:                                                                                               \
        return (width) == CUDA_NARROW ? f<Tf32, CUDA_NARROW>(__VA_ARGS__) : f<Tf32, CUDA_WIDE>(__VA_ARGS__);           \
    case PRECISION_FP16:                                                                                               \
        return (width) == CUDA_NARROW ? f<Half, CUDA_NARROW>(__VA_ARGS__) : f<Half, CUDA_WIDE>(__VA_ARGS__);           \
    case PRECISION_BF16:                                                                                               \
        return (width) == CUDA_NARROW ? f<Bfloat16, CUDA_NARROW>(__VA_ARGS__) : f<Bfloat16, CUDA_WIDE>(__VA_ARGS__);   \
    default:                                                                                                           \
        return (width) == CUDA_NARROW ? f<Float, CUDA_NARROW>(__VA_ARGS__) : f<Float, CUDA_WIDE>(__VA_ARGS__);         \
    }
