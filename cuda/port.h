/* port.h - the words a kernel file is written in: CUDA under nvcc, the emulator of tests/cuda/emulator under g++ or
 * clang++ (which then names emulator.h with -include).
 *
 * The tensor-core and copy instructions that C++ has no name for are functions here, each one instruction of the PTX
 * ISA and described by its name there. "Lane" is a thread's number in its warp; g = lane / 4, t = lane % 4.
 * A fragment's element order is that of PTX ISA 8.8, "Matrix fragments for mma.m16n8k16" and its neighbours.
 * All functions marked [warp] are called by all 32 lanes together.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#if defined(__CUDACC__)
/* The block's dynamic shared memory as an array of `type`; its bytes are LAUNCH's fourth argument. */
#define SHARED_MEMORY(type, name)                                                                                      \
    extern __shared__ __align__(16) unsigned char shared_memory_bytes[];                                               \
    type *name = reinterpret_cast<type *>(shared_memory_bytes)
/* Queues a kernel on a stream; a cudaError_t. More than 48 KiB of shared memory needs kernel_allow first. */
#define LAUNCH(kernel, grid, block, bytes, stream, ...)                                                                \
    (kernel<<<(grid), (block), (bytes), (stream)>>>(__VA_ARGS__), cudaPeekAtLastError())
/* A loop that nvcc unrolls whole. */
#define UNROLL _Pragma("unroll")
#elif !defined(SPECTRAD_EMULATOR)
#error "compile kernels with nvcc, or with -include tests/cuda/emulator/emulator.h"
#endif

/* True on devices whose instructions are those of compute capability 8.0 and above. */
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define SINCE_SM80 1
#else
#define SINCE_SM80 0
#endif

/* ---- pairs of 16-bit floats in one register; the element with the lower index is in the lower half -------------- */

__device__ __forceinline__ uint32_t pack_half(float low, float high)
{
    return (uint32_t)__half_as_ushort(__float2half_rn(low)) | (uint32_t)__half_as_ushort(__float2half_rn(high)) << 16;
}

__device__ __forceinline__ uint32_t pack_bfloat16(float low, float high)
{
    return (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(low)) |
           (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(high)) << 16;
}

__device__ __forceinline__ float half_low(uint32_t v)
{
    return __half2float(__ushort_as_half((unsigned short)(v & 0xffff)));
}

__device__ __forceinline__ float half_high(uint32_t v)
{
    return __half2float(__ushort_as_half((unsigned short)(v >> 16)));
}

__device__ __forceinline__ float bfloat16_low(uint32_t v)
{
    return __uint_as_float(v << 16);
}

__device__ __forceinline__ float bfloat16_high(uint32_t v)
{
    return __uint_as_float(v & 0xffff0000u);
}

/* a b + c of both elements, each rounded once (fma.rn.f16x2). */
__device__ __forceinline__ uint32_t fma_half2(uint32_t a, uint32_t b, uint32_t c)
{
#if defined(__CUDA_ARCH__)
    uint32_t d;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    return pack_half(fmaf(half_low(a), half_low(b), half_low(c)), fmaf(half_high(a), half_high(b), half_high(c)));
#endif
}

/* max(v, 0) of both elements: those whose sign bit is set become 0. */
__device__ __forceinline__ uint32_t relu_pair(uint32_t v)
{
    return v & ~((v >> 15 & 0x00010001u) * 0xffffu);
}

/* max(a b + c, 0) of both elements (fma.rn.relu.f16x2 where there is one). */
__device__ __forceinline__ uint32_t fma_relu_half2(uint32_t a, uint32_t b, uint32_t c)
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    uint32_t d;
    asm("fma.rn.relu.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    return relu_pair(fma_half2(a, b, c));
#endif
}

/* a b + c of both elements (fma.rn.bf16x2); compute capability 8.0 and above. */
__device__ __forceinline__ uint32_t fma_bfloat162(uint32_t a, uint32_t b, uint32_t c)
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    uint32_t d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    return pack_bfloat16(fmaf(bfloat16_low(a), bfloat16_low(b), bfloat16_low(c)),
                         fmaf(bfloat16_high(a), bfloat16_high(b), bfloat16_high(c)));
#endif
}

/* max(a b + c, 0) of both elements (fma.rn.relu.bf16x2). */
__device__ __forceinline__ uint32_t fma_relu_bfloat162(uint32_t a, uint32_t b, uint32_t c)
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    uint32_t d;
    asm("fma.rn.relu.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    return relu_pair(fma_bfloat162(a, b, c));
#endif
}

/* float32 rounded to the 10 bits of mantissa that a tf32 operand has (cvt.rna.tf32.f32). */
__device__ __forceinline__ uint32_t to_tf32(float v)
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    uint32_t r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(v));
    return r;
#else
    uint32_t r = __float_as_uint(v);
    return (r & 0x7f800000u) == 0x7f800000u ? r : (r + 0x1000u) & 0xffffe000u;
#endif
}

/* ---- d (16 x 8) += a (16 x k) b (k x 8), float32 sums -------------------------------------------------------------
 */

/* [warp] mma.m16n8k16, fp16; on compute capability 7.5 two of m16n8k8. */
__device__ __forceinline__ void mma_half_k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(__CUDA_ARCH__)
    for (int k = 0; k < 2; k++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
#elif defined(SPECTRAD_EMULATOR)
    emulator::mma_half(d, a, b, 16);
#endif
}

