/* clock.h - time, in seconds.
 * Threading: safe from any thread.
 */
#pragma once
#include <stddef.h>

/* Seconds of a clock that never goes back (CLOCK_MONOTONIC). For durations and deadlines. */
double clock_now(void);

/* Writes the wall clock as RFC 3339 in UTC with milliseconds, "2026-01-31T12:00:00.000Z", into out[size], size >= 25.
 */
void clock_rfc3339(char *out, size_t size);
