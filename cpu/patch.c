#include "cpu/patch.h"
#include <math.h>
#include <string.h>

void patch_convolve(const struct packed *m, const struct spectral_call *call)
{
    size_t first, rows;
    for (size_t tile = 0; (rows = tile_split(call->C, m->k->tile_rows, tile, &first)) > 0; tile++)
        m->k->spectral(call, first, rows);
}

static struct spectral_call call_for(const struct packed *m, const float *in, float *out, const float *weight,
                                     const float *bias)
{
    return (struct spectral_call){.C = (size_t)m->n.C,
                                  .groups = m->groups,
                                  .row = m->row,
                                  .in = in,
                                  .out = out,
                                  .weight = weight,
                                  .bias = bias,
                                  .live = m->live};
}

void patch_gate(const float kernel[3], size_t C, const double *mean, float *gate)
{
    for (size_t c = 0; c < C; c++) {
        double before = c > 0 ? mean[c - 1] : 0, after = c + 1 < C ? mean[c + 1] : 0;
        double sum = (double)kernel[0] * before + (double)kernel[1] * mean[c] + (double)kernel[2] * after;
        gate[c] = (float)(1 / (1 + exp(-sum)));
    }
}

/* mean[c] over the patch of what the entries' sums hold. */
static void mean_of_entries(const struct packed *m, const float *const *entries, double *mean)
{
    size_t C = (size_t)m->n.C;
    memset(mean, 0, C * sizeof *mean);
    for (size_t p = 0; p < m->positions; p++)
        for (size_t c = 0; c < C; c++)
            mean[c] += (double)entries[p][2 * C * m->entry_row + c];
    for (size_t c = 0; c < C; c++)
        mean[c] /= (double)(m->positions * (size_t)m->n.D);
}

/* reach[tap] = sum over positions, d of z[d + tap - 3]: all of a channel's row, less what that tap does not see at the
 * ends of the spectra. */
static void tap_sums(const struct packed *m, const float *z, double reach[SPECTRAL_TAPS])
{
    size_t D = (size_t)m->n.D;
    double all = (double)m->k->sum(z, m->groups * m->k->tile_columns);
    double head[SPECTRAL_GAP + 1] = {0}, tail[SPECTRAL_GAP + 1] = {0}; /* of the first and last 0..3 samples */
    for (size_t n = 0; n < SPECTRAL_GAP; n++) {
        head[n + 1] = head[n];
        tail[n + 1] = tail[n];
        for (size_t p = 0; n < D && p < m->positions; p++) {
            head[n + 1] += (double)z[p * m->spectrum + n];
            tail[n + 1] += (double)z[p * m->spectrum + D - 1 - n];
        }
    }
    for (size_t tap = 0; tap < SPECTRAL_TAPS; tap++) {
        size_t missing = tap < SPECTRAL_GAP ? SPECTRAL_GAP - tap : tap - SPECTRAL_GAP;
        reach[tap] = missing >= D ? 0 : all - (tap < SPECTRAL_GAP ? tail[missing] : head[missing]);
    }
}

/* The gate of conv2(z) before conv2 has run: its mean is that of a linear map, bias + sum over c, tap of
 * weight[c][tap] times the mean of what the tap sees. */
static void gate_ahead(const struct packed *m, const struct residual_block *b, const float *z, float *gate)
{
    size_t C = (size_t)m->n.C;
    double mean[PACK_MOST_CHANNELS], count = (double)(m->positions * (size_t)m->n.D);
    for (size_t o = 0; o < C; o++)
        mean[o] = (double)b->conv2.bias[o];
    for (size_t c = 0; c < C; c++) {
        double reach[SPECTRAL_TAPS];
        tap_sums(m, z + c * m->row, reach);
        for (size_t o = 0; o < C; o++)
            for (size_t tap = 0; tap < SPECTRAL_TAPS; tap++)
                mean[o] += (double)b->conv2.weight[(o * C + c) * SPECTRAL_TAPS + tap] * (reach[tap] / count);
    }
    patch_gate(b->gate, C, mean, gate);
}

/* x = u p + g q, all positions. */
static void assemble(const struct packed *m, struct work *w, const float *const *entries, const float *u,
                     const float *g)
{
    size_t C = (size_t)m->n.C, D = (size_t)m->n.D;
    for (size_t p = 0; p < m->positions; p++)
        m->k->assemble(C, D, entries[p], entries[p] + C * m->entry_row, m->entry_row, u, g, w->x + p * m->spectrum,
                       m->row);
}

/* As published: entries are V and res_net1 before its gate; x = V + g1 out1. */
static void first_block_shared(const struct packed *m, struct work *w, const float *const *entries)
{
    float one[PACK_MOST_CHANNELS], gate[PACK_MOST_CHANNELS];
    double mean[PACK_MOST_CHANNELS];
    for (size_t c = 0; c < (size_t)m->n.C; c++)
        one[c] = 1;
    mean_of_entries(m, entries, mean);
    patch_gate(m->n.res_net1.gate, (size_t)m->n.C, mean, gate);
    assemble(m, w, entries, one, gate);
}

static double dense(const struct layer *l, size_t row, const double *x, size_t count)
{
    double y = (double)l->bias[row];
    for (size_t i = 0; i < count; i++)
        y += (double)l->weight[row * count + i] * x[i];
    return y;
}

