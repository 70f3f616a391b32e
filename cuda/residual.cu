/* residual.cu - a residual block of the spectral stage, whole patches:
 *
 *   x  = p + g q            (SHARED: res_net2 as published; p, q the entries of the patch's pixels)
 *   x  = u p + g q          (MIXED: res_net1 behind the attention of two layers; no bn0)
 *   x  = p                  (OWN: res_net2 behind it; p = out1 of the patch)
 *   z  = relu(bn0(x))       (MIXED: z = x)
 *   z1 = relu(bn1(relu(conv1(z))))
 *   y  = conv2(z1)
 *   out = gate y + x,       gate = sigmoid(eca(mean of y over the patch))
 *
 * Layout. The patch's spectra lie end to end, pitch rows each: `rows` flat rows. Every warp owns the same number of
 * runs of 80 consecutive rows, and slides through them with one slice of shared memory (spectral.cuh); the 6 rows that
 * two runs of a warp share stay in the slice. Pass 1 writes z1 to `middle`, which stays in L2; pass 2 reads it. Between
 * them lies the gate: y is linear in z1, so its mean follows from the sums of z1 that each tap sees,
 *
 *   mean y[o] = bias[o] + sum over tap, c of weight[o][tap][c] (sum z1[c] - the edge rows that tap does not meet) / (PPD)
 *
 * and y never waits for it. One block a patch, the grid strides over the patches of a chunk.
 */
#include "cuda/choose.cuh"
#include "cuda/kernels.h"
#include "cuda/spectral.cuh"

