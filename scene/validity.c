#include "scene/validity.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nodata of the cube's band i, as the options have it. */
static bool nodata_of(const struct package *p, const struct cube_band *band, const struct nodata_options *o,
                      double *value)
{
    *value = 0;
    if (o->source == NODATA_IGNORED)
        return false;
    if (o->source == NODATA_GIVEN) {
        *value = o->value;
        return true;
    }
    if (band->has_nodata || p->has_nodata) {
        *value = band->has_nodata ? band->nodata : p->nodata;
        return true;
    }
    return false;
}

int validity_init(struct validity *v, const struct package *p, const struct cube_description *d,
                  const struct spectral_match *m, const struct nodata_options *o, struct err *e)
{
    *v = (struct validity){.B = m->B, .largest = DBL_MAX};
    v->has_nodata = calloc((size_t)m->B, sizeof *v->has_nodata);
    v->nodata = calloc((size_t)m->B, sizeof *v->nodata);
    v->enough = calloc((size_t)m->B, sizeof *v->enough);
    if (v->has_nodata == NULL || v->nodata == NULL || v->enough == NULL) {
        validity_release(v);
        return err_nomem(e);
    }
    v->all = true;
    for (int b = 0; b < m->B; b++) {
        v->has_nodata[b] = nodata_of(p, &d->band[m->picked[b]], o, &v->nodata[b]);
        if (!v->has_nodata[b])
            continue;
        if (!v->any_nodata)
            v->shown = v->nodata[b];
        v->any_nodata = true;
        v->enough[b] = o->rule == NODATA_ANY || (o->rule == NODATA_AUTO && v->nodata[b] != 0);
        v->all = v->all && !v->enough[b];
    }
    return 0;
}

void validity_release(struct validity *v)
{
    free(v->has_nodata);
    free(v->nodata);
    free(v->enough);
    *v = (struct validity){0};
}

/* One band of one line of integers: counts in hits[n] the samples that equal nodata. A nodata that the type cannot hold
 * equals none. */
#define COUNT_INTEGER(c_type)                                                                                          \
    static void count_##c_type(const void *samples, size_t n, double nodata, uint16_t *hits)                           \
    {                                                                                                                  \
        const c_type *s = samples;                                                                                     \
        if (!(nodata >= -2147483648.0 && nodata <= 4294967295.0))                                                      \
            return;                                                                                                    \
        c_type wanted = (c_type)(int64_t)nodata;                                                                       \
        if ((double)wanted != nodata)                                                                                  \
            return;                                                                                                    \
        for (size_t i = 0; i < n; i++)                                                                                 \
            hits[i] = (uint16_t)(hits[i] + (s[i] == wanted));                                                          \
    }

COUNT_INTEGER(uint8_t)
COUNT_INTEGER(int16_t)
COUNT_INTEGER(uint16_t)
COUNT_INTEGER(int32_t)
COUNT_INTEGER(uint32_t)

/* A file's nodata is text or a double, its samples are floats: -9999.1 is compared as the float that it becomes. NaN
 * and infinity need no nodata to be invalid. */
static void count_float(const void *samples, size_t n, double nodata, uint16_t *hits)
{
    const float *s = samples;
    float wanted = (float)nodata;
    for (size_t i = 0; i < n; i++)
        hits[i] = (uint16_t)(hits[i] + (s[i] == wanted));
}

static void count_double(const void *samples, size_t n, double nodata, uint16_t *hits)
{
    const double *s = samples;
    for (size_t i = 0; i < n; i++)
        hits[i] = (uint16_t)(hits[i] + (s[i] == nodata));
}

static void count_nodata(enum sample_type type, const void *samples, size_t n, double nodata, uint16_t *hits)
{
    static void (*const counts[])(const void *, size_t, double, uint16_t *) = {
        [SAMPLE_UINT8] = count_uint8_t,  [SAMPLE_INT16] = count_int16_t,   [SAMPLE_UINT16] = count_uint16_t,
        [SAMPLE_INT32] = count_int32_t,  [SAMPLE_UINT32] = count_uint32_t, [SAMPLE_FLOAT32] = count_float,
        [SAMPLE_FLOAT64] = count_double,
    };
    counts[type](samples, n, nodata, hits);
}

/* Counts in hits (columns) the bands of one line that are nodata: those that are enough alone, or the others. */
static void count_bands(const struct validity *v, bool enough, enum sample_type type, const char *samples,
                        size_t band_bytes, size_t columns, uint16_t *hits)
{
    for (int b = 0; b < v->B; b++)
        if (v->has_nodata[b] && v->enough[b] == enough)
            count_nodata(type, samples + (size_t)b * band_bytes, columns, v->nodata[b], hits);
}

/* valid[i] &= |sample i| <= largest. By bits, which order as magnitudes do, NaN and infinity above all: no
 * floating-point option of a compiler can fold it away. */
static void clear_beyond(double largest, enum sample_type type, const void *samples, size_t n, uint8_t *valid)
{
    float single = largest < (double)FLT_MAX ? (float)largest : FLT_MAX;
    uint32_t most, bits;
    uint64_t most_double, bits_double;
    memcpy(&most, &single, sizeof most);
    memcpy(&most_double, &largest, sizeof most_double);
    if (type == SAMPLE_FLOAT32)
        for (size_t i = 0; i < n; i++) {
            memcpy(&bits, (const float *)samples + i, sizeof bits);
            valid[i] &= (bits & 0x7fffffffu) <= most;
        }
    else if (type == SAMPLE_FLOAT64)
        for (size_t i = 0; i < n; i++) {
            memcpy(&bits_double, (const double *)samples + i, sizeof bits_double);
            valid[i] &= (bits_double & 0x7fffffffffffffffu) <= most_double;
        }
}

static void count_pixels(const struct validity *v, const uint16_t *hits, const uint8_t *valid, size_t first,
                         size_t counted, struct validity_count *count)
{
    uint64_t sum = 0, partly = 0;
    for (size_t i = first; i < first + counted; i++) {
        sum += valid[i];
        partly += hits[i] > 0 && hits[i] < v->B;
    }
    count->valid += sum;
    count->invalid += counted - sum;
    count->partly_nodata += partly;
}

void validity_mark(const struct validity *v, enum sample_type type, const void *samples, size_t stride, size_t columns,
                   const uint8_t *mask, uint16_t *nodata_bands, uint8_t *valid, size_t first, size_t counted,
                   struct validity_count *count)
{
    size_t band_bytes = stride * sample_size(type);
    memset(nodata_bands, 0, columns * sizeof *nodata_bands);
    memset(valid, 1, columns);
    for (int b = 0; b < v->B; b++)
        clear_beyond(v->largest, type, (const char *)samples + (size_t)b * band_bytes, columns, valid);
    count_bands(v, true, type, samples, band_bytes, columns, nodata_bands);
    for (size_t i = 0; i < columns; i++)
        valid[i] = valid[i] && (mask == NULL || mask[i] != 0) && nodata_bands[i] == 0;
    count_bands(v, false, type, samples, band_bytes, columns, nodata_bands);
    for (size_t i = 0; i < columns; i++)
        valid[i] = valid[i] && nodata_bands[i] < v->B;
    if (count != NULL)
        count_pixels(v, nodata_bands, valid, first, counted, count);
}
