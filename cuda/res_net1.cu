/* res_net1.cu - the published network's first residual block up to its gate, once for each entry:
 *
 *   q = conv2(relu(bn1(relu(conv1(p)))))        along the spectrum; bn2 is folded into conv2
 *   sums[c] = sum over d of q[c][d]             from which each patch finds the gate
 *
 * One warp an entry, in segments of at most 112 rows: the segment's rows and 6 more on either side are loaded, conv1
 * makes 3 more on either side than are wanted, conv2 the rows themselves, all in place (spectral.cuh). Rows beyond the
 * spectrum's ends are zeros before each of the two.
 */
#include "cuda/choose.cuh"
#include "cuda/kernels.h"
#include "cuda/spectral.cuh"

namespace {

struct Job {
    cuda_network n;
    cuda_buffers b;
    int pixels;
};

enum { SEGMENT = 112, REACH = 2 * CUDA_GAP };

template <class P, int W> struct Segment {
    typedef Spectral<P, W> S;
    static constexpr int ROWS = (SEGMENT + REACH + 15) / 16 * 16 + REACH; /* of the slice */
    static constexpr int BYTES = ROWS * S::ROW;
};

/* The warp's sums of the vectors that its lanes added up, by channel, to `to` (W). room: 32 PER_VECTOR floats. */
template <class P, int W>
__device__ __forceinline__ void reduce(const float (&sums)[P::PER_VECTOR], float *room, float *to, int lane)
{
    typedef Spectral<P, W> S;
#pragma unroll
    for (int i = 0; i < P::PER_VECTOR; i++)
        room[i * 32 + lane] = sums[i];
    __syncwarp();
    for (int c = lane; c < W; c += 32) {
        float a = 0.f;
        for (int r = 0; r < S::ROWS_A_STEP; r++)
            a += room[c % P::PER_VECTOR * 32 + c / P::PER_VECTOR + r * S::VECTORS];
        to[c] = a;
    }
    __syncwarp();
}

template <class P, int W> __global__ void __launch_bounds__(256) res_net1(Job j)
{
    typedef Spectral<P, W> S;
    SHARED_MEMORY(char, memory);
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5, warps = (int)blockDim.x >> 5;
    const int row0 = lane / S::VECTORS, v = lane % S::VECTORS, D = j.n.s.D;
    const bool copies = row0 < S::ROWS_A_STEP;
    char *slice = memory + warp * Segment<P, W>::BYTES;
    uint4 *rows = reinterpret_cast<uint4 *>(slice);
    const uint4 zero = make_uint4(0, 0, 0, 0);
    typename S::Weights weights;
    Epilogue<P, S::TILES> e;

    for (int entry = (int)blockIdx.x * warps + warp; entry < j.pixels * CUDA_ENTRIES; entry += (int)gridDim.x * warps) {
        if (!j.b.seen[entry / CUDA_ENTRIES])
            continue;
        const uint4 *p = static_cast<const uint4 *>(j.b.p) + (size_t)entry * (size_t)D * S::VECTORS;
        uint4 *q = static_cast<uint4 *>(j.b.q) + (size_t)entry * (size_t)D * S::VECTORS;
        float sums[P::PER_VECTOR] = {};
        for (int d0 = 0; d0 < D; d0 += SEGMENT) {
            int n = min(SEGMENT, D - d0), first = (n + REACH + 15) / 16, second = (n + 15) / 16;
            for (int r = row0; copies && r < first * 16 + REACH; r += S::ROWS_A_STEP) {
                int d = d0 - REACH + r;
                rows[r * S::VECTORS + v] = d >= 0 && d < D ? p[(size_t)d * S::VECTORS + v] : zero;
            }
            __syncwarp();
            weights.load(j.n.res_net1.conv1.weight, lane);
            e.load_bias(j.n.res_net1.conv1.bias, lane);
            e.load_norm(j.n.res_net1.bn1.scale, j.n.res_net1.bn1.shift, lane);
            convolve_slice<P, W, true>(slice, first, weights, e, lane);
            __syncwarp();
            for (int r = row0; copies && r < n + REACH; r += S::ROWS_A_STEP) {
                int d = d0 - CUDA_GAP + r;
                if (d < 0 || d >= D)
                    rows[r * S::VECTORS + v] = zero;
            }
            __syncwarp();
            weights.load(j.n.res_net1.conv2.weight, lane);
            e.load_bias(j.n.res_net1.conv2.bias, lane);
            convolve_slice<P, W, false>(slice, second, weights, e, lane);
            __syncwarp();
            for (int r = row0; copies && r < n; r += S::ROWS_A_STEP) {
                uint4 x = rows[r * S::VECTORS + v];
                q[(size_t)(d0 + r) * S::VECTORS + v] = x;
                add_vector<P>(sums, x);
            }
            __syncwarp();
        }
        reduce<P, W>(sums, reinterpret_cast<float *>(slice), j.b.sums + (size_t)entry * W, lane);
    }
}

template <class P, int W> size_t memory_of(int warps)
{
    return (size_t)warps * Segment<P, W>::BYTES;
}

template <class P, int W> cudaError_t prepare(const cuda_launch *l)
{
    return kernel_allow(res_net1<P, W>, memory_of<P, W>(l->entry_warps));
}

template <class P, int W> cudaError_t launch(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    Job j = {*n, *b, l->pixels};
    int blocks = (l->pixels * CUDA_ENTRIES + l->entry_warps - 1) / l->entry_warps;
    return LAUNCH((res_net1<P, W>), dim3((unsigned)blocks), dim3((unsigned)l->entry_warps * 32),
                  (memory_of<P, W>(l->entry_warps)), l->stream, j);
}

/* With two attention layers: the sums of A + B. One warp an entry. */
template <class P, int W> __global__ void __launch_bounds__(256) sum_entries(Job j)
{
    typedef Spectral<P, W> S;
    SHARED_MEMORY(float, memory);
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5, warps = (int)blockDim.x >> 5;
    const int row0 = lane / S::VECTORS, v = lane % S::VECTORS, D = j.n.s.D;
    const int entry = (int)blockIdx.x * warps + warp;
    if (entry >= j.pixels * CUDA_ENTRIES || !j.b.seen[entry / CUDA_ENTRIES])
        return;
    const size_t first = (size_t)entry * (size_t)D * S::VECTORS + (size_t)v;
    float sums[P::PER_VECTOR] = {};
    for (int d = row0; row0 < S::ROWS_A_STEP && d < D; d += S::ROWS_A_STEP) {
        add_vector<P>(sums, static_cast<const uint4 *>(j.b.p)[first + (size_t)d * S::VECTORS]);
        add_vector<P>(sums, static_cast<const uint4 *>(j.b.q)[first + (size_t)d * S::VECTORS]);
    }
    reduce<P, W>(sums, memory + warp * 32 * P::PER_VECTOR, j.b.sums + (size_t)entry * W, lane);
}

template <class P, int W> cudaError_t launch_sums(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    Job j = {*n, *b, l->pixels};
    return LAUNCH((sum_entries<P, W>), dim3((unsigned)(l->pixels * CUDA_ENTRIES + 7) / 8), dim3(256),
                  (size_t)(8 * 32 * P::PER_VECTOR) * sizeof(float), l->stream, j);
}

} // namespace

extern "C" size_t cuda_entry_memory(const cuda_shapes *s, enum precision p, int warps)
{
    CUDA_CHOOSE(memory_of, s->W, p, warps)
}

extern "C" cudaError_t cuda_entry_prepare(const cuda_shapes *s, const cuda_launch *l)
{
    CUDA_CHOOSE(prepare, s->W, l->precision, l)
}

extern "C" cudaError_t cuda_entry_sums(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    if (n->s.distinct_attention) {
        CUDA_CHOOSE(launch_sums, n->s.W, l->precision, n, b, l)
    }
    CUDA_CHOOSE(launch, n->s.W, l->precision, n, b, l)
}
