/* mma.cpp - the products of the tensor cores. The last lane of a warp to come computes for all 32.
 *
 * Products of two halfs, bfloat16s or tf32s are exact in float32, so it makes no difference that one of the two forms
 * below fuses multiply and add. A device sums in another order and truncates: tests need a tolerance.
 */
#include "tests/cuda/emulator/core.h"
#include "tests/cuda/emulator/matrix.h"
#include <cuda_fp16.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target("avx2,fma,f16c")))
#endif

namespace emulator
{
namespace
{
typedef float Row __attribute__((vector_size(32))); /* the eight columns of b and d */

struct Operands {
    float a[16][16];
    Row b[16];
};

inline __attribute__((always_inline)) void multiply_add(const Operands &o, Exchange &x, int k)
{
    Row *d = reinterpret_cast<Row *>(x.d);
    for (int m = 0; m < 16; m += 4) { /* four sums at once, or each addition would wait for the last */
        Row d0 = d[m], d1 = d[m + 1], d2 = d[m + 2], d3 = d[m + 3];
        for (int i = 0; i < k; i++) {
            d0 += o.a[m][i] * o.b[i];
            d1 += o.a[m + 1][i] * o.b[i];
            d2 += o.a[m + 2][i] * o.b[i];
            d3 += o.a[m + 3][i] * o.b[i];
        }
        d[m] = d0, d[m + 1] = d1, d[m + 2] = d2, d[m + 3] = d3;
    }
}

inline void set_column(Operands &o, int first_row, int column, const float *eight)
{
    for (int i = 0; i < 8; i++)
        o.b[first_row + i][column] = eight[i];
}

/* 16-bit operands: the four lanes of a group g hold eight neighbours in k of row g of a, and of column g of b.
 * `eight` makes eight floats of four registers. */
template <void (*eight)(const uint32_t *, float *)> void gather(Operands &o, const Exchange &x, int k)
{
    for (int i = 0; i < k / 4; i++)
        for (int g = 0; g < 8; g++)
            eight(x.a[i] + 4 * g, o.a[g + 8 * (i & 1)] + 8 * (i >> 1));
    for (int i = 0; i < k / 8; i++)
        for (int g = 0; g < 8; g++) {
            float column[8];
            eight(x.b[i] + 4 * g, column);
            set_column(o, 8 * i, g, column);
        }
}

void eight_bfloat16(const uint32_t *pairs, float *out)
{
    for (int i = 0; i < 4; i++) {
        uint32_t low = pairs[i] << 16, high = pairs[i] & 0xffff0000u;
        std::memcpy(out + 2 * i, &low, 4);
        std::memcpy(out + 2 * i + 1, &high, 4);
    }
}

const float *half_table()
{
    static float table[65536];
    for (unsigned i = 0; i < 65536; i++)
        table[i] = __half2float(__ushort_as_half(static_cast<unsigned short>(i)));
    return table;
}

void eight_half(const uint32_t *pairs, float *out)
{
    static const float *table = half_table();
    for (int i = 0; i < 4; i++) {
        out[2 * i] = table[pairs[i] & 0xffff];
        out[2 * i + 1] = table[pairs[i] >> 16];
    }
}

/* tf32: rows and columns as matrix.h says. Infinities and NaNs of any kind may pass: they are results, not mistakes. */
void gather_tf32(Operands &o, const Exchange &x)
{
    for (int l = 0; l < LANES; l++) {
        int g = l / 4, t = l % 4;
        for (int i = 0; i < 4; i++)
            std::memcpy(&o.a[g + 8 * (i & 1)][t + 4 * (i >> 1)], &x.a[i][l], 4);
        for (int i = 0; i < 2; i++) {
            float v;
            std::memcpy(&v, &x.b[i][l], 4);
            o.b[t + 4 * i][g] = v;
        }
    }
}

template <int K, void (*eight)(const uint32_t *, float *)> void product(Warp &w, unsigned)
{
    Operands o;
    gather<eight>(o, w.exchange, K);
    multiply_add(o, w.exchange, K);
}

void product_tf32(Warp &w, unsigned)
{
    Operands o;
    gather_tf32(o, w.exchange);
    multiply_add(o, w.exchange, 8);
}

typedef void (*Product)(Warp &, unsigned);
struct Products {
    Product half16, half8, bfloat16, bfloat8, tf32;
};

#if defined(WIDE)
/* The same for processors with 256-bit vectors and conversions of half. */
template <int K> WIDE void product_half_wide(Warp &w, unsigned)
{
    const Exchange &x = w.exchange;
    Operands o;
    for (int i = 0; i < K / 4; i++)
        for (int g = 0; g < 8; g++) {
            __m128i halfs = _mm_load_si128(reinterpret_cast<const __m128i *>(x.a[i] + 4 * g));
            _mm256_storeu_ps(o.a[g + 8 * (i & 1)] + 8 * (i >> 1), _mm256_cvtph_ps(halfs));
        }
    for (int i = 0; i < K / 8; i++)
        for (int g = 0; g < 8; g++) {
            float column[8];
            __m128i halfs = _mm_load_si128(reinterpret_cast<const __m128i *>(x.b[i] + 4 * g));
            _mm256_storeu_ps(column, _mm256_cvtph_ps(halfs));
            set_column(o, 8 * i, g, column);
        }
    multiply_add(o, w.exchange, K);
}

template <int K> WIDE void product_bfloat16_wide(Warp &w, unsigned)
{
    Operands o;
    gather<eight_bfloat16>(o, w.exchange, K);
    multiply_add(o, w.exchange, K);
}

WIDE void product_tf32_wide(Warp &w, unsigned)
{
    Operands o;
    gather_tf32(o, w.exchange);
    multiply_add(o, w.exchange, 8);
}
#endif

Products choose()
{
#if defined(WIDE)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) /* then f16c too, whose name clang 14 lacks */
        return {product_half_wide<16>, product_half_wide<8>, product_bfloat16_wide<16>, product_bfloat16_wide<8>,
                product_tf32_wide};
#endif
    return {product<16, eight_half>, product<8, eight_half>, product<16, eight_bfloat16>, product<8, eight_bfloat16>,
            product_tf32};
}

const Products products = choose();

/* One lane's part: brings its fragments, and takes its four sums. */
void mma(const char *what, float (&d)[4], const uint32_t *a, int as, const uint32_t *b, int bs, Product product)
{
    Exchange &x = warps[current->warp].exchange;
    int l = current->lane, g = l / 4, t = l % 4;
    for (int i = 0; i < as; i++)
        x.a[i][l] = a[i];
    for (int i = 0; i < bs; i++)
        x.b[i][l] = b[i];
    std::memcpy(&x.d[g][2 * t], d, 8);
    std::memcpy(&x.d[g + 8][2 * t], d + 2, 8);
    meet(what, ALL_LANES, 0, product);
    std::memcpy(d, &x.d[g][2 * t], 8);
    std::memcpy(d + 2, &x.d[g + 8][2 * t], 8);
}

void expect_tf32(uint32_t v)
{
    if ((v & 0x1fff) && (v & 0x7f800000u) != 0x7f800000u)
        fail("an operand of mma.tf32 that was not rounded to tf32");
}
} // namespace

void mma_half(float (&d)[4], const uint32_t *a, const uint32_t *b, int k)
{
    if (k == 16)
        mma("mma.m16n8k16.f16", d, a, 4, b, 2, products.half16);
    else
        mma("mma.m16n8k8.f16", d, a, 2, b, 1, products.half8);
}

void mma_bfloat16(float (&d)[4], const uint32_t *a, const uint32_t *b, int k)
{
    if (k == 16)
        mma("mma.m16n8k16.bf16", d, a, 4, b, 2, products.bfloat16);
    else
        mma("mma.m16n8k8.bf16", d, a, 2, b, 1, products.bfloat8);
}

void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
    for (uint32_t v : a)
        expect_tf32(v);
    for (uint32_t v : b)
        expect_tf32(v);
    mma("mma.m16n8k8.tf32", d, a, 4, b, 2, products.tf32);
}

void mma_float(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
    mma("mma_float_k8", d, a, 4, b, 2, products.tf32);
}

} // namespace emulator
