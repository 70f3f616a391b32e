/* entry.cu - conv1x1, conv3x3 and what joins them, once for each pixel in its 9 variants:
 *
 *   A[c][d]    = relu(bias + sum over tap of w1[c][tap] x[2 d + tap])
 *   t[i][j]    = sum over tap of w3[c][i][j][tap] x(i, j)[2 d + tap]        (i, j) a neighbour or the pixel itself
 *   B[c][d]    = relu(bias + sum of the t[i][j] that the patch holds)       first: i = 1, 2; inside: 0, 1, 2; last: 0, 1
 *   V          = (A + B) / 2        p = V; with two attention layers p = A, q = B
 *
 * All in float32 whatever the engine's precision: it is a fiftieth of the work. One block a pixel, its neighbourhood in
 * shared memory; a thread has one d, the 63 samples that it needs in registers, and goes through the channels in
 * vectors of 16 bytes. Nothing is done for a pixel that no patch holds.
 */
#include "cuda/choose.cuh"
#include "cuda/kernels.h"
#include "cuda/tile.cuh"

namespace {

struct Job {
    cuda_network n;
    cuda_buffers b;
};

enum { NEIGHBOURS = 9, WEIGHTS = 64 /* floats a channel of conv3x3: 63 and the bias */ };

struct Samples {
    float x[NEIGHBOURS][CUDA_TAPS];
};

/* The 9 variants of conv3x3 of channel c, row place first. */
__device__ __forceinline__ void convolve(const float *weights, const Samples &s, float (&b)[CUDA_ENTRIES])
{
    float t[NEIGHBOURS];
#pragma unroll
    for (int i = 0; i < NEIGHBOURS; i++) {
        t[i] = 0.f;
#pragma unroll
        for (int tap = 0; tap < CUDA_TAPS; tap++)
            t[i] = fmaf(__ldg(weights + i * CUDA_TAPS + tap), s.x[i][tap], t[i]);
    }
    float bias = __ldg(weights + WEIGHTS - 1);
#pragma unroll
    for (int row = 0; row < CUDA_PLACES; row++) {
        float column[3];
#pragma unroll
        for (int k = 0; k < 3; k++)
            column[k] = (row == 0 ? 0.f : t[k]) + t[3 + k] + (row == 2 ? 0.f : t[6 + k]);
        b[3 * row] = fmaxf(bias + column[1] + column[2], 0.f);
        b[3 * row + 1] = fmaxf(bias + column[0] + column[1] + column[2], 0.f);
        b[3 * row + 2] = fmaxf(bias + column[0] + column[1], 0.f);
    }
}

__device__ __forceinline__ float convolve1x1(const float *weights, const float (&x)[CUDA_TAPS])
{
    float a = __ldg(weights + CUDA_TAPS);
#pragma unroll
    for (int tap = 0; tap < CUDA_TAPS; tap++)
        a = fmaf(__ldg(weights + tap), x[tap], a);
    return fmaxf(a, 0.f);
}

/* One vector of channels at d: stores it to the pixel's 9 entries. */
template <class P>
__device__ __forceinline__ void do_vector(const Job &j, const Samples &s, int v, size_t at, size_t entry)
{
    union Vector {
        typename P::Pair pair[P::PER_VECTOR / 2];
        uint4 vector;
    } p[CUDA_ENTRIES], q[CUDA_ENTRIES];
    const bool apart = j.n.s.distinct_attention;
#pragma unroll
    for (int k = 0; k < P::PER_VECTOR / 2; k++) {
        int c = v * P::PER_VECTOR + 2 * k;
        float low[CUDA_ENTRIES], high[CUDA_ENTRIES];
        convolve(j.n.conv3x3 + (size_t)c * WEIGHTS, s, low);
        convolve(j.n.conv3x3 + (size_t)(c + 1) * WEIGHTS, s, high);
        float a = convolve1x1(j.n.conv1x1 + c * 8, s.x[4]), b = convolve1x1(j.n.conv1x1 + (c + 1) * 8, s.x[4]);
#pragma unroll
        for (int i = 0; i < CUDA_ENTRIES; i++) {
            p[i].pair[k] = apart ? P::pack2(a, b) : P::pack2(0.5f * (a + low[i]), 0.5f * (b + high[i]));
            if (apart)
                q[i].pair[k] = P::pack2(low[i], high[i]);
        }
    }
#pragma unroll
    for (int i = 0; i < CUDA_ENTRIES; i++) {
        static_cast<uint4 *>(j.b.p)[at + (size_t)i * entry] = p[i].vector;
        if (apart)
            static_cast<uint4 *>(j.b.q)[at + (size_t)i * entry] = q[i].vector;
    }
}

template <class P, int W> __global__ void __launch_bounds__(128) entries(Job j)
{
    SHARED_MEMORY(float, x); /* (9, K) */
    constexpr int VECTORS = W / P::PER_VECTOR;
    const int h = j.n.s.P / 2, K = j.n.s.K, wide = j.b.piece->columns + 2 * h, high = j.b.piece->lines + 2 * h;
    const int pixel = (int)blockIdx.x, line = pixel / wide, column = pixel % wide;
    if (pixel >= wide * high || !j.b.seen[pixel])
        return;
    for (int i = (int)threadIdx.x; i < NEIGHBOURS * K; i += (int)blockDim.x) {
        int n = i / K, l = line + n / 3 - 1, c = column + n % 3 - 1;
        bool there = l >= 0 && l < high && c >= 0 && c < wide;
        x[i] = there ? j.b.x[((size_t)l * (size_t)wide + (size_t)c) * (size_t)K + (size_t)(i % K)] : 0.f;
    }
    __syncthreads();
    const size_t entry = (size_t)j.n.s.D * VECTORS, first = (size_t)pixel * CUDA_ENTRIES * entry;
    for (int d = (int)threadIdx.x; d < j.n.s.D; d += (int)blockDim.x) {
        Samples s;
#pragma unroll
        for (int i = 0; i < NEIGHBOURS; i++)
#pragma unroll
            for (int tap = 0; tap < CUDA_TAPS; tap++)
                s.x[i][tap] = x[i * K + 2 * d + tap];
#pragma unroll 1
        for (int v = 0; v < VECTORS; v++)
            do_vector<P>(j, s, v, first + (size_t)d * VECTORS + (size_t)v, entry);
    }
}

template <class P, int W> cudaError_t launch(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    Job j = {*n, *b};
    return LAUNCH((entries<P, W>), dim3((unsigned)l->pixels), dim3(128), (size_t)(NEIGHBOURS * n->s.K) * sizeof(float),
                  l->stream, j);
}

} // namespace

extern "C" cudaError_t cuda_entries(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    CUDA_CHOOSE(launch, n->s.W, l->precision, n, b, l)
}
