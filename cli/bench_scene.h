/* bench_scene.h - a synthetic scene for the bench: every pixel valid, spectra smooth, as blocks of float32 samples.
 *
 * Samples are what the network sees (K bands, a map of ones), so that the engine alone is measured and a package of any
 * preprocessing can be.
 * Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include "engine/block.h"
#include "model/network.h"

struct bench_scene {
    int lines, columns, halo, K;
    float *samples;        /* (lines + 2 halo, K, columns + 2 halo) */
    double *ones, *zeros;  /* (K) */
    struct affine_map map; /* x = DN */
};

int bench_scene_init(struct bench_scene *s, const struct network *n, int lines, int columns, struct err *e);
void bench_scene_release(struct bench_scene *s);

/* Cuts the scene into blocks of at most lines x columns. *blocks: malloc'ed list of *count blocks. */
int bench_scene_blocks(const struct bench_scene *s, const struct network *n, int lines, int columns,
                       struct block ***blocks, size_t *count, struct err *e);

/* The block of the one pixel (line, column), with logits. */
int bench_scene_pixel(const struct bench_scene *s, const struct network *n, int line, int column, struct block **b,
                      struct err *e);
void bench_scene_close_blocks(struct block **blocks, size_t count);
