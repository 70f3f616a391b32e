/* isa.h - which instruction sets this build has and this machine can run, and the choice among them.
 * Threading: pure functions.
 */
#pragma once
#include "base/err.h"
#include "cpu/kernels.h"

/* The kernels named: "sse2", "avx2", "avx512" or "neon"; NULL and "auto" take the widest. ERR_REQUEST for a name that
 * no build has, and for one that this machine cannot run (the message says what it can). */
int isa_select(const char *name, const struct kernels **out, struct err *e);

/* Those that this machine can run, widest first; NULL behind the last. */
const struct kernels *isa_runnable(size_t index);
