/* area.h - the area of a pixel of each line, where the CRS tells.
 * Threading: any thread, after scene_init.
 */
#pragma once
#include "scene/label_raster.h"

/* area (lines), in m2, of one pixel of each line of the map at `place`. Projected CRS: the determinant of the
 * geotransform times the square of the linear unit. Geographic: the cell between two parallels of the ellipsoid
 * (Snyder, Map Projections: A Working Manual, 1987, eq. 3-12). Returns true; false with *why, a static text, where it
 * is not defined. */
bool area_of_pixels(const struct label_place *place, int lines, double *area, const char **why);
