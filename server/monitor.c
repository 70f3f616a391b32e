#include "server/monitor.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/problem.h"
#include "server/request.h"
#include "server/service.h"
#include "server/work.h"
#include "server/workers.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TICK_MS = 100 };
static const double sample_every = 1; /* seconds between two looks at the bytes of one connection */
static const double yield_every = 1;  /* seconds between two bodies that make room */
static const double yield_rate = 1e6; /* bytes a second: a body that is faster makes none */

enum reason { SLOW_HEADERS, SLOW_BODY, LATE_BODY, LEFT, SLOW_READER, IDLE, REASONS };

struct monitor {
    struct service *service;
    int cut[REASONS]; /* in this look, to be logged after it; by the thread */
    pthread_t thread;
    atomic_bool stop, close_idle, end_held;
};

/* A client whose body is not waited for any more is told so. libmicrohttpd refuses an answer in mid-body, and sends
 * nothing itself at this moment: so the few bytes are put on the wire here. By connections.lock. */
static void tell(const struct connection *c, const struct err *e)
{
    const struct request *r = c->request;
    char *body = problem_json(e, r->id), text[2048];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nX-Request-Id: %s\r\n"
                     "traceparent: %s\r\nCache-Control: no-store\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     problem_status(e->code), e->code == ERR_TIMEOUT ? "Request Timeout" : "Gateway Timeout", r->id,
                     r->traceparent, body == NULL ? 0 : strlen(body), body == NULL ? "" : body);
    if (n > 0 && (size_t)n < sizeof text)
        (void)send(c->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(body);
}

static void log_cut(struct monitor *m)
{
    static const char *const names[REASONS] = {
        [SLOW_HEADERS] = "slow headers", [SLOW_BODY] = "slow body",     [LATE_BODY] = "deadline of a body",
        [LEFT] = "client left",          [SLOW_READER] = "slow reader", [IDLE] = "idle"};
    for (int i = 0; i < REASONS; i++) {
        if (m->cut[i] > 0)
            log_event(LOG_DEBUG, "connections cut", LOG_STR("reason", names[i]), LOG_INT("count", m->cut[i]));
        m->cut[i] = 0;
    }
}

/* libmicrohttpd sees the end of the connection, and closes it. By connections.lock. */
static void cut(struct connections *cs, struct connection *c)
{
    cs->count[c->phase]--;
    cs->count[CONNECTION_CUT]++;
    c->phase = CONNECTION_CUT;
    c->cut_status = 0;
    c->request = NULL;
    shutdown(c->fd, SHUT_RDWR);
}

/* Cuts a connection in BODY, with a problem for its client. By connections.lock. */
static void cut_body(struct connections *cs, struct connection *c, const struct err *e)
{
    tell(c, e);
    cut(cs, c);
    c->cut_status = problem_status(e->code);
}

static void cut_late_body(struct connections *cs, struct connection *c)
{
    struct err e;
    err_set(&e, ERR_DEADLINE, "the request's deadline passed before its body had come; give it more seconds");
    cut_body(cs, c, &e);
}

static void cut_slow_body(struct connections *cs, struct connection *c)
{
    struct err e;
    err_set(&e, ERR_TIMEOUT, "the body stalled; send it again, faster");
    cut_body(cs, c, &e);
}

/* True if fewer bytes than min-rate passed since the window began; begins another one when it is over. bytes 0: not
 * known. */
static bool too_slow(struct connection *c, uint64_t bytes, const struct server_settings *s, double now)
{
    double passed = now - c->window_start;
    if (passed < s->header_timeout)
        return false;
    bool slow =
        (c->phase == CONNECTION_BODY || bytes > 0) && (double)(bytes - c->window_bytes) < (double)s->min_rate * passed;
    c->window_start = now;
    c->window_bytes = bytes;
    return slow;
}

/* A kept-alive connection on which the next request has begun counts as one that waits for headers. It is asked before
 * the connection is closed too: the request may lie in the socket, and closing would lose it without a word. */
static void look_at_idle(struct monitor *m, struct connection *c, double now)
{
    struct connections *cs = &m->service->connections;
    bool over = now - c->since > m->service->settings->idle_timeout || atomic_load(&m->close_idle);
    if (!over && now - c->window_start < sample_every)
        return;
    c->window_start = now;
    if (connection_bytes_received(c) != c->window_bytes) {
        cs->count[CONNECTION_IDLE]--;
        cs->count[CONNECTION_HEADERS]++;
        c->phase = CONNECTION_HEADERS;
        c->since = now;
    } else if (over) {
        cut(cs, c);
        m->cut[IDLE]++;
    }
}

