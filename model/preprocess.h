/* preprocess.h - from a cube's samples to the network's input, steps 1, 3 and 4 of the model notes as one affine map.
 *
 * units        v[b]  = DN[b] gain[b] + offset[b]
 * package      x'[k] = sum over b of matrix[k][b] scale[b] v[b] + shift[k]
 * scene        x"[k] = (x'[k] - mean[k]) / deviation[k]            (normalization = scene)
 * All of it is x[k] = sum over b of weight[k][b] DN[b] + bias[k]; folded in double, applied in double, rounded to float
 * once. Invalid pixels and those outside the scene are zeros in this space.
 * Letters: B sensor bands, K network bands.
 * Threading: pure functions; a map is read-only after it is made.
 */
#pragma once
#include "base/err.h"
#include "base/sample.h"
#include <stddef.h>
#include <stdint.h>

/* Magnitude of a network input beyond which float32 sums of the layers may overflow; a ReLU would then hide that as 0.
 * Standardised spectra stay below 100. */
#define PREPROCESS_MOST 1e15

/* What the package says. matrix NULL means identity (then K == B). */
struct preprocess {
    int B, K;
    double *scale;  /* (B) */
    double *matrix; /* (K,B) or NULL */
    double *offset; /* (K) */
};

/* The folded map of one request. weight is (K,B), or (K) where `diagonal`. */
struct affine_map {
    int B, K;
    int diagonal;
    double *weight;
    double *bias; /* (K) */
};

/* Per-band mean and population deviation of x' over a scene, gathered line by line. */
struct scene_statistics {
    int K;
    uint64_t pixels;
    double *mean; /* (K) */
    double *m2;   /* (K) sum of squared differences from the mean */
};

void preprocess_release(struct preprocess *p);

/* Folds units and package; gain (B) and offset (B) may be NULL for 1 and 0. */
int affine_map_init(struct affine_map *m, const struct preprocess *p, const double *gain, const double *offset,
                    struct err *e);
/* The largest magnitude of a sample for which no network input passes PREPROCESS_MOST, whatever the other bands hold
 * below it. 0 or less: the map alone passes it. */
double affine_map_reach(const struct affine_map *m);
/* Folds (x - mean) / deviation on top; a deviation of 0 counts as 1. */
void affine_map_normalize(struct affine_map *m, const struct scene_statistics *s);
void affine_map_release(struct affine_map *m);

/* Applies the map to one line of pixels. samples (B, stride) in `type`, band b of pixel i at samples[b * stride + i];
 * valid (pixels) or NULL for all. Writes x (pixels, K): row i holds pixel i's K values, zeros where it is not valid.
 * scratch: affine_map_scratch(m) bytes, aligned for double. A pixel's values do not depend on its neighbours. */
void affine_map_apply(const struct affine_map *m, enum sample_type type, const void *samples, size_t stride,
                      const uint8_t *valid, size_t pixels, float *x, void *scratch);
size_t affine_map_scratch(const struct affine_map *m);

int scene_statistics_init(struct scene_statistics *s, int K, struct err *e);
/* Adds the valid pixels of one line, x' in double (Chan, Golub, LeVeque 1979: pairwise update of mean and M2).
 * Arguments as affine_map_apply; m is the map before normalisation. */
void scene_statistics_add(struct scene_statistics *s, const struct affine_map *m, enum sample_type type,
                          const void *samples, size_t stride, const uint8_t *valid, size_t pixels, void *scratch);
void scene_statistics_release(struct scene_statistics *s);
