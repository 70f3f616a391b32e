/* schedule.cpp - runs one block: its threads as fibers that go on until they meet others, and the two meetings there
 * are: the barrier of the block, and collectives of a warp.
 *
 * A thread that must wait switches straight to the next one that can run. When none can, someone waits for what cannot
 * happen: the kernel's mistake.
 */
#include "tests/cuda/emulator/core.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace emulator
{

Lane *current;
Place place;
Block block;
Warp warps[MOST_WARPS];
Lane lanes[MOST_THREADS];
char launch_begins, launch_ends;

namespace
{
/* Under the thread sanitizer neighbouring blocks have different threads, or the order in which we run them would hide
 * their races; blocks as far apart as there are sets are taken for ordered. A thread costs the sanitizer a millisecond
 * to make, so large blocks have two sets. Elsewhere one does. */
constexpr int MOST_SETS = FIBERS_HAVE_ORDER ? 4 : 1;
Fiber fibers[MOST_SETS][MOST_THREADS];
int set;

int next_set(int threads)
{
    return (set + 1) % (threads > 128 ? std::min(MOST_SETS, 2) : MOST_SETS);
}

void now_ready(Warp &w, unsigned mask)
{
    w.ready |= mask;
    block.ready_warps |= 1u << (&w - warps);
}

void not_ready(Warp &w, unsigned mask)
{
    w.ready &= ~mask;
    if (!w.ready)
        block.ready_warps &= ~(1u << (&w - warps));
}

[[noreturn]] void fail_as(Lane &l, const char *what)
{
    current = &l;
    fail(what, l.line);
}

/* Lane l waits for its mask's lanes: what keeps the first one that is not there? */
[[noreturn]] void explain(Lane &l)
{
    const Warp &w = warps[l.warp];
    char text[160];
    for (int i = 0; i < LANES; i++) {
        unsigned bit = 1u << i;
        const Lane &other = lanes[LANES * l.warp + i];
        if (!(l.mask & bit))
            continue;
        const char *why = nullptr;
        if (w.exited & bit)
            why = "has exited";
        else if (w.at_barrier & bit)
            why = "stands at __syncthreads";
        else if (std::strcmp(other.what, l.what))
            why = other.what;
        else if (other.mask != l.mask)
            why = "has another mask";
        if (!why)
            continue;
        std::snprintf(text, sizeof text, "%s waits for lane %d, which %s%s", l.what, i,
                      why == other.what ? "is in " : "", why);
        fail_as(l, text);
    }
    fail_as(l, "waits for ever");
}

/* No thread can run, and some have not exited. */
[[noreturn]] void stall()
{
    for (int w = 0; w < block.warps; w++)
        if (warps[w].meeting)
            explain(lanes[LANES * w + __builtin_ctz(warps[w].meeting)]);
    for (int w = 0; w < block.warps; w++)
        if (warps[w].at_barrier)
            fail_as(lanes[LANES * w + __builtin_ctz(warps[w].at_barrier)],
                    "__syncthreads waits for threads that have exited (divergent barrier)");
    fail("nobody can go on");
}

Lane &next()
{
    if (!block.ready_warps)
        stall();
    return order_next();
}

/* Lets another thread run, until the current one is ready and chosen again. */
void yield()
{
    Lane &me = *current, &other = next();
    if (&other == &me)
        return;
    current = &other;
    fiber_switch(fiber_of(me), fiber_of(other));
}

/* Where every fiber begins. */
void thread_begins()
{
    Lane &me = *current;
    fiber_entered(fiber_of(me));
    block.launch->body();
    if (copies_in_flight(me))
        fail("exits with copies that it never waited for");
    fiber_release(fiber_of(me), &launch_ends, fiber_of(me));
    Warp &w = warps[me.warp];
    not_ready(w, 1u << me.lane);
    w.exited |= 1u << me.lane;
    if (++block.exited == block.threads) {
        current = nullptr;
        fiber_leave(fiber_of(me), block.host);
    }
    current = &next();
    fiber_leave(fiber_of(me), fiber_of(*current));
}

void expect_same_collective(const Warp &w, unsigned mask, Lane &me)
{
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        const Lane &other = lanes[LANES * (&w - warps) + __builtin_ctz(rest)];
        if (other.mask != mask || (other.what != me.what && std::strcmp(other.what, me.what)))
            explain(me);
    }
}

void expect_same_barrier()
{
    for (int i = 0; i < block.threads; i++)
        if (lanes[i].line != lanes[0].line)
            fail_as(lanes[i], "waits at another __syncthreads than thread 0 (divergent barrier)");
}

void lane_ready(int number)
{
    Lane &l = lanes[number];
    const dim3 &shape = place.block;
    unsigned n = static_cast<unsigned>(number);
    l = Lane();
    l.thread = {n % shape.x, n / shape.x % shape.y, n / shape.x / shape.y};
    l.number = number;
    l.warp = number / LANES;
    l.lane = number % LANES;
    fiber_start(fiber_of(l), thread_begins);
    fiber_acquire(fiber_of(l), &launch_begins, block.host);
}
} // namespace

