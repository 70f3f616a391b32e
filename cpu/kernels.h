/* kernels.h - the vectorised loops of the fast engine: one source, one table of functions for each instruction set.
 *
 * kernels.inc is compiled once for each set by kernels_SET.c, which only chooses the width of a vector and how many fit
 * into the registers. No kernel knows where in a scene it works, and every output is computed by one sequence of
 * operations wherever it lies: no rest loops of another kind, no sums whose order follows the position. So bits do not
 * depend on strips, blocks or threads (they may on the instruction set: some have no fused multiply-add).
 *
 * Layouts
 *   rows    C rows, one per channel; a row holds spectra laid end to end, D samples and 3 zeros each, so that a 7-tap
 *           convolution runs over all of them without seeing a neighbour. ROW_LEAD zeros stand before the first. What
 *           lies between spectra is zero in every row at any time: whoever writes rows keeps it so.
 *   live    one integer for each sample of a row: all ones inside a spectrum, 0 between.
 *   entry   one pixel in one variant: C rows of `entry_row` floats, D of them used, the rest zeros.
 *   tile    what a kernel holds in registers: at most `tile_rows` rows by `tile_columns` floats. n rows are worked
 *           on in ceil(n / tile_rows) tiles as equal as can be (tile_split): none is padded.
 *
 * Threading: pure functions on the caller's memory. Nothing here allocates. Vectors are read and written unaligned.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    SPECTRAL_TAPS = 7,
    SPECTRAL_GAP = 3,
    ROW_LEAD = 16,
    KERNEL_LANES_MOST = 16, /* of any table; what rows and entries are padded for */
};

/* The columns of a patch in which a pixel can lie: only its row and column at the edge change what conv3x3 sees. */
enum place { PLACE_FIRST, PLACE_INSIDE, PLACE_LAST, PLACES };

/* conv1x1 and conv3x3 of one pixel in one row place, for all three column places; see kernel_entry.inc. */
struct entry_call {
    size_t C, D;
    const float *above, *here, *below; /* the pixel in its line and in the lines around; NULL: not in the patch */
    size_t pixel;                      /* floats from one pixel to the next, left or right */
    size_t phase;                      /* floats from the even samples of a pixel to the odd ones */
    const float *conv1x1, *conv3x3;    /* packed by pack.c */
    const float *bias1x1, *bias3x3;
    float *p[PLACES], *q[PLACES]; /* entries; p NULL: not wanted; all q NULL: the halves are joined, V = (A + B) / 2 */
    size_t entry_row;
};

/* What happens to the sums of a spectral convolution before they are stored. */
enum spectral_finish {
    SPECTRAL_PLAIN,     /* out = y */
    SPECTRAL_NORM_RELU, /* out = relu(scale relu(y) + shift) */
    SPECTRAL_RESIDUAL,  /* out = out + scale y: the gate and the addition of a residual block */
};

/* y[o][i] = bias[o] + sum over c, tap of weight[o][c][tap] in[c][i + tap - 3], for i < groups * tile_columns. */
struct spectral_call {
    size_t C, groups;
    size_t row; /* floats from one row to the next, in and out */
    const float *in;
    float *out;
    const float *weight, *bias; /* packed by pack.c; (C) */
    const int32_t *live;
    enum spectral_finish finish;
    const float *scale, *shift; /* (C) */
};

/* sum[r][j] += sum over s, i of a[offset[r] + s step + i] weight[s][i][j], for r < rows <= tile_rows, j < tile_columns,
 * s < stretches, i < k: what is multiplied lies in stretches of k, `step` apart, the same for every row. */
struct multiply_call {
    size_t rows, stretches, k, step;
    const float *a;
    const uint32_t *offset;
    const float *weight; /* (stretches, k, tile_columns) */
    size_t weight_step;  /* floats from one stretch to the next */
    float *sum;
    size_t sum_row;
};

struct kernels {
    const char *isa;
    size_t lanes, tile_rows, tile_columns;

    void (*entry)(const struct entry_call *c);

    /* Output rows first .. first + count - 1, which are one tile. */
    void (*spectral)(const struct spectral_call *c, size_t first, size_t count);

    void (*multiply)(const struct multiply_call *c);

    /* One spectrum of every row from one entry: x[c][d] = u[c] p[c][d] + g[c] q[c][d]; u NULL: x = p. Writes whole
     * vectors: behind the spectrum lie zeros, then what the next spectrum overwrites. */
    void (*assemble)(size_t C, size_t D, const float *p, const float *q, size_t entry_row, const float *u,
                     const float *g, float *x, size_t row);

    /* The way back: q[c][d] = x[c][d], zeros behind. */
    void (*collect)(size_t C, size_t D, const float *x, size_t row, float *q, size_t entry_row);

    /* out[c][i] = relu(scale[c] in[c][i] + shift[c]) where live[i], else 0; i < count, a multiple of the lanes. */
    void (*norm_relu)(size_t C, size_t count, const float *in, float *out, size_t row, const float *scale,
                      const float *shift, const int32_t *live);

    /* Sum of count floats, a multiple of the lanes: by lane first, then over the lanes. */
    float (*sum)(const float *x, size_t count);

    /* FLOPs of `rounds` rounds of independent multiply-adds; *sink keeps the compiler honest. For cpu_fma_peak_gflops.
     */
    double (*burn)(size_t rounds, volatile float *sink);
};

/* Tables this build holds; whether the machine can run them is for isa.c to say. */
#if defined(__x86_64__)
extern const struct kernels kernels_sse2, kernels_avx2, kernels_avx512;
#elif defined(__aarch64__)
extern const struct kernels kernels_neon;
#endif

/* Rows of tile `index` when n rows are cut into ceil(n / most) tiles; *first is where it begins. 0 behind the last. */
static inline size_t tile_split(size_t n, size_t most, size_t index, size_t *first)
{
    size_t tiles = (n + most - 1) / most, small = n / tiles, large = n % tiles;
    *first = index * small + (index < large ? index : large);
    return index < tiles ? small + (index < large) : 0;
}
