/* test_matrix.cpp - the emulator's tensor-core instructions against scalar products and an independent statement of the
 * fragments' layout; ldmatrix; and mistakes with them.
 */
#include "tests/cuda/kernel_test.h"

using planted::expect;

namespace
{

/* ---- products --------------------------------------------------------------------------------------------------- */

/* The element of matrix a, b or d that value v of a lane is, as CUTLASS states it (SM80_16x8x16_F32F16F16F32_TN and
 * SM80_16x8x8_F32TF32TF32F32_TN in mma_traits_sm80.hpp): strides, not the emulator's formulas. a is m + 16 k, b is
 * n + 8 k, d is m + 16 n. */
__device__ int half_a(int lane, int v)
{
    return lane % 4 * 32 + lane / 4 + (v & 1) * 16 + (v >> 1 & 1) * 8 + (v >> 2) * 128;
}

__device__ int half_b(int lane, int v)
{
    return lane % 4 * 16 + lane / 4 + (v & 1) * 8 + (v >> 1) * 64;
}

__device__ int tf32_a(int lane, int v)
{
    return lane % 4 * 16 + lane / 4 + (v & 1) * 8 + (v >> 1) * 64;
}

__device__ int tf32_b(int lane, int v)
{
    return lane % 4 * 8 + lane / 4 + v * 32;
}

__device__ int sum_d(int lane, int v)
{
    return lane % 4 * 32 + lane / 4 + (v & 1) * 16 + (v >> 1) * 8;
}

struct HalfK16 {
    static constexpr int K = 16;
    static void multiply(float (&d)[4], const float *a, const float *b, int lane)
    {
        uint32_t x[4], y[2];
        for (int i = 0; i < 4; i++)
            x[i] = pack_half(a[half_a(lane, 2 * i)], a[half_a(lane, 2 * i + 1)]);
        for (int i = 0; i < 2; i++)
            y[i] = pack_half(b[half_b(lane, 2 * i)], b[half_b(lane, 2 * i + 1)]);
        mma_half_k16(d, x, y);
    }
};

struct HalfK8 {
    static constexpr int K = 8;
    static void multiply(float (&d)[4], const float *a, const float *b, int lane)
    {
        uint32_t x[2] = {pack_half(a[half_a(lane, 0)], a[half_a(lane, 1)]),
                         pack_half(a[half_a(lane, 2)], a[half_a(lane, 3)])};
        mma_half_k8(d, x, pack_half(b[half_b(lane, 0)], b[half_b(lane, 1)]));
    }
};

struct BfloatK16 {
    static constexpr int K = 16;
    static void multiply(float (&d)[4], const float *a, const float *b, int lane)
    {
        uint32_t x[4], y[2];
        for (int i = 0; i < 4; i++)
            x[i] = pack_bfloat16(a[half_a(lane, 2 * i)], a[half_a(lane, 2 * i + 1)]);
        for (int i = 0; i < 2; i++)
            y[i] = pack_bfloat16(b[half_b(lane, 2 * i)], b[half_b(lane, 2 * i + 1)]);
        mma_bfloat16_k16(d, x, y);
    }
};

struct BfloatK8 {
    static constexpr int K = 8;
    static void multiply(float (&d)[4], const float *a, const float *b, int lane)
    {
        uint32_t x[2] = {pack_bfloat16(a[half_a(lane, 0)], a[half_a(lane, 1)]),
                         pack_bfloat16(a[half_a(lane, 2)], a[half_a(lane, 3)])};
        mma_bfloat16_k8(d, x, pack_bfloat16(b[half_b(lane, 0)], b[half_b(lane, 1)]));
    }
};

template <bool Exact> struct FourBytes {
    static constexpr int K = 8;
    static void multiply(float (&d)[4], const float *a, const float *b, int lane)
    {
        uint32_t x[4], y[2];
        for (int i = 0; i < 4; i++)
            x[i] = __float_as_uint(a[tf32_a(lane, i)]);
        for (int i = 0; i < 2; i++)
            y[i] = __float_as_uint(b[tf32_b(lane, i)]);
        if (Exact)
            mma_float_k8(d, x, y);
        else
            mma_tf32_k8(d, x, y);
    }
};

struct WrongFragment {
    static constexpr int K = 16;
    static void multiply(float (&d)[4], const float *a, const float *b, int lane)
    {
        uint32_t x[4], y[2];
        for (int i = 0; i < 4; i++)
            x[i == 1 ? 2 : i == 2 ? 1 : i] = pack_half(a[half_a(lane, 2 * i)], a[half_a(lane, 2 * i + 1)]);
        for (int i = 0; i < 2; i++)
            y[i] = pack_half(b[half_b(lane, 2 * i)], b[half_b(lane, 2 * i + 1)]);
        mma_half_k16(d, x, y);
    }
};

template <class Form> __global__ void product_kernel(const float *a, const float *b, float *d)
{
    int lane = static_cast<int>(threadIdx.x % 32);
    a += blockIdx.x * 16 * Form::K;
    b += blockIdx.x * 8 * Form::K;
    d += blockIdx.x * 128;
    float sums[4];
    for (int v = 0; v < 4; v++)
        sums[v] = d[sum_d(lane, v)];
    Form::multiply(sums, a, b, lane);
    for (int v = 0; v < 4; v++)
        d[sum_d(lane, v)] = sums[v];
}

/* Small whole numbers: exact in every format, and so are their sums. */
float small(uint32_t &seed)
{
    seed = seed * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<int>(seed >> 16) % 33) - 16.f;
}

