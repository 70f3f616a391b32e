/* head.c - from conv2's 128 maps to logits: conv3, res_net3, res_net4, pool, full connection. A fiftieth of the work.
 *
 * Activations are (position, channels), channels padded to whole tiles, so that every convolution is three products of
 * rows that lie apart (kernels.multiply): output (r, q) reads the inputs (r + i, q .. q + 2), for i = 0, 1, 2. */
#include "cpu/patch.h"
#include <string.h>

enum { TAP_SIDE = 3 };

static float relu(float x)
{
    return x > 0 ? x : 0;
}

/* out ((P-2)(P-2), channels) = bias + the 3 x 3 convolution of in (P, P, in_row); in_row floats a position. */
static void convolve(const struct packed *m, const struct packed_product *l, const float *in, size_t in_row, float *out)
{
    size_t columns = m->k->tile_columns, inner = m->side - 2, count = inner * inner, first, rows;
    uint32_t offset[PACK_MOST_SIDE * PACK_MOST_SIDE];
    for (size_t p = 0; p < count; p++) {
        offset[p] = (uint32_t)((p / inner * m->side + p % inner) * in_row);
        memcpy(out + p * m->channels, l->bias, m->channels * sizeof *out);
    }
    for (size_t i = 0; i < TAP_SIDE; i++)
        for (size_t tile = 0; tile < l->tiles; tile++)
            for (size_t t = 0; (rows = tile_split(count, m->k->tile_rows, t, &first)) > 0; t++)
                m->k->multiply(&(struct multiply_call){
                    .rows = rows,
                    .stretches = TAP_SIDE,
                    .k = l->inner,
                    .step = in_row,
                    .a = in + i * m->side * in_row,
                    .offset = offset + first,
                    .weight = l->weight + (i * TAP_SIDE * l->tiles + tile) * l->inner * columns,
                    .weight_step = l->tiles * l->inner * columns,
                    .sum = out + first * m->channels + tile * columns,
                    .sum_row = m->channels,
                });
}

/* grid = relu(scale in + shift) within its border of zeros; `before`: in passes a ReLU first. */
static void norm_to_grid(const struct packed *m, const struct norm *norm, int before, const float *in, float *grid)
{
    size_t C = (size_t)m->n.C, inner = m->side - 2;
    for (size_t p = 0; p < inner * inner; p++) {
        float *out = grid + ((p / inner + 1) * m->side + p % inner + 1) * m->channels;
        for (size_t c = 0; c < C; c++) {
            float x = in[p * m->channels + c];
            out[c] = relu(norm->scale[c] * (before ? relu(x) : x) + norm->shift[c]);
        }
    }
}

/* y += gate * conv2(relu(bn1(relu(conv1(relu(bn0(y))))))) */
static void spatial_block(const struct packed *m, struct work *w, const struct residual_block *b,
                          const struct packed_product conv[2])
{
    size_t C = (size_t)m->n.C, count = (m->side - 2) * (m->side - 2);
    double mean[PACK_MOST_CHANNELS] = {0};
    float gate[PACK_MOST_CHANNELS];
    norm_to_grid(m, &b->bn0, 0, w->y, w->grid);
    convolve(m, &conv[0], w->grid, m->channels, w->sum);
    norm_to_grid(m, &b->bn1, 1, w->sum, w->grid);
    convolve(m, &conv[1], w->grid, m->channels, w->sum);
    for (size_t p = 0; p < count; p++)
        for (size_t c = 0; c < C; c++)
            mean[c] += (double)w->sum[p * m->channels + c];
    for (size_t c = 0; c < C; c++)
        mean[c] /= (double)count;
    patch_gate(b->gate, C, mean, gate);
    for (size_t p = 0; p < count; p++)
        for (size_t c = 0; c < C; c++)
            w->y[p * m->channels + c] += gate[c] * w->sum[p * m->channels + c];
}

/* The first 5 x 5 positions are averaged, whatever P: so the published pool has it. */
static void pool_and_connect(const struct packed *m, struct work *w)
{
    const struct network *n = &m->n;
    size_t C = (size_t)n->C, inner = m->side - 2;
    double pooled[PACK_MOST_CHANNELS] = {0};
    for (size_t r = 0; r < NETWORK_POOL; r++)
        for (size_t q = 0; q < NETWORK_POOL; q++)
            for (size_t c = 0; c < C; c++) {
                float x = w->y[(r * inner + q) * m->channels + c];
                pooled[c] += (double)relu(n->res_net4.bn2.scale[c] * x + n->res_net4.bn2.shift[c]);
            }
    for (size_t k = 0; k < (size_t)n->N; k++) {
        double logit = (double)n->full_connection.bias[k];
        for (size_t c = 0; c < C; c++)
            logit += (double)n->full_connection.weight[k * C + c] * pooled[c] / (NETWORK_POOL * NETWORK_POOL);
        w->logits[k] = (float)logit;
    }
}

void head_run(const struct packed *m, struct work *w)
{
    size_t inner = m->side - 2;
    for (size_t i = 0; i < m->positions * NETWORK_CONV2_OUT; i++)
        w->waist[i] = relu(w->waist[i]);
    convolve(m, &m->conv3, w->waist, NETWORK_CONV2_OUT, w->y);
    for (size_t i = 0; i < inner * inner * m->channels; i++)
        w->y[i] = relu(w->y[i]);
    spatial_block(m, w, &m->n.res_net3, m->res_net3);
    spatial_block(m, w, &m->n.res_net4, m->res_net4);
    pool_and_connect(m, w);
}
