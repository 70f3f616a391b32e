#include "server/http.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/admission.h"
#include "server/connections.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/service.h"
#include "server/workers.h"
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RESERVED_FILES = 256, /* for everything that is not a connection: above the limit libmicrohttpd spins */
    FILES_A_REQUEST = 2,  /* the upload, the result */
    MOST_CONNECTIONS = 16384,
    MEMORY = 32 * 1024, /* of a connection: headers, and the pieces of a body */
};

struct http {
    struct MHD_Daemon *daemon;
    struct service *service;
    int listening; /* ours again after http_quiesce; -1 before */
};

static struct connection *connection_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void resume(void *handle)
{
    MHD_resume_connection(handle);
}

static void add(struct MHD_Response *m, const char *name, const char *value)
{
    if (value[0] != '\0')
        (void)MHD_add_response_header(m, name, value);
}

static void add_headers(struct MHD_Response *m, const struct request *r)
{
    const struct answer *a = &r->answer;
    char text[96] = "";
    add(m, "Content-Type", a->type == NULL ? "" : a->type);
    add(m, "X-Request-Id", r->id);
    add(m, "traceparent", r->traceparent);
    add(m, "Spectrad-Model", a->model);
    add(m, "Server-Timing", a->timing);
    add(m, "Allow", a->allow == NULL ? "" : a->allow);
    add(m, "Vary", a->negotiated ? "Accept" : "");
    add(m, "Cache-Control", "no-store");
    if (a->file_name[0] != '\0')
        snprintf(text, sizeof text, "attachment; filename=\"%s\"", a->file_name);
    add(m, "Content-Disposition", text);
    text[0] = '\0';
    if (a->retry_after > 0)
        snprintf(text, sizeof text, "%d", a->retry_after);
    add(m, "Retry-After", text);
    if (a->close || service_state(r->service) >= SERVICE_LEAVING)
        add(m, "Connection", "close");
}

/* The body becomes libmicrohttpd's. */
static struct MHD_Response *response_of(struct request *r)
{
    struct answer *a = &r->answer;
    struct MHD_Response *m;
    if (a->file >= 0) {
        m = MHD_create_response_from_fd64(a->file_size, a->file);
        if (m != NULL)
            a->file = -1;
    } else {
        m = MHD_create_response_from_buffer(a->length, a->text,
                                            a->text == NULL ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
        if (m != NULL)
            a->text = NULL;
    }
    if (m != NULL)
        add_headers(m, r);
    return m;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct request *r)
{
    struct MHD_Response *m = response_of(r);
    if (m == NULL)
        return MHD_NO;
    connection_enter(&r->service->connections, r->connection, CONNECTION_ANSWER);
    enum MHD_Result queued = MHD_queue_response(c, (unsigned)r->answer.status, m);
    MHD_destroy_response(m);
    return queued;
}

static enum MHD_Result collect(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_length,
                               const char *value, size_t value_length)
{
    (void)kind;
    headers_add(arg, name, name_length, value, value == NULL ? 0 : value_length);
    return MHD_YES;
}

static enum MHD_Result begin(struct MHD_Connection *c, struct request *r, const char *method)
{
    struct headers headers = {.count = 0}, arguments = {.count = 0};
    r->decided = true;
    r->connection = connection_of(c);
    if (r->connection == NULL)
        return MHD_NO; /* out of memory when it opened */
    atomic_store(&r->connection->received, 0);
    (void)MHD_get_connection_values_n(c, MHD_HEADER_KIND, collect, &headers);
    (void)MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, collect, &arguments);
    enum admission admission = admission_decide(r, method, &headers, &arguments);
    /* An answer at this first call ends the connection in any case; at the next call it need not. */
    if (admission == ADMISSION_ANSWER && r->answer.close) {
        r->connection->unread = true;
        return send_answer(c, r);
    }
    if (admission == ADMISSION_BODY)
        connection_enter(&r->service->connections, r->connection, CONNECTION_BODY);
    return MHD_YES;
}

/* After a failure the rest is read and thrown away: libmicrohttpd takes no answer in mid-body. */
static void take_body(struct request *r, const char *data, size_t length)
{
    struct err e;
    atomic_fetch_add(&r->connection->received, length);
    if (!r->failed && upload_write(&r->upload, data, length, &e) != 0)
        request_fail(r, &e);
}

static enum MHD_Result finish_body(struct MHD_Connection *c, struct request *r)
{
    struct err e;
    r->uploaded = clock_now();
    if (upload_finish(&r->upload, &e) != 0) {
        request_fail(r, &e);
        return send_answer(c, r);
    }
    if (!connection_hold(&r->service->connections, r->connection, r)) {
        request_cancel(r, ERR_UNAVAILABLE);
        request_canceled(r, &e);
        request_fail(r, &e);
        return send_answer(c, r);
    }
    MHD_suspend_connection(c);
    workers_submit(r->service->workers, r);
    return MHD_YES;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *length, void **context)
{
    struct request *r = *context;
    (void)arg;
    (void)url; /* with its escapes undone; the request knows it as it came */
    (void)version;
    if (r == NULL)
        return MHD_NO; /* out of memory */
    if (!r->decided)
        return begin(c, r, method);
    if (*length > 0) {
        take_body(r, data, *length);
        *length = 0;
        return MHD_YES;
    }
    if (r->answer.status == 0)
        return finish_body(c, r);
    if (r->answer.status == 499)
        return MHD_NO; /* nobody listens */
    return send_answer(c, r);
}

static void *started(void *arg, const char *target, struct MHD_Connection *c)
{
    (void)c;
    return request_open(arg, target);
}

