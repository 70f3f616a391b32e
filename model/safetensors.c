#include "model/safetensors.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include <endian.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8 }; /* bytes of the header's length, little-endian */

struct safetensors {
    uint8_t *owned; /* NULL where the bytes are the caller's */
    const uint8_t *bytes;
    size_t length;
    cJSON *header; /* names and metadata point into it */
    const cJSON *metadata;
    struct safetensors_tensor *tensors; /* sorted by name */
    size_t count;
};

static const struct {
    const char *name;
    enum safetensors_dtype dtype;
    size_t size;
} dtypes[] = {
    {"F32", ST_F32, 4},       {"F16", ST_F16, 2},       {"BF16", ST_BF16, 2},  {"F64", ST_F64, 8},
    {"I64", ST_I64, 8},       {"I32", ST_OTHER, 4},     {"I16", ST_OTHER, 2},  {"I8", ST_OTHER, 1},
    {"U64", ST_OTHER, 8},     {"U32", ST_OTHER, 4},     {"U16", ST_OTHER, 2},  {"U8", ST_OTHER, 1},
    {"F8_E4M3", ST_OTHER, 1}, {"F8_E5M2", ST_OTHER, 1}, {"BOOL", ST_OTHER, 1}, {"C64", ST_OTHER, 8},
};

/* A broken promise of one tensor. Its name may hold anything, so it is made fit to be shown. */
static int tensor_error(struct err *e, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int tensor_error(struct err *e, const char *name, const char *format, ...)
{
    char shown[96];
    va_list args;
    va_start(args, format);
    err_setv(e, ERR_INPUT, format, args);
    va_end(args);
    return err_prefix(e, "tensor %s", text_show(shown, sizeof shown, name, strlen(name)));
}

/* Reads shape and dtype; *size is what they need in bytes. */
static int read_form(struct safetensors_tensor *t, const cJSON *item, size_t *size, struct err *e)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape"), *dimension;
    *size = 0;
    if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape))
        return tensor_error(e, t->name, "has no dtype or no shape");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(dtype->valuestring, dtypes[i].name) == 0) {
            t->dtype = dtypes[i].dtype;
            t->dtype_name = dtypes[i].name;
            *size = dtypes[i].size;
        }
    }
    if (*size == 0) {
        char shown[32];
        return tensor_error(e, t->name, "unknown dtype %s",
                            text_show(shown, sizeof shown, dtype->valuestring, strlen(dtype->valuestring)));
    }
    t->count = 1;
    cJSON_ArrayForEach(dimension, shape)
    {
        long long n;
        if (t->dimensions == SAFETENSORS_MAX_DIMENSIONS)
            return tensor_error(e, t->name, "has more than %d dimensions", SAFETENSORS_MAX_DIMENSIONS);
        if (!json_integer(dimension, 0, 1ll << 53, &n))
            return tensor_error(e, t->name, "dimension %d is not a whole number of elements", t->dimensions + 1);
        if (__builtin_mul_overflow(t->count, (size_t)n, &t->count))
            return tensor_error(e, t->name, "its shape overflows");
        t->shape[t->dimensions++] = (size_t)n;
    }
    if (__builtin_mul_overflow(t->count, *size, size))
        return tensor_error(e, t->name, "its shape overflows");
    return 0;
}

static int read_tensor(struct safetensors_tensor *t, const cJSON *item, const uint8_t *data, size_t length,
                       struct err *e)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    long long begin, end;
    size_t size;
    *t = (struct safetensors_tensor){.name = item->string};
    if (read_form(t, item, &size, e) != 0)
        return -1;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !json_integer(offsets->child, 0, 1ll << 53, &begin) || !json_integer(offsets->child->next, 0, 1ll << 53, &end))
        return tensor_error(e, t->name, "data_offsets are not two positions");
    if (begin > end || (unsigned long long)end > length)
        return tensor_error(e, t->name, "its data %lld to %lld do not lie in the file's %zu", begin, end, length);
    if ((size_t)(end - begin) != size) {
        char shape[192];
        return tensor_error(e, t->name, "its shape %s of %s needs %zu bytes, its data have %lld",
                            safetensors_shape_text(shape, sizeof shape, t->shape, t->dimensions), t->dtype_name, size,
                            end - begin);
    }
    t->data = data + begin;
    t->bytes = size;
    return 0;
}