template <class Form> void product()
{
    const size_t blocks = 5, K = Form::K;
    Buffer<float> a(blocks * 16 * K), b(blocks * 8 * K), d(blocks * 128), want(blocks * 128);
    uint32_t seed = 1;
    for (size_t i = 0; i < a.size; i++)
        a[i] = small(seed);
    for (size_t i = 0; i < b.size; i++)
        b[i] = small(seed);
    for (size_t i = 0; i < d.size; i++)
        want[i] = d[i] = small(seed);
    for (size_t n = 0; n < blocks; n++)
        for (size_t i = 0; i < 128; i++)
            for (size_t k = 0; k < K; k++)
                want[n * 128 + i] += a[(n * K + k) * 16 + i % 16] * b[(n * K + k) * 8 + i / 16];
    go(blocks, 32, 0, product_kernel<Form>, a.at, b.at, d.at);
    for (size_t i = 0; i < d.size; i++)
        expect(d[i] == want[i], "the sums of the reference");
}

/* All halfs that are numbers come through a product with the unit matrix as they are. */
__global__ void halfs_kernel(float *out)
{
    int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
    unsigned first = blockIdx.x * 128;
    uint32_t a[2], b = t * 2 == g ? 0x3c00u : t * 2 + 1 == g ? 0x3c000000u : 0;
    for (int i = 0; i < 2; i++) {
        unsigned v = first + static_cast<unsigned>((g + 8 * i) * 8 + 2 * t);
        a[i] = v | (v + 1) << 16;
        if ((first & 0x7c00u) == 0x7c00u)
            a[i] = 0;
    }
    float d[4] = {0, 0, 0, 0};
    mma_half_k8(d, a, b);
    for (int i = 0; i < 4; i++)
        out[first + static_cast<unsigned>((g + i / 2 * 8) * 8 + 2 * t + i % 2)] = d[i];
}

void every_half_is_itself()
{
    Buffer<float> out(65536);
    go(512, 32, 0, halfs_kernel, out.at);
    for (unsigned i = 0; i < 65536; i++) {
        float want = __half2float(__ushort_as_half(static_cast<unsigned short>(i)));
        expect(out[i] == ((i & 0x7c00u) == 0x7c00u ? 0.f : want), "the value of the half");
    }
}

template <bool Bug> __global__ void tf32_kernel(float *out)
{
    float third = 1.f / 3.f, d[4] = {0, 0, 0, 0};
    uint32_t r = Bug ? __float_as_uint(third) : to_tf32(third), a[4] = {r, r, r, r}, b[2] = {r, r};
    mma_tf32_k8(d, a, b);
    out[threadIdx.x] = d[0];
}

template <bool Bug> void tf32_rounded()
{
    Buffer<float> out(32);
    go(1, 32, 0, tf32_kernel<Bug>, out.at);
    expect(fabsf(out[0] - 8.f / 9.f) < 1e-3f, "eight ninths");
}

/* ---- rows of shared memory -------------------------------------------------------------------------------------- */

template <int Matrices> __global__ void ldmatrix_kernel(uint32_t *out)
{
    SHARED_MEMORY(uint16_t, tile);
    int lane = static_cast<int>(threadIdx.x);
    for (int i = lane; i < 32 * 24; i += 32)
        tile[i] = static_cast<uint16_t>(i / 24 * 256 + i % 24);
    __syncthreads();
    uint32_t r[4];
    if constexpr (Matrices == 4) {
        ldmatrix_x4(r, tile + lane * 24);
    } else {
        uint32_t two[2];
        ldmatrix_x2(two, tile + lane % 16 * 24);
        r[0] = two[0], r[1] = two[1];
    }
    for (int i = 0; i < Matrices; i++)
        out[lane * 4 + i] = r[i];
}

template <int Matrices> void ldmatrix_gives_the_rows()
{
    Buffer<uint32_t> out(128);
    go(1, 32, 32 * 24 * 2, ldmatrix_kernel<Matrices>, out.at);
    for (unsigned l = 0; l < 32; l++)
        for (unsigned i = 0; i < Matrices; i++) {
            unsigned low = (8 * i + l / 4) * 256 + 2 * (l % 4);
            expect(out[l * 4 + i] == (low | (low + 1) << 16), "elements 2t and 2t + 1 of row g");
        }
}

using namespace planted;
const char *const REVERSE = "SPECTRAD_EMULATOR_ORDER=reverse", *const RANDOM = "SPECTRAD_EMULATOR_ORDER=random:7";

const Case CASES[] = {
    {"mma half k16 is the product", product<HalfK16>, ALL, nullptr, nullptr},
    {"mma half k16 is the product in random order", product<HalfK16>, ALL, nullptr, RANDOM},
    {"mma half k8 is the product", product<HalfK8>, ALL, nullptr, REVERSE},
    {"mma bfloat16 k16 is the product", product<BfloatK16>, ALL, nullptr, nullptr},
    {"mma bfloat16 k8 is the product", product<BfloatK8>, ALL, nullptr, nullptr},
    {"mma tf32 k8 is the product", product<FourBytes<false>>, ALL, nullptr, nullptr},
    {"mma float k8 is the product", product<FourBytes<true>>, ALL, nullptr, nullptr},
    {"mma half sees every half as it is", every_half_is_itself, ALL, nullptr, nullptr},
    {"fragment registers swapped", product<WrongFragment>, ALL, "expected: the sums", nullptr},
    {"tf32 operands rounded", tf32_rounded<false>, ALL, nullptr, nullptr},
    {"tf32 operands not rounded", tf32_rounded<true>, ALL, "not rounded to tf32", nullptr},
    {"ldmatrix x4 gives the rows", ldmatrix_gives_the_rows<4>, ALL, nullptr, nullptr},
    {"ldmatrix x2 gives the rows", ldmatrix_gives_the_rows<2>, ALL, nullptr, RANDOM},
};

} // namespace

int main()
{
    return run_all(CASES);
}
