/* mix.cu - with what weights a patch mixes the two planes of its entries: x = u p + g q.
 *
 * As published p = V, q = res_net1 before its gate:
 *   u = 1, g = sigmoid(eca(mean of q over the patch))
 * With two attention layers p = A, q = B, and s is the mean of A + B over the patch:
 *   z = relu(conv_se s + bias),  (g, u) = softmax over the branches of (conv_ex_3x3 z + bias, conv_ex_1x1 z + bias)
 * The means are sums over the entries of the patch (entry sums / (P P D)). One block a patch, all in float32.
 */
#include "cuda/choose.cuh"
#include "cuda/kernels.h"
#include "cuda/tile.cuh"

namespace {

struct Job {
    cuda_network n;
    cuda_buffers b;
};

/* mean[c] of the patch around centre pixel `centre`. */
template <int W> __device__ __forceinline__ void find_mean(const Job &j, int centre, float *mean)
{
    const int P = j.n.s.P, columns = j.b.piece->columns, wide = columns + P - 1;
    const int line = centre / columns, column = centre % columns;
    for (int c = (int)threadIdx.x; c < W; c += (int)blockDim.x) {
        float a = 0.f;
        for (int i = 0; i < P; i++)
            for (int k = 0; k < P; k++) {
                int place = 3 * (i == 0 ? 0 : i == P - 1 ? 2 : 1) + (k == 0 ? 0 : k == P - 1 ? 2 : 1);
                size_t entry = (size_t)((line + i) * wide + column + k) * CUDA_ENTRIES + (size_t)place;
                a += j.b.sums[entry * W + (size_t)c];
            }
        mean[c] = a / (float)(P * P * j.n.s.D);
    }
}

__device__ __forceinline__ float dense(const float *weight, const float *bias, int row, const float *x, int count)
{
    float a = bias[row];
    for (int i = 0; i < count; i++)
        a = fmaf(weight[(size_t)row * (size_t)count + (size_t)i], x[i], a);
    return a;
}

__device__ __forceinline__ float sigmoid(float x)
{
    return 1.f / (1.f + expf(-x));
}

/* u[c], g[c] of channel c; zeros behind C, where the entries are zeros too. */
__device__ __forceinline__ void attend(const cuda_network &n, const float *squeezed, int c, float &u, float &g)
{
    float a3 = dense(n.conv_ex_3x3, n.conv_ex_3x3_bias, c, squeezed, n.s.S);
    float a1 = dense(n.conv_ex_1x1, n.conv_ex_1x1_bias, c, squeezed, n.s.S);
    g = sigmoid(a3 - a1);
    u = sigmoid(a1 - a3);
}

__device__ __forceinline__ float gate_of(const cuda_network &n, const float *mean, int c)
{
    float a = n.res_net1.gate[1] * mean[c];
    if (c > 0)
        a = fmaf(n.res_net1.gate[0], mean[c - 1], a);
    if (c + 1 < n.s.C)
        a = fmaf(n.res_net1.gate[2], mean[c + 1], a);
    return sigmoid(a);
}

template <class P, int W> __global__ void __launch_bounds__(64) mix(Job j)
{
    SHARED_MEMORY(float, memory); /* mean (W), u (W), g (W), squeezed (S) */
    float *mean = memory, *u = mean + W, *g = u + W, *squeezed = g + W;
    const int index = (int)blockIdx.x;
    if (index >= *j.b.count)
        return;
    find_mean<W>(j, j.b.patches[index], mean);
    __syncthreads();
    for (int s = (int)threadIdx.x; j.n.s.distinct_attention && s < j.n.s.S; s += (int)blockDim.x)
        squeezed[s] = fmaxf(dense(j.n.conv_se, j.n.conv_se_bias, s, mean, j.n.s.C), 0.f);
    __syncthreads();
    for (int c = (int)threadIdx.x; c < W; c += (int)blockDim.x) {
        u[c] = g[c] = 0.f;
        if (c < j.n.s.C && j.n.s.distinct_attention)
            attend(j.n, squeezed, c, u[c], g[c]);
        else if (c < j.n.s.C) {
            u[c] = 1.f;
            g[c] = gate_of(j.n, mean, c);
        }
    }
    __syncthreads();
    for (int v = (int)threadIdx.x; v < W / P::PER_VECTOR; v += (int)blockDim.x) {
        size_t to = (size_t)index * (W / P::PER_VECTOR) + (size_t)v;
        static_cast<uint4 *>(j.b.u)[to] = vector_of<P>(u, v);
        static_cast<uint4 *>(j.b.g)[to] = vector_of<P>(g, v);
    }
}

template <class P, int W> cudaError_t launch(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    Job j = {*n, *b};
    return LAUNCH((mix<P, W>), dim3((unsigned)l->centres), dim3(64), (size_t)(3 * W + n->s.S) * sizeof(float),
                  l->stream, j);
}

} // namespace

extern "C" cudaError_t cuda_mix(const cuda_network *n, const cuda_buffers *b, const cuda_launch *l)
{
    CUDA_CHOOSE(launch, n->s.W, l->precision, n, b, l)
}