/* Data first to last; of equal beginnings the empty one first. */
static int compare_places(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int compare_names(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* The tensors must cover the data exactly: what lies between them could be anything, and an overlap is a forgery. */
static int check_coverage(struct safetensors *s, const uint8_t *data, size_t length, struct err *e)
{
    const uint8_t *expected = data;
    qsort(s->tensors, s->count, sizeof *s->tensors, compare_places);
    for (size_t i = 0; i < s->count; i++) {
        const struct safetensors_tensor *t = &s->tensors[i];
        if (t->data != expected)
            return tensor_error(e, t->name, "its data begin at %zu, %s", (size_t)(t->data - data),
                                t->data < expected ? "inside another tensor's" : "behind a hole");
        expected = t->data + t->bytes;
    }
    if (expected != data + length)
        return err_set(e, ERR_INPUT, "%zu bytes at the end of the file belong to no tensor",
                       (size_t)(data + length - expected));
    return 0;
}

static int check_metadata(const cJSON *metadata, struct err *e)
{
    const cJSON *value;
    if (!cJSON_IsObject(metadata))
        return err_set(e, ERR_INPUT, "__metadata__ is not an object");
    cJSON_ArrayForEach(value, metadata)
    {
        char shown[64];
        if (!cJSON_IsString(value))
            return err_set(e, ERR_INPUT, "__metadata__: the value of \"%s\" is not a string",
                           text_show(shown, sizeof shown, value->string, strlen(value->string)));
    }
    return 0;
}

static int read_header(struct safetensors *s, size_t header, struct err *e)
{
    const uint8_t *data = s->bytes + PREFIX + header;
    size_t length = s->length - PREFIX - header;
    const char *text = (const char *)s->bytes + PREFIX;
    if (text[0] != '{')
        return err_set(e, ERR_INPUT, "not a safetensors file: the header does not begin with {");
    if (json_parse(&s->header, text, header, e) != 0)
        return err_prefix(e, "safetensors header");
    int items = cJSON_GetArraySize(s->header);
    s->tensors = malloc((items > 0 ? (size_t)items : 1) * sizeof *s->tensors);
    if (s->tensors == NULL)
        return err_nomem(e);
    const cJSON *item;
    cJSON_ArrayForEach(item, s->header)
    {
        if (strcmp(item->string, "__metadata__") == 0) {
            if (check_metadata(item, e) != 0)
                return -1;
            s->metadata = item;
        } else if (read_tensor(&s->tensors[s->count], item, data, length, e) != 0) {
            return -1;
        } else {
            s->count++;
        }
    }
    if (check_coverage(s, data, length, e) != 0)
        return -1;
    qsort(s->tensors, s->count, sizeof *s->tensors, compare_names);
    return 0;
}

int safetensors_parse(struct safetensors **out, const uint8_t *bytes, size_t length, struct err *e)
{
    uint64_t header;
    *out = NULL;
    if (length < PREFIX + 2)
        return err_set(e, ERR_INPUT, "not a safetensors file: it has only %zu bytes", length);
    memcpy(&header, bytes, sizeof header);
    header = le64toh(header);
    if (header > SAFETENSORS_MAX_HEADER || header > length - PREFIX || header < 2)
        return err_set(e, ERR_INPUT, "not a safetensors file, or a cut one: a header of %llu bytes in a file of %zu",
                       (unsigned long long)header, length);
    struct safetensors *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_nomem(e);
    s->bytes = bytes;
    s->length = length;
    if (read_header(s, (size_t)header, e) != 0) {
        safetensors_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void safetensors_close(struct safetensors *s)
{
    if (s == NULL)
        return;
    free(s->tensors);
    cJSON_Delete(s->header);
    free(s->owned);
    free(s);
}

int safetensors_open(struct safetensors **out, const char *path, struct err *e)
{
    uint8_t *bytes;
    size_t length;
    *out = NULL;
    if (file_read(&bytes, &length, path, SAFETENSORS_MAX_FILE, e) != 0)
        return -1;
    if (safetensors_parse(out, bytes, length, e) != 0) {
        free(bytes);
        return -1;
    }
    (*out)->owned = bytes;
    return 0;
}

size_t safetensors_count(const struct safetensors *s)
{
    return s->count;
}

const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t index)
{
    return &s->tensors[index];
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
    struct safetensors_tensor key = {.name = name};
    return bsearch(&key, s->tensors, s->count, sizeof *s->tensors, compare_names);
}

const char *safetensors_metadata(const struct safetensors *s, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s->metadata, key));
}

const uint8_t *safetensors_bytes(const struct safetensors *s, size_t *length)
{
    *length = s->length;
    return s->bytes;
}
