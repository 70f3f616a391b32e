/* core.h - what the files of the core share: the running block, its warps and its threads.
 *
 * One launch runs at a time (launch.cpp holds the lock), so all of this is one set of variables, touched by the host
 * thread of that launch alone. The core holds no containers that kernels may use too: the linker would keep one copy
 * of their functions, perhaps the instrumented one, and the thread sanitizer would see fibers race in our bookkeeping.
 */
#pragma once
#include "tests/cuda/emulator/copy.h"
#include "tests/cuda/emulator/fiber.h"
#include "tests/cuda/emulator/lane.h"
#include "tests/cuda/emulator/launch.h"

namespace emulator
{

enum { LANES = 32, MOST_WARPS = 32, MOST_THREADS = LANES * MOST_WARPS };
constexpr unsigned ALL_LANES = 0xffffffffu;

/* What lanes bring to a collective and take from it. The last lane to come does the work for all. */
struct Exchange {
    uint64_t bits[LANES];
    int source[LANES];
    const void *row[LANES], *rows[LANES][4];
    alignas(32) uint32_t a[4][LANES];
    alignas(32) uint32_t b[2][LANES];
    alignas(32) float d[16][8];
};

/* Under the thread sanitizer: what those who meet did happens before what they do next. A meeting is an address of its
 * own, from malloc; one used again would order its lanes after those of the meeting before. */
struct Meeting {
    int inside; /* who came and has not gone on; the last one frees it */
};
Meeting *meeting_enter(Meeting *m); /* NULL: a new one */
void meeting_leave(Meeting *m);

/* Sets of lanes. A lane that exists is in exactly one of the other four, the running one in `ready`. */
struct Warp {
    unsigned exists, ready, meeting, at_barrier, exited;
    Meeting *meetings[LANES]; /* of lanes in __syncwarp */
    Exchange exchange;
};

struct Block {
    const Launch *launch;
    int threads, warps;
    int exited, at_barrier;
    unsigned ready_warps; /* those with ready lanes */
    Meeting *meeting;     /* of the threads at the barrier */
    Fiber host;           /* the stack of the host thread that launched */
};

extern Block block;
extern Warp warps[MOST_WARPS];
extern Lane lanes[MOST_THREADS];

/* schedule.cpp */
Fiber &fiber_of(const Lane &l);
void block_run(); /* place and block.launch say which */
/* Waits until all lanes of `mask` are in the collective `what`; before they go on, the last one calls `finish`. */
void meet(const char *what, unsigned mask, int line, void (*finish)(Warp &w, unsigned mask));

/* order.cpp */
void order_set(const char *words);
Lane &order_next(); /* of the ready lanes; there is one */
/* The blocks of a grid in the order in which they run: the place of the i-th. */
void order_blocks(uint64_t count);
uint64_t order_block(uint64_t i);

/* copies.cpp */
bool copies_in_flight(const Lane &l);

/* shared.cpp */
void shared_open(size_t bytes);
void shared_close();
/* `what` is wrong unless the 16 bytes at `at` are aligned and inside the block's shared memory. */
void shared_expect_row(const char *what, const void *at);

/* Under the thread sanitizer: addresses through which launches and their threads are ordered. */
extern char launch_begins, launch_ends;

} // namespace emulator
