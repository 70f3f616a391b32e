/* cases.h - what is planned on every device, and what must be refused there. */
#pragma once
#include "devices.h"
#include "spread.h"

struct case_options {
    bool quick;   /* one network instead of all */
    bool verbose; /* a line for every plan */
};

/* Plans every layer of every network in every precision of the device; then hands cuDNN graphs that are wrong. Writes a
 * line for each precision and one for each failure. */
void check_device(const struct device *d, const struct case_options *o, FILE *out, struct tally *t);