namespace {

enum Source { SHARED, MIXED, OWN };

struct Job {
    cuda_network n;
    cuda_buffers b;
    cuda_residual_block r;
    void *out;
    int first;     /* patch of the chunk's first */
    int most;      /* patches of a chunk */
    int runs;      /* a warp */
    int rows;
    uint32_t pitch_inverse; /* ceil(2^32 / pitch): f / pitch = f pitch_inverse >> 32 for f < 2^16 */
};

/* The block's shared memory, in bytes from its beginning. */
template <class P, int W> struct Room {
    int slices, parts, vectors, bias, sums, entries, end;
    __host__ __device__ Room(int warps, int positions)
    {
        typedef Spectral<P, W> S;
        slices = 0;
        parts = slices + warps * S::SLICE_ROWS * S::ROW;       /* (warps, PER_VECTOR, 32) float: sums of z1 by lane */
        vectors = parts + warps * P::PER_VECTOR * 32 * 4;      /* (4, VECTORS): u, g, bn0 scale, bn0 shift */
        bias = vectors + 4 * S::ROW;                           /* (5, W) float: conv1, conv2, bn1 scale, shift, gate */
        sums = bias + 5 * W * 4;                               /* (warps + 6 + 7 + 1, W) float */
        entries = sums + (warps + 14) * W * 4;                 /* (positions) first row of each entry */
        end = entries + (positions + 3) / 4 * 16;
    }
};

struct Place {
    int inside; /* a row of a spectrum, not of the gap */
    int position, d;
};

__device__ __forceinline__ Place place_of(const Job &j, int row)
{
    int position = (int)((uint64_t)(uint32_t)row * j.pitch_inverse >> 32), d = row - position * j.n.s.pitch;
    return {row >= 0 && row < j.rows && d < j.n.s.D, position, d};
}

/* x of one vector. */
template <class P, Source SOURCE>
__device__ __forceinline__ uint4 mix(const uint4 &p, const uint4 &q, const uint4 *vectors, int width, int v)
{
    if (SOURCE == OWN)
        return p;
    uint4 x = p;
    if (SOURCE == MIXED)
        x = P::fma(p, vectors[v], make_uint4(0, 0, 0, 0));
    return P::fma(q, vectors[width + v], x);
}

/* One warp's view of its block. */
template <class P, int W, Source SOURCE> struct Warp {
    typedef Spectral<P, W> S;
    const Job &j;
    int lane, row0, v; /* this lane copies vector v of rows row0, row0 + ROWS_A_STEP, ... */
    bool copies;
    char *slice;
    const uint4 *vectors;
    const uint32_t *entries;
    const uint4 *p, *q;
    uint4 *middle; /* of the block; row 0 is flat row 0 */

    __device__ __forceinline__ uint4 &at(int slice_row) const
    {
        return reinterpret_cast<uint4 *>(slice)[slice_row * S::VECTORS + v];
    }

    /* x of flat row f, zeros in the gaps. */
    __device__ __forceinline__ uint4 x_of(int f, bool &inside) const
    {
        Place o = place_of(j, f);
        inside = o.inside;
        if (!o.inside)
            return make_uint4(0, 0, 0, 0);
        size_t from = ((size_t)entries[o.position] + (size_t)o.d) * S::VECTORS + (size_t)v;
        uint4 first = p[from], second = SOURCE == OWN ? first : q[from];
        return mix<P, SOURCE>(first, second, vectors, S::VECTORS, v);
    }

    /* Slice rows from..to become z of flat rows f + from - 3 and on. */
    __device__ __forceinline__ void assemble(int f, int from, int to) const
    {
        if (!copies)
            return;
#pragma unroll 1
        for (int r = from + row0; r < to; r += S::ROWS_A_STEP) {
            bool inside;
            uint4 x = x_of(f + r - CUDA_GAP, inside);
            if (SOURCE != MIXED && inside)
                x = P::fma_relu(x, vectors[2 * S::VECTORS + v], vectors[3 * S::VECTORS + v]);
            at(r) = x;
        }
    }

    /* The same rows of z1, from memory. */
    __device__ __forceinline__ void fetch(int f, int from, int to) const
    {
        if (copies)
            for (int r = from + row0; r < to; r += S::ROWS_A_STEP)
                copy_async_16(&at(r), middle + (f + r - CUDA_GAP) * S::VECTORS + v, 16);
        copy_commit();
        copy_wait<0>();
    }

    /* z1 of a run goes to memory, its sums to `part`. */
    __device__ __forceinline__ void put_middle(int f, float *part) const
    {
        float sums[P::PER_VECTOR] = {};
        if (!copies)
            return;
        for (int r = row0; r < CUDA_RUN_ROWS; r += S::ROWS_A_STEP) {
            uint4 x = place_of(j, f + r).inside ? at(r) : make_uint4(0, 0, 0, 0);
            if (f + r < j.rows)
                middle[(f + r) * S::VECTORS + v] = x;
            add_vector<P>(sums, x);
        }
#pragma unroll
        for (int i = 0; i < P::PER_VECTOR; i++)
            part[32 * i] += sums[i];
    }

    /* out = gate y + x of a run. */
    __device__ __forceinline__ void put_out(int f, const float *gate, uint4 *out) const
    {
        if (!copies)
            return;
        uint4 g = vector_of<P>(gate, v);
#pragma unroll 2
        for (int r = row0; r < CUDA_RUN_ROWS; r += S::ROWS_A_STEP) {
            bool inside;
            uint4 x = x_of(f + r, inside);
            Place o = place_of(j, f + r);
            if (inside)
                out[(size_t)(o.position * j.n.s.D + o.d) * S::VECTORS + v] = P::fma(at(r), g, x);
        }
    }

    /* The last 6 rows of a run's slice are the first of the next. They are moved before the convolution overwrites
     * none of them: outputs 0..79 lie in slice rows 0..79, inputs 80..85 are still there. */
    __device__ __forceinline__ void carry() const
    {
        const int words = (CUDA_TAPS - 1) * S::VECTORS;
        uint4 *rows = reinterpret_cast<uint4 *>(slice);
        for (int i = lane; i < words; i += 32)
            rows[i] = rows[CUDA_RUN_ROWS * S::VECTORS + i];
    }
};

/* Sums over the positions of the three first and three last rows of z1: edge (6, W); row 3 + i is D - 3 + i. */
template <class P, int W>
__device__ __forceinline__ void sum_edges(const Job &j, const uint4 *middle, float *edge)
{
    typedef Spectral<P, W> S;
    for (int i = (int)threadIdx.x; i < 6 * S::VECTORS; i += (int)blockDim.x) {
        int row = i / S::VECTORS, v = i % S::VECTORS, d = row < 3 ? row : j.n.s.D - 6 + row;
        float sums[P::PER_VECTOR] = {};
        if (d >= 0 && d < j.n.s.D)
            for (int position = 0; position < j.n.s.P * j.n.s.P; position++)
                add_vector<P>(sums, middle[(size_t)(position * j.n.s.pitch + d) * S::VECTORS + v]);
        for (int k = 0; k < P::PER_VECTOR; k++)
            edge[row * W + v * P::PER_VECTOR + k] = sums[k];
    }
}

/* The gate from the warps' sums. sums: (warps, W) of z1, then room for edges (6, W), taps (7, W), mean (W). */
template <class P, int W>
__device__ __forceinline__ void find_gate(const Job &j, const uint4 *middle, float *sums, int warps, const float *bias,
                                          float *gate)
{
    float *edge = sums + warps * W, *tap = edge + 6 * W, *mean = tap + CUDA_TAPS * W;
    int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5;
    sum_edges<P, W>(j, middle, edge);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < CUDA_TAPS * W; i += (int)blockDim.x) {
        int t = i / W, c = i % W;
        float a = 0.f;
        for (int w = 0; w < warps; w++)
            a += sums[w * W + c];
        /* tap t multiplies z1[d + t - 3]: t < 3 never meets the last 3 - t rows, t > 3 never the first t - 3 */
        for (int k = t < 3 ? 3 + t : 0; k < (t < 3 ? 6 : t - 3); k++)
            a -= edge[k * W + c];
        tap[i] = a;
    }
    __syncthreads();
    for (int o = warp; o < W; o += warps) {
        float a = 0.f;
        for (int k = lane; k < CUDA_TAPS * W; k += 32)
            a = fmaf(j.r.conv2_plain[o * CUDA_TAPS * W + k], tap[k], a);
        for (int step = 16; step > 0; step /= 2)
            a += __shfl_xor_sync(0xffffffffu, a, step);
        if (lane == 0)
            mean[o] = a / (float)(j.n.s.P * j.n.s.P * j.n.s.D) + bias[o];
    }
    __syncthreads();
    for (int c = (int)threadIdx.x; c < W; c += (int)blockDim.x) {
        float a = j.r.gate[1] * mean[c];
        if (c > 0)
            a = fmaf(j.r.gate[0], mean[c - 1], a);
        if (c + 1 < j.n.s.C)
            a = fmaf(j.r.gate[2], mean[c + 1], a);
        gate[c] = c < j.n.s.C ? 1.f / (1.f + expf(-a)) : 0.f;
    }
    __syncthreads();
}

