#include "scene/validity.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void validity_release(struct validity *v)
{
    free(v->has_nodata);
    free(v->nodata);
    *v = (struct validity){0};
}

/* The nodata value of each picked band: the request's, else the file's, else the package's for a file that has none. */
static void choose(struct validity *v, const struct package *p, const struct cube_description *d,
                   const struct spectral_match *m, const struct nodata_options *o)
{
    bool declared = false;
    for (int b = 0; b < v->B; b++) {
        const struct cube_band *k = &d->band[m->picked[b]];
        declared = declared || k->has_nodata;
        v->has_nodata[b] = o->source == NODATA_GIVEN || (o->source == NODATA_OF_FILE && k->has_nodata);
        v->nodata[b] = o->source == NODATA_GIVEN ? o->value : k->nodata;
    }
    if (o->source == NODATA_OF_FILE && !declared && p->has_nodata)
        for (int b = 0; b < v->B; b++) {
            v->has_nodata[b] = true;
            v->nodata[b] = p->nodata;
        }
}

int validity_init(struct validity *v, const struct package *p, const struct cube_description *d,
                  const struct spectral_match *m, const struct nodata_options *o, struct err *e)
{
    *v = (struct validity){.B = m->B};
    v->has_nodata = calloc((size_t)m->B, sizeof *v->has_nodata);
    v->nodata = calloc((size_t)m->B, sizeof *v->nodata);
    if (v->has_nodata == NULL || v->nodata == NULL) {
        validity_release(v);
        return err_nomem(e);
    }
    choose(v, p, d, m, o);
    bool zero = true;
    for (int b = v->B - 1; b >= 0; b--)
        if (v->has_nodata[b]) {
            v->any_nodata = true;
            v->shown = v->nodata[b];
            zero = zero && v->nodata[b] == 0;
        }
    v->all = o->rule == NODATA_ALL || (o->rule == NODATA_AUTO && zero);
    return 0;
}

/* One band of a line: counts nodata samples, and clears valid where a sample is not finite. The comparison is in the
 * sample's own type: a nodata value that the type cannot hold matches nothing. */
#define MARK_INTEGER(c_type)                                                                                           \
    do {                                                                                                               \
        const c_type *s = samples;                                                                                     \
        const c_type n = has ? (c_type)nodata : 0;                                                                     \
        for (size_t i = 0; has && i < columns; i++)                                                                    \
            nodata_bands[i] = (uint16_t)(nodata_bands[i] + (s[i] == n));                                               \
    } while (0)

#define MARK_FLOAT(c_type)                                                                                             \
    do {                                                                                                               \
        const c_type *s = samples;                                                                                     \
        const c_type n = has ? (c_type)nodata : 0;                                                                     \
        for (size_t i = 0; i < columns; i++) {                                                                         \
            valid[i] = (uint8_t)(valid[i] & (isfinite(s[i]) != 0));                                                    \
            nodata_bands[i] = (uint16_t)(nodata_bands[i] + (has && s[i] == n));                                        \
        }                                                                                                              \
    } while (0)

static bool holds(enum sample_type type, double v)
{
    static const struct {
        double low, high;
    } ranges[] = {
        [SAMPLE_UINT8] = {0, UINT8_MAX},          [SAMPLE_INT16] = {INT16_MIN, INT16_MAX},
        [SAMPLE_UINT16] = {0, UINT16_MAX},        [SAMPLE_INT32] = {INT32_MIN, INT32_MAX},
        [SAMPLE_UINT32] = {0, UINT32_MAX},        [SAMPLE_FLOAT32] = {-INFINITY, INFINITY},
        [SAMPLE_FLOAT64] = {-INFINITY, INFINITY},
    };
    if (isnan(v) || v < ranges[type].low || v > ranges[type].high)
        return false;
    return type == SAMPLE_FLOAT32 || type == SAMPLE_FLOAT64 || v == floor(v);
}

static void mark_band(enum sample_type type, const void *samples, size_t columns, bool has, double nodata,
                      uint16_t *nodata_bands, uint8_t *valid)
{
    has = has && holds(type, nodata);
    switch (type) {
    case SAMPLE_UINT8:
        MARK_INTEGER(uint8_t);
        return;
    case SAMPLE_INT16:
        MARK_INTEGER(int16_t);
        return;
    case SAMPLE_UINT16:
        MARK_INTEGER(uint16_t);
        return;
    case SAMPLE_INT32:
        MARK_INTEGER(int32_t);
        return;
    case SAMPLE_UINT32:
        MARK_INTEGER(uint32_t);
        return;
    case SAMPLE_FLOAT32:
        MARK_FLOAT(float);
        return;
    case SAMPLE_FLOAT64:
        MARK_FLOAT(double);
        return;
    }
}

void validity_mark(const struct validity *v, enum sample_type type, const void *samples, size_t stride, size_t columns,
                   const uint8_t *mask, uint16_t *nodata_bands, uint8_t *valid, size_t first, size_t counted,
                   struct validity_count *count)
{
    memset(nodata_bands, 0, columns * sizeof *nodata_bands);
    memset(valid, 1, columns);
    for (int b = 0; b < v->B; b++)
        mark_band(type, (const char *)samples + (size_t)b * stride * sample_size(type), columns, v->has_nodata[b],
                  v->nodata[b], nodata_bands, valid);
    for (size_t i = 0; i < columns; i++) {
        bool nodata = v->all ? nodata_bands[i] == v->B : nodata_bands[i] > 0;
        valid[i] = valid[i] && !nodata && (mask == NULL || mask[i] != 0);
    }
    for (size_t i = first; count != NULL && i < first + counted; i++) {
        count->valid += valid[i];
        count->invalid += !valid[i];
        count->partly_nodata += nodata_bands[i] > 0 && nodata_bands[i] < v->B;
    }
}
