/* work.h - the memory in which one thread works, laid out for one network and one width of strip.
 *
 * A thread owns one block of memory, large enough for every loaded network; work_place cuts it up. Between networks it
 * is cleared, because rows rely on the zeros between their spectra. Threading: one thread's own.
 */
#pragma once
#include "cpu/pack.h"
#include <stddef.h>

enum { WORK_MOST_COLUMNS = 64 }; /* centre columns of a strip */

struct work {
    size_t columns; /* pixels of a line of a strip, halo included */

    float *raw;     /* (columns, K) one line as affine_map_apply leaves it */
    float *input;   /* (P lines, columns + 2, 2 phases, phase); a pixel of zeros at either end */
    float *entries; /* (P lines, columns, PLACES, entry): P - 2 of the inside, then the first, then the last */

    float *x, *z, *a; /* (C, row), behind ROW_LEAD zeros */
    float *waist;     /* (P P, 128) what conv2 leaves */
    float *sum;       /* (P P, channels) */
    float *grid;      /* (P, P, channels) (P-2) x (P-2) positions within a border of zeros */
    float *y;         /* ((P-2)(P-2), channels) */
    float *logits;    /* (N) */
};

/* Floats that work_place hands out. */
size_t work_size(const struct packed *m, size_t strip_columns);

/* Cuts up `base` for strips of up to strip_columns centre columns. */
void work_place(struct work *w, const struct packed *m, size_t strip_columns, float *base);
