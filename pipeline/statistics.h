/* statistics.h - mean and deviation per network band over a whole scene, for normalization = scene.
 * Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include "model/preprocess.h"
#include "pipeline/lines.h"

/* Reads the whole scene once, whatever the window, always in the same pieces, so that the figures are the same for
 * every window. map: before normalisation. *s is initialised here and released by the caller, also on failure.
 * deadline: clock_now(), 0: none. Errors: those of cube_read, ERR_DEADLINE, ERR_NOMEM. */
int statistics_gather(struct scene_statistics *s, const struct line_source *source, const struct affine_map *map,
                      double deadline, struct err *e);
