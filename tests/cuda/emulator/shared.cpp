/* shared.cpp - the shared memory of the running block: fresh for each block, exactly sized, full of NaN.
 *
 * With a sanitizer it comes from malloc, whose edges the sanitizer watches. Without one it ends where a forbidden page
 * begins, so that what runs past it ends the program (within the 16 bytes to which its size is rounded, it does not).
 */
#include "tests/cuda/emulator/core.h"
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

namespace emulator
{
namespace
{
char *memory;
size_t memory_bytes;

#if defined(EMULATOR_ASAN) || defined(EMULATOR_TSAN)
/* Under the thread sanitizer the memory belongs to a thread of its own: if the host allocated it, its blocks would be
 * ordered by allocating and freeing. */
Fiber keeper;
char shared_is_there;

char *take(size_t bytes)
{
    void *at = nullptr;
    fiber_imagine(keeper);
    fiber_pretend(keeper);
    if (posix_memalign(&at, 16, bytes))
        std::abort();
    std::memset(at, 0xff, bytes); /* the keeper's doing too: the sanitizer sees memset wherever it is called */
    fiber_pretend(block.host);
    fiber_release(keeper, &shared_is_there, block.host);
    for (int i = 0; i < block.threads; i++)
        fiber_acquire(fiber_of(lanes[i]), &shared_is_there, block.host);
    return static_cast<char *>(at);
}

void give_back()
{
    fiber_acquire(keeper, &launch_ends, block.host);
    fiber_pretend(keeper);
    std::free(memory);
    fiber_pretend(block.host);
    fiber_forget(keeper);
}
#else
constexpr size_t MOST_BYTES = 1 << 20, GUARD_BYTES = 4096;

char *take(size_t bytes)
{
    static char *end;
    if (!end) {
        void *at = mmap(nullptr, MOST_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            std::abort();
        end = static_cast<char *>(at) + MOST_BYTES;
        if (mprotect(end, GUARD_BYTES, PROT_NONE))
            std::abort();
    }
    char *at = end - (bytes + 15) / 16 * 16;
    std::memset(at, 0xff, bytes);
    return at;
}

void give_back()
{
}
#endif
} // namespace

void shared_open(size_t bytes)
{
    memory = bytes ? take(bytes) : nullptr;
    memory_bytes = bytes;
}

void shared_close()
{
    if (memory)
        give_back();
    memory = nullptr;
}

void *shared_memory()
{
    if (!memory)
        fail("asks for shared memory, and was launched with none");
    return memory;
}

void shared_expect_row(const char *what, const void *at)
{
    char text[96];
    const char *wrong = nullptr;
    uintptr_t first = reinterpret_cast<uintptr_t>(memory), row = reinterpret_cast<uintptr_t>(at);
    if (!memory || row < first || row - first + 16 > memory_bytes)
        wrong = "outside of the block's shared memory";
    else if (row % 16)
        wrong = "at an address that is no multiple of 16";
    if (!wrong)
        return;
    std::snprintf(text, sizeof text, "%s 16 bytes %s", what, wrong);
    fail(text);
}

} // namespace emulator
