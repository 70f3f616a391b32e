#include "pipeline/lines.h"
#include "base/clock.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One request holds so many bytes of lines: a row of tiles of 512 x 512 x 224 Int16 with its halo, as EnMAP's products
 * have them. A scene too broad for it is cut into column strips. */
enum { LINES_BUDGET = 144 << 20, STEP_LEAST = 8 };

static enum sample_type type_of(const struct line_source *s)
{
    return cube_describe(s->cube)->type;
}

static size_t bytes_of_line(const struct line_source *s, int columns)
{
    return (size_t)s->match->B * (size_t)columns * sample_size(type_of(s));
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* The plan for strips `width` broad. *cost: how often a block of the file is decoded, about. */
static struct lines_plan plan_for(const struct line_source *s, int width, int columns, int halo, int most_step,
                                  double *cost)
{
    const struct cube_description *d = cube_describe(s->cube);
    size_t room = LINES_BUDGET / bytes_of_line(s, width + 2 * halo);
    int fit = room > INT32_MAX ? INT32_MAX : (int)room, once = most_step + 2 * halo;
    bool rows = d->block_lines > 1;
    int wanted = rows && d->block_lines < INT32_MAX - once ? once + d->block_lines : once;
    struct lines_plan p = {.width = width, .capacity = smaller(fit, wanted)};
    p.capacity = p.capacity < 1 + 2 * halo ? 1 + 2 * halo : p.capacity;
    p.step = smaller(most_step, p.capacity - 2 * halo);
    double tiles = ceil((double)width / d->block_columns), across = columns / (double)width;
    *cost = rows && p.capacity < wanted ? 1 + (double)d->block_lines / (p.capacity - 2 * halo) : 1;
    if (width < columns)
        *cost *= fmin((tiles + 2) / tiles, across + 1);
    if (p.step < smaller(STEP_LEAST, most_step))
        *cost *= 1e6;
    return p;
}

struct lines_plan lines_choose(const struct line_source *source, int columns, int halo, int most_step)
{
    int tile = cube_describe(source->cube)->block_columns;
    double least, cost;
    struct lines_plan best = plan_for(source, columns, columns, halo, most_step, &least);
    for (int strips = 2; strips <= columns && least > 1; strips += 1 + strips / 8) {
        int width = (columns + strips - 1) / strips;
        if (tile < columns && width > tile)
            width -= width % tile;
        struct lines_plan p = plan_for(source, width, columns, halo, most_step, &cost);
        if (cost < least) {
            best = p;
            least = cost;
        }
    }
    return best;
}

int lines_open(struct lines **out, const struct line_source *source, int column, int columns, int capacity, int end,
               struct err *e)
{
    struct lines *l = calloc(1, sizeof *l);
    if (l == NULL)
        return err_nomem(e);
    l->source = source;
    l->column = column;
    l->columns = columns;
    l->capacity = capacity;
    l->end = end;
    l->line_bytes = bytes_of_line(source, columns);
    size_t pixels = (size_t)capacity * (size_t)columns;
    l->samples = calloc((size_t)capacity, l->line_bytes);
    l->valid = calloc(pixels, 1);
    l->mask = calloc(pixels, 1);
    l->nodata_bands = calloc((size_t)columns, sizeof *l->nodata_bands);
    if (l->samples == NULL || l->valid == NULL || l->mask == NULL || l->nodata_bands == NULL) {
        lines_close(l);
        return err_nomem(e);
    }
    *out = l;
    return 0;
}

void lines_close(struct lines *l)
{
    if (l == NULL)
        return;
    free(l->samples);
    free(l->valid);
    free(l->mask);
    free(l->nodata_bands);
    free(l);
}

static int row_of(const struct lines *l, int line)
{
    assert(line >= l->first && line < l->first + l->held);
    return line - l->first;
}

const void *lines_samples(const struct lines *l, int line)
{
    return (const char *)l->samples + (size_t)row_of(l, line) * l->line_bytes;
}

const uint8_t *lines_valid(const struct lines *l, int line)
{
    return l->valid + (size_t)row_of(l, line) * (size_t)l->columns;
}

/* Drops what lies before `first` and moves the rest to the front. */
static void keep_from(struct lines *l, int first)
{
    assert(l->held == 0 || first >= l->first);
    int dropped = l->held == 0 ? 0 : first - l->first;
    int kept = l->held > dropped ? l->held - dropped : 0;
    if (kept > 0 && dropped > 0) {
        memmove(l->samples, (char *)l->samples + (size_t)dropped * l->line_bytes, (size_t)kept * l->line_bytes);
        memmove(l->valid, l->valid + (size_t)dropped * (size_t)l->columns, (size_t)kept * (size_t)l->columns);
    }
    l->first = first;
    l->held = kept;
}

/* Marks the pixels inside..inside+columns of row `row` that can be classified, counting those of the counted window. */
static void mark_row(struct lines *l, int row, int line, int inside, int columns)
{
    const struct line_source *s = l->source;
    const struct window nothing = {0}, *w = s->counted != NULL ? s->counted : &nothing;
    int from = w->column - (l->column + inside), to = from + w->columns;
    from = from < 0 ? 0 : from;
    to = to > columns ? columns : to;
    bool counts = w->line <= line && line < w->line + w->lines && to > from;
    size_t at = (size_t)row * (size_t)l->columns + (size_t)inside;
    const char *samples = (const char *)l->samples + (size_t)row * l->line_bytes;
    validity_mark(s->validity, type_of(s), samples + (size_t)inside * sample_size(type_of(s)), (size_t)l->columns,
                  (size_t)columns, cube_describe(s->cube)->has_mask ? l->mask + at : NULL, l->nodata_bands,
                  l->valid + at, counts ? (size_t)from : 0, counts ? (size_t)(to - from) : 0, counts ? s->count : NULL);
}

/* Reads lines line..line+count, the part of them inside the scene, to the rows behind those held. */
static int append(struct lines *l, int line, int count, struct err *e)
{
    const struct line_source *s = l->source;
    const struct cube_description *d = cube_describe(s->cube);
    int row = l->held;
    memset(l->valid + (size_t)row * (size_t)l->columns, 0, (size_t)count * (size_t)l->columns);
    int top = line < 0 ? 0 : line, bottom = line + count > d->lines ? d->lines : line + count;
    int left = l->column < 0 ? 0 : l->column;
    int right = l->column + l->columns > d->columns ? d->columns : l->column + l->columns;
    if (bottom > top && right > left) {
        int inside = left - l->column, at = row + (top - line);
        size_t pixel = (size_t)at * (size_t)l->columns + (size_t)inside;
        char *samples = (char *)l->samples + (size_t)at * l->line_bytes + (size_t)inside * sample_size(d->type);
        double start = clock_now();
        int failed =
            cube_read(s->cube, s->match->picked, s->match->B, left, top, right - left, bottom - top, samples,
                      (size_t)l->columns, d->has_mask ? l->mask + pixel : NULL, (size_t)l->columns, s->cancel, e);
        *s->read_s += clock_now() - start;
        if (failed != 0)
            return -1;
        for (int k = top; k < bottom; k++)
            mark_row(l, at + (k - top), k, inside, right - left);
    }
    l->held += count;
    return 0;
}

/* The line up to which to read so that line `last` is held: the end of its row of tiles, as far as there is room. */
static int read_to(const struct lines *l, int last)
{
    const struct cube_description *d = cube_describe(l->source->cube);
    if (last <= 0 || last >= d->lines || d->block_lines <= 1)
        return last;
    int64_t row = ((int64_t)last + d->block_lines - 1) / d->block_lines * d->block_lines;
    int most = smaller(smaller(d->lines, l->end), l->first + l->capacity);
    return most < last ? last : row < most ? (int)row : most;
}

int lines_advance(struct lines *l, int first, int count, struct err *e)
{
    assert(count <= l->capacity);
    keep_from(l, first);
    if (l->held >= count)
        return 0;
    return append(l, first + l->held, read_to(l, first + count) - first - l->held, e);
}

void lines_fill(const struct lines *l, struct block *b)
{
    int columns = b->columns + 2 * b->halo, lines = b->lines + 2 * b->halo;
    size_t size = sample_size(b->type), from = (size_t)(b->column - b->halo - l->column);
    for (int k = 0; k < lines; k++) {
        int line = b->line - b->halo + k;
        const char *samples = lines_samples(l, line);
        memcpy(b->valid + (size_t)k * (size_t)columns, lines_valid(l, line) + from, (size_t)columns);
        for (int band = 0; band < b->B; band++)
            memcpy(block_sample(b, k, band, 0), samples + ((size_t)band * (size_t)l->columns + from) * size,
                   (size_t)columns * size);
    }
}
