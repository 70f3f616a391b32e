#include "tests/unit/support/engine_run.h"
#include "tests/unit/support/expect.h"

struct engine *engine_run_open(const struct engine_backend *backend, int threads, uint64_t memory)
{
    struct engine *x;
    struct err e;
    if (backend->open(&x, &(struct engine_options){.threads = threads, .memory = memory}, &e) != 0)
        fail_msg("%s", e.message);
    return x;
}

struct engine_model *engine_run_load(const struct engine_backend *backend, struct engine *x, const struct network *n)
{
    struct engine_model *m;
    struct err e;
    if (backend->load(x, n, &m, &e) != 0)
        fail_msg("%s", e.message);
    return m;
}

void engine_run(const struct engine_backend *backend, struct engine *x, struct engine_task *tasks, size_t count)
{
    struct err e;
    if (backend->run(x, tasks, count, &e) != 0)
        fail_msg("%s", e.message);
}

struct block *engine_run_scene(const struct engine_backend *backend, int threads, const struct network *n,
                               struct random_scene *s)
{
    struct engine *x = engine_run_open(backend, threads, 0);
    struct engine_model *m = engine_run_load(backend, x, n);
    struct block *b = random_scene_block(s, n, 0, 0, s->lines, s->columns, 1);
    engine_run(backend, x, &(struct engine_task){m, b, NULL}, 1);
    backend->unload(x, m);
    backend->close(x);
    return b;
}
