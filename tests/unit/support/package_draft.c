#include "tests/unit/support/package_draft.h"
#include "tests/unit/support/random.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "package_draft: %s\n", what);
        abort();
    }
}

static size_t size_of(const char *dtype)
{
    if (strstr(dtype, "64") != NULL)
        return 8;
    return strstr(dtype, "32") != NULL ? 4 : strstr(dtype, "16") != NULL ? 2 : 1;
}

struct draft_tensor *draft_add(struct package_draft *d, const char *name, const char *dtype, int dimensions,
                               const size_t *shape)
{
    d->tensors = realloc(d->tensors, (d->count + 1) * sizeof *d->tensors);
    must(d->tensors != NULL, "out of memory");
    struct draft_tensor *t = &d->tensors[d->count++];
    *t = (struct draft_tensor){.dimensions = dimensions, .bytes = size_of(dtype)};
    must((size_t)snprintf(t->name, sizeof t->name, "%s", name) < sizeof t->name, "a name is too long");
    snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
    for (int i = 0; i < dimensions; i++)
        t->bytes *= t->shape[i] = shape[i];
    t->data = calloc(t->bytes > 0 ? t->bytes : 1, 1);
    must(t->data != NULL, "out of memory");
    return t;
}

static size_t index_of(const struct package_draft *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->tensors[i].name, name) == 0)
            return i;
    must(false, name);
    return 0;
}

struct draft_tensor *draft_find(const struct package_draft *d, const char *name)
{
    return &d->tensors[index_of(d, name)];
}

void draft_remove(struct package_draft *d, const char *name)
{
    size_t i = index_of(d, name);
    free(d->tensors[i].data);
    memmove(&d->tensors[i], &d->tensors[i + 1], (--d->count - i) * sizeof *d->tensors);
}

void draft_rename(struct package_draft *d, const char *name, const char *new_name)
{
    struct draft_tensor *t = draft_find(d, name);
    snprintf(t->name, sizeof t->name, "%s", new_name);
}

/* Bits of a float16: what is below its normal range becomes zero. */
static uint16_t to_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 23 & 255) - 127 + 15;
    must(exponent < 31, "a value is too large for F16");
    return (uint16_t)((bits >> 16 & 0x8000) | (exponent < 1 ? 0 : (uint32_t)exponent << 10 | (bits >> 13 & 0x3ff)));
}

void draft_set(struct draft_tensor *t, size_t i, float value)
{
    uint32_t bits;
    must(strstr(t->dtype, "F") != NULL && size_of(t->dtype) < 8, "not a tensor of floats");
    if (strcmp(t->dtype, "F32") == 0) {
        memcpy(t->data + 4 * i, &value, 4);
        return;
    }
    memcpy(&bits, &value, sizeof bits);
    uint16_t half = strcmp(t->dtype, "F16") == 0 ? to_f16(value) : (uint16_t)(bits >> 16);
    memcpy(t->data + 2 * i, &half, 2);
}

float draft_get(const struct draft_tensor *t, size_t i)
{
    uint32_t bits;
    uint16_t half;
    float value;
    if (strcmp(t->dtype, "F32") == 0) {
        memcpy(&value, t->data + 4 * i, 4);
        return value;
    }
    memcpy(&half, t->data + 2 * i, 2);
    if (strcmp(t->dtype, "F16") == 0)
        return (half & 0x8000 ? -1.f : 1.f) *
               ((half >> 10 & 31) == 0 ? 0 : ldexpf((float)(1024 + (half & 0x3ff)), (half >> 10 & 31) - 25));
    bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A recipe at work. */
struct making {
    struct package_draft *d;
    const char *dtype;
    struct random random;
};

static void fill(struct making *m, struct draft_tensor *t, double low, double high)
{
    size_t count = t->bytes / size_of(t->dtype);
    for (size_t i = 0; i < count; i++)
        draft_set(t, i, (float)random_between(&m->random, low, high));
}

static void vector(struct making *m, const char *module, const char *member, size_t n, double low, double high)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", module, member);
    fill(m, draft_add(m->d, name, m->dtype, 1, &n), low, high);
}

/* Weight (out, in, row, column, spectral) and bias; dimensions 2 for a linear layer. Variance 2 / in (He et al. 2015).
 */
