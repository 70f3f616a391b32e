/* head.cu - from the waist of a patch to its label: conv3, res_net3, res_net4, pool, linear layer, argmax, confidence.
 *
 *   y = relu(conv3(waist))                                   (C, P-2, P-2), 3 x 3, no padding, 128 channels in
 *   y = y + gate conv2(relu(bn1(relu(conv1(relu(bn0(y)))))))  twice, 3 x 3, zero padding 1; gate as everywhere
 *   logits = full(mean over the first 5 x 5 of relu(bn2(y)))
 *
 * One block a patch. Rows are the positions of the (P-2) x (P-2) square, 16 to a warp; y stays in that warp's registers
 * as the fragments of a product, in float32. conv3 takes the waist through shared memory in two halves of 64 channels;
 * where there are fewer tiles of rows than warps, several warps share a tile's nine taps and their sums are added up in
 * order. The other convolutions read a square of rows with a border of zeros: the three taps of a line are contiguous
 * there, one product of 3 rows' bytes for each of the three lines.
 */
#include "cuda/choose.cuh"
#include "cuda/kernels.h"
#include "cuda/spectral.cuh"

namespace {

enum { WARPS = 8, HALVES = 2, HALF_WAIST = CUDA_WAIST / HALVES };

struct Job {
    cuda_network n;
    cuda_buffers b;
    int first, most;
};

/* Shared memory, in bytes from its beginning: two squares (or, before them, a half of the waist and the partial sums),
 * then what the warps tell each other. */
template <class P, int W> struct Room {
    int waist_row, grid, partial, means, end;
    __host__ __device__ explicit Room(int side)
    {
        int inner = side - 2, rows = (inner * inner + 15) / 16 * 16, padded = side * side;
        waist_row = HALF_WAIST * P::BYTES + 16;
        grid = padded * W * P::BYTES;
        int parts = rows / 16 >= WARPS ? 1 : WARPS / (rows / 16), partial_bytes = parts * rows * W * 4;
        partial = side * side * waist_row;
        int early = partial + partial_bytes, late = 2 * grid;
        means = early > late ? early : late;
        end = means + (WARPS + 2) * W * 4 + 256 * 4;
    }
};

/* One warp's place. */
struct Place {
    int lane, warp, inner, side, tile, tiles;
    bool has_tile;
};

/* Position (row, column) in the inner square of row m of the product; those behind the last count as the first. */
__device__ __forceinline__ void locate(const Place &w, int m, int &r, int &q)
{
    m = m < w.inner * w.inner ? m : 0;
    r = m / w.inner;
    q = m % w.inner;
}

/* conv3 of this warp's rows and taps, one half of the waist. */
template <class P, int W>
__device__ __forceinline__ void add_conv3(float (&acc)[W / 8][4], const Job &j, const Place &w, const char *waist,
                                          int waist_row, int half, int part, int parts)
{
    constexpr int BYTES = HALF_WAIST * P::BYTES, TILES = W / 8;
    typedef Fragments<BYTES, TILES> F;
    int r, q;
    locate(w, w.tile * 16 + (w.lane & 15), r, q);
    for (int tap = part; tap < 9; tap += parts) {
        WeightsInMemory<BYTES, TILES> weights;
        weights.load(static_cast<const uint32_t *>(j.n.conv3.weight) + (half * 9 + tap) * F::WORDS * 32, w.lane);
        multiply_rows<P, BYTES, TILES>(
            acc, waist + ((r + tap / 3) * w.side + q + tap % 3) * waist_row + (w.lane >> 4) * 16, weights);
    }
}

template <class P, int W>
__device__ __forceinline__ void load_waist(const Job &j, const Place &w, char *waist, int waist_row, int index, int half)
{
    const int vectors = HALF_WAIST / P::PER_VECTOR, positions = w.side * w.side;
    const uint4 *from = static_cast<const uint4 *>(j.b.waist) +
                        (size_t)index * (size_t)positions * (CUDA_WAIST / P::PER_VECTOR) + half * vectors;
    for (int i = (int)threadIdx.x; i < positions * vectors; i += WARPS * 32)
        *reinterpret_cast<uint4 *>(waist + i / vectors * waist_row + i % vectors * 16) =
            from[(size_t)(i / vectors) * (CUDA_WAIST / P::PER_VECTOR) + (size_t)(i % vectors)];
}

/* y of this warp's rows after conv3. */
template <class P, int W>
__device__ __forceinline__ void start(float (&y)[W / 8][4], const Job &j, const Place &w, char *memory,
                                      const Room<P, W> &room, int index)
{
    constexpr int TILES = W / 8;
    const int parts = w.tiles >= WARPS ? 1 : WARPS / w.tiles, part = w.warp / w.tiles;
    float *partial = reinterpret_cast<float *>(memory + room.partial);
    float acc[TILES][4];
    zero_tile<TILES>(acc);
    for (int half = 0; half < HALVES; half++) {
        __syncthreads();
        load_waist<P, W>(j, w, memory, room.waist_row, index, half);
        __syncthreads();
        if (part < parts)
            add_conv3<P, W>(acc, j, w, memory, room.waist_row, half, part, parts);
    }
    if (part < parts)
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int k = 0; k < 4; k++)
                partial[((part * w.tiles + w.tile) * TILES + n) * 128 + k * 32 + w.lane] = acc[n][k];
    __syncthreads();
    zero_tile<TILES>(y);
    if (!w.has_tile)
        return;
#pragma unroll
    for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int k = 0; k < 4; k++) {
            float a = j.n.conv3.bias[n * 8 + (w.lane & 3) * 2 + (k & 1)];
            for (int i = 0; i < parts; i++)
                a += partial[((i * w.tiles + w.tile) * TILES + n) * 128 + k * 32 + w.lane];
            y[n][k] = fmaxf(a, 0.f);
        }
}

