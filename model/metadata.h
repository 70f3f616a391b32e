/* metadata.h - the JSON object of a package: what the weights alone do not say.
 *
 * Required: format, architecture, name, version, sensor_bands, bands, patch, classes. Unknown keys are ignored; an
 * optional key that is null counts as absent. Threading: pure functions.
 */
#pragma once
#include "base/err.h"
#include "model/package.h"
#include <stddef.h>

struct metadata {
    int sensor_bands, bands, patch, kernels; /* B, K, P, C */
    int class_count;                         /* N */
};

/* Reads text[0..length) into *m and into what *p has of it: name, version, classes, wavelengths, FWHM, nodata, scaling,
 * normalization; all owned by *p, also after an error (package_close frees what there is).
 * Errors: ERR_INPUT names the key and what it may be; ERR_NOMEM. */
int metadata_read(struct metadata *m, struct package *p, const char *text, size_t length, struct err *e);
