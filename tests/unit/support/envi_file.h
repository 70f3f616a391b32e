/* envi_file.h - ENVI pairs that tests make, in every layout, with values that tell where they stand.
 * Threading: a folder belongs to one thread.
 */
#pragma once
#include "base/sample.h"
#include "scene/cube.h"
#include "tests/unit/support/scratch.h"
#include <stdbool.h>

struct envi_form {
    int samples, lines, bands;
    const char *interleave; /* "bsq", "bil", "bip" */
    int data_type;          /* ENVI's code */
    bool big_endian;
    long long offset;
    const char *more; /* further lines of the header, or NULL */
};

/* The value at a place, exact in every type; negative in places where the type can be. */
double envi_file_value(int data_type, int line, int band, int sample);

/* Writes `name` and `name`.hdr. A large offset becomes a hole. */
void envi_file_write(struct scratch *s, const char *name, const struct envi_form *f);

/* Opens the pair; a refusal fails the running test. */
struct cube *envi_file_open(struct scratch *s, const char *name);

/* The same without a word about the outcome. */
int envi_file_try(struct scratch *s, const char *name, struct cube **c, struct err *e);
