/* sample.h - the types in which a cube's file holds its samples, and their conversion to double.
 * Threading: pure functions.
 */
#pragma once
#include <stddef.h>

enum sample_type {
    SAMPLE_UINT8,
    SAMPLE_INT16,
    SAMPLE_UINT16,
    SAMPLE_INT32,
    SAMPLE_UINT32,
    SAMPLE_FLOAT32,
    SAMPLE_FLOAT64,
};

/* Bytes of one sample. */
size_t sample_size(enum sample_type type);

/* Largest magnitude that an integer type can hold; 0 for the floating-point ones, which hold any. */
double sample_most(enum sample_type type);

/* GDAL's name of the type ("Int16"), as the JSON result has it. Static storage. */
const char *sample_name(enum sample_type type);

/* Converts count samples, native byte order, to double: out[i] = samples[i * stride]. Exact for every type. */
void sample_to_double(enum sample_type type, const void *samples, size_t stride, size_t count, double *out);