/* First row of the entry of each position, and the vectors of the patch. */
template <class P, int W, Source SOURCE>
__device__ __forceinline__ void look_up(const Job &j, int index, uint32_t *entries, uint4 *vectors)
{
    typedef Spectral<P, W> S;
    int P1 = j.n.s.P - 1, columns = j.b.piece->columns, wide = columns + P1;
    int centre = j.b.patches[j.first + index], line = centre / columns, column = centre % columns;
    for (int i = (int)threadIdx.x; i < j.n.s.P * j.n.s.P; i += (int)blockDim.x) {
        int a = i / j.n.s.P, c = i % j.n.s.P;
        int place = 3 * (a == 0 ? 0 : a == P1 ? 2 : 1) + (c == 0 ? 0 : c == P1 ? 2 : 1);
        int entry = SOURCE == OWN ? index * j.n.s.P * j.n.s.P + i : CUDA_ENTRIES * ((line + a) * wide + column + c) + place;
        entries[i] = (uint32_t)(entry * j.n.s.D);
    }
    for (int i = (int)threadIdx.x; SOURCE != OWN && i < 2 * S::VECTORS; i += (int)blockDim.x) {
        const void *from = i < S::VECTORS ? j.b.u : j.b.g;
        vectors[i] = static_cast<const uint4 *>(from)[(size_t)(j.first + index) * S::VECTORS + i % S::VECTORS];
    }
}

