/* block.h - the unit that travels: a window of pixels with its halo, as the file has it.
 *
 * A block of lines x columns centre pixels carries (lines + 2 halo) x (columns + 2 halo) pixels of B bands, in the
 * file's own sample type, line-interleaved: samples (lines + 2 halo, B, columns + 2 halo). Engines form the patches
 * themselves. Pixels outside the scene have valid = 0 (their samples are never read as values). Threading: owned by one
 * thread at a time; the scheduler hands it over and back.
 */
#pragma once
#include "base/err.h"
#include "base/sample.h"
#include "model/preprocess.h"
#include <stddef.h>
#include <stdint.h>

struct block {
    int lines, columns; /* of the centre, what is classified */
    int halo;           /* P / 2 */
    int B, N;
    enum sample_type type;
    int column, line; /* of the first centre pixel, in whatever frame the owner counts; engines ignore it */

    void *samples;                /* (lines + 2 halo, B, columns + 2 halo) */
    uint8_t *valid;               /* (lines + 2 halo, columns + 2 halo); 1: can be classified */
    const struct affine_map *map; /* borrowed; samples -> network input */

    /* Results, written by an engine. */
    uint8_t *labels;   /* (lines, columns): 1 + index of the largest logit (the lower of equals), 0 where not valid */
    float *confidence; /* (lines, columns): largest softmax probability; NaN where not valid */
    float *logits;     /* (lines, columns, N) or NULL if nobody asked; NaN where not valid */

    size_t capacity; /* bytes of samples */
};

/* Allocates a block that can hold up to lines x columns centre pixels. Errors: ERR_NOMEM. */
int block_open(struct block **out, int lines, int columns, int halo, int B, int N, enum sample_type type,
               int with_logits, struct err *e);
void block_close(struct block *b);

/* Changes the centre's size within what block_open allocated. */
void block_resize(struct block *b, int lines, int columns);

/* Address of (line, band, column) in the samples; line and column count from the halo's corner. */
void *block_sample(const struct block *b, int line, int band, int column);
