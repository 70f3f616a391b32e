/* package_draft.h - a package that a test makes up, changes, and writes.
 *
 * A draft is what a .safetensors file says, before it is one: a list of tensors and the metadata's JSON text. The
 * recipe's seed decides all values; weights are drawn so that activations stay of order 1. The names are written down
 * here a second time on purpose: a slip in the program's own table must not be copied. A misuse, or lack of memory,
 * aborts the test. Threading: a draft belongs to one thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct draft_recipe {
    int B, K, C, P, N;       /* any, valid or not; B = K unless `matrix` */
    const char *dtype;       /* of the weights: "F32" (also where NULL), "F16", "BF16" */
    bool distinct_attention; /* the paper's form */
    bool matrix, scale, offset;
    const char *name;    /* NULL: "random" */
    const char *members; /* further members of the metadata, as JSON: "\"nodata\": 0, \"scaling\": \"none\""; or NULL */
    uint64_t seed;
};

struct draft_tensor {
    char name[128];
    char dtype[8];
    int dimensions;
    size_t shape[8];
    uint8_t *data; /* as the file has it, little-endian */
    size_t bytes;
};

struct package_draft {
    struct draft_tensor *tensors; /* in the order of their data in the file, which the seed shuffles */
    size_t count;
    char *metadata; /* the text under the key spectrad; NULL: the key is left out */
};

void draft_make(struct package_draft *d, const struct draft_recipe *r);
void draft_release(struct package_draft *d);

/* The tensor of that name, which must be there; valid until one is added or removed. */
struct draft_tensor *draft_find(const struct package_draft *d, const char *name);
void draft_remove(struct package_draft *d, const char *name);
void draft_rename(struct package_draft *d, const char *name, const char *new_name);

/* Adds a tensor of zeros at the end. */
struct draft_tensor *draft_add(struct package_draft *d, const char *name, const char *dtype, int dimensions,
                               const size_t *shape);

/* Element i of a tensor of F32, F16 or BF16; set rounds towards zero, and makes what F16 cannot hold zero. */
float draft_get(const struct draft_tensor *t, size_t i);
void draft_set(struct draft_tensor *t, size_t i, float value);

/* Replaces the metadata's text by a printf of format. */
void draft_metadata(struct package_draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The file's bytes; *length out; for free(). */
uint8_t *draft_bytes(const struct package_draft *d, size_t *length);

/* Writes the file, replacing what is there. */
void draft_write(const struct package_draft *d, const char *path);

/* All in one: a package file of random weights. */
void draft_write_random(const char *path, const struct draft_recipe *r);
