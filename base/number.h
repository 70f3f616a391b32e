/* number.h - text to number, all of it or nothing.
 *
 * What strtod and strtoll leave to their callers: blanks, trailing bytes, overflow, an empty string, "0x10", "inf" and
 * "nan" are refused, and the decimal point is a point whatever the locale.
 * Threading: pure functions.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* True if text[0..length) is one decimal number that a double holds; *value is finite. */
bool number_double(const char *text, size_t length, double *value);

/* True if text[0..length) is one decimal integer in min..max. A sign is allowed; a leading zero too. */
bool number_integer(const char *text, size_t length, long long min, long long max, long long *value);
