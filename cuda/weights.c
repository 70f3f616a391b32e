#include "cuda/weights.h"
#include "cuda/narrow.h"
#include <string.h>

enum { ALIGNMENT = 256 };

/* Where the next array goes; host NULL: it is only counted. */
struct packer {
    char *host, *device;
    size_t used;
    enum precision precision;
    int C, W;
};

static size_t element_bytes(enum precision p)
{
    return p == PRECISION_FP16 || p == PRECISION_BF16 ? 2 : 4;
}

int weights_shapes(struct cuda_shapes *out, const struct network *n, struct err *e)
{
    if (n->C > CUDA_WIDE)
        return err_set(e, ERR_INPUT, "the CUDA engine takes %d kernels at most, not %d", CUDA_WIDE, n->C);
    *out = (struct cuda_shapes){.K = n->K,
                                .C = n->C,
                                .D = n->D,
                                .P = n->P,
                                .N = n->N,
                                .S = n->S,
                                .W = n->C <= CUDA_NARROW ? CUDA_NARROW : CUDA_WIDE,
                                .pitch = n->D + CUDA_GAP,
                                .distinct_attention = n->distinct_attention};
    return 0;
}

/* Room for an array: its address here (NULL when counting) and, in *there, on the device. */
static void *place(struct packer *p, size_t bytes, const void **there)
{
    size_t at = p->used;
    p->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *there = p->device == NULL ? NULL : p->device + at;
    return p->host == NULL ? NULL : memset(p->host + at, 0, bytes);
}

static const float *put_floats(struct packer *p, const float *from, size_t count, size_t room)
{
    const void *there;
    float *to = place(p, room * sizeof *to, &there);
    if (to != NULL && from != NULL)
        memcpy(to, from, count * sizeof *to);
    return there;
}

static const float *put_channels(struct packer *p, const float *from)
{
    return put_floats(p, from, (size_t)p->C, (size_t)p->W);
}

/* A weight of a product: element k of a row, output o. Both may lie behind what there is. */
struct product {
    size_t row; /* elements of a row */
    int outputs, tiles;
    float (*weight)(const struct product *, size_t k, int o);
    const struct network *n;
    const float *weights;
    int part; /* what `weight` needs to know beside */
    int W;
};

static float weight_of(const struct product *x, size_t k, int o)
{
    return k < x->row && o < x->outputs ? x->weight(x, k, o) : 0;
}

static uint32_t word_of(const struct product *x, enum precision p, size_t step, int r, int n, int lane)
{
    int o = 8 * n + lane / 4, t = lane % 4;
    if (element_bytes(p) == 4) {
        float v = weight_of(x, step * 8 + (size_t)(4 * r + t), o);
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        return p == PRECISION_TF32 ? narrow_tf32(v) : bits;
    }
    size_t k = step * 16 + (size_t)(8 * r + 2 * t);
    uint16_t (*narrow)(float) = p == PRECISION_FP16 ? narrow_half : narrow_bfloat16;
    return narrow(weight_of(x, k, o)) | (uint32_t)narrow(weight_of(x, k + 1, o)) << 16;
}

static size_t product_words(const struct product *x, enum precision p, size_t steps, int half)
{
    (void)p;
    return (2 * steps + (size_t)half) * (size_t)x->tiles * 32;
}

static void put_product(uint32_t *to, const struct product *x, enum precision p, size_t steps, int half)
{
    for (size_t s = 0; s < steps; s++)
        for (int n = 0; n < x->tiles; n++)
            for (int lane = 0; lane < 32; lane++)
                for (int r = 0; r < 2; r++)
                    *to++ = word_of(x, p, s, r, n, lane);
    for (int n = 0; half && n < x->tiles; n++)
        for (int lane = 0; lane < 32; lane++)
            *to++ = word_of(x, p, steps, 0, n, lane);
}

/* `parts` products, one behind the other. steps_multiple: whole k-steps, filled up with zeros; 0: a half step may end
 * them. */
