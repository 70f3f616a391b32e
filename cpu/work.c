#include "cpu/work.h"

struct arrays {
    float *base;
    size_t used;
};

static float *take(struct arrays *a, size_t count)
{
    float *array = a->base == NULL ? NULL : a->base + a->used;
    a->used += (count + 15) / 16 * 16;
    return array;
}

static float *take_rows(struct arrays *a, size_t rows, size_t row)
{
    float *array = take(a, rows * row + ROW_LEAD + KERNEL_LANES_MOST);
    return array == NULL ? NULL : array + ROW_LEAD;
}

static void place(struct work *w, const struct packed *m, size_t strip_columns, struct arrays *a)
{
    size_t P = m->side, C = (size_t)m->n.C;
    w->columns = strip_columns + P - 1;
    w->raw = take(a, w->columns * (size_t)m->n.K);
    w->input = take(a, P * (w->columns + 2) * 2 * m->phase);
    w->entries = take(a, P * w->columns * PLACES * m->entry);
    w->x = take_rows(a, C, m->row);
    w->z = take_rows(a, C, m->row);
    w->a = take_rows(a, C, m->row);
    w->waist = take(a, P * P * NETWORK_CONV2_OUT);
    w->sum = take(a, P * P * m->channels);
    w->grid = take(a, P * P * m->channels);
    w->y = take(a, P * P * m->channels);
    w->logits = take(a, (size_t)m->n.N);
}

size_t work_size(const struct packed *m, size_t strip_columns)
{
    struct work w;
    struct arrays a = {0};
    place(&w, m, strip_columns, &a);
    return a.used;
}

void work_place(struct work *w, const struct packed *m, size_t strip_columns, float *base)
{
    struct arrays a = {.base = base};
    place(w, m, strip_columns, &a);
}
