#include "engine/block.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

/* What block_open hands out, with the size it was opened for: block_resize holds the caller to it. */
struct opened {
    struct block block;
    int lines, columns;
};

/* bytes = a b c d; false where that is more than memory can be. */
static bool multiply(size_t a, size_t b, size_t c, size_t d, size_t *bytes)
{
    return !__builtin_mul_overflow(a, b, bytes) && !__builtin_mul_overflow(*bytes, c, bytes) &&
           !__builtin_mul_overflow(*bytes, d, bytes);
}

int block_open(struct block **out, int lines, int columns, int halo, int B, int N, enum sample_type type,
               int with_logits, struct err *e)
{
    assert(lines >= 1 && columns >= 1 && halo >= 0 && B >= 1 && N >= 1);
    size_t high = (size_t)lines + 2 * (size_t)halo, wide = (size_t)columns + 2 * (size_t)halo;
    size_t samples, centre, logits;
    *out = NULL;
    if (!multiply(high, wide, (size_t)B, sample_size(type), &samples) ||
        !multiply((size_t)lines, (size_t)columns, sizeof(float), 1, &centre) ||
        !multiply(centre, (size_t)N, 1, 1, &logits))
        return err_nomem(e);

    struct opened *o = calloc(1, sizeof *o);
    if (o == NULL)
        return err_nomem(e);
    *o = (struct opened){.lines = lines, .columns = columns};
    struct block *b = &o->block;
    *b = (struct block){.lines = lines, .columns = columns, .halo = halo, .B = B, .N = N, .type = type};
    b->capacity = samples;
    b->samples = malloc(samples);
    b->valid = calloc(high, wide);
    b->labels = calloc((size_t)lines, (size_t)columns);
    b->confidence = malloc(centre);
    b->logits = with_logits ? malloc(logits) : NULL;
    if (b->samples == NULL || b->valid == NULL || b->labels == NULL || b->confidence == NULL ||
        (with_logits && b->logits == NULL)) {
        block_close(b);
        return err_nomem(e);
    }
    *out = b;
    return 0;
}

void block_close(struct block *b)
{
    if (b == NULL)
        return;
    free(b->samples);
    free(b->valid);
    free(b->labels);
    free(b->confidence);
    free(b->logits);
    free(b); /* the first member of what block_open allocated */
}

void block_resize(struct block *b, int lines, int columns)
{
    const struct opened *o = (const struct opened *)b;
    assert(lines >= 1 && lines <= o->lines && columns >= 1 && columns <= o->columns);
    b->lines = lines;
    b->columns = columns;
}

void *block_sample(const struct block *b, int line, int band, int column)
{
    size_t wide = (size_t)b->columns + 2 * (size_t)b->halo;
    size_t index = ((size_t)line * (size_t)b->B + (size_t)band) * wide + (size_t)column;
    return (char *)b->samples + index * sample_size(b->type);
}
