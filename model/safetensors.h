/* safetensors.h - a .safetensors file in memory, every promise of the format checked before a tensor is handed out.
 *
 * Checks: the header's length lies in the file and is <= 100,000,000; the header is a JSON object without a duplicate
 * key (base/json.h); each tensor's dtype is known and its product of dimensions times its size is, in checked
 * arithmetic, end - begin; the ranges, sorted, cover the data from 0 to its end without gap or overlap; every value of
 * __metadata__ is a string.
 *
 * The file is read, not mapped: a file that is cut or rewritten while it is in use would kill a process that maps it
 * (SIGBUS), or let the bytes that were hashed and checked differ from those that are used. A package has a few
 * megabytes, which are widened and folded into other memory anyway. Threading: read-only after open.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum safetensors_dtype { ST_F32, ST_F16, ST_BF16, ST_F64, ST_I64, ST_OTHER };

enum {
    SAFETENSORS_MAX_DIMENSIONS = 8,
    SAFETENSORS_MAX_HEADER = 100000000, /* as the format's own library has it */
    SAFETENSORS_MAX_FILE =
        256 << 20, /* ten times the largest package; a file with holes may claim more than there is memory */
};

struct safetensors_tensor {
    const char *name;       /* UTF-8 that may hold control characters: text_show it */
    const char *dtype_name; /* as the file spells it */
    enum safetensors_dtype dtype;
    int dimensions; /* 0: a scalar */
    size_t shape[SAFETENSORS_MAX_DIMENSIONS];
    size_t count;        /* elements */
    const uint8_t *data; /* in the file's bytes; no alignment is promised */
    size_t bytes;
};

struct safetensors;

/* Reads and checks the file. Errors: ERR_IO (cannot be read), ERR_INPUT (which promise is broken, naming the tensor),
 * ERR_NOMEM. */
int safetensors_open(struct safetensors **out, const char *path, struct err *e);

/* Checks bytes[0..length) of the caller's, which must stay as they are until close. Errors: ERR_INPUT, ERR_NOMEM. */
int safetensors_parse(struct safetensors **out, const uint8_t *bytes, size_t length, struct err *e);

void safetensors_close(struct safetensors *s); /* accepts NULL */

/* In the order of their names. */
size_t safetensors_count(const struct safetensors *s);
const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t index);

/* NULL where there is none. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name);
const char *safetensors_metadata(const struct safetensors *s, const char *key);

/* The whole file, for its checksum. */
const uint8_t *safetensors_bytes(const struct safetensors *s, size_t *length);

/* Widens F32, F16 or BF16 data, exactly, to float: out[count]. ERR_INPUT names the tensor if the dtype is another, or
 * if a value is NaN or infinite. */
int safetensors_floats(const struct safetensors_tensor *t, float *out, struct err *e);

/* "(24, 1, 3, 3, 7)", "()" for a scalar, into out[size]; returns out. */
const char *safetensors_shape_text(char *out, size_t size, const size_t *shape, int dimensions);
