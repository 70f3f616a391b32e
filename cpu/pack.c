#include "cpu/pack.h"
#include "cpu/copy.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, FLOATS_A_LINE = ALIGNMENT / sizeof(float), SPATIAL_TAPS = 9, ENTRY_TILE = 2 };

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* (C,C,7) as (out, in, tap) becomes [tile][in][tap][row of the tile]. */
void pack_spectral(float *out, const float *weight, size_t C, size_t tile_rows)
{
    size_t first, rows;
    for (size_t tile = 0; (rows = tile_split(C, tile_rows, tile, &first)) > 0; tile++)
        for (size_t c = 0; c < C; c++)
            for (size_t tap = 0; tap < SPECTRAL_TAPS; tap++)
                for (size_t r = 0; r < rows; r++)
                    *out++ = weight[((first + r) * C + c) * SPECTRAL_TAPS + tap];
}

/* (C,taps) becomes [pair of channels][tap][channel of the pair]. */
void pack_entry(float *out, const float *weight, size_t C, size_t taps)
{
    for (size_t first = 0; first < C; first += ENTRY_TILE)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t r = 0; r < ENTRY_TILE && first + r < C; r++)
                *out++ = weight[(first + r) * taps + tap];
}

/* Where weight[output][outer][inner] lies in a layer's array. */
struct steps {
    size_t output, outer, inner;
};

static void pack_product(struct packed_product *p, const struct layer *l, size_t outputs, struct steps s,
                         size_t columns)
{
    float *out = p->weight;
    for (size_t i = 0; i < p->outer; i++)
        for (size_t tile = 0; tile < p->tiles; tile++)
            for (size_t j = 0; j < p->inner; j++)
                for (size_t o = tile * columns; o < (tile + 1) * columns; o++)
                    *out++ = o < outputs ? l->weight[o * s.output + i * s.outer + j * s.inner] : 0;
    memcpy(p->bias, l->bias, outputs * sizeof *p->bias);
}

static void measure(struct packed *m, const struct network *n, const struct kernels *k)
{
    enum { CHUNK_FLOATS = 1024 }; /* of a row: long enough that a last group, filled in part, costs little */
    size_t C = (size_t)n->C, D = (size_t)n->D, line = FLOATS_A_LINE;
    m->side = (size_t)n->P;
    m->positions = m->side * m->side;
    m->spectrum = D + SPECTRAL_GAP;
    m->groups = (m->positions * m->spectrum + k->tile_columns - 1) / k->tile_columns;
    /* Behind the last group lies what a vector of the last spectrum may cover. An odd number of cache lines keeps the
     * rows of all channels from falling into the same sets of the cache. */
    m->row = round_up(ROW_LEAD + m->groups * k->tile_columns + KERNEL_LANES_MOST, line);
    m->row += m->row / line % 2 == 0 ? line : 0;
    m->chunk = CHUNK_FLOATS / m->spectrum < 1 ? 1 : CHUNK_FLOATS / m->spectrum;
    m->chunk = m->chunk > m->positions ? m->positions : m->chunk;
    m->entry_row = round_up(D, k->lanes);
    m->entry = round_up(2 * C * m->entry_row + C, line);
    m->phase = round_up(D, k->tile_columns) + line;
    m->channels = round_up(C, k->tile_columns);
}

/* Hands out arrays on cache lines of their own; with base NULL it only counts. */
struct arrays {
    char *base;
    size_t used;
};

static void *take(struct arrays *a, size_t count)
{
    void *array = a->base == NULL ? NULL : a->base + a->used;
    a->used += round_up(count * sizeof(float), ALIGNMENT);
    return array;
}

static void take_product(struct arrays *a, struct packed_product *p, size_t outer, size_t inner, size_t outputs,
                         size_t columns)
{
    p->outer = outer;
    p->inner = inner;
    p->tiles = (outputs + columns - 1) / columns;
    p->weight = take(a, outer * p->tiles * inner * columns);
    p->bias = take(a, p->tiles * columns);
}

