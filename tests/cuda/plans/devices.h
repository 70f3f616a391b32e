/* devices.h - the GPUs that plans are checked for, as cuDNN wants them described.
 *
 * The numbers are those of the data sheets and of cudaDeviceProp on such devices. They are good enough for heuristics
 * to choose by; a plan made from them is a proof of support and is thrown away, never shipped.
 */
#pragma once
#include "engine/engine.h"
#include <stdbool.h>
#include <stddef.h>

struct device {
    const char *name;
    int compute; /* capability times ten: 75, 80, ... */
    int multiprocessors;
    int shared_optin;    /* bytes a block can have when it asks */
    int blocks, threads; /* resident on a multiprocessor */
    int memory_gib, clock_khz, memory_clock_khz, l2_mib;
};

extern const struct device devices[];
extern const size_t device_count;

/* fp32 and fp16 everywhere; tf32 and bf16 from compute capability 8.0 on. */
bool device_has(const struct device *d, enum precision p);

/* The JSON for dnn_open_described; -1 if it does not fit. */
int device_properties(const struct device *d, char *out, size_t size);