static const void *put_products(struct packer *p, struct product *x, int parts, size_t steps_multiple)
{
    const void *there;
    size_t bytes = x->row * element_bytes(p->precision), steps = bytes / 32;
    int half = bytes % 32 != 0;
    if (steps_multiple > 0) {
        steps = (bytes + 31) / 32;
        steps = (steps + steps_multiple - 1) / steps_multiple * steps_multiple;
        half = 0;
    }
    size_t words = product_words(x, p->precision, steps, half);
    uint32_t *to = place(p, (size_t)parts * words * sizeof *to, &there);
    for (x->part = 0; to != NULL && x->part < parts; x->part++)
        put_product(to + (size_t)x->part * words, x, p->precision, steps, half);
    return there;
}

/* k = tap W + in; weights (out, in, 7) */
static float spectral_weight(const struct product *x, size_t k, int o)
{
    size_t tap = k / (size_t)x->W, in = k % (size_t)x->W, C = (size_t)x->n->C;
    return in < C ? x->weights[((size_t)o * C + in) * CUDA_TAPS + tap] : 0;
}

/* k = column W + in, part = row; weights (out, in, 3, 3) */
static float spatial_weight(const struct product *x, size_t k, int o)
{
    size_t column = k / (size_t)x->W, in = k % (size_t)x->W, C = (size_t)x->n->C;
    return in < C ? x->weights[(((size_t)o * C + in) * 3 + (size_t)x->part) * 3 + column] : 0;
}

/* k = d W + in; weights (128, C, D) */
static float conv2_weight(const struct product *x, size_t k, int o)
{
    size_t d = k / (size_t)x->W, in = k % (size_t)x->W, C = (size_t)x->n->C, D = (size_t)x->n->D;
    return in < C ? x->weights[((size_t)o * C + in) * D + d] : 0;
}

/* part = 9 half + tap, k = channel of the half; weights (C, 3, 3, 128) */
static float conv3_weight(const struct product *x, size_t k, int o)
{
    size_t half = (size_t)x->part / 9, tap = (size_t)x->part % 9;
    return x->weights[((size_t)o * 9 + tap) * CUDA_WAIST + half * (CUDA_WAIST / 2) + k];
}

static struct cuda_norm put_norm(struct packer *p, const struct norm *n)
{
    struct cuda_norm out = {NULL, NULL};
    if (n->scale == NULL)
        return out;
    out.scale = put_channels(p, n->scale);
    out.shift = put_channels(p, n->shift);
    return out;
}

static struct cuda_layer put_convolution(struct packer *p, const struct network *n, const struct layer *l, int spatial)
{
    struct product x = {.row = (size_t)((spatial ? 3 : CUDA_TAPS) * p->W),
                        .outputs = n->C,
                        .tiles = p->W / 8,
                        .weight = spatial ? spatial_weight : spectral_weight,
                        .n = n,
                        .weights = l->weight,
                        .W = p->W};
    struct cuda_layer out = {.weight = put_products(p, &x, spatial ? 3 : 1, 0)};
    out.bias = put_channels(p, l->bias);
    return out;
}

/* (out, tap, in) (W,7,W) from (C,C,7) */
static const float *put_plain(struct packer *p, const struct layer *l)
{
    const void *there;
    float *to = place(p, (size_t)(p->W * CUDA_TAPS * p->W) * sizeof *to, &there);
    for (int o = 0; to != NULL && o < p->C; o++)
        for (int tap = 0; tap < CUDA_TAPS; tap++)
            for (int in = 0; in < p->C; in++)
                to[(o * CUDA_TAPS + tap) * p->W + in] = l->weight[(o * p->C + in) * CUDA_TAPS + tap];
    return there;
}

static struct cuda_residual_block put_residual(struct packer *p, const struct network *n,
                                               const struct residual_block *b, int spatial)
{
    struct cuda_residual_block out = {.bn0 = put_norm(p, &b->bn0), .bn1 = put_norm(p, &b->bn1)};
    out.bn2 = put_norm(p, &b->bn2);
    out.conv1 = put_convolution(p, n, &b->conv1, spatial);
    out.conv2 = put_convolution(p, n, &b->conv2, spatial);
    out.conv2_plain = spatial ? NULL : put_plain(p, &b->conv2);
    memcpy(out.gate, b->gate, sizeof out.gate);
    return out;
}

