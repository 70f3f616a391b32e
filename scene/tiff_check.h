/* tiff_check.h - limits on what a file claims, before a sample is read or memory is taken for one.
 *
 * 46 KB of TIFF can claim 10^6 x 10^6 pixels in blocks of 1 GiB, and 54 KB can inflate to 1.6 GB.
 * Threading: as cube.h.
 */
#pragma once
#include "scene/cube.h"
#include <gdal.h>

/* A block is decoded whole, with all bands where they lie pixel by pixel: more bytes than this are refused. */
enum { TIFF_BLOCK_MOST = 256 << 20 };

/* Errors: ERR_LIMIT (pixels, bands, bytes of a block, declared bytes over the file's), ERR_INPUT (no bands). */
int tiff_check_size(GDALDatasetH dataset, const struct cube_limits *limits, uint64_t file_bytes, struct err *e);

/* A mask is a raster of its own in the file, cut as it likes: 12 KB can claim one block of 4 GiB for it. Errors:
 * ERR_LIMIT. */
int tiff_check_mask(GDALRasterBandH mask, struct err *e);
