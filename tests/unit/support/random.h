/* random.h - numbers for tests: the same for one seed on every machine.
 * Threading: a generator belongs to one thread.
 */
#pragma once
#include <stdint.h>

struct random {
    uint64_t state; /* any seed will do */
};

uint64_t random_next(struct random *r); /* all 64 bits; splitmix64 (Steele, Lea, Flood 2014) */

/* Uniform in [low, high); exact in double and, for |values| of order 1, in float after rounding. */
double random_between(struct random *r, double low, double high);

/* Uniform in 0..n-1; n > 0. */
uint64_t random_below(struct random *r, uint64_t n);
