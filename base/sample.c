#include "base/sample.h"
#include <assert.h>
#include <stdint.h>

static const struct {
    const char *name;
    size_t size;
    double most;
} types[] = {
    [SAMPLE_UINT8] = {"Byte", 1, UINT8_MAX},     [SAMPLE_INT16] = {"Int16", 2, -(double)INT16_MIN},
    [SAMPLE_UINT16] = {"UInt16", 2, UINT16_MAX}, [SAMPLE_INT32] = {"Int32", 4, -(double)INT32_MIN},
    [SAMPLE_UINT32] = {"UInt32", 4, UINT32_MAX}, [SAMPLE_FLOAT32] = {"Float32", 4, 0},
    [SAMPLE_FLOAT64] = {"Float64", 8, 0},
};

size_t sample_size(enum sample_type type)
{
    return types[type].size;
}

double sample_most(enum sample_type type)
{
    return types[type].most;
}

const char *sample_name(enum sample_type type)
{
    return types[type].name;
}

#define CONVERT(c_type)                                                                                                \
    do {                                                                                                               \
        const c_type *in = samples;                                                                                    \
        for (size_t i = 0; i < count; i++)                                                                             \
            out[i] = (double)in[i * stride];                                                                           \
    } while (0)

void sample_to_double(enum sample_type type, const void *samples, size_t stride, size_t count, double *out)
{
    switch (type) {
    case SAMPLE_UINT8:
        CONVERT(uint8_t);
        return;
    case SAMPLE_INT16:
        CONVERT(int16_t);
        return;
    case SAMPLE_UINT16:
        CONVERT(uint16_t);
        return;
    case SAMPLE_INT32:
        CONVERT(int32_t);
        return;
    case SAMPLE_UINT32:
        CONVERT(uint32_t);
        return;
    case SAMPLE_FLOAT32:
        CONVERT(float);
        return;
    case SAMPLE_FLOAT64:
        CONVERT(double);
        return;
    }
    assert(!"a sample type");
}