/* Rows of `room` floats, one a channel: `count` weights, and the bias in the last place. */
static const float *put_rows(struct packer *p, const struct layer *l, int count, int room)
{
    const void *there;
    float *to = place(p, (size_t)(p->W * room) * sizeof *to, &there);
    for (int c = 0; to != NULL && c < p->C; c++) {
        memcpy(to + c * room, l->weight + c * count, (size_t)count * sizeof *to);
        to[c * room + room - 1] = l->bias[c];
    }
    return there;
}

static void put_attention(struct packer *p, const struct network *n, struct cuda_network *out)
{
    size_t C = (size_t)n->C, S = (size_t)n->S;
    if (!n->distinct_attention)
        return;
    out->conv_se = put_floats(p, n->conv_se.weight, S * C, S * C);
    out->conv_se_bias = put_floats(p, n->conv_se.bias, S, S);
    out->conv_ex_3x3 = put_floats(p, n->conv_ex_3x3.weight, C * S, C * S);
    out->conv_ex_3x3_bias = put_floats(p, n->conv_ex_3x3.bias, C, C);
    out->conv_ex_1x1 = put_floats(p, n->conv_ex_1x1.weight, C * S, C * S);
    out->conv_ex_1x1_bias = put_floats(p, n->conv_ex_1x1.bias, C, C);
}

static void put_waist(struct packer *p, const struct network *n, struct cuda_network *out)
{
    struct product conv2 = {.row = (size_t)(n->D * p->W),
                            .outputs = CUDA_WAIST,
                            .tiles = CUDA_WAIST / 8,
                            .weight = conv2_weight,
                            .n = n,
                            .weights = n->conv2.weight,
                            .W = p->W};
    struct product conv3 = {.row = CUDA_WAIST / 2,
                            .outputs = n->C,
                            .tiles = p->W / 8,
                            .weight = conv3_weight,
                            .n = n,
                            .weights = n->conv3.weight,
                            .W = p->W};
    out->conv2.weight = put_products(p, &conv2, 1, 2); /* conv2.cu goes through two steps at a time */
    out->conv2.bias = put_floats(p, n->conv2.bias, CUDA_WAIST, CUDA_WAIST);
    out->conv3.weight = put_products(p, &conv3, 18, 0);
    out->conv3.bias = put_channels(p, n->conv3.bias);
}

static void put_network(struct packer *p, const struct network *n, struct cuda_network *out)
{
    out->conv1x1 = put_rows(p, &n->conv1x1, CUDA_TAPS, 8);
    out->conv3x3 = put_rows(p, &n->conv3x3, 9 * CUDA_TAPS, 64);
    out->res_net1 = put_residual(p, n, &n->res_net1, 0);
    out->res_net2 = put_residual(p, n, &n->res_net2, 0);
    put_waist(p, n, out);
    out->res_net3 = put_residual(p, n, &n->res_net3, 1);
    out->res_net4 = put_residual(p, n, &n->res_net4, 1);
    put_attention(p, n, out);
    out->full = put_floats(p, n->full_connection.weight, (size_t)n->N * (size_t)n->C, (size_t)n->N * (size_t)n->C);
    out->full_bias = put_floats(p, n->full_connection.bias, (size_t)n->N, (size_t)n->N);
}

static struct packer packer_for(const struct network *n, enum precision p, void *host, void *device)
{
    return (struct packer){
        .host = host, .device = device, .precision = p, .C = n->C, .W = n->C <= CUDA_NARROW ? CUDA_NARROW : CUDA_WIDE};
}

size_t weights_bytes(const struct network *n, enum precision p)
{
    struct packer counting = packer_for(n, p, NULL, NULL);
    struct cuda_network unused = {0};
    put_network(&counting, n, &unused);
    return counting.used;
}

void weights_pack(struct cuda_network *out, const struct network *n, enum precision p, void *host, void *device)
{
    struct packer packer = packer_for(n, p, host, device);
    struct err unused;
    *out = (struct cuda_network){0};
    weights_shapes(&out->s, n, &unused);
    put_network(&packer, n, out);
}