static void write_log(const struct request *r, int status, uint64_t received, uint64_t sent)
{
    log_event(status >= 500 ? LOG_WARNING : LOG_INFO, "request", LOG_STR("request_id", r->id),
              LOG_STR("traceparent", r->traceparent), LOG_STR("method", r->method), LOG_STR("path", r->path),
              LOG_INT("status", status), LOG_NUM("seconds", clock_now() - r->started),
              LOG_INT("bytes_in", (long long)received), LOG_INT("bytes_out", (long long)sent),
              LOG_STR("model", r->model == NULL ? NULL : r->model->package->name),
              LOG_STR("timing", r->answer.timing[0] == '\0' ? NULL : r->answer.timing));
}

static void completed(void *arg, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode how)
{
    struct service *s = arg;
    struct request *r = *context;
    (void)c;
    if (r == NULL)
        return;
    *context = NULL;
    if (!r->decided)
        log_event(LOG_INFO, "request not understood", LOG_STR("path", r->path));
    else if (r->connection != NULL) {
        int status = connection_cut_status(&s->connections, r->connection);
        uint64_t received = atomic_load(&r->connection->received), sent = r->answer.length + r->answer.file_size;
        if (strcmp(r->method, "HEAD") == 0)
            sent = 0;
        if (status == 0)
            status = how == MHD_REQUEST_TERMINATED_COMPLETED_OK && r->answer.status != 0 ? r->answer.status : 499;
        if (r->answer.status == 0)
            metrics_rejected(&s->metrics, status == 408 ? ERR_TIMEOUT : ERR_CANCELED);
        metrics_request(&s->metrics, routes_index(r->route), status, received, status == 499 ? 0 : sent);
        write_log(r, status, received, sent);
        connection_enter(&s->connections, r->connection, CONNECTION_IDLE);
    }
    request_close(r);
}

/* The library closes its descriptor next, after it has shut the sending side; the copy keeps the socket. */
static void keep_unread(struct service *s, const struct connection *c)
{
    int copy = c != NULL && c->unread ? fcntl(c->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy >= 0)
        leftover_add(&s->leftover, copy);
}

static void notified(void *arg, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what)
{
    struct service *s = arg;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info == NULL ? NULL : connection_open(&s->connections, info->connect_fd, c);
    } else {
        keep_unread(s, *context);
        connection_close(&s->connections, *context);
        *context = NULL;
    }
}

__attribute__((format(printf, 2, 0))) static void library_log(void *arg, const char *format, va_list args)
{
    char text[256];
    (void)arg;
    vsnprintf(text, sizeof text, format, args);
    log_event(LOG_DEBUG, "libmicrohttpd", LOG_STR("text", text));
}

static int most_connections(const struct server_settings *s, unsigned *out, struct err *e)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(e, ERR_IO, "the limit of open files cannot be read");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(e, ERR_IO, "the limit of open files cannot be set");
    long long kept = RESERVED_FILES + FILES_A_REQUEST * s->max_requests;
    long long room = limit.rlim_cur > 1000000 ? 1000000 : (long long)limit.rlim_cur - kept;
    if (room < s->http_threads)
        return err_set(e, ERR_USAGE, "the limit of %llu open files is too low; raise it above %lld (ulimit -n)",
                       (unsigned long long)limit.rlim_cur, kept);
    if (s->max_connections > room)
        return err_set(e, ERR_USAGE, "max-connections is %lld, but the limit of %llu open files leaves room for %lld",
                       s->max_connections, (unsigned long long)limit.rlim_cur, room);
    *out = (unsigned)(s->max_connections > 0 ? s->max_connections : room < MOST_CONNECTIONS ? room : MOST_CONNECTIONS);
    return 0;
}

/* Refuses what RFC 9112 refuses, as far as the library can; guard.c does the rest. */
#if MHD_VERSION >= 0x00097701
#define STRICT MHD_OPTION_CLIENT_DISCIPLINE_LVL
#else
#define STRICT MHD_OPTION_STRICT_FOR_CLIENT
#endif

static void release(struct service *s)
{
    leftover_release(&s->leftover);
    connections_release(&s->connections);
}

int http_open(struct http **out, struct service *s, int listening, struct err *e)
{
    unsigned most = 0;
    struct http *h = NULL;
    if (most_connections(s->settings, &most, e) != 0)
        goto failed;
    h = calloc(1, sizeof *h);
    if (h == NULL) {
        err_nomem(e);
        goto failed;
    }
    h->service = s;
    h->listening = -1;
    connections_init(&s->connections, resume);
    leftover_init(&s->leftover);
    /* From here on the socket is the library's, which closes it also when it fails. */
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, s,
        MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL, MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)s->settings->http_threads, MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY, STRICT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_URI_LOG_CALLBACK, started, s,
        MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_NOTIFY_CONNECTION, notified, s, MHD_OPTION_END);
    if (h->daemon == NULL) {
        release(s);
        free(h);
        return err_set(e, ERR_IO, "the HTTP server does not start");
    }
    *out = h;
    return 0;
failed:
    close(listening);
    free(h);
    return -1;
}

void http_quiesce(struct http *h)
{
    h->listening = MHD_quiesce_daemon(h->daemon);
    for (;;) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        int fd = h->listening < 0
                     ? -1
                     : accept4(h->listening, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        (void)MHD_add_connection(h->daemon, fd, (struct sockaddr *)&from, length);
    }
    if (h->listening >= 0)
        close(h->listening);
    h->listening = -1;
}

void http_close(struct http *h)
{
    if (h == NULL)
        return;
    MHD_stop_daemon(h->daemon);
    release(h->service);
    free(h);
}
