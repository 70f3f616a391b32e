#include "cpu/plain_layers.h"
#include <stdlib.h>
#include <string.h>

/* Hands out the arrays of a trace; with base NULL it only counts. */
struct arrays {
    double *base;
    size_t used;
};

static double *take(struct arrays *a, size_t count)
{
    double *array = a->base == NULL ? NULL : a->base + a->used;
    a->used += count;
    return array;
}

static void place(struct plain_trace *t, struct arrays *a, const struct network *n)
{
    size_t C = (size_t)n->C, P = (size_t)n->P, spectra = C * P * P * (size_t)n->D, inner = C * (P - 2) * (P - 2);
    t->x = take(a, P * P * (size_t)n->K);
    t->A = take(a, spectra);
    t->B = take(a, spectra);
    t->V = take(a, spectra);
    t->branch1 = take(a, spectra);
    t->gate1 = take(a, C);
    t->out1 = take(a, spectra);
    t->middle2 = take(a, spectra);
    t->branch2 = take(a, spectra);
    t->gate2 = take(a, C);
    t->out2 = take(a, spectra);
    t->waist = take(a, NETWORK_CONV2_OUT * P * P);
    t->entry3 = take(a, inner);
    t->out3 = take(a, inner);
    t->out4 = take(a, inner);
    t->logits = take(a, (size_t)n->N);
    t->scratch =
        take(a, 2 * (spectra > inner ? spectra : inner) + C); /* D may be 1, then the inner grid is not larger */
}

size_t plain_trace_bytes(const struct network *n)
{
    struct plain_trace t;
    struct arrays a = {0};
    place(&t, &a, n);
    return a.used * sizeof(double);
}

int plain_trace_init(struct plain_trace *t, const struct network *n, struct err *e)
{
    double *storage = calloc(1, plain_trace_bytes(n));
    if (storage == NULL)
        return err_nomem(e);
    struct arrays a = {.base = storage};
    place(t, &a, n);
    t->storage = storage;
    return 0;
}

void plain_trace_release(struct plain_trace *t)
{
    free(t->storage);
    *t = (struct plain_trace){0};
}

/* res_net1 and res_net2, from conv1's input z: middle = relu(bn1(relu(conv1(z)))), branch = conv2(middle), gate. */
static void spectral_block(const struct network *n, const struct residual_block *b, const double *z, double *middle,
                           double *branch, double *gate)
{
    size_t C = (size_t)n->C, D = (size_t)n->D, positions = (size_t)n->P * (size_t)n->P;
    plain_spectral(&b->conv1, C, positions, D, z, middle);
    plain_relu(C * positions * D, middle);
    plain_norm_relu(&b->bn1, C, positions * D, middle);
    plain_spectral(&b->conv2, C, positions, D, middle, branch);
    plain_gate(b->gate, C, positions * D, branch, gate);
}

/* res_net3 and res_net4 up to their sum. scratch (2, C, side, side) and C more. */
static void spatial_block(const struct network *n, const struct residual_block *b, const double *x, double *out,
                          double *scratch)
{
    size_t C = (size_t)n->C, side = (size_t)n->P - 2, count = side * side;
    double *z = scratch, *y = scratch + C * count, *gate = scratch + 2 * C * count;
    memcpy(z, x, C * count * sizeof *z);
    plain_norm_relu(&b->bn0, C, count, z);
    plain_spatial(&b->conv1, C, side, z, y);
    plain_relu(C * count, y);
    plain_norm_relu(&b->bn1, C, count, y);
    plain_spatial(&b->conv2, C, side, y, z);
    plain_gate(b->gate, C, count, z, gate);
    plain_gated_sum(C, count, gate, z, x, out);
}

void plain_forward(const struct network *n, struct plain_trace *t)
{
    size_t C = (size_t)n->C, P = (size_t)n->P, count = P * P * (size_t)n->D, inner = (P - 2) * (P - 2);
    double *z = t->scratch;
    plain_conv1x1(n, t->x, t->A);
    plain_conv3x3(n, t->x, t->B);
    plain_attention(n, t->A, t->B, t->V);

    spectral_block(n, &n->res_net1, t->V, z, t->branch1, t->gate1);
    plain_gated_sum(C, count, t->gate1, t->branch1, t->V, t->out1);

    memcpy(z, t->out1, C * count * sizeof *z);
    plain_norm_relu(&n->res_net2.bn0, C, count, z);
    spectral_block(n, &n->res_net2, z, t->middle2, t->branch2, t->gate2);
    plain_gated_sum(C, count, t->gate2, t->branch2, t->out1, t->out2);

    plain_conv2(n, t->out2, t->waist);
    plain_conv3(n, t->waist, t->entry3);
    spatial_block(n, &n->res_net3, t->entry3, t->out3, t->scratch);
    spatial_block(n, &n->res_net4, t->out3, t->out4, t->scratch);
    plain_norm_relu(&n->res_net4.bn2, C, inner, t->out4);
    plain_head(n, t->out4, t->logits);
}