/* [warp] mma.m16n8k8, fp16. */
__device__ __forceinline__ void mma_half_k8(float (&d)[4], const uint32_t (&a)[2], uint32_t b)
{
#if defined(__CUDA_ARCH__)
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b));
#elif defined(SPECTRAD_EMULATOR)
    emulator::mma_half(d, a, &b, 8);
#endif
}

/* [warp] mma.m16n8k16, bf16; compute capability 8.0 and above. */
__device__ __forceinline__ void mma_bfloat16_k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(SPECTRAD_EMULATOR)
    emulator::mma_bfloat16(d, a, b, 16);
#endif
}

/* [warp] mma.m16n8k8, bf16; compute capability 8.0 and above. */
__device__ __forceinline__ void mma_bfloat16_k8(float (&d)[4], const uint32_t (&a)[2], uint32_t b)
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b));
#elif defined(SPECTRAD_EMULATOR)
    emulator::mma_bfloat16(d, a, &b, 8);
#endif
}

/* [warp] mma.m16n8k8, tf32; compute capability 8.0 and above. a: (g, t), (g+8, t), (g, t+4), (g+8, t+4); b: (t, g),
 * (t+4, g). */
__device__ __forceinline__ void mma_tf32_k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(SPECTRAD_EMULATOR)
    emulator::mma_tf32(d, a, b);
#endif
}

/* [warp] The same product in float32: operands and order of mma.m16n8k8.tf32, nothing rounded but the sums. There is no
 * such instruction: lanes pass each other their elements. */
__device__ __forceinline__ void mma_float_by_lanes(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
    int lane = (int)(threadIdx.x & 31), group = lane & ~3, column = (lane & 3) * 8;
#pragma unroll
    for (int k = 0; k < 8; k++) {
        float above = __shfl_sync(0xffffffffu, __uint_as_float(a[k / 4 * 2]), group + k % 4);
        float below = __shfl_sync(0xffffffffu, __uint_as_float(a[k / 4 * 2 + 1]), group + k % 4);
        float left = __shfl_sync(0xffffffffu, __uint_as_float(b[k / 4]), column + k % 4);
        float right = __shfl_sync(0xffffffffu, __uint_as_float(b[k / 4]), column + 4 + k % 4);
        d[0] = fmaf(above, left, d[0]);
        d[1] = fmaf(above, right, d[1]);
        d[2] = fmaf(below, left, d[2]);
        d[3] = fmaf(below, right, d[3]);
    }
}

/* [warp] mma_float_by_lanes; under the emulator its result, not its 32 shuffles. */
__device__ __forceinline__ void mma_float_k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#if defined(SPECTRAD_EMULATOR)
    emulator::mma_float(d, a, b);
#else
    mma_float_by_lanes(d, a, b);
#endif
}

/* ---- shared memory ----------------------------------------------------------------------------------------------- */

/* [warp] ldmatrix.x4: four 8 x 8 matrices of 16-bit elements; lane l gives the address of the 16 bytes of row l % 8 of
 * matrix l / 8, and receives elements 2t, 2t + 1 of row g of each. */
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void *row)
{
#if defined(__CUDA_ARCH__)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
#elif defined(SPECTRAD_EMULATOR)
    emulator::ldmatrix(r, 4, row);
#endif
}

/* [warp] ldmatrix.x2: as x4 with two matrices; the addresses of lanes 16..31 are ignored but must be of shared memory.
 */
__device__ __forceinline__ void ldmatrix_x2(uint32_t (&r)[2], const void *row)
{
#if defined(__CUDA_ARCH__)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
#elif defined(SPECTRAD_EMULATOR)
    emulator::ldmatrix(r, 2, row);
#endif
}

/* cp.async of 16 bytes, global to shared, of which the first `valid` (0 or 16) are copied and the rest are zeros. Read
 * the destination only after copy_wait and a barrier. On compute capability 7.5 it copies at once. */
__device__ __forceinline__ void copy_async_16(void *to, const void *from, int valid)
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(to)),
                 "l"(from), "r"(valid)
                 : "memory");
#elif defined(__CUDA_ARCH__)
    uint4 v = make_uint4(0, 0, 0, 0);
    if (valid == 16)
        v = *static_cast<const uint4 *>(from);
    *static_cast<uint4 *>(to) = v;
#elif defined(SPECTRAD_EMULATOR)
    emulator::copy_start(to, from, valid);
#endif
}

/* cp.async.commit_group */
__device__ __forceinline__ void copy_commit()
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("cp.async.commit_group;" ::: "memory");
#elif defined(SPECTRAD_EMULATOR)
    emulator::copy_commit();
#endif
}

/* cp.async.wait_group: all but this thread's N newest groups have landed. */
template <int N> __device__ __forceinline__ void copy_wait()
{
#if defined(__CUDA_ARCH__) && SINCE_SM80
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#elif defined(SPECTRAD_EMULATOR)
    emulator::copy_wait(N);
#endif
}

/* Lets a kernel have `bytes` of dynamic shared memory; once, before its first launch. */
template <class Kernel> inline cudaError_t kernel_allow(Kernel kernel, size_t bytes)
{
    return cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                static_cast<int>(bytes));
}