/* relu(norm(x)), or relu(norm(relu(x + bias))), of this warp's rows into the square. */
template <class P, int W>
__device__ __forceinline__ void put(char *grid, const float (&x)[W / 8][4], const float *bias, const cuda_norm &norm,
                                    const Place &w)
{
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int m = w.tile * 16 + (w.lane >> 2) + 8 * h, r, q;
        locate(w, m, r, q);
        if (!w.has_tile || m >= w.inner * w.inner)
            continue;
        char *row = grid + ((r + 1) * w.side + q + 1) * W * P::BYTES;
#pragma unroll
        for (int n = 0; n < W / 8; n++) {
            int c = n * 8 + (w.lane & 3) * 2;
            float low = x[n][2 * h], high = x[n][2 * h + 1];
            if (bias != nullptr) {
                low = fmaxf(low + bias[c], 0.f);
                high = fmaxf(high + bias[c + 1], 0.f);
            }
            *reinterpret_cast<typename P::Pair *>(row + c * P::BYTES) =
                P::pack2(fmaxf(fmaf(norm.scale[c], low, norm.shift[c]), 0.f),
                         fmaxf(fmaf(norm.scale[c + 1], high, norm.shift[c + 1]), 0.f));
        }
    }
}

/* The 3 x 3 convolution of this warp's rows, without bias. */
template <class P, int W>
__device__ __forceinline__ void convolve(float (&acc)[W / 8][4], const char *grid, const void *weight, const Place &w)
{
    constexpr int BYTES = 3 * W * P::BYTES, TILES = W / 8;
    typedef Fragments<BYTES, TILES> F;
    int r, q;
    zero_tile<TILES>(acc);
    if (!w.has_tile)
        return;
    locate(w, w.tile * 16 + (w.lane & 15), r, q);
    for (int i = 0; i < 3; i++) {
        WeightsInMemory<BYTES, TILES> weights;
        weights.load(static_cast<const uint32_t *>(weight) + i * F::WORDS * 32, w.lane);
        multiply_rows<P, BYTES, TILES>(acc, grid + ((r + i) * w.side + q) * W * P::BYTES + (w.lane >> 4) * 16, weights);
    }
}

