/* shapes.h - the sizes, layouts and device pointers that kernels and the host agree on. C and C++.
 *
 * Letters of model/network.h, and: W, channels of a row in memory (C, padded with zeros to 24 or to 64); a row is W
 * elements of the engine's format (precision.cuh). Where spectra lie end to end, pitch = D + 3 rows from one to the
 * next: the 3 rows between are zeros, which pad the end of one and the beginning of the other.
 *
 * An entry is what a patch needs of one of its pixels: two planes (D, W), p and q. As published p = V and q =
 * res_net1 of V before its gate; with two attention layers p = A and q = B. A pixel has 9 entries, one for each pair of
 * places (first, inside, last) that its row and its column can have in a patch: entry = 9 pixel + 3 row + column.
 *
 * All pointers are of the device. A product's weights lie in fragment order (cuda/weights.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    CUDA_TAPS = 7,       /* of a spectral convolution */
    CUDA_GAP = 3,        /* zero rows between spectra */
    CUDA_PLACES = 3,     /* first, inside, last */
    CUDA_ENTRIES = 9,    /* of a pixel */
    CUDA_WAIST = 128,    /* channels of conv2 */
    CUDA_POOL = 5,       /* side of the pooled window */
    CUDA_NARROW = 24,    /* W of C <= 24 */
    CUDA_WIDE = 64,      /* W of the rest */
    CUDA_RUN_ROWS = 80,  /* rows that a warp convolves in one go */
    CUDA_MOST_SIDE = 11, /* P */
    CUDA_MOST_CLASSES = 255,
};

/* Warps of a block of the residual stage: wide rows need twice the registers. */
#define CUDA_MOST_WARPS(W) ((W) == CUDA_NARROW ? 16 : 8)

struct cuda_shapes {
    int K, C, D, P, N, S;
    int W, pitch;
    int distinct_attention;
};

/* y = W x + b. weight: fragments; bias (W) float, zeros behind C. */
struct cuda_layer {
    const void *weight;
    const float *bias;
};

/* (W) float, zeros behind C */
struct cuda_norm {
    const float *scale, *shift;
};

struct cuda_residual_block {
    struct cuda_norm bn0, bn1, bn2; /* bn0: not in res_net1; bn2: in res_net4 alone */
    struct cuda_layer conv1, conv2;
    const float *conv2_plain; /* res_net1, res_net2: (tap, in, out) (7,W,W) float, for the gate's mean */
    float gate[3];
};

struct cuda_network {
    struct cuda_shapes s;
    const float *conv1x1; /* (W,8) float: 7 taps, bias */
    const float *conv3x3; /* (W,64) float: (row, column, tap), bias */
    struct cuda_residual_block res_net1, res_net2;
    struct cuda_layer conv2; /* K = D W; out 128, bias (128) */
    struct cuda_layer conv3; /* (9 taps of the square) x 128 */
    struct cuda_residual_block res_net3, res_net4;
    const float *conv_se, *conv_se_bias;         /* (S,C), (S) */
    const float *conv_ex_3x3, *conv_ex_3x3_bias; /* (C,S), (C) */
    const float *conv_ex_1x1, *conv_ex_1x1_bias;
    const float *full, *full_bias; /* (N,C), (N) */
};

/* What one launch is about, at the head of what is sent up. The piece has lines x columns centre pixels and a halo of
 * P/2 around them. */
struct cuda_piece {
    int lines, columns;
    int B, type;  /* enum sample_type */
    int diagonal; /* the map's weight is (K), else (K,B) */
    int logits;   /* wanted */
};

/* Where a piece lies and what becomes of it. Capacities: M centre pixels, H pixels with halo, G patches at a time. */
struct cuda_buffers {
    /* sent up: */
    const struct cuda_piece *piece;
    const void *samples;      /* (lines + 2h, B, columns + 2h) in the piece's type */
    const uint8_t *valid;     /* (lines + 2h, columns + 2h) */
    const double *map_weight; /* (K,B) or (K) */
    const double *map_bias;   /* (K) */
    /* made on the way: */
    float *x;      /* (H, K) network input */
    uint8_t *seen; /* (H) 1: a valid centre's patch holds the pixel */
    int *patches;  /* (M) centre pixels that are valid, ascending */
    int *count;    /* how many */
    void *p, *q;   /* (H, 9, D, W) */
    float *sums;   /* (H, 9, W): over the spectrum, of q as published, of A + B with two attention layers */
    void *u, *g;   /* (M, W): x = u p + g q of each patch */
    void *middle;  /* (blocks, rows + 6, W): between the convolutions of a residual block */
    void *out1;    /* (G, positions, D, W): res_net1 of each patch; with two attention layers alone */
    void *out2;    /* (G, positions, D, W): res_net2 */
    void *waist;   /* (G, positions, 128) */
    /* sent down: */
    uint8_t *labels;   /* (M) 1 + index of the largest logit, 0 where not valid */
    float *confidence; /* (M) */
    float *logits;     /* (M, N) */
};
