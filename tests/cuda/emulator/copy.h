/* copy.h - cp.async: copies of 16 bytes that land in shared memory when they are waited for.
 *
 * A copy reads its source and writes its destination in copy_wait, as late as CUDA may. Until then the destination is
 * NaN, and under the address sanitizer forbidden to touch. This file is part of the kernel's translation unit, so that
 * the sanitizers see both accesses as the thread's own.
 */
#pragma once
#include <cstdint>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATOR_SEES_ADDRESSES 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define EMULATOR_SEES_ADDRESSES 1
#endif
#if defined(EMULATOR_SEES_ADDRESSES)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at))
#endif

namespace emulator
{

typedef uint32_t __attribute__((may_alias)) Word;

struct Copy {
    void *to;
    const void *from;
    int valid;
    unsigned group;
};

/* The core's queue of the current thread's copies. */
void copy_queue(void *to, const void *from, int valid);
void copy_commit();
/* Takes out the oldest copy that a wait for all but `newest` groups completes; false if none is left. */
bool copy_take(unsigned newest, Copy *out);

/* Starts a copy of `valid` bytes, 0 to 16; the rest of the 16 become zeros. */
inline void copy_start(void *to, const void *from, int valid)
{
    copy_queue(to, from, valid);
    for (int i = 0; i < 4; i++)
        static_cast<Word *>(to)[i] = 0xffffffffu;
    ASAN_POISON_MEMORY_REGION(to, 16);
}

inline void copy_land(const Copy &c)
{
    ASAN_UNPOISON_MEMORY_REGION(c.to, 16);
    for (int i = 0; i < 4; i++)
        static_cast<Word *>(c.to)[i] = c.valid >= 4 * i + 4 ? static_cast<const Word *>(c.from)[i] : 0;
    for (int i = c.valid & ~3; i < c.valid; i++)
        static_cast<unsigned char *>(c.to)[i] = static_cast<const unsigned char *>(c.from)[i];
}

inline void copy_wait(int newest)
{
    Copy c;
    while (copy_take(static_cast<unsigned>(newest), &c))
        copy_land(c);
}

} // namespace emulator
