#include "pipeline/strips.h"
#include "base/clock.h"
#include <stdlib.h>

enum {
    STRIP_LINES = 32, /* the shared stage of the halo's lines is computed anew in each strip: 6 of 38 for P = 7 */
    BLOCKS_MOST = 16,
};

struct run {
    const struct strips *s;
    struct block *spare[BLOCKS_MOST];
    int spares;
};

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Waits for the oldest block and stores it; *b is then free, or NULL when none was out. */
static int collect(struct run *r, struct block **b, struct err *e)
{
    if (scheduler_job_take(r->s->job, b, e) != 0) {
        if (*b != NULL)
            r->spare[r->spares++] = *b;
        return -1;
    }
    if (*b == NULL)
        return 0;
    r->spare[r->spares++] = *b;
    if (r->s->source->cancel != NULL && atomic_load(r->s->source->cancel))
        return err_set(e, ERR_CANCELED, "canceled");
    return r->s->store(r->s->store_arg, *b, e);
}

static int submit(struct run *r, const struct lines *l, int line, int column, int lines, int columns, struct err *e)
{
    struct block *b;
    if (r->spares == 0 && collect(r, &b, e) != 0)
        return -1;
    b = r->spare[--r->spares];
    block_resize(b, lines, columns);
    b->line = line;
    b->column = column;
    b->map = r->s->map;
    lines_fill(l, b);
    if (scheduler_job_submit(r->s->job, b, e) == 0)
        return 0;
    r->spare[r->spares++] = b;
    return -1;
}

static int column_strip(struct run *r, int column, int columns, int strip_lines, int capacity, int block_columns,
                        struct err *e)
{
    const struct strips *s = r->s;
    int h = s->halo, result = -1;
    const struct window own = {column, s->window.line, columns, s->window.lines};
    struct line_source source = *s->source;
    source.counted = &own;
    struct lines *l;
    if (lines_open(&l, &source, column - h, columns + 2 * h, capacity, s->window.line + s->window.lines + h, e) != 0)
        return -1;
    for (int done = 0; done < s->window.lines; done += strip_lines) {
        int line = s->window.line + done, lines = smaller(strip_lines, s->window.lines - done);
        if (s->deadline > 0 && clock_now() > s->deadline) {
            err_set(e, ERR_DEADLINE, "the deadline passed before the scene was classified");
            goto done;
        }
        if (lines_advance(l, line - h, lines + 2 * h, e) != 0)
            goto done;
        for (int c = 0; c < columns; c += block_columns)
            if (submit(r, l, line, column + c, lines, smaller(block_columns, columns - c), e) != 0)
                goto done;
    }
    result = 0;
done:
    lines_close(l);
    return result;
}

/* Chooses the strips, allocates the blocks, runs. */
static int run_all(struct run *r, struct err *e)
{
    const struct strips *s = r->s;
    int h = s->halo;
    struct lines_plan plan = lines_choose(s->source, s->window.columns, h, STRIP_LINES);
    int width = plan.width, strip_lines = smaller(s->strip_lines > 0 ? s->strip_lines : plan.step, s->window.lines);
    int capacity = plan.capacity < strip_lines + 2 * h ? strip_lines + 2 * h : plan.capacity;
    int block_columns = s->block_columns > 0 ? s->block_columns : s->block_pixels / strip_lines;
    block_columns = smaller(block_columns < 1 ? 1 : block_columns, width);
    const struct cube_description *d = cube_describe(s->source->cube);
    for (int i = 0; i < smaller(s->blocks, BLOCKS_MOST); i++) {
        if (block_open(&r->spare[r->spares], strip_lines, block_columns, h, s->source->match->B, s->N, d->type,
                       s->logits, e) != 0)
            return -1;
        r->spares++;
    }
    for (int c = 0; c < s->window.columns; c += width)
        if (column_strip(r, s->window.column + c, smaller(width, s->window.columns - c), strip_lines, capacity,
                         block_columns, e) != 0)
            return -1;
    for (struct block *b = NULL;;) {
        if (collect(r, &b, e) != 0)
            return -1;
        if (b == NULL)
            return 0;
    }
}

int strips_run(const struct strips *s, struct err *e)
{
    struct run r = {.s = s};
    int result = run_all(&r, e);
    if (result != 0) {
        struct block *b = NULL;
        scheduler_job_cancel(s->job);
        do {
            scheduler_job_take(s->job, &b, NULL);
            if (b != NULL)
                r.spare[r.spares++] = b;
        } while (b != NULL);
    }
    while (r.spares > 0)
        block_close(r.spare[--r.spares]);
    return result;
}
