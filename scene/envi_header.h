/* envi_header.h - what an ENVI header says of the binary file beside it, checked before GDAL sees either.
 *
 * GDAL's own reader opens a file that is too short and answers zeros, lets a key that is given twice mean either, and
 * follows `file compression`. So a header is understood here, and GDAL gets one that envi_header_write made from what
 * was understood.
 * Letters: B bands. Threading: pure functions; a header is plain data. Who owns what: the header owns all it points to.
 */
#pragma once
#include "base/err.h"
#include "base/sample.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENVI_HEADER_MOST = 1 << 20 }; /* bytes */

enum envi_interleave { ENVI_BSQ, ENVI_BIL, ENVI_BIP };

struct envi_header {
    int samples, lines, bands;
    uint64_t offset; /* of the first sample in the data file */
    int data_type;   /* ENVI's code; one that `type` can hold */
    enum sample_type type;
    enum envi_interleave interleave;
    bool big_endian;
    bool classification; /* `file type = ENVI Classification`, else ENVI Standard */

    bool has_ignore_value, has_reflectance_scale_factor;
    double ignore_value; /* may be NaN */
    double reflectance_scale_factor;
    double *gain, *offsets; /* (B) or NULL: data gain values, data offset values; any number, NaN too */
    double *wavelength_nm;  /* (B) or NULL: none, or not wavelengths; NaN: that band's is not known */
    double *fwhm_nm;        /* (B) or NULL */
    bool *bad;              /* (B) or NULL: bbl = 0 */
    int default_bands[3];   /* from 1; 0: none */

    /* Only what GDAL makes a place on Earth of; text without braces, NULL: none. */
    char *map_info, *projection_info, *coordinate_system, *geo_points;
};

/* What a header may say. */
struct envi_rules {
    int bands_most;
    uint64_t pixels_most;
    bool classification; /* a truth raster may be one */
};

/* Errors: ERR_TOO_LARGE, ERR_FORMAT (no ENVI header), ERR_INPUT with the key at fault, ERR_LIMIT, ERR_NOMEM. On -1
 * nothing needs to be released. */
int envi_header_parse(struct envi_header *h, const char *bytes, size_t length, const struct envi_rules *rules,
                      struct err *e);
void envi_header_release(struct envi_header *h);

/* Bytes of all samples, lines x samples x B x size. With the offset it fits 63 bits: envi_header_parse sees to it. */
uint64_t envi_header_data_bytes(const struct envi_header *h);

/* ERR_INPUT unless a data file of file_bytes holds exactly the offset and the samples. */
int envi_header_check_length(const struct envi_header *h, uint64_t file_bytes, struct err *e);

/* A header for GDAL: the layout, with `header offset = 0`, and the georeference. *text is for free(). */
int envi_header_write(const struct envi_header *h, char **text, struct err *e);
