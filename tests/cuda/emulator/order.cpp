/* order.cpp - who goes first: the three schedules.
 *
 * Forward and reverse always run the first (last) warp that can run, so that warps drift as far apart as barriers
 * let them, in opposite directions. Random draws the next lane at every meeting and changes warps now and then.
 */
#include "tests/cuda/emulator/core.h"
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace emulator
{
namespace
{
enum Order { FORWARD, REVERSE, RANDOM };
Order order;
uint64_t state;
std::vector<uint64_t> shuffled; /* touched by host threads alone, in turn */
uint64_t blocks;

/* xorshift64*, Vigna 2016 */
uint32_t draw()
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return static_cast<uint32_t>(state * 0x2545f4914f6cdd1dull >> 32);
}

int lowest(unsigned set)
{
    return __builtin_ctz(set);
}

int highest(unsigned set)
{
    return 31 - __builtin_clz(set);
}

/* The first member at or after a random place. */
int any(unsigned set)
{
    unsigned turn = draw() & 31;
    unsigned turned = set >> turn | set << (-turn & 31);
    return static_cast<int>((static_cast<unsigned>(lowest(turned)) + turn) & 31);
}

int random_warp()
{
    if (current && warps[current->warp].ready && draw() % 16)
        return current->warp;
    return any(block.ready_warps);
}
} // namespace

void order_set(const char *words)
{
    if (!words || !std::strcmp(words, "forward")) {
        order = FORWARD;
    } else if (!std::strcmp(words, "reverse")) {
        order = REVERSE;
    } else if (!std::strncmp(words, "random:", 7)) {
        order = RANDOM;
        state = std::strtoull(words + 7, nullptr, 10) * 0x9e3779b97f4a7c15ull + 0x2545f4914f6cdd1dull;
        state += !state;
    } else {
        std::fprintf(stderr, "emulator: SPECTRAD_EMULATOR_ORDER is forward, reverse or random:SEED, not %s\n", words);
        std::exit(99);
    }
}

Lane &order_next()
{
    int w, l;
    if (order == FORWARD) {
        w = lowest(block.ready_warps);
        l = lowest(warps[w].ready);
    } else if (order == REVERSE) {
        w = highest(block.ready_warps);
        l = highest(warps[w].ready);
    } else {
        w = random_warp();
        l = any(warps[w].ready);
    }
    return lanes[LANES * w + l];
}

void order_blocks(uint64_t count)
{
    blocks = count;
    if (order != RANDOM)
        return;
    shuffled.resize(count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t j = draw() % (i + 1);
        shuffled[i] = shuffled[j];
        shuffled[j] = i;
    }
}

uint64_t order_block(uint64_t i)
{
    return order == FORWARD ? i : order == REVERSE ? blocks - 1 - i : shuffled[i];
}

} // namespace emulator
