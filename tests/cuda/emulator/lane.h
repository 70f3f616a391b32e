/* lane.h - a CUDA thread as its kernel sees it: who it is, and where it meets the others of its warp and block.
 *
 * Everything here is called by kernels, on a fiber of the running launch. The functions live in the core, which is
 * compiled without sanitizers: they move values between lanes, never through memory that a kernel can name.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cuda_runtime.h>
#include <type_traits>

namespace emulator
{

/* One CUDA thread. Written by the core. */
struct Lane {
    uint3 thread;                  /* threadIdx */
    int number;                    /* in the block */
    int warp, lane;                /* number / 32, number % 32 */
    const char *what;              /* the collective it waits in, */
    unsigned mask;                 /* with whom, */
    int line;                      /* and the line of the source that called it, 0 where unknown */
    unsigned group;                /* copy groups committed so far */
    unsigned first_copy, copy_end; /* its copies in flight: [first_copy, copy_end) of its queue */
};

/* Where the running block lies. */
struct Place {
    dim3 grid, block;
    uint3 index;
};

extern Lane *current; /* the CUDA thread that runs */
extern Place place;

/* Ends the process with status 99 and a message of what the current thread did. */
[[noreturn]] void fail(const char *what, int line = 0);

void *shared_memory();
void block_meet(int line);
void warp_meet(unsigned mask, int line);
unsigned warp_ballot(const char *what, unsigned mask, bool vote, int line);
/* The value that lane `source` of the warp brought; one's own where source is negative. */
uint64_t warp_shuffle(const char *what, unsigned mask, uint64_t bits, int source, int line);

template <class T> inline T shuffle(const char *what, unsigned mask, T v, int source, int line)
{
    static_assert(std::is_trivially_copyable<T>::value && sizeof(T) <= 8, "a shuffle moves up to eight bytes");
    uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    bits = warp_shuffle(what, mask, bits, source, line);
    std::memcpy(static_cast<void *>(&v), &bits, sizeof v);
    return v;
}

} // namespace emulator

constexpr int warpSize = 32;

inline void __syncthreads(int line = __builtin_LINE())
{
    emulator::block_meet(line);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE())
{
    emulator::warp_meet(mask, line);
}

/* Shuffles stay inside segments of `width` lanes; a source outside of the segment means one's own value. */
template <class T>
inline T __shfl_sync(unsigned mask, T v, int source, int width = warpSize, int line = __builtin_LINE())
{
    int first = emulator::current->lane & ~(width - 1);
    return emulator::shuffle("__shfl_sync", mask, v, first | (source & (width - 1)), line);
}

template <class T>
inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = warpSize, int line = __builtin_LINE())
{
    int source = emulator::current->lane ^ bits, last = emulator::current->lane | (width - 1);
    return emulator::shuffle("__shfl_xor_sync", mask, v, source <= last ? source : -1, line);
}

template <class T>
inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = warpSize, int line = __builtin_LINE())
{
    int source = emulator::current->lane + static_cast<int>(delta), last = emulator::current->lane | (width - 1);
    return emulator::shuffle("__shfl_down_sync", mask, v, source <= last ? source : -1, line);
}

template <class T>
inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = warpSize, int line = __builtin_LINE())
{
    int source = emulator::current->lane - static_cast<int>(delta), first = emulator::current->lane & ~(width - 1);
    return emulator::shuffle("__shfl_up_sync", mask, v, source >= first ? source : -1, line);
}

inline unsigned __ballot_sync(unsigned mask, int vote, int line = __builtin_LINE())
{
    return emulator::warp_ballot("__ballot_sync", mask, vote != 0, line);
}

inline int __any_sync(unsigned mask, int vote, int line = __builtin_LINE())
{
    return emulator::warp_ballot("__any_sync", mask, vote != 0, line) != 0;
}

inline int __all_sync(unsigned mask, int vote, int line = __builtin_LINE())
{
    return emulator::warp_ballot("__all_sync", mask, vote != 0, line) == mask;
}