/* A client that shut its sending side is gone too: there is no telling the two apart. By connections.lock. */
static bool client_left(const struct connection *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* All that came of a body was read, and no more will: libmicrohttpd can miss this where the end came with the last
 * bytes. */
static bool body_ended(const struct connection *c)
{
    char next;
    return client_left(c) && recv(c->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Asks a held request to end; one that still waits for a worker is put on *withdrawn. */
static void look_at_held(const struct monitor *m, struct connection *c, double now, struct request **withdrawn)
{
    struct request *r = c->request;
    if (client_left(c))
        request_cancel(r, ERR_CANCELED);
    else if (r->deadline != 0 && now > r->deadline)
        request_cancel(r, ERR_DEADLINE);
    else if (atomic_load(&m->end_held))
        request_cancel(r, ERR_UNAVAILABLE);
    else
        return;
    if (workers_withdraw(m->service->workers, r)) {
        r->next = *withdrawn;
        *withdrawn = r;
    }
}

/* By connections.lock. */
static void look_at(struct monitor *m, struct connection *c, double now, struct request **withdrawn)
{
    struct connections *cs = &m->service->connections;
    const struct server_settings *s = m->service->settings;
    if (c->phase == CONNECTION_HEADERS && now - c->since > s->header_timeout) {
        cut(cs, c);
        m->cut[SLOW_HEADERS]++;
    } else if (c->phase == CONNECTION_BODY && too_slow(c, atomic_load(&c->received), s, now)) {
        cut_slow_body(cs, c);
        m->cut[SLOW_BODY]++;
    } else if (c->phase == CONNECTION_BODY && c->request->deadline != 0 && now > c->request->deadline) {
        cut_late_body(cs, c);
        m->cut[LATE_BODY]++;
    } else if (c->phase == CONNECTION_BODY && body_ended(c)) {
        cut(cs, c);
        m->cut[LEFT]++;
    } else if (c->phase == CONNECTION_ANSWER && now - c->window_start >= s->header_timeout &&
               too_slow(c, connection_bytes_acked(c), s, now)) {
        cut(cs, c);
        m->cut[SLOW_READER]++;
    } else if (c->phase == CONNECTION_HELD) {
        look_at_held(m, c, now, withdrawn);
    } else if (c->phase == CONNECTION_IDLE) {
        look_at_idle(m, c, now);
    }
}

static void look(struct monitor *m)
{
    struct connections *cs = &m->service->connections;
    struct request *withdrawn = NULL;
    double now = clock_now();
    pthread_mutex_lock(&cs->lock);
    for (struct connection *c = cs->first; c != NULL; c = c->next)
        look_at(m, c, now, &withdrawn);
    pthread_mutex_unlock(&cs->lock);
    log_cut(m);
    while (withdrawn != NULL) {
        struct request *r = withdrawn;
        withdrawn = r->next;
        work_abandon(r);
    }
}

/* By connections.lock. NULL: none is slow enough. */
static struct connection *slowest_body(struct connections *cs, double least_seconds, double now)
{
    struct connection *slowest = NULL;
    double least_rate = yield_rate;
    for (struct connection *c = cs->count[CONNECTION_BODY] == 0 ? NULL : cs->first; c != NULL; c = c->next) {
        double seconds = now - c->since;
        if (c->phase != CONNECTION_BODY || c->wasted || seconds <= least_seconds)
            continue;
        double rate = (double)atomic_load(&c->received) / seconds;
        if (rate < least_rate) {
            least_rate = rate;
            slowest = c;
        }
    }
    return slowest;
}

bool monitor_make_room(struct service *s)
{
    struct connections *cs = &s->connections;
    struct connection *c = NULL;
    struct err e;
    double now = clock_now();
    err_set(&e, ERR_TIMEOUT, "others waited for the place of this slow body; send it again, faster");
    pthread_mutex_lock(&cs->lock);
    bool made = cs->yielded != 0 && now - cs->yielded < yield_every;
    if (!made && (c = slowest_body(cs, s->settings->header_timeout, now)) != NULL) {
        cut_body(cs, c, &e);
        cs->yielded = now;
    }
    pthread_mutex_unlock(&cs->lock);
    if (c != NULL)
        log_event(LOG_INFO, "a slow body was cut to make room");
    return made || c != NULL;
}

static void *watch(void *arg)
{
    struct monitor *m = arg;
    while (!atomic_load(&m->stop)) {
        look(m);
        leftover_wait(&m->service->leftover, TICK_MS);
    }
    return NULL;
}

int monitor_open(struct monitor **out, struct service *s, struct err *e)
{
    struct monitor *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_nomem(e);
    m->service = s;
    int why = pthread_create(&m->thread, NULL, watch, m);
    if (why != 0) {
        free(m);
        return err_set(e, ERR_IO, "cannot start the monitor: %s", strerror(why));
    }
    *out = m;
    return 0;
}

void monitor_close(struct monitor *m)
{
    if (m == NULL)
        return;
    atomic_store(&m->stop, true);
    pthread_join(m->thread, NULL);
    free(m);
}

void monitor_close_idle(struct monitor *m)
{
    atomic_store(&m->close_idle, true);
}

void monitor_end_held(struct monitor *m)
{
    atomic_store(&m->end_held, true);
}
