/* tile.cuh - sixteen rows times a matrix: what every convolution of the network comes down to on tensor cores.
 *
 * A convolution over contiguous rows is a product: row i of A is the bytes that begin at row i of the activations and
 * run through all its taps; no copy is made of it. A warp multiplies 16 rows at a time:
 *
 *   acc[n][0..3] = rows g, g, g + 8, g + 8 x channels 8n + 2t, + 1, + 0, + 1     (g = lane / 4, t = lane % 4)
 *
 * Weights come as fragments: [k-step][n][lane] pairs of words, then, where a row's bytes are 16 more than a multiple of
 * 32, [n][lane] words of the half step. Few enough of them stay in registers for the kernel's life.
 */
#pragma once
#include "cuda/precision.cuh"
#include "cuda/shapes.h"

/* Rows of BYTES bytes, n-tiles of 8 output channels. */
template <int BYTES, int TILES> struct Fragments {
    static constexpr int STEPS = BYTES / 32, HALF = BYTES % 32 / 16;
    static constexpr int WORDS = (2 * STEPS + HALF) * TILES; /* a lane */
};

/* Weights read from memory at each use; they stay in L1. */
template <int BYTES, int TILES> struct WeightsInMemory {
    typedef Fragments<BYTES, TILES> F;
    static constexpr int UNROLLED = TILES > 4 ? 1 : 2; /* steps whose weights are on their way at once */
    const uint2 *steps;
    const uint32_t *half;
    __device__ __forceinline__ void load(const void *fragments, int lane)
    {
        steps = static_cast<const uint2 *>(fragments) + lane;
        half = static_cast<const uint32_t *>(fragments) + 2 * F::STEPS * TILES * 32 + lane;
    }
    __device__ __forceinline__ uint2 step(int s, int n) const
    {
        return __ldg(steps + (s * TILES + n) * 32);
    }
    __device__ __forceinline__ uint32_t half_step(int n) const
    {
        return __ldg(half + n * 32);
    }
};

/* Weights in registers: WORDS of them. */
template <int BYTES, int TILES> struct WeightsInRegisters {
    typedef Fragments<BYTES, TILES> F;
    static constexpr int UNROLLED = F::STEPS;
    uint32_t word[F::WORDS];
    __device__ __forceinline__ void load(const void *fragments, int lane)
    {
        WeightsInMemory<BYTES, TILES> memory;
        memory.load(fragments, lane);
#pragma unroll
        for (int i = 0; i < F::STEPS * TILES; i++) {
            uint2 v = memory.step(i / TILES, i % TILES);
            word[2 * i] = v.x;
            word[2 * i + 1] = v.y;
        }
#pragma unroll
        for (int n = 0; n < F::HALF * TILES; n++)
            word[2 * F::STEPS * TILES + n] = memory.half_step(n);
    }
    __device__ __forceinline__ uint2 step(int s, int n) const
    {
        return make_uint2(word[2 * (s * TILES + n)], word[2 * (s * TILES + n) + 1]);
    }
    __device__ __forceinline__ uint32_t half_step(int n) const
    {
        return word[2 * F::STEPS * TILES + n];
    }
};

/* acc += the 16 rows at `row` times the weights. row: this lane's address for ldmatrix, that of row lane % 16 plus 16
 * bytes in the upper half of the warp. [warp] */
template <class P, int BYTES, int TILES, class Weights>
__device__ __forceinline__ void multiply_rows(float (&acc)[TILES][4], const char *row, const Weights &w)
{
    typedef Fragments<BYTES, TILES> F;
#pragma unroll Weights::UNROLLED
    for (int s = 0; s < F::STEPS; s++) {
        uint32_t a[4];
        ldmatrix_x4(a, row + 32 * s);
#pragma unroll
        for (int n = 0; n < TILES; n++) {
            uint2 v = w.step(s, n);
            uint32_t b[2] = {v.x, v.y};
            P::multiply(acc[n], a, b);
        }
    }
    if (F::HALF) {
        uint32_t a[2];
        ldmatrix_x2(a, row + 32 * F::STEPS);
#pragma unroll
        for (int n = 0; n < TILES; n++)
            P::multiply_half(acc[n], a, w.half_step(n));
    }
}

/* Where a lane's ldmatrix row begins in rows of STRIDE bytes that start at `rows`. The lanes of the half step's second
 * half give the addresses of the first: they are not used. */
__device__ __forceinline__ const char *lane_row(const void *rows, int stride, int lane)
{
    return static_cast<const char *>(rows) + (lane & 15) * stride + (lane >> 4) * 16;
}

template <int TILES> __device__ __forceinline__ void zero_tile(float (&acc)[TILES][4])
{
#pragma unroll
    for (int n = 0; n < TILES; n++)
        acc[n][0] = acc[n][1] = acc[n][2] = acc[n][3] = 0.f;
}

/* 16 bytes of float constants in the engine's format: vector i of a row. */
template <class P> __device__ __forceinline__ uint4 vector_of(const float *values, int i)
{
    const float *v = values + i * P::PER_VECTOR;
    union {
        typename P::Pair pair[P::PER_VECTOR / 2];
        uint4 vector;
    } r;
#pragma unroll
    for (int k = 0; k < P::PER_VECTOR / 2; k++)
        r.pair[k] = P::pack2(v[2 * k], v[2 * k + 1]);
    return r.vector;
}

/* Adds the elements of a vector to sums (PER_VECTOR). */
template <class P> __device__ __forceinline__ void add_vector(float (&sums)[P::PER_VECTOR], const uint4 &vector)
{
    union {
        uint4 vector;
        typename P::Pair pair[P::PER_VECTOR / 2];
    } r;
    r.vector = vector;
#pragma unroll
    for (int k = 0; k < P::PER_VECTOR / 2; k++) {
        float2 v = P::unpack2(r.pair[k]);
        sums[2 * k] += v.x;
        sums[2 * k + 1] += v.y;
    }
}