/* Two attention layers: entries are A and B; V = w1 A + w3 B with weights of the patch, then res_net1 on it. */
static void first_block_attended(const struct packed *m, struct work *w, const float *const *entries)
{
    const struct network *n = &m->n;
    size_t C = (size_t)n->C, S = (size_t)n->S;
    double mean[PACK_MOST_CHANNELS], squeezed[PACK_MOST_SQUEEZED];
    float w1[PACK_MOST_CHANNELS], w3[PACK_MOST_CHANNELS], gate[PACK_MOST_CHANNELS];
    mean_of_entries(m, entries, mean);
    for (size_t s = 0; s < S; s++)
        squeezed[s] = fmax(dense(&n->conv_se, s, mean, C), 0);
    for (size_t c = 0; c < C; c++) {
        double a3 = dense(&n->conv_ex_3x3, c, squeezed, S), a1 = dense(&n->conv_ex_1x1, c, squeezed, S);
        w3[c] = (float)(1 / (1 + exp(a1 - a3)));
        w1[c] = (float)(1 / (1 + exp(a3 - a1)));
    }
    assemble(m, w, entries, w1, w3);

    struct spectral_call conv1 = call_for(m, w->x, w->z, m->res_net1.conv1, n->res_net1.conv1.bias);
    conv1.finish = SPECTRAL_NORM_RELU;
    conv1.scale = n->res_net1.bn1.scale;
    conv1.shift = n->res_net1.bn1.shift;
    patch_convolve(m, &conv1);
    gate_ahead(m, &n->res_net1, w->z, gate);
    struct spectral_call conv2 = call_for(m, w->z, w->x, m->res_net1.conv2, n->res_net1.conv2.bias);
    conv2.finish = SPECTRAL_RESIDUAL;
    conv2.scale = gate;
    patch_convolve(m, &conv2);
}

/* waist += what channels c..c + count - 1 add to conv2: their weights and their rows stay in L1 meanwhile. */
static void waist_add(const struct packed *m, struct work *w, const uint32_t *offset, size_t c, size_t count)
{
    size_t columns = m->k->tile_columns, D = (size_t)m->n.D, first, rows;
    for (size_t tile = 0; tile < m->conv2.tiles; tile++)
        for (size_t t = 0; (rows = tile_split(m->positions, m->k->tile_rows, t, &first)) > 0; t++)
            m->k->multiply(&(struct multiply_call){
                .rows = rows,
                .stretches = count,
                .k = D,
                .step = m->row,
                .a = w->x + c * m->row,
                .offset = offset + first,
                .weight = m->conv2.weight + (c * m->conv2.tiles + tile) * D * columns,
                .weight_step = m->conv2.tiles * D * columns,
                .sum = w->waist + first * NETWORK_CONV2_OUT + tile * columns,
                .sum_row = NETWORK_CONV2_OUT,
            });
}

/* res_net2 and conv2: of each tile of channels, conv2 of the block with its gate and residual, then their share of the
 * waist while they are in the cache. */
static void second_block(const struct packed *m, struct work *w)
{
    const struct residual_block *b = &m->n.res_net2;
    enum { SAMPLES_AT_ONCE = 128 }; /* of all channels that conv2 takes together */
    size_t C = (size_t)m->n.C, first, rows, at_once = SAMPLES_AT_ONCE / (size_t)m->n.D;
    float gate[PACK_MOST_CHANNELS];
    uint32_t offset[PACK_MOST_SIDE * PACK_MOST_SIDE];

    m->k->norm_relu(C, m->groups * m->k->tile_columns, w->x, w->a, m->row, b->bn0.scale, b->bn0.shift, m->live);
    struct spectral_call conv1 = call_for(m, w->a, w->z, m->res_net2.conv1, b->conv1.bias);
    conv1.finish = SPECTRAL_NORM_RELU;
    conv1.scale = b->bn1.scale;
    conv1.shift = b->bn1.shift;
    patch_convolve(m, &conv1);

    gate_ahead(m, b, w->z, gate);
    struct spectral_call conv2 = call_for(m, w->z, w->x, m->res_net2.conv2, b->conv2.bias);
    conv2.finish = SPECTRAL_RESIDUAL;
    conv2.scale = gate;
    for (size_t p = 0; p < m->positions; p++) {
        offset[p] = (uint32_t)(p * m->spectrum);
        memcpy(w->waist + p * NETWORK_CONV2_OUT, m->conv2.bias, NETWORK_CONV2_OUT * sizeof *w->waist);
    }
    at_once = at_once < 1 ? 1 : at_once;
    for (size_t tile = 0; (rows = tile_split(C, m->k->tile_rows, tile, &first)) > 0; tile++) {
        m->k->spectral(&conv2, first, rows);
        for (size_t c = first; c < first + rows; c += at_once)
            waist_add(m, w, offset, c, at_once < first + rows - c ? at_once : first + rows - c);
    }
}

void patch_run(const struct packed *m, struct work *w, const float *const *entries)
{
    if (m->n.distinct_attention)
        first_block_attended(m, w, entries);
    else
        first_block_shared(m, w, entries);
    second_block(m, w);
    head_run(m, w);
}
