#include "model/fold.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The authors' modules give 0.001 to the four normalisations outside of the blocks; inside stands PyTorch's default. */
static const double EPS_ENTRY = 0.001, EPS_BLOCK = 1e-5;

enum { MOST_CHANNELS = NETWORK_CONV2_OUT }; /* of a normalisation; C is at most 64 */

/* y[c] = scale[c] x[c] + shift[c], before it is rounded. */
struct affine {
    double scale[MOST_CHANNELS], shift[MOST_CHANNELS];
};

/* Reads tensor PREFIX.MEMBER, which is known to be there. */
static int read_tensor(const struct safetensors *s, const char *prefix, const char *member, float *out, struct err *e)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", prefix, member);
    const struct safetensors_tensor *t = safetensors_find(s, name);
    assert(t != NULL);
    return safetensors_floats(t, out, e);
}

/* Rounds to float; false if that overflows. */
static bool round_to(float *out, double value)
{
    *out = (float)value;
    return isfinite(*out);
}

/* A batch normalisation with running statistics: y = (x - mean) / sqrt(var + eps) * weight + bias. */
static int read_affine(const struct safetensors *s, const char *module, double eps, size_t channels, struct affine *a,
                       struct err *e)
{
    float weight[MOST_CHANNELS], bias[MOST_CHANNELS], mean[MOST_CHANNELS], var[MOST_CHANNELS];
    assert(channels <= MOST_CHANNELS);
    if (read_tensor(s, module, "weight", weight, e) != 0 || read_tensor(s, module, "bias", bias, e) != 0 ||
        read_tensor(s, module, "running_mean", mean, e) != 0 || read_tensor(s, module, "running_var", var, e) != 0)
        return -1;
    for (size_t c = 0; c < channels; c++) {
        double variance = (double)var[c] + eps;
        if (!(variance > 0))
            return err_set(e, ERR_INPUT, "tensor %s.running_var: value %zu is %g, which no variance can be", module,
                           c + 1, (double)var[c]);
        a->scale[c] = weight[c] / sqrt(variance);
        a->shift[c] = bias[c] - mean[c] * a->scale[c];
    }
    return 0;
}

static int fold_norm(struct norm *n, const struct safetensors *s, const char *module, double eps, size_t channels,
                     struct err *e)
{
    struct affine a;
    if (read_affine(s, module, eps, channels, &a, e) != 0)
        return -1;
    for (size_t c = 0; c < channels; c++)
        if (!round_to(&n->scale[c], a.scale[c]) || !round_to(&n->shift[c], a.shift[c]))
            return err_set(e, ERR_INPUT, "tensor %s.weight: channel %zu overflows float32 once it is folded", module,
                           c + 1);
    return 0;
}

static int read_layer(struct layer *l, const struct safetensors *s, const char *module, struct err *e)
{
    return read_tensor(s, module, "weight", l->weight, e) != 0 || read_tensor(s, module, "bias", l->bias, e) != 0 ? -1
                                                                                                                  : 0;
}

/* A convolution (out, in) with the normalisation that directly follows it. */
static int fold_layer(struct layer *l, const struct safetensors *s, const char *convolution, const char *norm,
                      double eps, size_t out, size_t in, struct err *e)
{
    struct affine a;
    if (read_layer(l, s, convolution, e) != 0 || read_affine(s, norm, eps, out, &a, e) != 0)
        return -1;
    for (size_t o = 0; o < out; o++) {
        float *weight = l->weight + o * in;
        bool good = round_to(&l->bias[o], l->bias[o] * a.scale[o] + a.shift[o]);
        for (size_t i = 0; i < in; i++)
            good = round_to(&weight[i], weight[i] * a.scale[o]) && good;
        if (!good)
            return err_set(e, ERR_INPUT, "tensor %s.weight: channel %zu overflows float32 once %s is folded in",
                           convolution, o + 1, norm);
    }
    return 0;
}

/* The gate is stored as a 3 x 3 kernel that slides over one row: only its middle row ever meets data. */
static int read_gate(float gate[3], const struct safetensors *s, const char *block, struct err *e)
{
    float kernel[9];
    if (read_tensor(s, block, "ecalayer.conv.weight", kernel, e) != 0)
        return -1;
    for (int i = 0; i < 3; i++)
        gate[i] = kernel[3 + i];
    return 0;
}

