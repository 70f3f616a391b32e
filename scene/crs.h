/* crs.h - coordinate reference systems as text.
 * Threading: pure functions; scene_init first.
 */
#pragma once
#include <ogr_srs_api.h>

/* "EPSG:32633" where an authority that is known here has a code for it, else WKT2, one line; NULL: none, or no memory.
 * For free(). */
char *crs_text(OGRSpatialReferenceH srs);

/* The CRS of such a text, x before y; NULL if it cannot be understood. For OSRRelease. */
OGRSpatialReferenceH crs_from_text(const char *text);
