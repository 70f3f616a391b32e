/* precision.cuh - what a kernel asks of the format in which it keeps activations: four formats, one interface.
 *
 * Activations lie in rows of channels, 16-byte vectors of PER_VECTOR elements. A k-step of a product is 32 bytes of a
 * row whatever the format: 16 elements of two bytes (mma.m16n8k16) or 8 of four (m16n8k8); ldmatrix delivers both in
 * the order that the product wants. Sums are float32 in every format.
 *
 *   fma, fma_relu   a b + c and max(a b + c, 0), element by element of a vector; each rounded once
 *   pack2, unpack2  two neighbouring elements, as their Pair in memory, from and to float32
 *   norm_relu       max(a b + c, 0) of a pair
 *   multiply        d += a b, one k-step;  multiply_half: its first 16 bytes alone
 */
#pragma once
#include "cuda/port.h"

template <uint32_t (*F)(uint32_t, uint32_t, uint32_t)>
__device__ __forceinline__ uint4 each_word(const uint4 &a, const uint4 &b, const uint4 &c)
{
    return make_uint4(F(a.x, b.x, c.x), F(a.y, b.y, c.y), F(a.z, b.z, c.z), F(a.w, b.w, c.w));
}

__device__ __forceinline__ uint32_t fma_word(uint32_t a, uint32_t b, uint32_t c)
{
    return __float_as_uint(fmaf(__uint_as_float(a), __uint_as_float(b), __uint_as_float(c)));
}

__device__ __forceinline__ uint32_t fma_relu_word(uint32_t a, uint32_t b, uint32_t c)
{
    return __float_as_uint(fmaxf(fmaf(__uint_as_float(a), __uint_as_float(b), __uint_as_float(c)), 0.f));
}

struct Half {
    static constexpr int BYTES = 2, PER_VECTOR = 8;
    typedef uint32_t Pair;
    static __device__ __forceinline__ Pair pack2(float low, float high)
    {
        return pack_half(low, high);
    }
    static __device__ __forceinline__ float2 unpack2(Pair v)
    {
        return make_float2(half_low(v), half_high(v));
    }
    static __device__ __forceinline__ uint4 fma(const uint4 &a, const uint4 &b, const uint4 &c)
    {
        return each_word<fma_half2>(a, b, c);
    }
    static __device__ __forceinline__ uint4 fma_relu(const uint4 &a, const uint4 &b, const uint4 &c)
    {
        return each_word<fma_relu_half2>(a, b, c);
    }
    static __device__ __forceinline__ Pair norm_relu(Pair a, Pair b, Pair c)
    {
        return fma_relu_half2(a, b, c);
    }
    static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
    {
        mma_half_k16(d, a, b);
    }
    static __device__ __forceinline__ void multiply_half(float (&d)[4], const uint32_t (&a)[2], uint32_t b)
    {
        mma_half_k8(d, a, b);
    }
};

struct Bfloat16 {
    static constexpr int BYTES = 2, PER_VECTOR = 8;
    typedef uint32_t Pair;
    static __device__ __forceinline__ Pair pack2(float low, float high)
    {
        return pack_bfloat16(low, high);
    }
    static __device__ __forceinline__ float2 unpack2(Pair v)
    {
        return make_float2(bfloat16_low(v), bfloat16_high(v));
    }
    static __device__ __forceinline__ uint4 fma(const uint4 &a, const uint4 &b, const uint4 &c)
    {
        return each_word<fma_bfloat162>(a, b, c);
    }
    static __device__ __forceinline__ uint4 fma_relu(const uint4 &a, const uint4 &b, const uint4 &c)
    {
        return each_word<fma_relu_bfloat162>(a, b, c);
    }
    static __device__ __forceinline__ Pair norm_relu(Pair a, Pair b, Pair c)
    {
        return fma_relu_bfloat162(a, b, c);
    }
    static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
    {
        mma_bfloat16_k16(d, a, b);
    }
    static __device__ __forceinline__ void multiply_half(float (&d)[4], const uint32_t (&a)[2], uint32_t b)
    {
        mma_bfloat16_k8(d, a, b);
    }
};

/* Four bytes an element: a row's bytes are a multiple of a k-step for every padded number of channels, so
 * multiply_half is never reached. */
struct Float {
    static constexpr int BYTES = 4, PER_VECTOR = 4;
    typedef uint2 Pair;
    static __device__ __forceinline__ Pair pack2(float low, float high)
    {
        return make_uint2(__float_as_uint(low), __float_as_uint(high));
    }
    static __device__ __forceinline__ float2 unpack2(Pair v)
    {
        return make_float2(__uint_as_float(v.x), __uint_as_float(v.y));
    }
    static __device__ __forceinline__ uint4 fma(const uint4 &a, const uint4 &b, const uint4 &c)
    {
        return each_word<fma_word>(a, b, c);
    }
    static __device__ __forceinline__ uint4 fma_relu(const uint4 &a, const uint4 &b, const uint4 &c)
    {
        return each_word<fma_relu_word>(a, b, c);
    }
    static __device__ __forceinline__ Pair norm_relu(Pair a, Pair b, Pair c)
    {
        return make_uint2(fma_relu_word(a.x, b.x, c.x), fma_relu_word(a.y, b.y, c.y));
    }
    static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
    {
        mma_float_k8(d, a, b);
    }
    static __device__ __forceinline__ void multiply_half(float (&)[4], const uint32_t (&)[2], uint32_t)
    {
    }
};

/* Float, with the operands of products rounded to tf32. Weights are rounded when they are packed. */
struct Tf32 : Float {
    static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
    {
        uint32_t r[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
            r[i] = to_tf32(__uint_as_float(a[i]));
        mma_tf32_k8(d, r, b);
    }
};
