/* strip.h - a strip of columns of a block, classified line by line with what neighbouring patches share.
 *
 * What res_net1 makes of a pixel before its gate (and V, or A and B) depends on the pixel and on which of its eight
 * neighbours the patch holds: on the pixel's row and column place, first, inside or last. So it is computed once for
 * all patches: in the three column places, for three row places, the moment the first of its patches comes up. Of every
 * line only one row place is alive at a time, which keeps the window in the cache: P - 2 lines of inside entries in a
 * ring, and the first and the last line of the patches on the way. Only entries that a valid centre needs are computed.
 * Every entry is computed by the same operations wherever it is: strips and segments leave no seams. Threading: one
 * thread, in its own memory; other strips of the same block may be on their way.
 */
#pragma once
#include "cpu/pack.h"
#include "cpu/work.h"
#include "engine/block.h"
#include <stdatomic.h>

struct strip {
    const struct packed *m;
    struct work *w;
    void *map_scratch; /* affine_map_scratch(block->map) bytes */
    struct block *b;
    int column, columns;              /* of the centre; columns at most the width that w was placed for */
    int line, lines;                  /* whoever claims lines may get fewer, never others */
    int (*next_line)(void *argument); /* claims the next of them, -1: none left; NULL: all are this strip's */
    void *next_line_argument;
    const atomic_bool *canceled; /* may be NULL; looked at once a line */
};

/* Fills the block's results for the strip. */
void strip_run(const struct strip *s);
