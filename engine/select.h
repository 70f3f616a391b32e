/* select.h - from "auto", "cpu", "cuda:0,1" to open engines.
 *
 * The list of backends comes from main, which alone names them; "auto" takes the first backend that finds a device, so
 * the list is in order of preference. A name that no backend of this build bears, or that finds no device, is an error.
 * Threading: at start.
 */
#pragma once
#include "base/err.h"
#include "engine/engine.h"
#include "engine/scheduler.h"

enum { SELECT_MOST = 16 };

/* backends: NULL-terminated. Opens one engine per device asked for: engines[SELECT_MOST], *count. Errors: ERR_DEVICE
 * (none such; says why), ERR_REQUEST (isa, precision or the text of device), ERR_NOMEM. */
int select_engines(const struct engine_backend *const *backends, const char *device, const struct engine_options *o,
                   struct scheduler_engine engines[SELECT_MOST], size_t *count, struct err *e);
