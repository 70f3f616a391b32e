#include "server/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/scheduler.h"
#include "engine/select.h"
#include "server/descriptors.h"
#include "server/http.h"
#include "server/listen.h"
#include "server/monitor.h"
#include "server/notify.h"
#include "server/service.h"
#include "server/work.h"
#include "server/workers.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS_PER_JOB = 8, CACHE_BYTES = 64 << 20 };
static const double close_seconds = 2; /* for connections to end, once nothing is held */

/* Everything that runs, in the order in which it starts. */
struct daemon {
    struct service service;
    struct http *http;
    struct monitor *monitor;
    sigset_t signals;
    char address[300];
};

enum service_state service_state(const struct service *s)
{
    return (enum service_state)atomic_load(&s->state);
}

void service_enter(struct service *s, enum service_state state, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    snprintf(s->reason, sizeof s->reason, "%s", reason == NULL ? "" : reason);
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->state, (int)state);
}

void service_reason(struct service *s, char *out, size_t size)
{
    pthread_mutex_lock(&s->lock);
    snprintf(out, size, "%s", s->reason);
    pthread_mutex_unlock(&s->lock);
}

/* Waits for a signal, at most so long. No handler runs anywhere: both signals stay blocked and are fetched here. */
static bool told_to_stop(const struct daemon *d, double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    return sigtimedwait(&d->signals, NULL, &time) > 0;
}

static int open_engines(struct scheduler **out, const struct server_settings *o,
                        const struct engine_backend *const *backends, struct err *e)
{
    struct scheduler_engine engines[SELECT_MOST];
    struct engine_options options = {.threads = (int)o->threads, .isa = o->isa};
    size_t count;
    if (precision_parse(o->precision, &options.precision, e) != 0 ||
        select_engines(backends, o->device, &options, engines, &count, e) != 0)
        return -1;
    const struct scheduler_options limits = {.max_jobs = (int)o->workers + 1, .blocks_per_job = BLOCKS_PER_JOB};
    return scheduler_open(out, engines, count, &limits, e);
}

/* Until here /health/ready says "loading". */
static int load(struct daemon *d, const struct engine_backend *const *backends, bool *stopped, struct err *e)
{
    struct service *s = &d->service;
    char reason[512];
    if (open_engines(&s->scheduler, s->settings, backends, e) != 0 ||
        models_open(&s->models, &s->settings->models, reason, sizeof reason, e) != 0 ||
        models_check_default(&s->models, s->settings->default_model, e) != 0)
        return -1;
    if (reason[0] != '\0')
        log_event(LOG_WARNING, "not every path of models is served", LOG_STR("reason", reason));
    for (size_t i = 0; i < s->models.count; i++) {
        if ((*stopped = told_to_stop(d, 0)))
            return 0;
        double begun = clock_now();
        if (models_load(&s->models.items[i], s->scheduler, e) != 0)
            return -1;
        const struct package *p = s->models.items[i].package;
        log_event(LOG_INFO, "model loaded", LOG_STR("model", p->name), LOG_STR("version", p->version),
                  LOG_STR("sha256", p->sha256), LOG_NUM("seconds", clock_now() - begun));
    }
    service_enter(s, s->models.count > 0 ? SERVICE_READY : SERVICE_FAILED, s->models.count > 0 ? NULL : reason);
    return 0;
}

static int start(struct daemon *d, struct err *e)
{
    struct service *s = &d->service;
    int listening;
    scene_init(CACHE_BYTES);
    if (spool_open(&s->spool, s->settings->spool, s->settings->spool_limit, e) != 0 ||
        workers_open(&s->workers, (int)s->settings->workers, (int)s->settings->max_requests, work_perform, e) != 0 ||
        listen_open(&listening, d->address, sizeof d->address, s->settings->listen, e) != 0 ||
        http_open(&d->http, s, listening, e) != 0 || monitor_open(&d->monitor, s, e) != 0)
        return -1;
    return 0;
}

static int say_ready(const struct daemon *d, struct err *e)
{
    log_event(LOG_INFO, "listening", LOG_STR("address", d->address),
              LOG_INT("models", (long long)d->service.models.count));
    if (printf("listening on http://%s\n", d->address) < 0 || fflush(stdout) != 0)
        return err_set(e, ERR_IO, "the address cannot be written to standard output");
    notify_supervisor("READY=1");
    return 0;
}

static int held(const struct daemon *d)
{
    struct workers_load load;
    workers_load(d->service.workers, &load);
    return load.held;
}

/* Accepted requests whose answers are not out yet. A place among the held is taken before the connection says so, and
 * given back before the answer is queued: so the held are asked first, and the connections as well. */
static int unanswered(struct daemon *d)
{
    int places = held(d), connections = connections_unanswered(&d->service.connections);
    return places > connections ? places : connections;
}

