/* launch.cpp - a launch from the call to its last block; what the imitated device allows.
 *
 * Locks: `turn` for the length of a launch, `facts_lock` for the small things below it, also inside of turn.
 */
#include "tests/cuda/emulator/core.h"
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

namespace emulator
{

cudaError_t (*queue)(Launch &&l, cudaStream_t stream);

namespace
{
std::mutex turn, facts_lock;

struct Facts {
    size_t shared;
    std::string order;  /* words; read at the next launch, when changed */
    bool order_changed; /* from what the scheduler has */
    std::map<const void *, size_t> allowed;
};
Facts *made; /* by the first to ask, never destroyed: launches may come from destructors */

/* With facts_lock held. (A static variable's own guard would be invisible to the thread sanitizer here.) */
Facts &facts()
{
    if (!made) {
        const char *bytes = std::getenv("SPECTRAD_EMULATOR_SHARED"), *words = std::getenv("SPECTRAD_EMULATOR_ORDER");
        made = new Facts{bytes ? std::strtoul(bytes, nullptr, 10) : 232448, words ? words : "forward", true, {}};
    }
    return *made;
}

const char *shape_error(const dim3 &grid, const dim3 &threads)
{
    uint64_t count = static_cast<uint64_t>(threads.x) * threads.y * threads.z;
    if (!count || count > MOST_THREADS || threads.z > 64)
        return "a block has 1 to 1024 threads, of which 64 in z";
    if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        return "a grid has 1 to 2147483647 x 65535 x 65535 blocks";
    return nullptr;
}

void refuse(const Launch &l, const char *why)
{
    std::fprintf(stderr, "emulator: launch of %s, grid (%u,%u,%u), block (%u,%u,%u), %zu bytes: %s\n", l.name, l.grid.x,
                 l.grid.y, l.grid.z, l.block.x, l.block.y, l.block.z, l.bytes, why);
}

void take_order()
{
    std::lock_guard<std::mutex> hold(facts_lock);
    Facts &f = facts();
    if (f.order_changed)
        order_set(f.order.c_str());
    f.order_changed = false;
}
} // namespace

void set_order(const char *words)
{
    std::lock_guard<std::mutex> hold(facts_lock);
    Facts &f = facts();
    f.order = words;
    f.order_changed = true;
}

void set_shared_limit(size_t bytes)
{
    std::lock_guard<std::mutex> hold(facts_lock);
    facts().shared = bytes;
}

size_t shared_limit()
{
    std::lock_guard<std::mutex> hold(facts_lock);
    return facts().shared;
}

cudaError_t check(const Launch &l, size_t allowed)
{
    if (const char *why = shape_error(l.grid, l.block)) {
        refuse(l, why);
        return cudaErrorInvalidConfiguration;
    }
    if (l.bytes > shared_limit()) {
        refuse(l, "more shared memory than the device gives a block");
        return cudaErrorInvalidValue;
    }
    if (l.bytes > SHARED_WITHOUT_ASKING && l.bytes > allowed) {
        refuse(l, "more than 48 KiB of shared memory, and more than cudaFuncSetAttribute allowed");
        return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

void run(const Launch &l)
{
    std::lock_guard<std::mutex> hold(turn);
    take_order();
    watch_faults(nullptr);
    block.launch = &l;
    place.grid = l.grid;
    place.block = l.block;
    fiber_adopt(block.host);
    fiber_release(block.host, &launch_begins, block.host);
    uint64_t count = static_cast<uint64_t>(l.grid.x) * l.grid.y * l.grid.z;
    order_blocks(count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t b = order_block(i);
        place.index = {static_cast<unsigned>(b % l.grid.x), static_cast<unsigned>(b / l.grid.x % l.grid.y),
                       static_cast<unsigned>(b / l.grid.x / l.grid.y)};
        block_run();
    }
    fiber_acquire(block.host, &launch_ends, block.host);
    block.launch = nullptr;
}

cudaError_t submit(Launch &&l, cudaStream_t stream)
{
    if (queue)
        return queue(std::move(l), stream);
    size_t allowed;
    {
        std::lock_guard<std::mutex> hold(facts_lock);
        allowed = facts().allowed[l.kernel];
    }
    cudaError_t e = check(l, allowed);
    if (e == cudaSuccess)
        run(l);
    return e;
}

} // namespace emulator

/* For programs without a fake runtime, whose own function takes the place of this one. */
extern "C" __attribute__((weak)) cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute what, int value)
{
    if (what != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<size_t>(value) > emulator::shared_limit())
        return cudaErrorInvalidValue;
    std::lock_guard<std::mutex> hold(emulator::facts_lock);
    emulator::facts().allowed[kernel] = static_cast<size_t>(value);
    return cudaSuccess;
}
