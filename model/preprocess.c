#include "model/preprocess.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pixels are taken TILE at a time, always TILE: a short rest is filled up. So every pixel goes through the same
 * instructions wherever it stands, and its bits depend on nothing but its own samples. */
enum { TILE = 16 };

void preprocess_release(struct preprocess *p)
{
    free(p->scale);
    free(p->matrix);
    free(p->offset);
    *p = (struct preprocess){0};
}

int affine_map_init(struct affine_map *m, const struct preprocess *p, const double *gain, const double *offset,
                    struct err *e)
{
    size_t B = (size_t)p->B, K = (size_t)p->K;
    *m = (struct affine_map){.B = p->B, .K = p->K, .diagonal = p->matrix == NULL};
    m->weight = malloc((m->diagonal ? K : K * B) * sizeof *m->weight);
    m->bias = malloc(K * sizeof *m->bias);
    if (m->weight == NULL || m->bias == NULL) {
        affine_map_release(m);
        return err_nomem(e);
    }
    for (size_t k = 0; k < K; k++) {
        double bias = p->offset[k];
        for (size_t b = m->diagonal ? k : 0; b < (m->diagonal ? k + 1 : B); b++) {
            double w = (m->diagonal ? 1 : p->matrix[k * B + b]) * p->scale[b];
            m->weight[m->diagonal ? k : k * B + b] = gain == NULL ? w : w * gain[b];
            bias += offset == NULL ? 0 : w * offset[b];
        }
        m->bias[k] = bias;
    }
    return 0;
}

double affine_map_reach(const struct affine_map *m)
{
    size_t row = m->diagonal ? 1 : (size_t)m->B;
    double reach = INFINITY;
    for (size_t k = 0; k < (size_t)m->K; k++) {
        double sum = 0;
        for (size_t i = 0; i < row; i++)
            sum += fabs(m->weight[k * row + i]);
        double room = PREPROCESS_MOST - fabs(m->bias[k]), here = room <= 0 || sum == 0 ? room : room / sum;
        if (!(here >= reach)) /* NaN, of weights that overflowed, counts as nothing */
            reach = isnan(here) ? 0 : here;
    }
    return reach;
}

void affine_map_normalize(struct affine_map *m, const struct scene_statistics *s)
{
    size_t row = m->diagonal ? 1 : (size_t)m->B;
    for (size_t k = 0; k < (size_t)m->K; k++) {
        double deviation = s->pixels == 0 ? 0 : sqrt(s->m2[k] / (double)s->pixels);
        if (deviation == 0)
            deviation = 1;
        for (size_t i = 0; i < row; i++)
            m->weight[k * row + i] /= deviation;
        m->bias[k] = (m->bias[k] - s->mean[k]) / deviation;
    }
}

void affine_map_release(struct affine_map *m)
{
    free(m->weight);
    free(m->bias);
    *m = (struct affine_map){0};
}

size_t affine_map_scratch(const struct affine_map *m)
{
    return (size_t)m->B * TILE * sizeof(double);
}

/* Gathers the samples of count pixels into tile (B, TILE); the places above count are zeros. */
static void load_tile(double *restrict tile, const struct affine_map *m, enum sample_type type, const void *samples,
                      size_t stride, size_t count)
{
    const char *first = samples;
    for (size_t b = 0; b < (size_t)m->B; b++) {
        sample_to_double(type, first + b * stride * sample_size(type), 1, count, tile + b * TILE);
        for (size_t i = count; i < TILE; i++)
            tile[b * TILE + i] = 0;
    }
}