/* The order was measured behind a balancer: say "not ready" first, then refuse, then listen no more, then wait for the
 * connections. ERR_CANCELED if requests had to be cut short. */
static int drain(struct daemon *d, struct err *e)
{
    struct service *s = &d->service;
    const double tick = 0.02, begun = clock_now();
    const double delay = service_state(s) == SERVICE_READY ? s->settings->drain_delay : 0;
    const double end = begun + delay + s->settings->drain_timeout;
    bool hurry = false;
    notify_supervisor("STOPPING=1");
    log_event(LOG_INFO, "draining", LOG_INT("held", held(d)));
    if (delay > 0) { /* else no balancer sends anything here, and what is loaded in part may not be used */
        service_enter(s, SERVICE_LEAVING, "the server stops");
        hurry = told_to_stop(d, delay);
    }
    service_enter(s, SERVICE_DRAINING, "the server stops");
    monitor_close_idle(d->monitor);
    while (unanswered(d) > 0 && !hurry)
        hurry = told_to_stop(d, tick) || clock_now() > end;
    http_quiesce(d->http);
    for (double last = clock_now() + close_seconds; !hurry && connections_count(&s->connections) > 0;)
        hurry = told_to_stop(d, tick) || clock_now() > last;
    bool all = unanswered(d) == 0;
    log_event(LOG_INFO, "stopped", LOG_NUM("seconds", clock_now() - begun), LOG_BOOL("all_answered", all));
    return all ? 0 : err_set(e, ERR_CANCELED, "stopped before every request was answered");
}

/* What is still held ends with 503 first: libmicrohttpd must not stop while a connection is suspended. */
static void stop(struct daemon *d)
{
    struct service *s = &d->service;
    if (d->monitor != NULL) {
        connections_hold_no_more(&s->connections);
        monitor_end_held(d->monitor);
        while (connections_suspended(&s->connections) > 0)
            (void)told_to_stop(d, 0.01);
        for (double last = clock_now() + close_seconds;
             connections_in(&s->connections, CONNECTION_ANSWER) > 0 && clock_now() < last;)
            (void)told_to_stop(d, 0.01);
        monitor_close(d->monitor);
    }
    http_close(d->http);
    workers_close(s->workers);
    scheduler_close(s->scheduler);
    models_close(&s->models);
    spool_close(&s->spool);
}

/* Everything that a start would find wrong, but for a busy port and the loading of the models into the engines. */
static int check(const struct server_settings *s, const struct engine_backend *const *backends, struct err *e)
{
    struct models m = {0};
    struct spool spool = {.fd = -1};
    struct scheduler *scheduler = NULL;
    char reason[512];
    int connections, result = -1;
    if (listen_check(s->listen, e) != 0 || descriptors_for_connections(s, &connections, e) != 0 ||
        spool_open(&spool, s->spool, s->spool_limit, e) != 0 || open_engines(&scheduler, s, backends, e) != 0 ||
        models_open(&m, &s->models, reason, sizeof reason, e) != 0 ||
        models_check_default(&m, s->default_model, e) != 0)
        goto done;
    for (size_t i = 0; i < m.count; i++)
        printf("model %s version %s\n", m.items[i].package->name, m.items[i].package->version);
    if (reason[0] != '\0')
        printf("%s%s\n", m.count > 0 ? "warning: " : "", reason);
    if (m.count > 0)
        printf("the settings are in order\n");
    result = 0;
done:
    models_close(&m);
    scheduler_close(scheduler);
    spool_close(&spool);
    return result;
}

static void block_signals(struct daemon *d)
{
    sigemptyset(&d->signals);
    sigaddset(&d->signals, SIGTERM);
    sigaddset(&d->signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &d->signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
}

int server_run(const struct server_settings *settings, const struct engine_backend *const *engines, struct err *e)
{
    log_configure((enum log_level)settings->log_level, (enum log_format)settings->log_format);
    if (settings->check)
        return check(settings, engines, e);
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL)
        return err_nomem(e);
    struct service *s = &d->service;
    s->settings = settings;
    s->spool.fd = -1;
    s->started = (double)time(NULL);
    pthread_mutex_init(&s->lock, NULL);
    metrics_init(&s->metrics);
    block_signals(d);
    bool stopped = false;
    int result = -1;
    if (start(d, e) != 0 || load(d, engines, &stopped, e) != 0)
        goto done;
    if (!stopped && say_ready(d, e) != 0)
        goto done;
    while (!stopped)
        stopped = told_to_stop(d, 3600);
    result = drain(d, e);
done:
    stop(d);
    metrics_release(&s->metrics);
    pthread_mutex_destroy(&s->lock);
    free(d);
    return result;
}
