/* device_functions.h - CUDA's functions on numbers, bits and memory, for kernels that run on the host.
 *
 * The conversions of __half and __nv_bfloat16 come from CUDA's own headers, which give them to host compilers too.
 * Fast functions (__expf) are the exact ones here: a test's tolerance must allow for what the device makes of them.
 */
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <math.h>

namespace emulator
{
template <class To, class From> inline To same_bits(From v)
{
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To r;
    std::memcpy(&r, &v, sizeof r);
    return r;
}
} // namespace emulator

inline unsigned __float_as_uint(float v)
{
    return emulator::same_bits<unsigned>(v);
}

inline float __uint_as_float(unsigned v)
{
    return emulator::same_bits<float>(v);
}

inline int __float_as_int(float v)
{
    return emulator::same_bits<int>(v);
}

inline float __int_as_float(int v)
{
    return emulator::same_bits<float>(v);
}

inline float __expf(float v)
{
    return expf(v);
}

inline float __logf(float v)
{
    return logf(v);
}

inline float rsqrtf(float v)
{
    return 1.f / sqrtf(v);
}

inline float __frcp_rn(float v)
{
    return 1.f / v;
}

inline float __fdividef(float a, float b)
{
    return a / b;
}

inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}

inline float __fadd_rn(float a, float b)
{
    return a + b;
}

inline float __fmul_rn(float a, float b)
{
    return a * b;
}

inline float __saturatef(float v)
{
    return v > 0.f ? fminf(v, 1.f) : 0.f; /* NaN is 0 */
}

inline int __float2int_rn(float v)
{
    return static_cast<int>(rintf(v));
}

inline int __popc(unsigned v)
{
    return __builtin_popcount(v);
}

inline int __clz(int v)
{
    return v ? __builtin_clz(static_cast<unsigned>(v)) : 32;
}

inline int __ffs(int v)
{
    return __builtin_ffs(v);
}

inline unsigned __umulhi(unsigned a, unsigned b)
{
    return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32);
}

/* min and max of CUDA: as fminf and fmaxf for floats, a NaN loses. */
#define EMULATOR_MIN_MAX(type, smaller, larger)                                                                        \
    inline type min(type a, type b)                                                                                    \
    {                                                                                                                  \
        return smaller(a, b);                                                                                          \
    }                                                                                                                  \
    inline type max(type a, type b)                                                                                    \
    {                                                                                                                  \
        return larger(a, b);                                                                                           \
    }
EMULATOR_MIN_MAX(int, std::min, std::max)
EMULATOR_MIN_MAX(unsigned, std::min, std::max)
EMULATOR_MIN_MAX(long, std::min, std::max)
EMULATOR_MIN_MAX(unsigned long, std::min, std::max)
EMULATOR_MIN_MAX(long long, std::min, std::max)
EMULATOR_MIN_MAX(unsigned long long, std::min, std::max)
EMULATOR_MIN_MAX(float, fminf, fmaxf)
EMULATOR_MIN_MAX(double, fmin, fmax)
#undef EMULATOR_MIN_MAX

template <class T> inline T __ldg(const T *from)
{
    return *from;
}

/* Orders memory on the device; a block here runs to its end before the next begins. */
inline void __threadfence()
{
}

inline void __threadfence_block()
{
}

/* Atomics are relaxed, as CUDA's are: the thread sanitizer takes no order from them. */
inline int atomicAdd(int *at, int v)
{
    return __atomic_fetch_add(at, v, __ATOMIC_RELAXED);
}

inline unsigned atomicAdd(unsigned *at, unsigned v)
{
    return __atomic_fetch_add(at, v, __ATOMIC_RELAXED);
}

inline float atomicAdd(float *at, float v)
{
    int *bits = reinterpret_cast<int *>(at);
    int old = __atomic_load_n(bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(bits, &old, __float_as_int(__int_as_float(old) + v), false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
    return __int_as_float(old);
}

inline int atomicMax(int *at, int v)
{
    int old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (old < v && !__atomic_compare_exchange_n(at, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}
