#include "model/network.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, FLOATS_A_LINE = ALIGNMENT / sizeof(float) };

/* Hands out the arrays of one block, each on a cache line of its own. With base NULL it only counts what is needed, so
 * that one description of the layout serves for measuring and for placing. */
struct arrays {
    float *base;
    size_t used;
};

static float *take(struct arrays *a, size_t count)
{
    float *array = a->base == NULL ? NULL : a->base + a->used;
    a->used += (count + FLOATS_A_LINE - 1) / FLOATS_A_LINE * FLOATS_A_LINE;
    return array;
}

static void take_layer(struct arrays *a, struct layer *l, size_t out, size_t in)
{
    l->weight = take(a, out * in);
    l->bias = take(a, out);
}

static void take_norm(struct arrays *a, struct norm *n, size_t channels)
{
    n->scale = take(a, channels);
    n->shift = take(a, channels);
}

static void take_block(struct arrays *a, struct residual_block *b, size_t C, size_t taps, bool bn0, bool bn2)
{
    if (bn0)
        take_norm(a, &b->bn0, C);
    take_layer(a, &b->conv1, C, C * taps);
    take_norm(a, &b->bn1, C);
    take_layer(a, &b->conv2, C, C * taps);
    if (bn2)
        take_norm(a, &b->bn2, C);
}

static void place(struct network *n, struct arrays *a)
{
    size_t C = (size_t)n->C, S = (size_t)n->S, out = NETWORK_CONV2_OUT;
    take_layer(a, &n->conv1x1, C, 7);
    take_layer(a, &n->conv3x3, C, 3 * 3 * 7);
    if (n->distinct_attention) {
        take_layer(a, &n->conv_se, S, C);
        take_layer(a, &n->conv_ex_3x3, C, S);
        take_layer(a, &n->conv_ex_1x1, C, S);
    }
    take_block(a, &n->res_net1, C, 7, false, false);
    take_block(a, &n->res_net2, C, 7, true, false);
    take_layer(a, &n->conv2, out, C * (size_t)n->D);
    take_layer(a, &n->conv3, C, 3 * 3 * out);
    take_block(a, &n->res_net3, C, 3 * 3, true, false);
    take_block(a, &n->res_net4, C, 3 * 3, true, true);
    take_layer(a, &n->full_connection, (size_t)n->N, C);
}

int network_allocate(struct network *n, const struct network_sizes *s, struct err *e)
{
    *n = (struct network){.K = s->K,
                          .C = s->C,
                          .D = network_spectral_positions(s->K),
                          .P = s->P,
                          .N = s->N,
                          .S = s->K / 2,
                          .distinct_attention = s->distinct_attention};
    struct arrays a = {0};
    place(n, &a);
    size_t bytes = a.used * sizeof(float);
    n->storage = aligned_alloc(ALIGNMENT, bytes);
    if (n->storage == NULL)
        return err_nomem(e);
    memset(n->storage, 0, bytes);
    a = (struct arrays){.base = n->storage};
    place(n, &a);
    return 0;
}

double network_multiply_adds(const struct network *n)
{
    double C = n->C, S = n->S, D = n->D, out = NETWORK_CONV2_OUT;
    double patch = (double)n->P * n->P, inner = (double)(n->P - 2) * (n->P - 2);
    double entry = patch * D * C * (7 + 3 * 3 * 7);
    double attention = n->distinct_attention ? 3 * C * S : 0;
    double spectral_blocks = 4 * patch * D * C * C * 7;
    double waist = patch * out * C * D + inner * C * 3 * 3 * out;
    double spatial_blocks = 4 * inner * C * C * 3 * 3;
    double gates = 4 * 3 * C;
    return entry + attention + spectral_blocks + waist + spatial_blocks + gates + n->N * C;
}

void network_release(struct network *n)
{
    free(n->storage);
    *n = (struct network){0};
}
