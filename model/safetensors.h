/* safetensors.h - a mapped .safetensors file, every promise of the format checked before a tensor is handed out.
 *
 * Checks: the header's length lies in the file and is <= 100,000,000; JSON object, no duplicate key; each tensor's dtype
 * is known, its product of dimensions times its size is, in checked arithmetic, end - begin; the ranges, sorted, cover the
 * data from 0 to its end without gap or overlap; every value of __metadata__ is a string.
 * Threading: read-only after open.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum safetensors_dtype { ST_F32, ST_F16, ST_BF16, ST_F64, ST_I64, ST_OTHER };

enum { SAFETENSORS_MAX_DIMENSIONS = 8 };

struct safetensors_tensor {
    const char *name;
    const char *dtype_name; /* as the file spells it */
    enum safetensors_dtype dtype;
    int dimensions; /* 0: a scalar */
    size_t shape[SAFETENSORS_MAX_DIMENSIONS];
    size_t count;        /* elements */
    const uint8_t *data; /* in the mapping; no alignment is promised */
};

struct safetensors;

/* Maps and checks the file. Errors: ERR_IO (cannot be read), ERR_INPUT (which promise is broken, naming the tensor). */
int safetensors_open(struct safetensors **out, const char *path, struct err *e);
void safetensors_close(struct safetensors *s);

size_t safetensors_count(const struct safetensors *s);
const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t index);

/* NULL where there is none. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name);
const char *safetensors_metadata(const struct safetensors *s, const char *key);

/* The whole file, for its checksum. */
const uint8_t *safetensors_bytes(const struct safetensors *s, size_t *length);

/* Widens F32, F16 or BF16 data to float: out[count]. ERR_INPUT names the tensor if the dtype is another, or if a value
 * is NaN or infinite. */
int safetensors_floats(const struct safetensors_tensor *t, float *out, struct err *e);
