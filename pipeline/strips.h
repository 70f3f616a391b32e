/* strips.h - a window of a scene, strip by strip, through the scheduler.
 *
 * Strips are whole lines of the window, or of a column strip of it where a line is too long for the memory of a
 * request. Each strip is cut into blocks; reading goes on while the engine works, a bounded number of blocks ahead.
 * Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include "engine/scheduler.h"
#include "pipeline/lines.h"

struct strips {
    const struct line_source *source; /* `counted` is set here: each pixel of the window once */
    const struct affine_map *map;
    struct window window;
    int halo, N;
    struct scheduler_job *job;
    int blocks;                     /* how many may be out at once: the scheduler's blocks_per_job at most */
    int block_pixels;               /* centre pixels of a block, about */
    int strip_lines, block_columns; /* 0: chosen here; the label map is the same for any */
    bool logits;
    double
        deadline; /* clock_now(); 0: none. Looked at between strips; the scheduler looks at it while blocks are out. */

    /* Takes each finished block, in no promised order of place. Errors end the run. */
    int (*store)(void *arg, const struct block *b, struct err *e);
    void *store_arg;
};

/* Errors: those of cube_read, the scheduler and `store`; no block is out afterwards. */
int strips_run(const struct strips *s, struct err *e);
