#include "cli/session.h"
#include "engine/select.h"

enum { BLOCKS_PER_JOB = 8 };

int session_engine_options(const struct engine_settings *settings, struct engine_options *o, struct err *e)
{
    *o = (struct engine_options){.threads = (int)settings->threads, .isa = settings->isa};
    return precision_parse(settings->precision, &o->precision, e);
}

int session_open(struct session *s, const char *package, const struct engine_settings *settings,
                 const struct engine_backend *const *engines, struct err *e)
{
    struct scheduler_engine opened[SELECT_MOST];
    struct engine_options options;
    size_t count;
    *s = (struct session){0};
    if (session_engine_options(settings, &options, e) != 0)
        return -1;
    if (package_open(&s->model.package, package, e) != 0)
        return err_prefix(e, "%s", package);
    if (select_engines(engines, settings->device, &options, opened, &count, e) != 0)
        goto failed;
    const struct scheduler_options limits = {.max_jobs = 1, .blocks_per_job = BLOCKS_PER_JOB};
    if (scheduler_open(&s->scheduler, opened, count, &limits, e) != 0)
        goto failed;
    if (scheduler_load(s->scheduler, &s->model.package->network, &s->model.id, e) != 0)
        goto failed;
    return 0;
failed:
    session_close(s);
    return -1;
}

void session_close(struct session *s)
{
    scheduler_close(s->scheduler);
    package_close(s->model.package);
    *s = (struct session){0};
}
