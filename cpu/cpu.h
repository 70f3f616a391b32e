/* cpu.h - the two CPU engines.
 *
 * `cpu_engine` is the fast one: vectorised for the machine it starts on, threaded, with the exact work-sharing of a
 * scene. `cpu_plain_engine` is the oracle: straight loops, one patch at a time, one thread, kept readable.
 */
#pragma once
#include "engine/engine.h"

extern const struct engine_backend cpu_engine;
extern const struct engine_backend cpu_plain_engine;
