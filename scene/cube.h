/* cube.h - a hyperspectral cube on disk: opened with GDAL under restrictions, described, read by lines.
 *
 * Letters: B picked bands. The only thing that knows GDAL is this folder. Nothing a client named is ever a path here:
 * the caller gives paths of files it made or was given on the command line. Threading: a cube is used by one thread at
 * a time; several cubes may be open at once. scene_init first, once. Messages carry no path and no text of GDAL's
 * (which goes to the log).
 */
#pragma once
#include "base/err.h"
#include "base/sample.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers GDAL once, keeps only the drivers that are needed, fixes its cache. cache_bytes: for all cubes together. */
void scene_init(size_t cache_bytes);

struct cube_limits {
    uint64_t pixels; /* of the scene */
    int bands;
    double inflation; /* declared bytes over the file's length */
};
extern const struct cube_limits cube_limits_default; /* 10^10 pixels, 4096 bands, 1000 */

struct cube_files {
    const char *data;   /* a TIFF, or an ENVI binary */
    const char *header; /* the ENVI header; NULL: the TIFF alone (see cube_find_files for the command line) */
    bool pair; /* the sender could have sent a header: data that is no TIFF and nothing else that is known by its
                  first bytes is then called ENVI data without its header (ERR_INPUT, not ERR_FORMAT) */
};

struct cube_band {
    double wavelength_nm; /* NaN: not known */
    double fwhm_nm;       /* NaN: not known */
    bool bad;             /* bbl = 0 */
    bool alpha;
    double gain, offset; /* the file's scale and offset; 1 and 0 where there is none; may be NaN */
    bool has_nodata;
    double nodata;
};

struct cube_point {
    double pixel, line, x, y, z;
};

/* What a file declares. All pointers belong to the cube. */
struct cube_description {
    int columns, lines, bands; /* of the whole scene; alpha bands are counted in bands */
    const char *driver;        /* "GTiff" or "ENVI" */
    enum sample_type type;
    const char *interleave;            /* "BAND", "LINE", "PIXEL" */
    int block_columns, block_lines;    /* how the file is cut */
    const struct cube_band *band;      /* (bands) */
    bool has_band_scale;               /* some band's gain and offset are not 1 and 0 */
    bool has_reflectance_scale_factor; /* ENVI */
    double reflectance_scale_factor;   /* 0: none, or the file says 0 */
    bool has_wavelengths;              /* every non-alpha band has one */
    bool has_mask;                     /* a dataset mask or an alpha band (GMF_PER_DATASET, GMF_ALPHA) */
    int default_bands[3];              /* ENVI `default bands`, from 1; 0: none */
    char *crs;                         /* "EPSG:32633", else WKT2; NULL: none */
    bool has_geotransform;
    double geotransform[6];
    const struct cube_point *gcps; /* (gcp_count) */
    size_t gcp_count;
};

struct cube;

/* Finds out by content what `files` are, checks an ENVI header and the data's length before GDAL sees them, opens,
 * checks limits before memory is taken. Errors: ERR_FORMAT (415, with what was found), ERR_INPUT, ERR_LIMIT, ERR_IO,
 * ERR_NOMEM. */
int cube_open(struct cube **out, const struct cube_files *files, const struct cube_limits *limits, struct err *e);
void cube_close(struct cube *c);
const struct cube_description *cube_describe(const struct cube *c);

/* For the command line: `path` may be the ENVI data file or its header, or a TIFF. Fills data and header (each
 * malloc'ed, header NULL for a TIFF). Errors: ERR_FORMAT, ERR_INPUT (which file is missing), ERR_IO. */
int cube_find_files(const char *path, char **data, char **header, struct err *e);

/* Reads a window of whole-scene coordinates, wholly inside the scene, of the bands picked[0..B) (from 0), into
 * samples (lines, B, stride) of type cube_describe()->type (stride >= columns, in samples), and, where mask is not NULL
 * and the file has one, the dataset's mask into mask (lines, mask_stride): 0 = masked out, else 255 (255 everywhere if
 * it has none). Stops with ERR_CANCELED soon after *cancel turns true (NULL: never). A truncated or corrupt file is
 * ERR_INPUT. */
int cube_read(struct cube *c, const int *picked, int B, int column, int line, int columns, int lines, void *samples,
              size_t stride, uint8_t *mask, size_t mask_stride, const atomic_bool *cancel, struct err *e);