static int fold_block(struct residual_block *b, const struct safetensors *s, const char *block, size_t C, size_t taps,
                      struct err *e)
{
    char conv1[32], conv2[32], bn0[32], bn1[32], bn2[32];
    bool start = b->bn0.scale == NULL; /* res_net1: nothing before conv1, and bn2 directly behind conv2 */
    snprintf(conv1, sizeof conv1, "%s.conv1.0", block);
    snprintf(conv2, sizeof conv2, "%s.conv2", block);
    snprintf(bn0, sizeof bn0, "%s.bn0", block);
    snprintf(bn1, sizeof bn1, "%s.bn1", block);
    snprintf(bn2, sizeof bn2, "%s.bn2", block);
    if (read_layer(&b->conv1, s, conv1, e) != 0 || fold_norm(&b->bn1, s, bn1, EPS_BLOCK, C, e) != 0 ||
        read_gate(b->gate, s, block, e) != 0)
        return -1;
    if (start)
        return fold_layer(&b->conv2, s, conv2, bn2, EPS_BLOCK, C, C * taps, e);
    if (read_layer(&b->conv2, s, conv2, e) != 0 || fold_norm(&b->bn0, s, bn0, EPS_BLOCK, C, e) != 0)
        return -1;
    return b->bn2.scale == NULL ? 0 : fold_norm(&b->bn2, s, bn2, EPS_BLOCK, C, e);
}

int fold_network(struct network *n, const struct safetensors *s, const struct checkpoint_sizes *z,
                 bool distinct_attention, struct err *e)
{
    struct network_sizes sizes = {.K = z->K, .C = z->C, .P = z->P, .N = z->N, .distinct_attention = distinct_attention};
    if (network_allocate(n, &sizes, e) != 0)
        return -1;
    size_t C = (size_t)n->C, D = (size_t)n->D, out = NETWORK_CONV2_OUT;
    if (fold_layer(&n->conv1x1, s, "conv1x1", "batch_norm1x1.0", EPS_ENTRY, C, 7, e) != 0 ||
        fold_layer(&n->conv3x3, s, "conv3x3", "batch_norm3x3.0", EPS_ENTRY, C, 3 * 3 * 7, e) != 0 ||
        fold_block(&n->res_net1, s, "res_net1", C, 7, e) != 0 ||
        fold_block(&n->res_net2, s, "res_net2", C, 7, e) != 0 ||
        fold_layer(&n->conv2, s, "conv2", "batch_norm2.0", EPS_ENTRY, out, C * D, e) != 0 ||
        fold_layer(&n->conv3, s, "conv3", "batch_norm3.0", EPS_ENTRY, C, 3 * 3 * out, e) != 0 ||
        fold_block(&n->res_net3, s, "res_net3", C, 3 * 3, e) != 0 ||
        fold_block(&n->res_net4, s, "res_net4", C, 3 * 3, e) != 0 ||
        read_layer(&n->full_connection, s, "full_connection.0", e) != 0)
        return -1;
    if (distinct_attention &&
        (read_layer(&n->conv_se, s, "conv_se.0", e) != 0 || read_layer(&n->conv_ex_3x3, s, "conv_ex_3x3", e) != 0 ||
         read_layer(&n->conv_ex_1x1, s, "conv_ex_1x1", e) != 0))
        return -1;
    return 0;
}

/* An array of doubles from an optional tensor, or of `absent`. */
static int read_doubles(double **out, const struct safetensors *s, const char *name, size_t count, double absent,
                        struct err *e)
{
    const struct safetensors_tensor *t = safetensors_find(s, name);
    float *values = malloc(count * sizeof *values);
    int result = -1;
    *out = malloc(count * sizeof **out);
    if (*out == NULL || values == NULL) {
        err_nomem(e);
        goto done;
    }
    if (t != NULL && safetensors_floats(t, values, e) != 0)
        goto done;
    for (size_t i = 0; i < count; i++)
        (*out)[i] = t == NULL ? absent : values[i];
    result = 0;
done:
    free(values);
    return result;
}

int fold_preprocess(struct preprocess *p, const struct safetensors *s, const struct checkpoint_sizes *z, struct err *e)
{
    size_t B = (size_t)z->B, K = (size_t)z->K;
    p->B = z->B;
    p->K = z->K;
    if (read_doubles(&p->scale, s, "preprocess.scale", B, 1, e) != 0 ||
        read_doubles(&p->offset, s, "preprocess.offset", K, 0, e) != 0)
        return -1;
    if (safetensors_find(s, "preprocess.matrix") == NULL)
        return 0;
    return read_doubles(&p->matrix, s, "preprocess.matrix", K * B, 0, e);
}
