/* engine_run.h - an engine opened, loaded and run in a line each; a failure fails the test with the engine's message.
 */
#pragma once
#include "engine/engine.h"
#include "tests/unit/support/random_block.h"

struct engine *engine_run_open(const struct engine_backend *backend, int threads, uint64_t memory);
struct engine_model *engine_run_load(const struct engine_backend *backend, struct engine *x, const struct network *n);
void engine_run(const struct engine_backend *backend, struct engine *x, struct engine_task *tasks, size_t count);

/* A whole scene as one block on a fresh engine. Close with block_close. */
struct block *engine_run_scene(const struct engine_backend *backend, int threads, const struct network *n,
                               struct random_scene *s);
