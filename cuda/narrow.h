/* narrow.h - float32 to the formats of products, rounded to nearest, ties to even.
 * Threading: pure functions.
 */
#pragma once
#include <stdint.h>

uint16_t narrow_half(float v);     /* fp16; beyond 65504 infinity, below 2^-24 zero, denormals kept */
uint16_t narrow_bfloat16(float v); /* bf16 */
uint32_t narrow_tf32(float v);     /* the bits of a float with 10 bits of mantissa (ties away from zero, as cvt.rna) */