template <class P, int W, Source SOURCE> __global__ void __launch_bounds__(32 * CUDA_MOST_WARPS(W), 1) residual(Job j)
{
    typedef Spectral<P, W> S;
    SHARED_MEMORY(char, memory);
    const int warps = (int)blockDim.x >> 5, warp = (int)threadIdx.x >> 5, lane = (int)threadIdx.x & 31;
    const Room<P, W> room(warps, j.n.s.P * j.n.s.P);
    float *parts = reinterpret_cast<float *>(memory + room.parts) + warp * P::PER_VECTOR * 32 + lane;
    uint4 *vectors = reinterpret_cast<uint4 *>(memory + room.vectors);
    float *bias = reinterpret_cast<float *>(memory + room.bias), *gate = bias + 4 * W;
    float *sums = reinterpret_cast<float *>(memory + room.sums);
    uint32_t *entries = reinterpret_cast<uint32_t *>(memory + room.entries);
    uint4 *middle = static_cast<uint4 *>(j.b.middle) +
                    ((size_t)blockIdx.x * (size_t)(warps * j.runs * CUDA_RUN_ROWS + 6) + CUDA_GAP) * S::VECTORS;
    const Warp<P, W, SOURCE> w = {j,
                                  lane,
                                  lane / S::VECTORS,
                                  lane % S::VECTORS,
                                  lane / S::VECTORS < S::ROWS_A_STEP,
                                  memory + warp * S::SLICE_ROWS * S::ROW,
                                  vectors,
                                  entries,
                                  static_cast<const uint4 *>(SOURCE == OWN ? j.b.out1 : j.b.p),
                                  static_cast<const uint4 *>(j.b.q),
                                  middle};
    const int begin = warp * j.runs * CUDA_RUN_ROWS;

    for (int i = (int)threadIdx.x; i < W; i += (int)blockDim.x) {
        bias[i] = j.r.conv1.bias[i];
        bias[W + i] = j.r.conv2.bias[i];
        bias[2 * W + i] = j.r.bn1.scale[i];
        bias[3 * W + i] = j.r.bn1.shift[i];
    }
    for (int i = (int)threadIdx.x; SOURCE != MIXED && i < S::VECTORS; i += (int)blockDim.x) {
        vectors[2 * S::VECTORS + i] = vector_of<P>(j.r.bn0.scale, i);
        vectors[3 * S::VECTORS + i] = vector_of<P>(j.r.bn0.shift, i);
    }
    const int patches = min(j.most, *j.b.count - j.first);
    for (int index = (int)blockIdx.x; index < patches; index += (int)gridDim.x) {
        look_up<P, W, SOURCE>(j, index, entries, vectors);
        __syncthreads();
        {
            typename S::Weights weights;
            Epilogue<P, S::TILES> e;
            weights.load(j.r.conv1.weight, lane);
            for (int i = 0; i < P::PER_VECTOR; i++)
                parts[32 * i] = 0.f;
            w.assemble(begin, 0, CUDA_TAPS - 1);
#pragma unroll 1
            for (int run = 0; run < j.runs; run++) {
                int f = begin + run * CUDA_RUN_ROWS;
                w.assemble(f, CUDA_TAPS - 1, S::SLICE_ROWS);
                __syncwarp();
                e.load_bias(bias, lane);
                e.load_norm(bias + 2 * W, bias + 3 * W, lane);
                convolve_slice<P, W, true>(w.slice, CUDA_RUN_ROWS / 16, weights, e, lane);
                __syncwarp();
                w.put_middle(f, parts);
                __syncwarp();
                w.carry();
                __syncwarp();
            }
            const float *all = parts - lane;
            for (int c = lane; c < W; c += 32) {
                float a = 0.f;
                for (int r = 0; r < S::ROWS_A_STEP; r++)
                    a += all[c % P::PER_VECTOR * 32 + c / P::PER_VECTOR + r * S::VECTORS];
                sums[warp * W + c] = a;
            }
        }
        __syncthreads();
        find_gate<P, W>(j, middle, sums, warps, bias + W, gate);
        {
            typename S::Weights weights;
            Epilogue<P, S::TILES> e;
            weights.load(j.r.conv2.weight, lane);
            uint4 *out = static_cast<uint4 *>(j.out) +
                         (size_t)index * (size_t)(j.n.s.P * j.n.s.P * j.n.s.D) * S::VECTORS;
            w.fetch(begin, 0, CUDA_TAPS - 1);
#pragma unroll 1
            for (int run = 0; run < j.runs; run++) {
                int f = begin + run * CUDA_RUN_ROWS;
                w.fetch(f, CUDA_TAPS - 1, S::SLICE_ROWS);
                __syncwarp();
                e.load_bias(bias + W, lane);
                convolve_slice<P, W, false>(w.slice, CUDA_RUN_ROWS / 16, weights, e, lane);
                __syncwarp();
                w.put_out(f, gate, out);
                __syncwarp();
                w.carry();
                __syncwarp();
            }
        }
        __syncthreads();
    }
}

