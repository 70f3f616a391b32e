#include "cpu/strip.h"
#include "cpu/decide.h"
#include "cpu/patch.h"
#include <string.h>

/* Lines y of a strip count as the block's samples do: centre line i is pixel line i + P/2, and its patches reach from i
 * to i + P - 1. Columns q likewise, from the strip's own corner. */

static size_t reach(const struct strip *s) /* P - 1 */
{
    return s->m->side - 1;
}

static size_t pixels_of(const struct strip *s)
{
    return (size_t)s->columns + reach(s);
}

/* The input of pixel q of line y: lines in a ring of P, a pixel of zeros before the first. */
static float *input_of(const struct strip *s, int y, size_t q)
{
    size_t slot = (size_t)y % s->m->side;
    return s->w->input + (slot * (s->w->columns + 2) + q + 1) * 2 * s->m->phase;
}

static float *entry_of(const struct strip *s, enum place row, int y, size_t q, enum place column)
{
    size_t ring = s->m->side - 2;
    size_t slot = row == PLACE_INSIDE ? (size_t)y % ring : row == PLACE_FIRST ? ring : ring + 1;
    return s->w->entries + ((slot * s->w->columns + q) * PLACES + column) * s->m->entry;
}

static int any_valid(const struct strip *s, int first, int last)
{
    int end = s->line + s->lines - 1;
    for (int i = first < s->line ? s->line : first; i <= (last > end ? end : last); i++)
        for (int j = 0; j < s->columns; j++)
            if (decide_is_valid(s->b, i, s->column + j))
                return 1;
    return 0;
}

/* Network input of line y, even samples and odd ones apart; nothing if no valid centre sees it. */
static void load_line(const struct strip *s, int y)
{
    const struct block *b = s->b;
    size_t K = (size_t)s->m->n.K, wide = (size_t)b->columns + 2 * (size_t)b->halo;
    if (!any_valid(s, y - (int)reach(s), y))
        return;
    affine_map_apply(b->map, b->type, block_sample(b, y, 0, s->column), wide,
                     b->valid + (size_t)y * wide + (size_t)s->column, pixels_of(s), s->w->raw, s->map_scratch);
    for (size_t q = 0; q < pixels_of(s); q++) {
        const float *x = s->w->raw + q * K;
        float *even = input_of(s, y, q), *odd = even + s->m->phase;
        for (size_t i = 0; i < K / 2; i++) {
            even[i] = x[2 * i];
            odd[i] = x[2 * i + 1];
        }
        if (K % 2)
            even[K / 2] = x[K - 1];
    }
}

/* Entries of a line that are on their way through res_net1. */
struct batch {
    size_t count;
    float *entry[PACK_MOST_CHUNK];
};

/* q = conv2(relu(bn1(relu(conv1(p))))) with the sums of its rows, bn2 being folded into conv2. */
static void run_batch(const struct strip *s, struct batch *batch)
{
    const struct packed *m = s->m;
    const struct residual_block *block = &m->n.res_net1;
    struct work *w = s->w;
    size_t C = (size_t)m->n.C, D = (size_t)m->n.D, plane = C * m->entry_row;
    for (size_t i = 0; i < batch->count; i++)
        m->k->assemble(C, D, batch->entry[i], batch->entry[i], m->entry_row, NULL, NULL, w->x + i * m->spectrum,
                       m->row);

    struct spectral_call call = {.C = C, .row = m->row, .live = m->live};
    call.groups = (batch->count * m->spectrum + m->k->tile_columns - 1) / m->k->tile_columns;
    call.in = w->x;
    call.out = w->z;
    call.weight = m->res_net1.conv1;
    call.bias = block->conv1.bias;
    call.finish = SPECTRAL_NORM_RELU;
    call.scale = block->bn1.scale;
    call.shift = block->bn1.shift;
    patch_convolve(m, &call);
    call.in = w->z;
    call.out = w->a;
    call.weight = m->res_net1.conv2;
    call.bias = block->conv2.bias;
    call.finish = SPECTRAL_PLAIN;
    patch_convolve(m, &call);

    for (size_t i = 0; i < batch->count; i++) {
        float *q = batch->entry[i] + plane, *sums = q + plane;
        m->k->collect(C, D, w->a + i * m->spectrum, m->row, q, m->entry_row);
        for (size_t c = 0; c < C; c++)
            sums[c] = m->k->sum(q + c * m->entry_row, m->entry_row);
    }
    batch->count = 0;
}

/* A and B stay apart until the attention of a patch is known; it needs the sums of both. */
static void sum_branches(const struct packed *m, float *entry)
{
    size_t C = (size_t)m->n.C, plane = C * m->entry_row;
    for (size_t c = 0; c < C; c++) {
        const float *A = entry + c * m->entry_row;
        entry[2 * plane + c] = m->k->sum(A, m->entry_row) + m->k->sum(A + plane, m->entry_row);
    }
}

/* Which places pixel q has in patches around the centre columns that need[] marks: it is first in that of column q,
 * last in that of q - (P - 1), inside in those between. */