/* total[c] = sum over the rows that `counted` allows of x[c], for all warps. warps_sums: (WARPS, W). Ends in a barrier.
 * counted(r, q) says whether a position counts. */
template <int W, class Counted>
__device__ __forceinline__ void sum_rows(const float (&x)[W / 8][4], const Place &w, float *warps_sums, float *total,
                                         Counted counted)
{
#pragma unroll
    for (int n = 0; n < W / 8; n++)
#pragma unroll
        for (int k = 0; k < 2; k++) {
            float a = 0.f;
            for (int h = 0; h < 2; h++) {
                int m = w.tile * 16 + (w.lane >> 2) + 8 * h, r, q;
                locate(w, m, r, q);
                if (w.has_tile && m < w.inner * w.inner && counted(r, q))
                    a += x[n][2 * h + k];
            }
            for (int step = 4; step < 32; step *= 2)
                a += __shfl_xor_sync(0xffffffffu, a, step);
            if ((w.lane >> 2) == 0)
                warps_sums[w.warp * W + n * 8 + (w.lane & 3) * 2 + k] = a;
        }
    __syncthreads();
    for (int c = (int)threadIdx.x; c < W; c += WARPS * 32) {
        float a = 0.f;
        for (int i = 0; i < WARPS; i++)
            a += warps_sums[i * W + c];
        total[c] = a;
    }
    __syncthreads();
}

/* y += gate conv2(...) of one residual block. */
template <class P, int W>
__device__ __forceinline__ void residual(float (&y)[W / 8][4], const Job &j, const cuda_residual_block &block, const Place &w,
                                         char *memory, const Room<P, W> &room)
{
    float *warps_sums = reinterpret_cast<float *>(memory + room.means), *mean = warps_sums + WARPS * W;
    float acc[W / 8][4];
    __syncthreads();
    put<P, W>(memory, y, nullptr, block.bn0, w);
    __syncthreads();
    convolve<P, W>(acc, memory, block.conv1.weight, w);
    put<P, W>(memory + room.grid, acc, block.conv1.bias, block.bn1, w);
    __syncthreads();
    convolve<P, W>(acc, memory + room.grid, block.conv2.weight, w);
#pragma unroll
    for (int n = 0; n < W / 8; n++)
#pragma unroll
        for (int k = 0; k < 4; k++)
            acc[n][k] += block.conv2.bias[n * 8 + (w.lane & 3) * 2 + (k & 1)];
    sum_rows<W>(acc, w, warps_sums, mean, [](int, int) { return true; });
#pragma unroll
    for (int n = 0; n < W / 8; n++)
#pragma unroll
        for (int k = 0; k < 2; k++) {
            int c = n * 8 + (w.lane & 3) * 2 + k;
            float a = block.gate[1] * mean[c];
            if (c > 0)
                a = fmaf(block.gate[0], mean[c - 1], a);
            if (c + 1 < j.n.s.C)
                a = fmaf(block.gate[2], mean[c + 1], a);
            float gate = 1.f / (1.f + expf(-a / (float)(w.inner * w.inner)));
            y[n][k] = fmaf(gate, acc[n][k], y[n][k]);
            y[n][2 + k] = fmaf(gate, acc[n][2 + k], y[n][2 + k]);
        }
}

/* Label and confidence from logits (N) in shared memory; the lower index of equals. Warp 0. */
__device__ __forceinline__ void decide(const Job &j, const float *logits, int centre, int lane)
{
    float best = -INFINITY;
    int at = 0;
    for (int k = lane; k < j.n.s.N; k += 32)
        if (logits[k] > best) {
            best = logits[k];
            at = k;
        }
    for (int step = 16; step > 0; step /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, best, step);
        int other_at = __shfl_xor_sync(0xffffffffu, at, step);
        if (other > best || (other == best && other_at < at)) {
            best = other;
            at = other_at;
        }
    }
    float sum = 0.f;
    for (int k = lane; k < j.n.s.N; k += 32)
        sum += expf(logits[k] - best);
    for (int step = 16; step > 0; step /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (lane == 0) {
        j.b.labels[centre] = (uint8_t)(at + 1);
        j.b.confidence[centre] = 1.f / sum;
    }
}