static void layer(struct making *m, const char *module, int dimensions, const size_t *shape)
{
    char name[128];
    size_t in = 1;
    for (int i = 1; i < dimensions; i++)
        in *= shape[i];
    double bound = sqrt(6.0 / (double)in);
    snprintf(name, sizeof name, "%s.weight", module);
    fill(m, draft_add(m->d, name, m->dtype, dimensions, shape), -bound, bound);
    vector(m, module, "bias", shape[0], -0.1, 0.1);
}

static void norm(struct making *m, const char *module, size_t channels)
{
    char name[128];
    vector(m, module, "weight", channels, 0.6, 1.4);
    vector(m, module, "bias", channels, -0.3, 0.3);
    vector(m, module, "running_mean", channels, -0.3, 0.3);
    vector(m, module, "running_var", channels, 0.5, 2);
    snprintf(name, sizeof name, "%s.num_batches_tracked", module);
    draft_add(m->d, name, "I64", 0, NULL)->data[0] = 7;
}

static void block(struct making *m, const char *name, size_t C, bool spectral, bool bn0)
{
    static const char *const norms[] = {"bn0", "bn1", "bn2"}, *const layers[] = {"conv1.0", "conv2"};
    size_t shape[5] = {C, C, spectral ? 1 : 3, spectral ? 1 : 3, spectral ? 7 : 1};
    char module[64];
    for (int i = bn0 ? 0 : 1; i < 3; i++) {
        snprintf(module, sizeof module, "%s.%s", name, norms[i]);
        norm(m, module, C);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(module, sizeof module, "%s.%s", name, layers[i]);
        layer(m, module, 5, shape);
    }
    snprintf(module, sizeof module, "%s.ecalayer.conv.weight", name);
    fill(m, draft_add(m->d, module, m->dtype, 4, (size_t[]){1, 1, 3, 3}), -1, 1);
}

static void network(struct making *m, const struct draft_recipe *r)
{
    size_t C = (size_t)r->C, S = (size_t)r->K / 2, D = (size_t)((r->K - 5) / 2);
    layer(m, "conv1x1", 5, (size_t[]){C, 1, 1, 1, 7});
    norm(m, "batch_norm1x1.0", C);
    layer(m, "conv3x3", 5, (size_t[]){C, 1, 3, 3, 7});
    norm(m, "batch_norm3x3.0", C);
    layer(m, "conv_se.0", 5, (size_t[]){S, C, 1, 1, 1});
    if (r->distinct_attention) {
        layer(m, "conv_ex_3x3", 5, (size_t[]){C, S, 1, 1, 1});
        layer(m, "conv_ex_1x1", 5, (size_t[]){C, S, 1, 1, 1});
    } else {
        layer(m, "conv_ex", 5, (size_t[]){C, S, 1, 1, 1});
    }
    block(m, "res_net1", C, true, false);
    block(m, "res_net2", C, true, true);
    layer(m, "conv2", 5, (size_t[]){128, C, 1, 1, D});
    norm(m, "batch_norm2.0", 128);
    layer(m, "conv3", 5, (size_t[]){C, 1, 3, 3, 128});
    norm(m, "batch_norm3.0", C);
    block(m, "res_net3", C, false, true);
    block(m, "res_net4", C, false, true);
    layer(m, "full_connection.0", 2, (size_t[]){(size_t)r->N, C});
}

/* Preprocessing is float32 whatever the weights are. */
static void preprocess(struct making *m, const struct draft_recipe *r)
{
    size_t B = (size_t)r->B, K = (size_t)r->K;
    double bound = sqrt(3.0 / (double)B);
    if (r->matrix)
        fill(m, draft_add(m->d, "preprocess.matrix", "F32", 2, (size_t[]){K, B}), -bound, bound);
    if (r->scale)
        fill(m, draft_add(m->d, "preprocess.scale", "F32", 1, &B), 0.5, 1.5);
    if (r->offset)
        fill(m, draft_add(m->d, "preprocess.offset", "F32", 1, &K), -0.5, 0.5);
}

