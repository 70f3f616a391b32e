/* precision.h - the number format in which an engine multiplies; sums are float32 in all. C and C++.
 * Threading: pure functions.
 */
#pragma once
#include "base/err.h"

enum precision { PRECISION_FP32, PRECISION_TF32, PRECISION_FP16, PRECISION_BF16 };

#ifdef __cplusplus
extern "C" {
#endif

const char *precision_name(enum precision p);                              /* "fp32", ... */
int precision_parse(const char *name, enum precision *out, struct err *e); /* ERR_REQUEST lists the names */

#ifdef __cplusplus
}
#endif
