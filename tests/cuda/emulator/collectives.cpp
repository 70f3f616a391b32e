/* collectives.cpp - shuffles, votes and the row addresses of ldmatrix: values that lanes hand each other. None of them
 * orders memory, as in CUDA.
 */
#include "tests/cuda/emulator/core.h"
#include "tests/cuda/emulator/matrix.h"

namespace emulator
{
namespace
{
void hand_out_bits(Warp &w, unsigned mask)
{
    Exchange &x = w.exchange;
    uint64_t taken[LANES];
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest), source = x.source[l] < 0 ? l : x.source[l];
        if (!(mask >> source & 1)) {
            current = &lanes[LANES * (&w - warps) + l];
            fail("shuffles from a lane outside of the mask", current->line);
        }
        taken[l] = x.bits[source];
    }
    for (unsigned rest = mask; rest; rest &= rest - 1)
        x.bits[__builtin_ctz(rest)] = taken[__builtin_ctz(rest)];
}

void hand_out_votes(Warp &w, unsigned mask)
{
    uint64_t votes = 0;
    for (unsigned rest = mask; rest; rest &= rest - 1)
        votes |= w.exchange.bits[__builtin_ctz(rest)] << __builtin_ctz(rest);
    for (unsigned rest = mask; rest; rest &= rest - 1)
        w.exchange.bits[__builtin_ctz(rest)] = votes;
}

void hand_out_rows(Warp &w, unsigned)
{
    Exchange &x = w.exchange;
    for (int l = 0; l < LANES; l++)
        for (int i = 0; i < 4; i++)
            x.rows[l][i] = x.row[8 * i + l / 4];
}
} // namespace

uint64_t warp_shuffle(const char *what, unsigned mask, uint64_t bits, int source, int line)
{
    Exchange &x = warps[current->warp].exchange;
    int l = current->lane;
    x.bits[l] = bits;
    x.source[l] = source;
    meet(what, mask, line, hand_out_bits);
    return x.bits[l];
}

unsigned warp_ballot(const char *what, unsigned mask, bool vote, int line)
{
    Exchange &x = warps[current->warp].exchange;
    int l = current->lane;
    x.bits[l] = vote;
    meet(what, mask, line, hand_out_votes);
    return static_cast<unsigned>(x.bits[l]);
}

void ldmatrix_rows(int matrices, const void *row, const void **rows)
{
    const char *what = matrices == 4 ? "ldmatrix.x4" : "ldmatrix.x2";
    Exchange &x = warps[current->warp].exchange;
    int l = current->lane;
    shared_expect_row(what, row);
    x.row[l] = row;
    meet(what, ALL_LANES, 0, hand_out_rows);
    for (int i = 0; i < matrices; i++)
        rows[i] = x.rows[l][i];
}

} // namespace emulator