/* Pool, linear layer, answer. */
template <class P, int W>
__device__ __forceinline__ void finish(float (&y)[W / 8][4], const Job &j, const Place &w, char *memory,
                                       const Room<P, W> &room, int centre)
{
    float *warps_sums = reinterpret_cast<float *>(memory + room.means), *pooled = warps_sums + WARPS * W;
    float *logits = pooled + 2 * W;
    const cuda_norm &bn2 = j.n.res_net4.bn2;
#pragma unroll
    for (int n = 0; n < W / 8; n++)
#pragma unroll
        for (int k = 0; k < 4; k++) {
            int c = n * 8 + (w.lane & 3) * 2 + (k & 1);
            y[n][k] = fmaxf(fmaf(bn2.scale[c], y[n][k], bn2.shift[c]), 0.f);
        }
    sum_rows<W>(y, w, warps_sums, pooled, [](int r, int q) { return r < CUDA_POOL && q < CUDA_POOL; });
    for (int k = (int)threadIdx.x; k < j.n.s.N; k += WARPS * 32) {
        float a = j.n.full_bias[k];
        for (int c = 0; c < j.n.s.C; c++)
            a = fmaf(j.n.full[k * j.n.s.C + c], pooled[c] / (float)(CUDA_POOL * CUDA_POOL), a);
        logits[k] = a;
        if (j.b.piece->logits)
            j.b.logits[(size_t)centre * (size_t)j.n.s.N + (size_t)k] = a;
    }
    __syncthreads();
    if (w.warp == 0)
        decide(j, logits, centre, w.lane);
}

template <class P, int W> __global__ void __launch_bounds__(WARPS * 32, W == CUDA_NARROW && P::BYTES == 2 ? 2 : 1) head(Job j)
{
    SHARED_MEMORY(char, memory);
    const int index = (int)blockIdx.x, side = j.n.s.P, inner = side - 2, tiles = (inner * inner + 15) / 16;
    if (index >= j.most || j.first + index >= *j.b.count)
        return;
    const Room<P, W> room(side);
    const int warp = (int)threadIdx.x >> 5;
    const Place w = {(int)threadIdx.x & 31, warp, inner, side, warp % tiles, tiles, warp < tiles};
    float y[W / 8][4];
    start<P, W>(y, j, w, memory, room, index);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < 2 * room.grid / 16; i += WARPS * 32)
        reinterpret_cast<uint4 *>(memory)[i] = make_uint4(0, 0, 0, 0);
    residual<P, W>(y, j, j.n.res_net3, w, memory, room);
    residual<P, W>(y, j, j.n.res_net4, w, memory, room);
    finish<P, W>(y, j, w, memory, room, j.b.patches[j.first + index]);
}

template <class P, int W> cudaError_t prepare(const cuda_shapes *s)
{
    return kernel_allow(head<P, W>, (size_t)Room<P, W>(s->P).end);
}

template <class P, int W> size_t memory_of(const cuda_shapes *s)
{
    return (size_t)Room<P, W>(s->P).end;
}

template <class P, int W>
cudaError_t launch(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    Job j = {*n, *b, first, l->group};
    return LAUNCH((head<P, W>), dim3((unsigned)l->group), dim3(WARPS * 32), (memory_of<P, W>(&n->s)), l->stream, j);
}

} // namespace

extern "C" size_t cuda_head_memory(const cuda_shapes *s, enum precision p)
{
    CUDA_CHOOSE(memory_of, s->W, p, s)
}

extern "C" cudaError_t cuda_head_prepare(const cuda_shapes *s, const cuda_launch *l)
{
    CUDA_CHOOSE(prepare, s->W, l->precision, s)
}

extern "C" cudaError_t cuda_head(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    CUDA_CHOOSE(launch, n->s.W, l->precision, n, b, l, first)
}
