#include "cuda/narrow.h"
#include <string.h>

static uint32_t bits_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* v >> n, rounded to nearest, ties to even; 0 < n < 32. */
static uint32_t shift_round(uint32_t v, int n)
{
    uint32_t half = 1u << (n - 1), rest = v & ((1u << n) - 1), whole = v >> n;
    return whole + (rest > half || (rest == half && (whole & 1)));
}

uint16_t narrow_half(float v)
{
    uint32_t bits = bits_of(v), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    int exponent = (int)(magnitude >> 23) - 127;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u); /* NaN */
    if (exponent >= 16)
        return (uint16_t)(sign | 0x7c00u);
    if (exponent < -25)
        return (uint16_t)sign;
    uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    if (exponent < -14) /* denormal: units of 2^-24 */
        return (uint16_t)(sign | shift_round(mantissa, -exponent - 1));
    /* a carry out of the mantissa goes into the exponent, at the end into infinity */
    return (uint16_t)(sign | (((uint32_t)(exponent + 14) << 10) + shift_round(mantissa, 13)));
}

uint16_t narrow_bfloat16(float v)
{
    uint32_t bits = bits_of(v);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)shift_round(bits, 16);
}

uint32_t narrow_tf32(float v)
{
    uint32_t bits = bits_of(v);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}
