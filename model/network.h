/* network.h - A2S2K-ResNet as data: every layer folded and checked, once for all engines.
 *
 * Letters: K bands of the network, C kernels, D = ceil((K-6)/2) spectral positions, P patch side (7, 9 or 11),
 * N classes, S = K/2 (floor) squeezed channels of the attention. Arrays are row-major in the order written here.
 * "Folded": where a batch normalisation directly follows a convolution it is multiplied into it, in double, and rounded
 * to float once; where a ReLU stands between, it stays a scale and a shift.
 * Threading: read-only once fold.c has filled it; shared by every engine and thread.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

/* y = W x + b. The shape of weight is written where the layer is named. */
struct layer {
    float *weight;
    float *bias;
};

/* y[c] = scale[c] x[c] + shift[c] */
struct norm {
    float *scale;
    float *shift;
};

/* A residual block. `conv2` of res_net1 has bn2 folded in; the others have no bn2 behind conv2.
 * Weights: res_net1, res_net2 (C,C,7) as (out, in, tap); res_net3, res_net4 (C,C,3,3) as (out, in, row, column). */
struct residual_block {
    struct norm bn0; /* (C); before conv1: relu(bn0(x)). NULL pointers in res_net1. */
    struct layer conv1;
    struct norm bn1; /* (C); between two ReLUs: relu(bn1(relu(conv1))) */
    struct layer conv2;
    struct norm bn2; /* (C); after the addition, res_net4 only; NULL pointers elsewhere */
    float gate[3];   /* ECA along the channel axis: g[c] = sigmoid(gate[0] m[c-1] + gate[1] m[c] + gate[2] m[c+1]) */
};

struct network {
    int K, C, D, P, N, S;

    struct layer conv1x1; /* (C,7), stride 2, batch_norm1x1 folded; ReLU follows */
    struct layer conv3x3; /* (C,3,3,7) as (out, row, column, tap), stride 2, batch_norm3x3 folded; ReLU follows */

    bool distinct_attention;  /* false: V = (A + B) / 2, as published */
    struct layer conv_se;     /* (S,C); ReLU follows. This and the next two: NULL pointers unless distinct_attention */
    struct layer conv_ex_3x3; /* (C,S) */
    struct layer conv_ex_1x1; /* (C,S) */

    struct residual_block res_net1, res_net2;
    struct layer conv2; /* (128,C,D) as (out, channel, spectral), batch_norm2 folded; ReLU follows */
    struct layer conv3; /* (C,3,3,128) as (out, row, column, in), batch_norm3 folded; ReLU follows */
    struct residual_block res_net3, res_net4;
    struct layer full_connection; /* (N,C) */

    float *storage; /* every array above lies in here, each on a 64-byte boundary */
};

enum { NETWORK_CONV2_OUT = 128, NETWORK_POOL = 5 };

/* D of a K: ceil((K - 6) / 2). */
static inline int network_spectral_positions(int K)
{
    return (K - 5) / 2;
}

struct network_sizes {
    int K, C, P, N;
    bool distinct_attention;
};

/* Fills *n with the sizes and with arrays of zeros of the shapes above; the pointers that do not apply stay NULL. The
 * sizes are the caller's to check. Errors: ERR_NOMEM. Release with network_release. */
int network_allocate(struct network *n, const struct network_sizes *s, struct err *e);

/* Multiply-adds of one patch, computed naively (every layer at every position): what the "naive peak" is measured by.
 */
double network_multiply_adds(const struct network *n);

/* Frees the arrays; a network of zeros is accepted. */
void network_release(struct network *n);
