/* tiff_file.h - TIFFs that tests make with GDAL, with values that tell where they stand.
 * Threading: a folder belongs to one thread.
 */
#pragma once
#include "scene/cube.h"
#include "tests/unit/support/scratch.h"
#include <gdal.h>

struct tiff_form {
    int columns, lines, bands;
    GDALDataType type;
    const char *const *options;           /* creation options, NULL-terminated, or NULL */
    void (*change)(GDALDatasetH dataset); /* before it is closed; may be NULL */
    bool empty;                           /* no samples are written */
};

/* The value at a place: 1..120, exact in every type. */
double tiff_file_value(int line, int band, int column);

/* Writes `name`; returns its path as scratch_path does. */
const char *tiff_file_write(struct scratch *s, const char *name, const struct tiff_form *f);

/* Writes "cube.tif" and opens it; a refusal fails the running test. */
struct cube *tiff_file_open(struct scratch *s, const struct tiff_form *f);

/* Writes "cube.tif", which must be refused so. */
void tiff_file_refused(const struct tiff_form *f, const struct cube_limits *limits, enum err_code code,
                       const char *part);
