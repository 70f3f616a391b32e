/* plain_layers.h - the network layer by layer, each a function that reads like its formula. The oracle of the CPU
 * engines.
 *
 * One patch at a time, everything in double; activations are (C, P, P, D), then (128, P, P), (C, P-2, P-2): channel,
 * row, column, spectrum. Letters as in model/network.h. Weights are the network's own floats. Threading: pure functions
 * on the caller's memory.
 */
#pragma once
#include "model/network.h"
#include <stddef.h>

/* What one patch leaves behind in every layer; tests compare these. All arrays lie in storage. */
struct plain_trace {
    double *x;           /* (P,P,K) the patch; the caller fills it */
    double *A, *B;       /* (C,P,P,D) of conv1x1 and conv3x3, after their ReLU */
    double *V;           /* (C,P,P,D) */
    double *branch1;     /* (C,P,P,D) res_net1 before its gate */
    double *gate1;       /* (C) */
    double *out1;        /* (C,P,P,D) */
    double *middle2;     /* (C,P,P,D) res_net2 between its convolutions */
    double *branch2;     /* (C,P,P,D) res_net2 before its gate */
    double *gate2;       /* (C) */
    double *out2;        /* (C,P,P,D) */
    double *waist;       /* (128,P,P) of conv2 */
    double *entry3;      /* (C,P-2,P-2) of conv3 */
    double *out3, *out4; /* (C,P-2,P-2) */
    double *logits;      /* (N) */
    double *scratch;     /* (2,C,P,P,D) */
    double *storage;
};

int plain_trace_init(struct plain_trace *t, const struct network *n, struct err *e);
void plain_trace_release(struct plain_trace *t);
size_t plain_trace_bytes(const struct network *n);

/* The whole network on t->x; fills the rest of *t. */
void plain_forward(const struct network *n, struct plain_trace *t);

/* The layers. `positions` is P P where a layer knows nothing of space. */

/* out[c][p][d] = relu(bias[c] + sum over tap of weight[c][tap] x[p][2 d + tap]) */
void plain_conv1x1(const struct network *n, const double *x, double *out);
/* out[c][r][q][d] = relu(bias[c] + sum over i, j, tap of weight[c][i][j][tap] x[r+i-1][q+j-1][2 d + tap]), zeros
 * outside */
void plain_conv3x3(const struct network *n, const double *x, double *out);
/* V = w1 A + w3 B; (w3, w1) is 1/2 each as published, else the softmax of two squeezed branches. */
void plain_attention(const struct network *n, const double *A, const double *B, double *V);
/* out[o][p][d] = bias[o] + sum over i, tap of weight[o][i][tap] in[i][p][d+tap-3], zeros outside 0..D-1 */
void plain_spectral(const struct layer *l, size_t C, size_t positions, size_t D, const double *in, double *out);
/* out[o][r][q] = bias[o] + sum over i, j, k of weight[o][i][j][k] in[i][r+j-1][q+k-1], zeros outside the side x side
 * grid */
void plain_spatial(const struct layer *l, size_t C, size_t side, const double *in, double *out);
/* x = max(x, 0) */
void plain_relu(size_t count, double *x);
/* x[c][i] = max(scale[c] x[c][i] + shift[c], 0) */
void plain_norm_relu(const struct norm *norm, size_t C, size_t count, double *x);
/* gate[c] = sigmoid(k0 m[c-1] + k1 m[c] + k2 m[c+1]), m[c] the mean of x[c][0..count) */
void plain_gate(const float kernel[3], size_t C, size_t count, const double *x, double *gate);
/* out[c][i] = gate[c] branch[c][i] + x[c][i]; out may be x */
void plain_gated_sum(size_t C, size_t count, const double *gate, const double *branch, const double *x, double *out);
/* out[o][p] = relu(bias[o] + sum over c, d of weight[o][c][d] in[c][p][d]), o < 128 */
void plain_conv2(const struct network *n, const double *in, double *out);
/* out[c][r][q] = relu(bias[c] + sum over i, j, k of weight[c][i][j][k] in[k][r+i][q+j]), k < 128; (P-2) x (P-2) */
void plain_conv3(const struct network *n, const double *in, double *out);
/* logits[k] = bias[k] + sum over c of weight[k][c] mean of in[c][0..4][0..4] */
void plain_head(const struct network *n, const double *in, double *logits);
