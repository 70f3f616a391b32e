#include "tests/unit/support/random_block.h"
#include <stdio.h>
#include <stdlib.h>

static void *must(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "random_block: out of memory\n");
        abort();
    }
    return p;
}

void random_scene_init(struct random_scene *s, int lines, int columns, int K, int percent_invalid, uint64_t seed)
{
    struct random r = {.state = seed};
    size_t pixels = (size_t)lines * (size_t)columns;
    *s = (struct random_scene){.lines = lines, .columns = columns, .K = K};
    s->samples = must(malloc(pixels * (size_t)K * sizeof *s->samples));
    s->valid = must(malloc(pixels));
    for (size_t i = 0; i < pixels * (size_t)K; i++)
        s->samples[i] = (int16_t)((int)random_below(&r, 4000) - 1000);
    for (size_t i = 0; i < pixels; i++)
        s->valid[i] = random_below(&r, 100) >= (uint64_t)percent_invalid;
    s->map = (struct affine_map){.B = K, .K = K, .diagonal = 1};
    s->map.weight = must(malloc((size_t)K * sizeof(double)));
    s->map.bias = must(malloc((size_t)K * sizeof(double)));
    for (int k = 0; k < K; k++) {
        s->map.weight[k] = random_between(&r, 0.0007, 0.001);
        s->map.bias[k] = -1000 * s->map.weight[k] + random_between(&r, -0.1, 0.1);
    }
}

void random_scene_release(struct random_scene *s)
{
    free(s->samples);
    free(s->valid);
    affine_map_release(&s->map);
}

struct block *random_scene_block(struct random_scene *s, const struct network *n, int line, int column, int lines,
                                 int columns, int with_logits)
{
    struct block *b;
    struct err e;
    int halo = n->P / 2, wide = columns + 2 * halo;
    if (block_open(&b, lines, columns, halo, s->K, n->N, SAMPLE_INT16, with_logits, &e) != 0)
        must(NULL);
    b->map = &s->map;
    b->line = line;
    b->column = column;
    for (int y = 0; y < lines + 2 * halo; y++)
        for (int x = 0; x < wide; x++) {
            int sy = line + y - halo, sx = column + x - halo;
            int inside = sy >= 0 && sy < s->lines && sx >= 0 && sx < s->columns;
            size_t pixel = inside ? (size_t)sy * (size_t)s->columns + (size_t)sx : 0;
            b->valid[y * wide + x] = inside ? s->valid[pixel] : 0;
            for (int k = 0; k < s->K; k++) {
                int16_t *sample = block_sample(b, y, k, x);
                size_t at = ((size_t)sy * (size_t)s->K + (size_t)k) * (size_t)s->columns + (size_t)sx;
                *sample = inside ? s->samples[at] : 12345;
            }
        }
    return b;
}
