#include "server/http.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/acceptor.h"
#include "server/admission.h"
#include "server/connections.h"
#include "server/descriptors.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/service.h"
#include "server/workers.h"
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MEMORY = 32 * 1024, /* of a connection: headers, and the pieces of a body */
    NO_LIMIT = 1 << 30, /* of connections, as far as the library is concerned: the acceptor counts them */
    THREADS_MOST = 64,  /* settings have no more */
};

/* A pool of the library's threads, each a daemon of its own: the library's pool needs the listening socket. */
struct http {
    struct MHD_Daemon *daemons[THREADS_MOST];
    int count;
    struct service *service;
    struct acceptor *acceptor; /* NULL after http_quiesce */
    int most;                  /* connections */
    int next;                  /* by the acceptor's thread: the daemon that got the last connection */
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
        connection_take_body(&r->service->connections, r->connection, r);
    return MHD_YES;
}

/* After a failure the rest is read and thrown away: libmicrohttpd takes no answer in mid-body. */
static void take_body(struct request *r, const char *data, size_t length)
{
    struct err e;
    atomic_fetch_add(&r->connection->received, length);
    if (r->failed || upload_write(&r->upload, data, length, &e) == 0)
        return;
    request_fail(r, &e);
    connection_waste_body(&r->service->connections, r->connection);
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

/* Bytes of the answer's body; of one that was broken off, what the client took of it, give or take its head. */
static uint64_t bytes_sent(struct service *s, const struct request *r, int status)
{
    uint64_t all = strcmp(r->method, "HEAD") == 0 ? 0 : r->answer.length + r->answer.file_size;
    if (status == r->answer.status)
        return all;
    uint64_t taken = connection_answer_taken(&s->connections, r->connection);
    return taken < all ? taken : all;
}

/* Logs and counts a request whose headers were understood. */
static void account(struct service *s, const struct request *r, enum MHD_RequestTerminationCode how)
{
    int status = connection_cut_status(&s->connections, r->connection);
    uint64_t received = atomic_load(&r->connection->received);
    if (status == 0)
        status = how == MHD_REQUEST_TERMINATED_COMPLETED_OK && r->answer.status != 0 ? r->answer.status : 499;
    uint64_t sent = bytes_sent(s, r, status);
    if (r->answer.status == 0)
        metrics_rejected(&s->metrics, status == 408 ? ERR_TIMEOUT : status == 504 ? ERR_DEADLINE : ERR_CANCELED);
    metrics_request(&s->metrics, routes_index(r->route), status, received, sent);
    write_log(r, status, received, sent);
}

static void completed(void *arg, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode how)
{
    struct service *s = arg;
    struct request *r = *context;
    (void)c;
    if (r == NULL)
        return;
    *context = NULL;
    if (!r->decided) {
        log_event(LOG_INFO, "request not understood", LOG_STR("path", r->path));
    } else if (r->connection != NULL) {
        account(s, r, how);
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
        connections_withdraw(&s->connections);
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

/* Refuses what RFC 9112 refuses, as far as the library can; guard.c does the rest. */
#if MHD_VERSION >= 0x00097701
#define STRICT MHD_OPTION_CLIENT_DISCIPLINE_LVL
#else
#define STRICT MHD_OPTION_STRICT_FOR_CLIENT
#endif

static struct MHD_Daemon *start_thread(struct service *s)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL, MHD_OPTION_CONNECTION_LIMIT, NO_LIMIT,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, STRICT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_URI_LOG_CALLBACK, started, s, MHD_OPTION_NOTIFY_COMPLETED, completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, notified, s, MHD_OPTION_END);
}

static bool full(void *arg)
{
    const struct http *h = arg;
    return connections_count(&h->service->connections) >= h->most;
}

static void take(void *arg, int fd, const struct sockaddr *from, socklen_t length)
{
    struct http *h = arg;
    connections_announce(&h->service->connections);
    h->next = (h->next + 1) % h->count;
    if (MHD_add_connection(h->daemons[h->next], fd, from, length) != MHD_YES) /* which has closed it */
        connections_withdraw(&h->service->connections);
}

/* Everything but the acceptor. */
static void release(struct http *h)
{
    for (int i = 0; i < h->count; i++)
        MHD_stop_daemon(h->daemons[i]);
    leftover_release(&h->service->leftover);
    connections_release(&h->service->connections);
    free(h);
}

static int open_threads(struct http **out, struct service *s, int most, struct err *e)
{
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL)
        return err_nomem(e);
    h->service = s;
    h->most = most;
    connections_init(&s->connections, resume);
    leftover_init(&s->leftover);
    for (; h->count < s->settings->http_threads; h->count++)
        if ((h->daemons[h->count] = start_thread(s)) == NULL) {
            release(h);
            return err_set(e, ERR_IO, "the HTTP server does not start");
        }
    *out = h;
    return 0;
}

int http_open(struct http **out, struct service *s, int listening, struct err *e)
{
    struct http *h = NULL;
    int most = 0;
    if (descriptors_for_connections(s->settings, &most, e) != 0 || open_threads(&h, s, most, e) != 0) {
        close(listening);
        return -1;
    }
    const struct acceptor_target target = {full, take, h};
    if (acceptor_open(&h->acceptor, listening, &target, e) != 0) {
        release(h);
        return -1;
    }
    *out = h;
    return 0;
}

void http_quiesce(struct http *h)
{
    acceptor_close(h->acceptor);
    h->acceptor = NULL;
}

void http_close(struct http *h)
{
    if (h == NULL)
        return;
    acceptor_close(h->acceptor);
    release(h);
}
