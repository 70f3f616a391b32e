#include "cli/bench_scene.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Uniform in -1..1; a fixed sequence (Marsaglia 2003, xorshift32), so that every run measures the same scene. */
static float next(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return (float)x / 2147483648.0f - 1.0f;
}

int bench_scene_init(struct bench_scene *s, const struct network *n, int lines, int columns, struct err *e)
{
    int h = n->P / 2, width = columns + 2 * h, height = lines + 2 * h;
    size_t K = (size_t)n->K;
    *s = (struct bench_scene){.lines = lines, .columns = columns, .halo = h, .K = n->K};
    s->samples = malloc((size_t)height * K * (size_t)width * sizeof *s->samples);
    s->ones = malloc(K * sizeof *s->ones);
    s->zeros = calloc(K, sizeof *s->zeros);
    if (s->samples == NULL || s->ones == NULL || s->zeros == NULL) {
        bench_scene_release(s);
        return err_nomem(e);
    }
    for (size_t k = 0; k < K; k++)
        s->ones[k] = 1;
    s->map = (struct affine_map){.B = n->K, .K = n->K, .diagonal = 1, .weight = s->ones, .bias = s->zeros};
    uint32_t state = 2463534242u;
    for (int line = 0; line < height; line++)
        for (int c = 0; c < width; c++) {
            float a = next(&state), b = next(&state), phase = 3 * next(&state);
            for (int k = 0; k < n->K; k++)
                s->samples[((size_t)line * K + (size_t)k) * (size_t)width + (size_t)c] =
                    a + b * sinf(phase + 6 * (float)k / (float)n->K) + 0.1f * next(&state);
        }
    return 0;
}

void bench_scene_release(struct bench_scene *s)
{
    free(s->samples);
    free(s->ones);
    free(s->zeros);
    *s = (struct bench_scene){0};
}

static int cut(const struct bench_scene *s, const struct network *n, int line, int column, int lines, int columns,
               int logits, struct block **out, struct err *e)
{
    struct block *b;
    if (block_open(&b, lines, columns, s->halo, s->K, n->N, SAMPLE_FLOAT32, logits, e) != 0)
        return -1;
    int width = columns + 2 * s->halo;
    b->line = line;
    b->column = column;
    b->map = &s->map;
    memset(b->valid, 1, (size_t)(lines + 2 * s->halo) * (size_t)width);
    for (int k = 0; k < lines + 2 * s->halo; k++)
        for (int band = 0; band < s->K; band++)
            memcpy(block_sample(b, k, band, 0),
                   s->samples +
                       ((size_t)(line + k) * (size_t)s->K + (size_t)band) * (size_t)(s->columns + 2 * s->halo) + column,
                   (size_t)width * sizeof(float));
    *out = b;
    return 0;
}

int bench_scene_blocks(const struct bench_scene *s, const struct network *n, int lines, int columns,
                       struct block ***blocks, size_t *count, struct err *e)
{
    size_t down = (size_t)((s->lines + lines - 1) / lines), across = (size_t)((s->columns + columns - 1) / columns);
    struct block **list = calloc(down * across, sizeof *list);
    if (list == NULL)
        return err_nomem(e);
    size_t made = 0;
    for (int line = 0; line < s->lines; line += lines)
        for (int c = 0; c < s->columns; c += columns) {
            int height = s->lines - line < lines ? s->lines - line : lines;
            int width = s->columns - c < columns ? s->columns - c : columns;
            if (cut(s, n, line, c, height, width, 0, &list[made], e) != 0) {
                bench_scene_close_blocks(list, made);
                return -1;
            }
            made++;
        }
    *blocks = list;
    *count = made;
    return 0;
}

int bench_scene_pixel(const struct bench_scene *s, const struct network *n, int line, int column, struct block **b,
                      struct err *e)
{
    return cut(s, n, line, column, 1, 1, 1, b, e);
}

void bench_scene_close_blocks(struct block **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        block_close(blocks[i]);
    free(blocks);
}
