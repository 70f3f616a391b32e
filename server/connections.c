#include "server/connections.h"
#include "base/clock.h"
#include <linux/tcp.h> /* the C library's struct tcp_info lacks the byte counts */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

void connections_init(struct connections *cs, void (*resume)(void *handle))
{
    *cs = (struct connections){.resume = resume};
    pthread_mutex_init(&cs->lock, NULL);
}

void connections_release(struct connections *cs)
{
    pthread_mutex_destroy(&cs->lock);
}

static struct tcp_info tcp_info_of(const struct connection *c)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        info = (struct tcp_info){0};
    return info;
}

uint64_t connection_bytes_received(const struct connection *c)
{
    return tcp_info_of(c).tcpi_bytes_received;
}

uint64_t connection_bytes_acked(const struct connection *c)
{
    return tcp_info_of(c).tcpi_bytes_acked;
}

/* By lock. */
static void change(struct connections *cs, struct connection *c, enum connection_phase phase)
{
    cs->count[c->phase]--;
    cs->count[phase]++;
    c->phase = phase;
    c->since = c->window_start = clock_now();
    c->request = NULL;
    c->wasted = false;
    c->window_bytes = 0;
    if (phase == CONNECTION_IDLE) {
        c->window_bytes = c->asked_bytes;
    } else if (phase == CONNECTION_ANSWER) {
        c->window_bytes = c->acked_bytes = connection_bytes_acked(c);
        c->asked_bytes = connection_bytes_received(c);
    } else if (phase == CONNECTION_BODY) {
        atomic_store(&c->received, 0);
    }
}

struct connection *connection_open(struct connections *cs, int fd, void *handle)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->fd = fd;
    c->handle = handle;
    c->phase = CONNECTION_HEADERS;
    c->since = c->window_start = clock_now();
    pthread_mutex_lock(&cs->lock);
    cs->count[CONNECTION_HEADERS]++;
    c->next = cs->first;
    c->link = &cs->first;
    if (c->next != NULL)
        c->next->link = &c->next;
    cs->first = c;
    pthread_mutex_unlock(&cs->lock);
    return c;
}

void connection_close(struct connections *cs, struct connection *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&cs->lock);
    cs->count[c->phase]--;
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    pthread_mutex_unlock(&cs->lock);
    free(c);
}

void connection_enter(struct connections *cs, struct connection *c, enum connection_phase phase)
{
    pthread_mutex_lock(&cs->lock);
    if (c->phase != CONNECTION_CUT)
        change(cs, c, phase);
    pthread_mutex_unlock(&cs->lock);
}

void connection_take_body(struct connections *cs, struct connection *c, struct request *r)
{
    pthread_mutex_lock(&cs->lock);
    if (c->phase != CONNECTION_CUT) {
        change(cs, c, CONNECTION_BODY);
        c->request = r;
    }
    pthread_mutex_unlock(&cs->lock);
}

void connection_waste_body(struct connections *cs, struct connection *c)
{
    pthread_mutex_lock(&cs->lock);
    c->wasted = true;
    pthread_mutex_unlock(&cs->lock);
}

bool connection_hold(struct connections *cs, struct connection *c, struct request *r)
{
    pthread_mutex_lock(&cs->lock);
    bool held = c->phase != CONNECTION_CUT && !cs->closing;
    if (held) {
        change(cs, c, CONNECTION_HELD);
        c->request = r;
        cs->suspended++;
    }
    pthread_mutex_unlock(&cs->lock);
    return held;
}

void connections_hold_no_more(struct connections *cs)
{
    pthread_mutex_lock(&cs->lock);
    cs->closing = true;
    pthread_mutex_unlock(&cs->lock);
}

void connections_resume(struct connections *cs, struct connection *c)
{
    connection_enter(cs, c, CONNECTION_ANSWER);
    cs->resume(c->handle); /* afterwards *c may be gone */
    pthread_mutex_lock(&cs->lock);
    cs->suspended--;
    pthread_mutex_unlock(&cs->lock);
}

int connections_suspended(struct connections *cs)
{
    pthread_mutex_lock(&cs->lock);
    int count = cs->suspended;
    pthread_mutex_unlock(&cs->lock);
    return count;
}

int connection_cut_status(struct connections *cs, struct connection *c)
{
    pthread_mutex_lock(&cs->lock);
    int status = c->phase == CONNECTION_CUT ? c->cut_status : 0;
    pthread_mutex_unlock(&cs->lock);
    return status;
}

uint64_t connection_answer_taken(struct connections *cs, struct connection *c)
{
    pthread_mutex_lock(&cs->lock);
    uint64_t acked = connection_bytes_acked(c);
    uint64_t taken = acked > c->acked_bytes ? acked - c->acked_bytes : 0;
    pthread_mutex_unlock(&cs->lock);
    return taken;
}

void connections_announce(struct connections *cs)
{
    atomic_fetch_add(&cs->announced, 1);
}

void connections_withdraw(struct connections *cs)
{
    atomic_fetch_sub(&cs->announced, 1);
}

int connections_count(struct connections *cs)
{
    return atomic_load(&cs->announced);
}

int connections_in(struct connections *cs, enum connection_phase phase)
{
    pthread_mutex_lock(&cs->lock);
    int count = cs->count[phase];
    pthread_mutex_unlock(&cs->lock);
    return count;
}

int connections_unanswered(struct connections *cs)
{
    pthread_mutex_lock(&cs->lock);
    int count = cs->count[CONNECTION_BODY] + cs->count[CONNECTION_HELD] + cs->count[CONNECTION_ANSWER];
    pthread_mutex_unlock(&cs->lock);
    return count;
}
