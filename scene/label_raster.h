/* label_raster.h - label maps to and from rasters: a GeoTIFF with colours and names, truth rasters.
 *
 * Threading: as cube.h.
 */
#pragma once
#include "base/err.h"
#include "model/package.h"
#include "scene/cube.h"
#include <stdbool.h>
#include <stdint.h>

struct label_tag {
    const char *name, *value;
}; /* {NULL, NULL} ends a list */

/* Where the map lies: the scene's georeference, and the window of it that the map covers. */
struct label_place {
    const struct cube_description *scene;
    int column, line; /* of the map's first pixel in the scene; the raster's origin and its GCPs move there */
};

/* Writes labels (lines, columns) as a Byte GeoTIFF: colour table, nodata 0, category names, CRS, geotransform or GCPs,
 * tags. names: leave `path`.aux.xml beside it, which is where GDAL keeps category names. Writes to `path` directly: the
 * caller picks a name that nobody reads yet. Errors: ERR_IO, ERR_SPACE, ERR_NOMEM. */
int label_raster_write_geotiff(const char *path, const uint8_t *labels, int lines, int columns,
                               const struct label_place *place, const struct package *p, const struct label_tag *tags,
                               bool names, struct err *e);

/* Reads a truth raster: one band of integer class ids, exactly the scene's size, else ERR_INPUT; ids that do not fit
 * a package (negative, above 65535) are returned as 65535. labels: (lines, columns) of the window, malloc'ed here. */
int label_raster_read_truth(const char *path, int scene_columns, int scene_lines, int column, int line, int columns,
                            int lines, uint16_t **labels, struct err *e);
