/* validity.h - which pixels of a line can be classified.
 *
 * Knows samples and nodata, not files: the pipeline fills lines, this decides. Over the picked bands: NaN, infinite
 * or beyond `largest` in any band, or masked: invalid. Nodata: AUTO is ALL where nodata is 0, else ANY; Salinas shows
 * why: water absorption makes single bands 0 in pixels that are perfectly good. Threading: pure functions on the
 * caller's memory.
 */
#pragma once
#include "base/err.h"
#include "base/sample.h"
#include "model/package.h"
#include "scene/cube.h"
#include "scene/spectral.h"

enum nodata_rule { NODATA_AUTO, NODATA_ANY, NODATA_ALL };

struct nodata_options {
    enum nodata_rule rule;
    enum { NODATA_OF_FILE, NODATA_IGNORED, NODATA_GIVEN } source; /* IGNORED: `nodata=none` */
    double value;                                                 /* GIVEN; may be NaN */
};

/* Nodata decided for every picked band. */
struct validity {
    int B;
    bool *has_nodata; /* (B) */
    double *nodata;   /* (B) */
    bool *enough;     /* (B) nodata in this band alone makes a pixel invalid */
    bool all;         /* no band is enough: invalid only if every picked band is nodata */
    bool any_nodata;  /* some band has a nodata value */
    double shown;     /* the value to report: the first band's that has one */
    double largest;   /* magnitude of a sample that still is a measurement; validity_init: any that is finite */
};

struct validity_count {
    uint64_t valid, invalid, partly_nodata;
};

/* Order: the request, else the file's per-band nodata, else the package's. AUTO is decided here, band by band. */
int validity_init(struct validity *v, const struct package *p, const struct cube_description *d,
                  const struct spectral_match *m, const struct nodata_options *o, struct err *e);
void validity_release(struct validity *v);

/* Marks valid[columns] (1 = can be classified) of one line from samples (B, stride) and mask (columns; NULL: none).
 * nodata_bands: scratch (columns). Where count is not NULL, adds the pixels first..first+counted to *count. */
void validity_mark(const struct validity *v, enum sample_type type, const void *samples, size_t stride, size_t columns,
                   const uint8_t *mask, uint16_t *nodata_bands, uint8_t *valid, size_t first, size_t counted,
                   struct validity_count *count);
