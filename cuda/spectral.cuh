/* spectral.cuh - the convolution of seven taps along the spectrum, W to W channels, by one warp in its own slice of
 * shared memory.
 *
 *   out[row] = bias + sum over tap of weight[tap] in[row + tap - 3]
 *
 * A slice holds rows r - 3 .. r + n + 2 of the activations; out[i] needs slice rows i .. i + 6 and is written to slice
 * row i. A tile of 16 outputs, stored after its own loads, touches no row that a later tile reads: the convolution runs
 * in place and needs no barrier but the warp's own.
 *
 * A row is copied by VECTORS lanes, 16 bytes each; ROWS_A_STEP rows at a time.
 */
#pragma once
#include "cuda/tile.cuh"
#include <type_traits>

template <class P, int W> struct Spectral {
    static constexpr int ROW = W * P::BYTES, VECTORS = ROW / 16, ROWS_A_STEP = 32 / VECTORS, TILES = W / 8;
    static constexpr int SLICE_ROWS = CUDA_RUN_ROWS + CUDA_TAPS - 1;
    static constexpr int BYTES = CUDA_TAPS * ROW; /* of a row of the product */
    /* 63 words a lane for 24 channels of two bytes; more would not fit beside the sums. */
    static constexpr bool FEW = Fragments<BYTES, TILES>::WORDS <= 64;
    typedef typename std::conditional<FEW, WeightsInRegisters<BYTES, TILES>, WeightsInMemory<BYTES, TILES>>::type Weights;
};

/* What a lane needs of a layer's output channels 8n + 2t, 8n + 2t + 1. */
template <class P, int TILES> struct Epilogue {
    float2 bias[TILES];
    typename P::Pair scale[TILES], shift[TILES];

    __device__ __forceinline__ void load_bias(const float *b, int lane)
    {
#pragma unroll
        for (int n = 0; n < TILES; n++)
            bias[n] = *reinterpret_cast<const float2 *>(b + 8 * n + 2 * (lane & 3));
    }
    __device__ __forceinline__ void load_norm(const float *s, const float *t, int lane)
    {
#pragma unroll
        for (int n = 0; n < TILES; n++) {
            int c = 8 * n + 2 * (lane & 3);
            scale[n] = P::pack2(s[c], s[c + 1]);
            shift[n] = P::pack2(t[c], t[c + 1]);
        }
    }
};

/* Stores a tile to rows of ROW bytes at `rows`: as it is, or relu(norm(relu(x))). */
template <class P, int W, bool NORM>
__device__ __forceinline__ void store_tile(char *rows, const float (&acc)[W / 8][4], const Epilogue<P, W / 8> &e,
                                           int lane)
{
    char *to = rows + (lane >> 2) * Spectral<P, W>::ROW + (lane & 3) * 2 * P::BYTES;
#pragma unroll
    for (int n = 0; n < W / 8; n++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float low = acc[n][2 * h], high = acc[n][2 * h + 1];
            typename P::Pair v = P::pack2(NORM ? fmaxf(low, 0.f) : low, NORM ? fmaxf(high, 0.f) : high);
            if (NORM)
                v = P::norm_relu(v, e.scale[n], e.shift[n]);
            *reinterpret_cast<typename P::Pair *>(to + h * 8 * Spectral<P, W>::ROW + n * 8 * P::BYTES) = v;
        }
}

/* Convolves `tiles` tiles of the slice in place. [warp] */
template <class P, int W, bool NORM>
__device__ __forceinline__ void convolve_slice(char *slice, int tiles, const typename Spectral<P, W>::Weights &w,
                                               const Epilogue<P, W / 8> &e, int lane)
{
    typedef Spectral<P, W> S;
    const char *row = lane_row(slice, S::ROW, lane);
#pragma unroll 1
    for (int j = 0; j < tiles; j++) {
        float acc[S::TILES][4];
#pragma unroll
        for (int n = 0; n < S::TILES; n++) {
            acc[n][0] = acc[n][2] = e.bias[n].x;
            acc[n][1] = acc[n][3] = e.bias[n].y;
        }
        multiply_rows<P, S::BYTES, S::TILES>(acc, row + j * 16 * S::ROW, w);
        __syncwarp();
        store_tile<P, W, NORM>(slice + j * 16 * S::ROW, acc, e, lane);
    }
}
