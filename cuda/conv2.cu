/* conv2.cu - the waist: every position's whole spectrum to 128 channels, a plain matrix product.
 *
 *   waist[position][o] = relu(bias[o] + sum over d, c of weight[o][d][c] out2[position][d][c])
 *
 * M = patches x positions rows of D W elements, N = 128. Layout: a block makes 64 rows of all 128 channels, 8 warps of
 * 32 x 32; it goes through K in chunks of two k-steps (64 bytes of a row), three chunks on their way through shared
 * memory. A's rows are 80 bytes apart there, so that ldmatrix meets no bank twice; weights lie in fragment order
 * already, [k-step][n][lane], and are copied as they are. What K lacks to whole chunks is zeros in both.
 */
#include "cuda/choose.cuh"
#include "cuda/kernels.h"
#include "cuda/tile.cuh"

namespace {

enum {
    ROWS = 64, /* of a block */
    WARPS = 8,
    CHUNK = 64, /* bytes of a row */
    STEPS = CHUNK / 32,
    STAGES = 3,
    ROW_STRIDE = CHUNK + 16,
    TILES_OUT = CUDA_WAIST / 8,
    A_BYTES = ROWS * ROW_STRIDE,
    B_BYTES = STEPS * TILES_OUT * 32 * 8,
    STAGE_BYTES = A_BYTES + B_BYTES,
};

struct Job {
    cuda_network n;
    cuda_buffers b;
    int first, most;
    int row_bytes; /* of out2 */
};

__device__ __forceinline__ void fetch(const Job &j, char *stage, int chunk, int row, int rows)
{
    const char *a = static_cast<const char *>(j.b.out2);
    const char *b = static_cast<const char *>(j.n.conv2.weight) + (size_t)chunk * B_BYTES;
    for (int i = (int)threadIdx.x; i < ROWS * CHUNK / 16; i += WARPS * 32) {
        int r = i / (CHUNK / 16), at = chunk * CHUNK + i % (CHUNK / 16) * 16;
        bool there = row + r < rows && at < j.row_bytes;
        copy_async_16(stage + r * ROW_STRIDE + i % (CHUNK / 16) * 16,
                      there ? a + (size_t)(row + r) * (size_t)j.row_bytes + (size_t)at : a, there ? 16 : 0);
    }
    for (int i = (int)threadIdx.x; i < B_BYTES / 16; i += WARPS * 32)
        copy_async_16(stage + A_BYTES + i * 16, b + i * 16, 16);
}

/* 32 rows by 32 channels of one warp: acc[row tile][n]. */
template <class P> __device__ __forceinline__ void multiply(float (&acc)[2][4][4], const char *stage, int warp, int lane)
{
    const char *row = lane_row(stage + warp % 2 * 32 * ROW_STRIDE, ROW_STRIDE, lane);
    const uint2 *b = reinterpret_cast<const uint2 *>(stage + A_BYTES) + warp / 2 * 4 * 32 + lane;
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        uint32_t a[2][4];
#pragma unroll
        for (int m = 0; m < 2; m++)
            ldmatrix_x4(a[m], row + m * 16 * ROW_STRIDE + s * 32);
#pragma unroll
        for (int n = 0; n < 4; n++) {
            uint2 v = b[(s * TILES_OUT + n) * 32];
            uint32_t w[2] = {v.x, v.y};
#pragma unroll
            for (int m = 0; m < 2; m++)
                P::multiply(acc[m][n], a[m], w);
        }
    }
}

template <class P>
__device__ __forceinline__ void store(const Job &j, const float (&acc)[2][4][4], int row, int rows, int warp, int lane)
{
    typename P::Pair *waist = static_cast<typename P::Pair *>(j.b.waist);
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 4; n++) {
            int o = warp / 2 * 32 + n * 8 + (lane & 3) * 2;
            float2 bias = *reinterpret_cast<const float2 *>(j.n.conv2.bias + o);
#pragma unroll
            for (int h = 0; h < 2; h++) {
                int r = row + warp % 2 * 32 + m * 16 + h * 8 + (lane >> 2);
                if (r < rows)
                    waist[((size_t)r * CUDA_WAIST + (size_t)o) / 2] =
                        P::pack2(fmaxf(acc[m][n][2 * h] + bias.x, 0.f), fmaxf(acc[m][n][2 * h + 1] + bias.y, 0.f));
            }
        }
}

template <class P> __global__ void __launch_bounds__(WARPS * 32) conv2(Job j)
{
    SHARED_MEMORY(char, memory);
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5, row = (int)blockIdx.x * ROWS;
    const int rows = min(j.most, *j.b.count - j.first) * j.n.s.P * j.n.s.P;
    const int chunks = (j.row_bytes + CHUNK - 1) / CHUNK;
    if (row >= rows)
        return;
    float acc[2][4][4] = {};
    for (int i = 0; i < STAGES - 1; i++) {
        if (i < chunks)
            fetch(j, memory + i * STAGE_BYTES, i, row, rows);
        copy_commit();
    }
    for (int i = 0; i < chunks; i++) {
        copy_wait<STAGES - 2>();
        __syncthreads(); /* chunk i has landed, and chunk i - 1 is read by nobody any more */
        if (i + STAGES - 1 < chunks)
            fetch(j, memory + (i + STAGES - 1) % STAGES * STAGE_BYTES, i + STAGES - 1, row, rows);
        copy_commit();
        multiply<P>(acc, memory + i % STAGES * STAGE_BYTES, warp, lane);
    }
    copy_wait<0>();
    store<P>(j, acc, row, rows, warp, lane);
}

template <class P, int W>
cudaError_t launch(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    Job j = {*n, *b, first, l->group, n->s.D * W * P::BYTES};
    int rows = l->group * n->s.P * n->s.P;
    return LAUNCH((conv2<P>), dim3((unsigned)((rows + ROWS - 1) / ROWS)), dim3(WARPS * 32),
                  (size_t)(STAGES * STAGE_BYTES), l->stream, j);
}

} // namespace

extern "C" cudaError_t cuda_conv2(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    CUDA_CHOOSE(launch, n->s.W, l->precision, n, b, l, first)
}