static void place(struct packed *m, struct arrays *a)
{
    size_t C = (size_t)m->n.C, columns = m->k->tile_columns;
    m->conv1x1 = take(a, C * SPECTRAL_TAPS);
    m->conv3x3 = take(a, C * SPATIAL_TAPS * SPECTRAL_TAPS);
    for (struct packed_spectral *s = &m->res_net1; s != NULL; s = s == &m->res_net1 ? &m->res_net2 : NULL) {
        s->conv1 = take(a, C * C * SPECTRAL_TAPS);
        s->conv2 = take(a, C * C * SPECTRAL_TAPS);
    }
    take_product(a, &m->conv2, C, (size_t)m->n.D, NETWORK_CONV2_OUT, columns);
    take_product(a, &m->conv3, SPATIAL_TAPS, NETWORK_CONV2_OUT, C, columns);
    for (int i = 0; i < 2; i++) {
        take_product(a, &m->res_net3[i], SPATIAL_TAPS, C, C, columns);
        take_product(a, &m->res_net4[i], SPATIAL_TAPS, C, C, columns);
    }
    m->live = take(a, m->row);
}

static void pack_weights(struct packed *m)
{
    const struct network *n = &m->n;
    size_t C = (size_t)n->C, D = (size_t)n->D, rows = m->k->tile_rows, columns = m->k->tile_columns;
    pack_entry(m->conv1x1, n->conv1x1.weight, C, SPECTRAL_TAPS);
    pack_entry(m->conv3x3, n->conv3x3.weight, C, SPATIAL_TAPS * SPECTRAL_TAPS);
    pack_spectral(m->res_net1.conv1, n->res_net1.conv1.weight, C, rows);
    pack_spectral(m->res_net1.conv2, n->res_net1.conv2.weight, C, rows);
    pack_spectral(m->res_net2.conv1, n->res_net2.conv1.weight, C, rows);
    pack_spectral(m->res_net2.conv2, n->res_net2.conv2.weight, C, rows);
    pack_product(&m->conv2, &n->conv2, NETWORK_CONV2_OUT, (struct steps){C * D, D, 1}, columns);
    pack_product(&m->conv3, &n->conv3, C, (struct steps){SPATIAL_TAPS * NETWORK_CONV2_OUT, NETWORK_CONV2_OUT, 1},
                 columns);
    const struct steps spatial = {C * SPATIAL_TAPS, 1, SPATIAL_TAPS};
    pack_product(&m->res_net3[0], &n->res_net3.conv1, C, spatial, columns);
    pack_product(&m->res_net3[1], &n->res_net3.conv2, C, spatial, columns);
    pack_product(&m->res_net4[0], &n->res_net4.conv1, C, spatial, columns);
    pack_product(&m->res_net4[1], &n->res_net4.conv2, C, spatial, columns);
    for (size_t i = 0; i < m->positions * m->spectrum; i++)
        m->live[i] = i % m->spectrum < D ? -1 : 0;
}

int pack_network(struct packed *m, const struct network *n, const struct kernels *k, struct err *e)
{
    assert(n->C <= PACK_MOST_CHANNELS && n->P <= PACK_MOST_SIDE && n->S <= PACK_MOST_SQUEEZED);
    *m = (struct packed){.k = k};
    if (copy_network(&m->n, n, e) != 0)
        return -1;
    measure(m, n, k);
    struct arrays a = {0};
    place(m, &a);
    m->storage = aligned_alloc(ALIGNMENT, a.used);
    if (m->storage == NULL) {
        pack_release(m);
        return err_nomem(e);
    }
    memset(m->storage, 0, a.used);
    m->bytes = a.used + (size_t)(m->n.full_connection.bias + m->n.N - m->n.storage) * sizeof(float);
    a = (struct arrays){.base = m->storage};
    place(m, &a);
    pack_weights(m);
    return 0;
}

void pack_release(struct packed *m)
{
    network_release(&m->n);
    free(m->storage);
    *m = (struct packed){0};
}