/* Network band k of the TILE pixels, summed over the bands in their order. */
static void map_tile(double out[restrict TILE], const struct affine_map *m, size_t k, const double *restrict tile)
{
    size_t B = (size_t)m->B;
    const double *weight = m->diagonal ? m->weight + k : m->weight + k * B;
    const double *band = m->diagonal ? tile + k * TILE : tile;
    size_t bands = m->diagonal ? 1 : B;
    double sum[TILE];
    for (size_t i = 0; i < TILE; i++)
        sum[i] = m->bias[k];
    for (size_t b = 0; b < bands; b++)
        for (size_t i = 0; i < TILE; i++)
            sum[i] += weight[b] * band[b * TILE + i];
    memcpy(out, sum, sizeof sum);
}

static bool any_valid(const uint8_t *valid, size_t count)
{
    for (size_t i = 0; valid != NULL && i < count; i++)
        if (valid[i])
            return true;
    return valid == NULL;
}

static const void *pixel_address(const void *samples, enum sample_type type, size_t pixel)
{
    return (const char *)samples + pixel * sample_size(type);
}

void affine_map_apply(const struct affine_map *m, enum sample_type type, const void *samples, size_t stride,
                      const uint8_t *valid, size_t pixels, float *x, void *scratch)
{
    size_t K = (size_t)m->K;
    for (size_t first = 0; first < pixels; first += TILE) {
        size_t count = pixels - first < TILE ? pixels - first : TILE;
        const uint8_t *ok = valid == NULL ? NULL : valid + first;
        float *row = x + first * K;
        if (!any_valid(ok, count)) {
            memset(row, 0, count * K * sizeof *row);
            continue;
        }
        load_tile(scratch, m, type, pixel_address(samples, type, first), stride, count);
        for (size_t k = 0; k < K; k++) {
            double out[TILE];
            map_tile(out, m, k, scratch);
            for (size_t i = 0; i < count; i++)
                row[i * K + k] = ok == NULL || ok[i] ? (float)out[i] : 0;
        }
    }
}

int scene_statistics_init(struct scene_statistics *s, int K, struct err *e)
{
    *s = (struct scene_statistics){.K = K};
    s->mean = calloc((size_t)K, sizeof *s->mean);
    s->m2 = calloc((size_t)K, sizeof *s->m2);
    if (s->mean == NULL || s->m2 == NULL) {
        scene_statistics_release(s);
        return err_nomem(e);
    }
    return 0;
}

/* Merges n more values into mean and m2 of `before` values. Sums run over differences from the first value: a constant
 * band then has a deviation of exactly 0, and does not become rounding noise blown up to 1. */
static void merge(double *mean, double *m2, uint64_t before, const double *values, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 1; i < n; i++)
        sum += values[i] - values[0];
    double tile_mean = values[0] + sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - tile_mean) * (values[i] - tile_mean);
    double delta = tile_mean - *mean, share = (double)n / (double)(before + n);
    *m2 = before == 0 ? squares : *m2 + squares + delta * delta * share * (double)before;
    *mean = before == 0 ? tile_mean : *mean + delta * share;
}

void scene_statistics_add(struct scene_statistics *s, const struct affine_map *m, enum sample_type type,
                          const void *samples, size_t stride, const uint8_t *valid, size_t pixels, void *scratch)
{
    for (size_t first = 0; first < pixels; first += TILE) {
        size_t count = pixels - first < TILE ? pixels - first : TILE, n = 0;
        const uint8_t *ok = valid == NULL ? NULL : valid + first;
        if (!any_valid(ok, count))
            continue;
        load_tile(scratch, m, type, pixel_address(samples, type, first), stride, count);
        for (size_t k = 0; k < (size_t)s->K; k++) {
            double out[TILE];
            map_tile(out, m, k, scratch);
            n = 0;
            for (size_t i = 0; i < count; i++)
                if (ok == NULL || ok[i])
                    out[n++] = out[i];
            merge(&s->mean[k], &s->m2[k], s->pixels, out, n);
        }
        s->pixels += n;
    }
}

void scene_statistics_release(struct scene_statistics *s)
{
    free(s->mean);
    free(s->m2);
    *s = (struct scene_statistics){0};
}