Fiber &fiber_of(const Lane &l)
{
    return fibers[set][&l - lanes];
}

void fail(const char *what, int line)
{
    const uint3 &b = place.index;
    std::fflush(stdout);
    std::fprintf(stderr, "emulator: %s block (%u,%u,%u)", block.launch ? block.launch->name : "no kernel", b.x, b.y,
                 b.z);
    if (current)
        std::fprintf(stderr, " thread (%u,%u,%u), warp %d lane %d", current->thread.x, current->thread.y,
                     current->thread.z, current->warp, current->lane);
    if (line)
        std::fprintf(stderr, ", line %d", line);
    std::fprintf(stderr, ": %s\n", what);
    std::fflush(stderr);
    _exit(99); /* destructors have no business on a fiber */
}

void meet(const char *what, unsigned mask, int line, void (*finish)(Warp &, unsigned))
{
    Lane &me = *current;
    Warp &w = warps[me.warp];
    me.what = what;
    me.mask = mask;
    me.line = line;
    if (!(mask >> me.lane & 1))
        fail("calls a collective whose mask does not name it", line);
    if (mask & ~w.exists)
        fail("the mask names lanes that do not exist", line);
    not_ready(w, 1u << me.lane);
    w.meeting |= 1u << me.lane;
    if ((w.meeting & mask) == mask) {
        expect_same_collective(w, mask, me);
        finish(w, mask);
        w.meeting &= ~mask;
        now_ready(w, mask);
    }
    yield();
}

Meeting *meeting_enter(Meeting *m)
{
    if (!FIBERS_HAVE_ORDER)
        return nullptr;
    if (!m) {
        m = static_cast<Meeting *>(std::malloc(sizeof *m));
        m->inside = 0;
    }
    m->inside++;
    fiber_release(fiber_of(*current), m, fiber_of(*current));
    return m;
}

void meeting_leave(Meeting *m)
{
    if (!m)
        return;
    fiber_acquire(fiber_of(*current), m, fiber_of(*current));
    if (!--m->inside)
        std::free(m);
}

void warp_meet(unsigned mask, int line)
{
    Warp &w = warps[current->warp];
    unsigned there = w.meeting & mask;
    Meeting *m = meeting_enter(there ? w.meetings[__builtin_ctz(there)] : nullptr);
    w.meetings[current->lane] = m;
    meet("__syncwarp", mask, line, [](Warp &, unsigned) {});
    meeting_leave(m);
    w.meetings[current->lane] = nullptr;
}

void block_meet(int line)
{
    Lane &me = *current;
    me.line = line;
    not_ready(warps[me.warp], 1u << me.lane);
    warps[me.warp].at_barrier |= 1u << me.lane;
    Meeting *m = block.meeting = meeting_enter(block.meeting);
    if (++block.at_barrier == block.threads) {
        expect_same_barrier();
        block.meeting = nullptr;
        block.at_barrier = 0;
        for (int w = 0; w < block.warps; w++) {
            warps[w].at_barrier = 0;
            now_ready(warps[w], warps[w].exists);
        }
    }
    yield();
    meeting_leave(m);
}

void block_run()
{
    block.threads = static_cast<int>(place.block.x * place.block.y * place.block.z);
    set = next_set(block.threads);
    block.warps = (block.threads + LANES - 1) / LANES;
    block.exited = block.at_barrier = 0;
    block.ready_warps = 0;
    block.meeting = nullptr;
    for (int i = 0; i < block.threads; i++)
        lane_ready(i);
    shared_open(block.launch->bytes);
    for (int w = 0; w < block.warps; w++) {
        int here = block.threads - LANES * w;
        warps[w].exists = here >= LANES ? ALL_LANES : (1u << here) - 1;
        warps[w].meeting = warps[w].at_barrier = warps[w].exited = 0;
        warps[w].ready = 0;
        std::fill_n(warps[w].meetings, LANES, nullptr);
        now_ready(warps[w], warps[w].exists);
    }
    current = &next();
    fiber_switch(block.host, fiber_of(*current));
    shared_close();
}

} // namespace emulator