template <class P, int W, Source SOURCE>
cudaError_t launch(const cuda_network *n, const cuda_buffers *b, const cuda_residual_block *r, void *out,
                   const cuda_launch *l, int first)
{
    const cuda_shapes &s = n->s;
    const Room<P, W> room(l->warps, s.P * s.P);
    int rows = s.P * s.P * s.pitch - CUDA_GAP;
    Job j = {*n, *b, *r, out, first, l->group, 0, rows, 0};
    j.runs = (rows + l->warps * CUDA_RUN_ROWS - 1) / (l->warps * CUDA_RUN_ROWS);
    j.pitch_inverse = (uint32_t)(((1ull << 32) + (uint64_t)s.pitch - 1) / (uint64_t)s.pitch);
    return LAUNCH((residual<P, W, SOURCE>), dim3((unsigned)l->blocks), dim3((unsigned)l->warps * 32),
                  (size_t)room.end, l->stream, j);
}

template <class P, int W>
cudaError_t published(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    return launch<P, W, SHARED>(n, b, &n->res_net2, b->out2, l, first);
}

template <class P, int W>
cudaError_t attended(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    cudaError_t e = launch<P, W, MIXED>(n, b, &n->res_net1, b->out1, l, first);
    return e != cudaSuccess ? e : launch<P, W, OWN>(n, b, &n->res_net2, b->out2, l, first);
}

template <class P, int W> size_t memory_of(const cuda_shapes *s, int warps)
{
    return (size_t)Room<P, W>(warps, s->P * s->P).end;
}

template <class P, int W> cudaError_t prepare(const cuda_shapes *s, const cuda_launch *l)
{
    size_t bytes = memory_of<P, W>(s, l->warps);
    if (!s->distinct_attention)
        return kernel_allow(residual<P, W, SHARED>, bytes);
    cudaError_t e = kernel_allow(residual<P, W, MIXED>, bytes);
    return e != cudaSuccess ? e : kernel_allow(residual<P, W, OWN>, bytes);
}

} // namespace

extern "C" size_t cuda_residual_memory(const cuda_shapes *s, enum precision p, int warps)
{
    CUDA_CHOOSE(memory_of, s->W, p, s, warps)
}

extern "C" size_t cuda_residual_rows(const cuda_shapes *s, int warps)
{
    int rows = s->P * s->P * s->pitch - CUDA_GAP, step = warps * CUDA_RUN_ROWS;
    return (size_t)((rows + step - 1) / step * step + 2 * CUDA_GAP);
}

extern "C" cudaError_t cuda_residual_prepare(const cuda_shapes *s, const cuda_launch *l)
{
    CUDA_CHOOSE(prepare, s->W, l->precision, s, l)
}

extern "C" cudaError_t cuda_residual(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l, int first)
{
    if (n->s.distinct_attention) {
        CUDA_CHOOSE(attended, n->s.W, l->precision, n, b, l, first)
    }
    CUDA_CHOOSE(published, n->s.W, l->precision, n, b, l, first)
}
