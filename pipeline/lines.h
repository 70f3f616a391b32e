/* lines.h - a sliding window of a cube's lines: read once, marked valid once, cut into blocks with their halo.
 *
 * The window is `columns` wide from `column` (both may reach outside the scene: what lies outside is not valid) and
 * holds up to `capacity` lines. Going down a scene each line is read once; the lines that the next strip needs again
 * are kept. A file that is cut into tiles is read by whole rows of tiles, ahead of what is asked for, as far as there
 * is room: each tile would else be decoded again for every few of its lines. Letters: B picked bands. Threading: one
 * thread.
 */
#pragma once
#include "base/err.h"
#include "engine/block.h"
#include "proto/query.h"
#include "scene/cube.h"
#include "scene/spectral.h"
#include "scene/validity.h"
#include <stdatomic.h>

/* What every strip of a request reads from. All borrowed. */
struct line_source {
    struct cube *cube;
    const struct spectral_match *match;
    const struct validity *validity;
    const struct window *counted; /* pixels inside are counted into *count as their line is read; NULL: none are */
    struct validity_count *count;
    const atomic_bool *cancel; /* may be NULL */
    double *read_s;            /* seconds spent reading are added */
};

struct lines {
    const struct line_source *source;
    int column, columns, capacity;
    int end;                /* lines from here on are never asked for */
    int first, held;        /* lines first..first+held of the scene's frame are held */
    size_t line_bytes;      /* of samples: B * columns * size */
    void *samples;          /* (capacity, B, columns) */
    uint8_t *valid;         /* (capacity, columns) */
    uint8_t *mask;          /* (capacity, columns) */
    uint16_t *nodata_bands; /* (columns), scratch */
};

/* How a request goes through its lines: column strips `width` broad, `step` lines at a time, `capacity` lines held. */
struct lines_plan {
    int width, step, capacity;
};

/* Chooses the plan that decodes the fewest blocks of the file for `columns` columns with a halo, within the memory that
 * a request may use for lines; a step is most_step lines at most, and at least 8 of them unless a single column is too
 * long. */
struct lines_plan lines_choose(const struct line_source *source, int columns, int halo, int most_step);

/* columns: with the halo. Errors: ERR_NOMEM. */
int lines_open(struct lines **out, const struct line_source *source, int column, int columns, int capacity, int end,
               struct err *e);
void lines_close(struct lines *l);

/* Makes lines first..first+count the ones held; count <= capacity, and first never goes back. Errors: those of
 * cube_read. */
int lines_advance(struct lines *l, int first, int count, struct err *e);

/* Copies the pixels of block b (its line, column, size and halo; in the scene's frame) out of the lines held. */
void lines_fill(const struct lines *l, struct block *b);

/* Samples (B, columns) and validity (columns) of a held line. */
const void *lines_samples(const struct lines *l, int line);
const uint8_t *lines_valid(const struct lines *l, int line);
