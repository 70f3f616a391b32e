/* sniff.h - what a file is, by its first bytes; for the sentence that refuses it.
 * Threading: pure functions.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { SNIFF_BYTES = 512 }; /* so many, or the whole file */

/* TIFF or BigTIFF, either byte order. */
bool sniff_is_tiff(const char *bytes, size_t length);

/* "a PNG image", "an HDF5 or NetCDF-4 file", "text", "empty", ...; NULL where the bytes say nothing: ENVI data looks
 * like that. Static storage. */
const char *sniff_name(const char *bytes, size_t length);