static void places_needed(const struct strip *s, const uint8_t *need, size_t q, int wanted[PLACES])
{
    size_t columns = (size_t)s->columns, P1 = reach(s);
    memset(wanted, 0, PLACES * sizeof *wanted);
    for (size_t j = q > P1 ? q - P1 : 0; j <= q && j < columns; j++)
        if (need[j])
            wanted[j == q ? PLACE_FIRST : j + P1 == q ? PLACE_LAST : PLACE_INSIDE] = 1;
}

/* All entries of line y in one row place, for the valid centres of lines first..last. */
static void compute_line(const struct strip *s, enum place row, int y, int first, int last)
{
    const struct packed *m = s->m;
    size_t C = (size_t)m->n.C, plane = C * m->entry_row;
    uint8_t need[WORK_MOST_COLUMNS] = {0};
    struct batch batch = {0};
    int end = s->line + s->lines - 1;
    for (int i = first < s->line ? s->line : first; i <= (last > end ? end : last); i++)
        for (int j = 0; j < s->columns; j++)
            need[j] |= (uint8_t)decide_is_valid(s->b, i, s->column + j);

    for (size_t q = 0; q < pixels_of(s); q++) {
        struct entry_call call = {
            .C = C,
            .D = (size_t)m->n.D,
            .above = row == PLACE_FIRST ? NULL : input_of(s, y - 1, q),
            .here = input_of(s, y, q),
            .below = row == PLACE_LAST ? NULL : input_of(s, y + 1, q),
            .pixel = 2 * m->phase,
            .phase = m->phase,
            .conv1x1 = m->conv1x1,
            .conv3x3 = m->conv3x3,
            .bias1x1 = m->n.conv1x1.bias,
            .bias3x3 = m->n.conv3x3.bias,
            .entry_row = m->entry_row,
        };
        int wanted[PLACES];
        places_needed(s, need, q, wanted);
        for (int place = 0; place < PLACES; place++) {
            float *entry = entry_of(s, row, y, q, (enum place)place);
            call.p[place] = wanted[place] ? entry : NULL;
            call.q[place] = m->n.distinct_attention ? entry + plane : NULL;
        }
        if (!wanted[PLACE_FIRST] && !wanted[PLACE_INSIDE] && !wanted[PLACE_LAST])
            continue;
        m->k->entry(&call);
        for (int place = 0; place < PLACES; place++) {
            if (call.p[place] == NULL)
                continue;
            if (m->n.distinct_attention) {
                sum_branches(m, call.p[place]);
                continue;
            }
            batch.entry[batch.count++] = call.p[place];
            if (batch.count == m->chunk)
                run_batch(s, &batch);
        }
    }
    if (batch.count > 0)
        run_batch(s, &batch);
}

static void classify(const struct strip *s, int i, int j)
{
    const float *entries[PACK_MOST_SIDE * PACK_MOST_SIDE];
    int P1 = (int)reach(s);
    size_t count = 0;
    for (int r = 0; r <= P1; r++)
        for (int c = 0; c <= P1; c++) {
            enum place row = r == 0 ? PLACE_FIRST : r == P1 ? PLACE_LAST : PLACE_INSIDE;
            enum place column = c == 0 ? PLACE_FIRST : c == P1 ? PLACE_LAST : PLACE_INSIDE;
            entries[count++] = entry_of(s, row, i + r, (size_t)(j + c), column);
        }
    patch_run(s->m, s->w, entries);
}

static void classify_line(const struct strip *s, int i)
{
    for (int j = 0; j < s->columns; j++) {
        size_t pixel = (size_t)i * (size_t)s->b->columns + (size_t)(s->column + j);
        if (!decide_is_valid(s->b, i, s->column + j)) {
            decide_nothing(s->b, pixel);
            continue;
        }
        classify(s, i, j);
        decide_pixel(s->b, pixel, s->w->logits);
    }
}

/* The line behind i that this strip is to classify; -1: none. */
static int line_behind(const struct strip *s, int i)
{
    if (s->canceled != NULL && atomic_load_explicit(s->canceled, memory_order_relaxed))
        return -1;
    if (s->next_line != NULL)
        return s->next_line(s->next_line_argument);
    return i + 1 < s->line + s->lines ? i + 1 : -1;
}

void strip_run(const struct strip *s)
{
    int P1 = (int)reach(s), loaded = s->line, inside = s->line + 1; /* the next line to load, to compute */
    for (int i = s->line - 1; (i = line_behind(s, i)) >= 0;) {
        for (; loaded <= i + P1; loaded++)
            load_line(s, loaded);
        for (; inside < i + P1; inside++)
            compute_line(s, PLACE_INSIDE, inside, inside - P1 + 1, inside - 1);
        if (any_valid(s, i, i)) {
            compute_line(s, PLACE_FIRST, i, i, i);
            compute_line(s, PLACE_LAST, i + P1, i, i);
        }
        classify_line(s, i);
    }
}
