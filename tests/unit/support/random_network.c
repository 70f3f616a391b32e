#include "tests/unit/support/random_network.h"
#include "tests/unit/support/random.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void fill(struct random *r, float *out, size_t count, double low, double high)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)random_between(r, low, high);
}

/* Uniform weights of variance 2 / in, which keep the variance of what passes a ReLU (He et al. 2015). */
static void fill_layer(struct random *r, struct layer *l, size_t out, size_t in)
{
    double bound = sqrt(6.0 / (double)in);
    fill(r, l->weight, out * in, -bound, bound);
    fill(r, l->bias, out, -0.1, 0.1);
}

static void fill_norm(struct random *r, struct norm *n, size_t channels)
{
    fill(r, n->scale, channels, 0.6, 1.4);
    fill(r, n->shift, channels, -0.3, 0.3);
}

static void fill_block(struct random *r, struct residual_block *b, size_t C, size_t taps)
{
    if (b->bn0.scale != NULL)
        fill_norm(r, &b->bn0, C);
    fill_layer(r, &b->conv1, C, C * taps);
    fill_norm(r, &b->bn1, C);
    fill_layer(r, &b->conv2, C, C * taps);
    if (b->bn2.scale != NULL)
        fill_norm(r, &b->bn2, C);
    fill(r, b->gate, 3, -1, 1);
}

void random_network(struct network *n, const struct network_sizes *sizes, uint64_t seed)
{
    struct random r = {.state = seed};
    struct err e;
    if (network_allocate(n, sizes, &e) != 0) {
        fprintf(stderr, "random_network: %s\n", e.message);
        abort();
    }
    size_t C = (size_t)n->C, S = (size_t)n->S, out = NETWORK_CONV2_OUT;
    fill_layer(&r, &n->conv1x1, C, 7);
    fill_layer(&r, &n->conv3x3, C, 3 * 3 * 7);
    if (n->distinct_attention) {
        fill_layer(&r, &n->conv_se, S, C);
        fill_layer(&r, &n->conv_ex_3x3, C, S);
        fill_layer(&r, &n->conv_ex_1x1, C, S);
    }
    fill_block(&r, &n->res_net1, C, 7);
    fill_block(&r, &n->res_net2, C, 7);
    fill_layer(&r, &n->conv2, out, C * (size_t)n->D);
    fill_layer(&r, &n->conv3, C, 3 * 3 * out);
    fill_block(&r, &n->res_net3, C, 3 * 3);
    fill_block(&r, &n->res_net4, C, 3 * 3);
    fill_layer(&r, &n->full_connection, (size_t)n->N, C);
}
