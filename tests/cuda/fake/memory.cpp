/* memory.cpp - device and pinned memory.
 *
 * Each allocation lies on pages of its own that end at a forbidden page, at an address that is never used again: so
 * that what runs past it, and what comes after cudaFree, ends the program. New memory is full of NaN.
 */
#include "tests/cuda/emulator/copy.h"
#include "tests/cuda/fake/state.h"
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace fake
{
namespace
{
constexpr size_t ARENA_BYTES = size_t(256) << 30; /* of addresses */
char *arena;
size_t arena_used;
int windows;

size_t page()
{
    static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

const char *explain(const void *at)
{
    const char *byte = static_cast<const char *>(at);
    if (!arena || byte < arena || byte >= arena + ARENA_BYTES)
        return nullptr;
    return "touches device memory that it may not: not its own side's, past an allocation's end, or freed";
}

void protect(int how)
{
    for (const auto &entry : state().device_memory)
        if (mprotect(entry.second.pages, entry.second.page_bytes, how))
            die("mprotect failed");
}

/* Pages for so many bytes, which end at the returned pages' end but for alignment to 256. */
bool map(size_t bytes, Allocation *out, char **at)
{
    if (!arena) {
        void *all = mmap(nullptr, ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED)
            die("no addresses for device memory");
        arena = static_cast<char *>(all);
    }
    emulator::watch_faults(explain);
    size_t rounded = (bytes + 255) / 256 * 256, on_pages = (rounded + page() - 1) / page() * page();
    if (arena_used + on_pages + page() > ARENA_BYTES)
        die("all addresses are used up: %zu GiB were allocated in this process", ARENA_BYTES >> 30);
    out->pages = arena + arena_used;
    out->page_bytes = on_pages;
    arena_used += on_pages + page();
    *at = out->pages + on_pages - rounded;
    return mprotect(out->pages, on_pages, PROT_READ | PROT_WRITE) == 0;
}

/* The allocation whose first byte is the last at or before `at`. */
template <class Map> typename Map::iterator before(Map &all, const void *at)
{
    auto after = all.upper_bound(static_cast<char *>(const_cast<void *>(at)));
    return after == all.begin() ? all.end() : std::prev(after);
}
} // namespace

size_t device_memory_in_use(int device)
{
    size_t sum = 0;
    for (const auto &entry : state().device_memory)
        if (entry.second.device == device)
            sum += entry.second.bytes;
    return sum;
}

Window::Window()
{
    if (windows++ == 0)
        protect(PROT_READ | PROT_WRITE);
}

Window::~Window()
{
    if (--windows == 0)
        protect(PROT_NONE);
}

/* So `windows` is 0 whenever nobody holds the lock, and each thread finds its own again. */
Shutter::Shutter() : shut(windows)
{
    if (shut)
        protect(PROT_NONE);
    windows = 0;
}

Shutter::~Shutter()
{
    windows = shut;
    if (shut)
        protect(PROT_READ | PROT_WRITE);
}

bool on_device(const void *at, size_t bytes, const char *what)
{
    const char *first = static_cast<const char *>(at);
    if (!arena || first < arena || first >= arena + ARENA_BYTES)
        return false;
    auto found = before(state().device_memory, at);
    if (found == state().device_memory.end() || first >= found->second.pages + found->second.page_bytes)
        die("%s touches device memory that was freed", what);
    if (first + bytes > found->first + found->second.bytes)
        die("%s runs past a device allocation of %zu bytes", what, found->second.bytes);
    return true;
}

bool is_pinned(const void *at, size_t bytes)
{
    auto found = before(state().pinned_memory, at);
    return found != state().pinned_memory.end() &&
           static_cast<const char *>(at) + bytes <= found->first + found->second;
}
} // namespace fake

using namespace fake;

extern "C" cudaError_t cudaMalloc(void **out, size_t bytes)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused() || c.forbidden_by_capture())
        return c.end();
    State &s = state();
    *out = nullptr;
    if (!bytes)
        return c.end();
    Allocation a = {bytes, current_device(), nullptr, 0};
    if (device_memory_in_use(a.device) + bytes > s.switches.memory)
        return c.end(cudaErrorMemoryAllocation);
    char *at;
    if (!map(bytes, &a, &at))
        return c.end(cudaErrorMemoryAllocation);
    std::memset(a.pages, 0xff, a.page_bytes);
    ASAN_POISON_MEMORY_REGION(a.pages, a.page_bytes + page());
    ASAN_UNPOISON_MEMORY_REGION(at, bytes);
    if (!windows)
        mprotect(a.pages, a.page_bytes, PROT_NONE);
    s.device_memory[at] = a;
    s.counters.allocations++;
    *out = at;
    return c.end();
}

extern "C" cudaError_t cudaFree(void *at)
{
    Call c;
    if (c.refused_to_release() || c.forbidden_by_capture())
        return c.end();
    if (!at)
        return c.end();
    State &s = state();
    auto found = s.device_memory.find(static_cast<char *>(at));
    if (found == s.device_memory.end())
        die("cudaFree of what is not, or no longer, allocated");
    if (!c.refused())
        finish_device(c);
    s.counters.device_syncs++;
    count_wait(FAKE_CUDA_SYNC_DEVICE, nullptr, nullptr);
    Allocation a = found->second;
    s.device_memory.erase(found);
    ASAN_POISON_MEMORY_REGION(a.pages, a.page_bytes);
    mprotect(a.pages, a.page_bytes, PROT_NONE);
    madvise(a.pages, a.page_bytes, MADV_DONTNEED);
    return c.end();
}

extern "C" cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused() || c.forbidden_by_capture())
        return c.end();
    void *at = nullptr;
    if (posix_memalign(&at, 64, bytes ? bytes : 1))
        return c.end(cudaErrorMemoryAllocation);
    std::memset(at, 0xff, bytes);
    state().pinned_memory[static_cast<char *>(at)] = bytes;
    state().counters.allocations++;
    *out = at;
    return c.end();
}

extern "C" cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    return cudaHostAlloc(out, bytes, cudaHostAllocDefault);
}

extern "C" cudaError_t cudaFreeHost(void *at)
{
    Call c;
    if (c.refused_to_release() || c.forbidden_by_capture())
        return c.end();
    if (!at)
        return c.end();
    if (!state().pinned_memory.count(static_cast<char *>(at)))
        die("cudaFreeHost of what is not, or no longer, pinned");
    if (!c.refused())
        finish_device(c);
    state().counters.device_syncs++;
    count_wait(FAKE_CUDA_SYNC_DEVICE, nullptr, nullptr);
    state().pinned_memory.erase(static_cast<char *>(at));
    std::free(at);
    return c.end();
}