static void describe(struct package_draft *d, const struct draft_recipe *r)
{
    cJSON *classes = cJSON_CreateArray();
    for (int i = 1; i <= r->N; i++) {
        char text[32];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "id", i);
        snprintf(text, sizeof text, "class %d", i);
        cJSON_AddStringToObject(one, "name", text);
        snprintf(text, sizeof text, "#%02x%02x%02x", i, 255 - i, i * 37 % 256);
        cJSON_AddStringToObject(one, "color", text);
        cJSON_AddItemToArray(classes, one);
    }
    char *list = cJSON_PrintUnformatted(classes);
    draft_metadata(d,
                   "{\"format\": 1, \"architecture\": \"a2s2k-resnet\", \"name\": \"%s\", \"version\": \"1\", "
                   "\"sensor_bands\": %d, \"bands\": %d, \"patch\": %d, \"kernels\": %d, \"classes\": %s%s%s}",
                   r->name == NULL ? "random" : r->name, r->B, r->K, r->P, r->C, list, r->members == NULL ? "" : ", ",
                   r->members == NULL ? "" : r->members);
    cJSON_free(list);
    cJSON_Delete(classes);
}

void draft_make(struct package_draft *d, const struct draft_recipe *r)
{
    struct making m = {.d = d, .dtype = r->dtype == NULL ? "F32" : r->dtype, .random = {.state = r->seed}};
    *d = (struct package_draft){0};
    network(&m, r);
    preprocess(&m, r);
    for (size_t i = d->count - 1; i > 0; i--) {
        size_t j = (size_t)random_below(&m.random, i + 1);
        struct draft_tensor t = d->tensors[i];
        d->tensors[i] = d->tensors[j];
        d->tensors[j] = t;
    }
    describe(d, r);
}

void draft_release(struct package_draft *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->tensors[i].data);
    free(d->tensors);
    free(d->metadata);
    *d = (struct package_draft){0};
}

void draft_metadata(struct package_draft *d, const char *format, ...)
{
    va_list args;
    free(d->metadata);
    va_start(args, format);
    must(vasprintf(&d->metadata, format, args) >= 0, "out of memory");
    va_end(args);
}

static char *header(const struct package_draft *d)
{
    cJSON *object = cJSON_CreateObject();
    size_t at = 0;
    if (d->metadata != NULL)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(object, "__metadata__"), "spectrad", d->metadata);
    for (size_t i = 0; i < d->count; i++) {
        const struct draft_tensor *t = &d->tensors[i];
        cJSON *one = cJSON_AddObjectToObject(object, t->name);
        cJSON_AddStringToObject(one, "dtype", t->dtype);
        cJSON *shape = cJSON_AddArrayToObject(one, "shape"), *offsets = cJSON_AddArrayToObject(one, "data_offsets");
        for (int k = 0; k < t->dimensions; k++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[k]));
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
        at += t->bytes;
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
    }
    char *text = cJSON_PrintUnformatted(object);
    must(text != NULL, "out of memory");
    cJSON_Delete(object);
    return text;
}

uint8_t *draft_bytes(const struct package_draft *d, size_t *length)
{
    char *text = header(d);
    uint64_t prefix = strlen(text);
    size_t used = sizeof prefix + prefix;
    *length = used;
    for (size_t i = 0; i < d->count; i++)
        *length += d->tensors[i].bytes;
    uint8_t *bytes = malloc(*length);
    must(bytes != NULL, "out of memory");
    memcpy(bytes, &prefix, sizeof prefix);
    memcpy(bytes + sizeof prefix, text, prefix);
    for (size_t i = 0; i < d->count; used += d->tensors[i++].bytes)
        memcpy(bytes + used, d->tensors[i].data, d->tensors[i].bytes);
    cJSON_free(text);
    return bytes;
}

void draft_write(const struct package_draft *d, const char *path)
{
    size_t length;
    uint8_t *bytes = draft_bytes(d, &length);
    FILE *f = fopen(path, "wb");
    must(f != NULL && fwrite(bytes, 1, length, f) == length && fclose(f) == 0, path);
    free(bytes);
}

void draft_write_random(const char *path, const struct draft_recipe *r)
{
    struct package_draft d;
    draft_make(&d, r);
    draft_write(&d, path);
    draft_release(&d);
}
