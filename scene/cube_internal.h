/* cube_internal.h - an open cube, for the files that make up cube.h.
 * Threading: as cube.h.
 */
#pragma once
#include "scene/cube.h"
#include "scene/envi_header.h"
#include "scene/gdal_source.h"
#include <gdal.h>

struct cube {
    struct cube_description d; /* points into what follows */
    struct cube_band *band;    /* (bands) */
    struct cube_point *points; /* (gcp_count) */
    struct gdal_source *source;
    GDALDatasetH dataset;
    GDALDataType sample;  /* what samples are read as: GDAL's name of d.type */
    bool signed_bytes;    /* GDAL before 3.7 gives signed bytes as unsigned ones */
    GDALRasterBandH mask; /* NULL: none */
};

/* Fills c->d, c->band, c->points and c->mask from the open dataset; of an ENVI file from its header h (NULL: a TIFF).
 * limits: checked before anything is allocated. Errors: ERR_INPUT, ERR_LIMIT, ERR_NOMEM. */
int cube_fill_description(struct cube *c, const struct envi_header *h, const struct cube_limits *limits,
                          uint64_t file_bytes, struct err *e);

/* cube_open for a truth raster too: `classification` lets an ENVI Classification in. */
int cube_open_any(struct cube **out, const struct cube_files *files, const struct cube_limits *limits,
                  bool classification, struct err *e);
