#include "base/text.h"
#include "model/safetensors.h"
#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Every float16 and bfloat16 is a float32 too, so nothing is rounded. */

static float widen_f32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float widen_bf16(uint16_t bits)
{
    return widen_f32((uint32_t)bits << 16);
}

static float widen_f16(uint16_t bits)
{
    enum { REBIAS = 127 - 15 };
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, a normal float32 */
        float value = (float)fraction * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    exponent = exponent == 31 ? 255 : exponent + REBIAS;
    return widen_f32(sign | exponent << 23 | fraction << 13);
}

static float value_at(const struct safetensors_tensor *t, size_t i)
{
    uint32_t word;
    uint16_t half;
    if (t->dtype == ST_F32) {
        memcpy(&word, t->data + i * sizeof word, sizeof word);
        return widen_f32(le32toh(word));
    }
    memcpy(&half, t->data + i * sizeof half, sizeof half);
    return t->dtype == ST_F16 ? widen_f16(le16toh(half)) : widen_bf16(le16toh(half));
}

int safetensors_floats(const struct safetensors_tensor *t, float *out, struct err *e)
{
    char shown[96];
    text_show(shown, sizeof shown, t->name, strlen(t->name));
    if (t->dtype != ST_F32 && t->dtype != ST_F16 && t->dtype != ST_BF16)
        return err_set(e, ERR_INPUT, "tensor %s: its dtype is %s, expected F32, F16 or BF16", shown, t->dtype_name);
    for (size_t i = 0; i < t->count; i++) {
        out[i] = value_at(t, i);
        if (!isfinite(out[i]))
            return err_set(e, ERR_INPUT, "tensor %s: value %zu is not finite", shown, i + 1);
    }
    return 0;
}

const char *safetensors_shape_text(char *out, size_t size, const size_t *shape, int dimensions)
{
    size_t used = (size_t)snprintf(out, size, "(");
    for (int i = 0; i < dimensions && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, i == 0 ? "%zu" : ", %zu", shape[i]);
    if (used < size)
        snprintf(out + used, size - used, ")");
    return out;
}
