/* preprocess.cu - from a piece's samples to the network's input, and the list of patches to be classified.
 *
 *   x[k] = sum over b of weight[k][b] DN[b] + bias[k]      in double, in the order of b, rounded to float once
 *
 * (model/preprocess.h); zeros where a pixel is not valid. Layout: samples (line, band, column) in the file's type, x
 * (pixel, K). A block has 32 pixels, one a lane: loads run along the columns; its warps share the network bands.
 */
#include "base/sample.h"
#include "cuda/kernels.h"
#include "cuda/port.h"

namespace {

struct Job {
    cuda_shapes s;
    cuda_buffers b;
};

__device__ __forceinline__ double sample_at(const void *samples, int type, size_t i)
{
    switch (type) {
    case SAMPLE_UINT8:
        return (double)static_cast<const uint8_t *>(samples)[i];
    case SAMPLE_INT16:
        return (double)static_cast<const int16_t *>(samples)[i];
    case SAMPLE_UINT16:
        return (double)static_cast<const uint16_t *>(samples)[i];
    case SAMPLE_INT32:
        return (double)static_cast<const int32_t *>(samples)[i];
    case SAMPLE_UINT32:
        return (double)static_cast<const uint32_t *>(samples)[i];
    case SAMPLE_FLOAT32:
        return (double)static_cast<const float *>(samples)[i];
    default:
        return static_cast<const double *>(samples)[i];
    }
}

/* 1 if some valid centre's patch holds pixel (line, column) of the piece with its halo. */
__device__ uint8_t is_seen(const Job &j, int line, int column)
{
    int P = j.s.P, h = P / 2, wide = j.b.piece->columns + 2 * h;
    for (int i = max(line - (P - 1), 0); i <= min(line, j.b.piece->lines - 1); i++)
        for (int k = max(column - (P - 1), 0); k <= min(column, j.b.piece->columns - 1); k++)
            if (j.b.valid[(size_t)(i + h) * (size_t)wide + (size_t)(k + h)])
                return 1;
    return 0;
}

__global__ void __launch_bounds__(256) preprocess(Job j)
{
    const cuda_piece &piece = *j.b.piece;
    const int h = j.s.P / 2, wide = piece.columns + 2 * h, pixels = (piece.lines + 2 * h) * wide;
    const int pixel = (int)blockIdx.x * 32 + ((int)threadIdx.x & 31), warp = (int)threadIdx.x >> 5;
    if (pixel >= pixels)
        return;
    const int line = pixel / wide, column = pixel % wide, B = piece.B;
    const size_t first = (size_t)line * (size_t)B * (size_t)wide + (size_t)column;
    if (warp == 0)
        j.b.seen[pixel] = is_seen(j, line, column);
    for (int k = warp; k < j.s.K; k += (int)blockDim.x >> 5) {
        double x = j.b.map_bias[k];
        for (int b = piece.diagonal ? k : 0; b < (piece.diagonal ? k + 1 : B); b++) {
            double weight = j.b.map_weight[piece.diagonal ? k : k * B + b];
            x = fma(weight, sample_at(j.b.samples, piece.type, first + (size_t)b * (size_t)wide), x);
        }
        j.b.x[(size_t)pixel * (size_t)j.s.K + (size_t)k] = j.b.valid[pixel] ? (float)x : 0.f;
    }
}

/* Lists the valid centres in ascending order; the others get their answer here. One block: every thread counts a run
 * of pixels, the counts are summed up, every thread writes its run. */
__global__ void __launch_bounds__(1024) list_patches(Job j)
{
    SHARED_MEMORY(int, sums); /* (32) of the warps */
    const cuda_piece &piece = *j.b.piece;
    const int h = j.s.P / 2, wide = piece.columns + 2 * h, pixels = piece.lines * piece.columns;
    const int run = (pixels + 1023) / 1024, begin = min((int)threadIdx.x * run, pixels), end = min(begin + run, pixels);
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5;
    int count = 0;
    for (int i = begin; i < end; i++)
        count += j.b.valid[(size_t)(i / piece.columns + h) * (size_t)wide + (size_t)(i % piece.columns + h)] != 0;
    int before = count; /* inclusive sum over the warp */
    for (int step = 1; step < 32; step *= 2) {
        int other = __shfl_up_sync(0xffffffffu, before, step);
        before += lane >= step ? other : 0;
    }
    if (lane == 31)
        sums[warp] = before;
    __syncthreads();
    int place = before - count;
    for (int w = 0; w < warp; w++)
        place += sums[w];
    if (threadIdx.x == 1023)
        *j.b.count = place + count;
    for (int i = begin; i < end; i++) {
        if (j.b.valid[(size_t)(i / piece.columns + h) * (size_t)wide + (size_t)(i % piece.columns + h)]) {
            j.b.patches[place++] = i;
            continue;
        }
        j.b.labels[i] = 0;
        j.b.confidence[i] = __uint_as_float(0x7fc00000u);
        for (int k = 0; piece.logits && k < j.s.N; k++)
            j.b.logits[(size_t)i * (size_t)j.s.N + (size_t)k] = __uint_as_float(0x7fc00000u);
    }
}

} // namespace

extern "C" cudaError_t cuda_preprocess(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    Job j = {n->s, *b};
    cudaError_t e = LAUNCH(preprocess, dim3((unsigned)(l->pixels + 31) / 32), dim3(256), 0, l->stream, j);
    return e != cudaSuccess ? e : LAUNCH(list_patches, dim3(1), dim3(1024), 32 * sizeof(int), l->stream, j);
}
