/* package.h - one model: metadata, preprocessing and the folded network, read from a .safetensors file.
 *
 * Threading: read-only after open; shared by requests and engines. Who owns what: the package owns all it points to.
 */
#pragma once
#include "base/err.h"
#include "model/network.h"
#include "model/preprocess.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum normalization { NORMALIZATION_MODEL, NORMALIZATION_SCENE };

struct package_class {
    int id; /* 1..255 */
    char *name;
    uint8_t red, green, blue;
};

struct package {
    char *name, *version;
    char sha256[65];     /* of the whole file, lower-case hex */
    uint64_t parameters; /* trained weights and biases in the file, those that the network ignores included */
    struct network network;
    struct preprocess preprocess;
    struct package_class *classes; /* (N), logit order; one with id 0 follows */
    double *wavelengths_nm;        /* (B) or NULL */
    double *fwhm_nm;               /* (B) or NULL */
    bool has_nodata;
    double nodata;     /* stands in for a file that declares none; may be NaN */
    bool scaling_none; /* "scaling": "none": the file's own scale is not applied */
    enum normalization normalization;
};

/* Reads, checks and folds. The message names the tensor, the shape found and the shape expected, or the metadata key;
 * never a path. Errors: ERR_IO, ERR_INPUT, ERR_NOMEM. */
int package_open(struct package **out, const char *path, struct err *e);

/* The same from bytes[0..length) of the caller's, which are not needed afterwards. */
int package_parse(struct package **out, const uint8_t *bytes, size_t length, struct err *e);

void package_close(struct package *p); /* accepts NULL */
