/* connections.h - every open connection, what it is at, and since when.
 *
 * libmicrohttpd knows an idle timeout only: a byte a second outlives it, and while a connection is suspended it never
 * says that the client has gone. So each connection is entered here, and monitor.c walks the list. A connection's
 * descriptor may be used under `lock` only: libmicrohttpd closes it after connection_close. Threading: any thread.
 * Lock order: connections.lock, then a request's, then the scheduler's; connections.lock, then that of workers.c.
 * Nothing is logged under it, and `resume` is called without it.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

enum connection_phase {
    CONNECTION_HEADERS, /* waits for the headers of a request */
    CONNECTION_BODY,    /* takes its body */
    CONNECTION_HELD,    /* suspended: the request is the workers' */
    CONNECTION_ANSWER,  /* sends the answer */
    CONNECTION_IDLE,    /* kept alive between requests */
    CONNECTION_CUT,     /* shut down by us; libmicrohttpd has yet to notice */
};
enum { CONNECTION_PHASES = CONNECTION_CUT + 1 };

struct connection {
    struct connection *next, **link; /* by lock */
    int fd;                          /* by lock */
    void *handle;                    /* libmicrohttpd's */
    enum connection_phase phase;     /* by lock */
    double since;                    /* by lock: clock_now() at the phase's start */
    struct request *request;         /* by lock: of BODY and HELD */
    int cut_status;                  /* by lock: what a CUT client was told; 0: nothing */
    bool wasted;                     /* by lock: in BODY, of a request that was refused: it holds nothing any more */
    bool unread;                     /* answered before its body was read; by the HTTP pool's thread */

    /* By lock: the window over which the rate of this phase is judged. */
    double window_start;
    uint64_t window_bytes;
    uint64_t acked_bytes; /* by lock: acknowledged when the answer began */
    uint64_t asked_bytes; /* by lock: received when the answer began; more are another request, however soon it comes */

    atomic_uint_fast64_t received; /* bytes of the body so far */
};

struct connections {
    pthread_mutex_t lock;
    struct connection *first;     /* by lock */
    int count[CONNECTION_PHASES]; /* by lock */
    int suspended;                /* by lock: from connection_hold to the end of connections_resume */
    bool closing;                 /* by lock: nothing is held any more */
    double yielded;               /* by lock: clock_now() when a body was last cut to make room */
    void (*resume)(void *handle);
    atomic_int announced; /* accepted and not closed, whether libmicrohttpd has seen them already or not */
};

void connections_init(struct connections *cs, void (*resume)(void *handle));
void connections_release(struct connections *cs);

/* NULL when out of memory. */
struct connection *connection_open(struct connections *cs, int fd, void *handle);
void connection_close(struct connections *cs, struct connection *c); /* accepts NULL */

/* A connection that was cut stays so. For BODY and HELD, see below. */
void connection_enter(struct connections *cs, struct connection *c, enum connection_phase phase);

/* Enters BODY. Of the request, what was decided by its headers is read under the lock, until the next phase. */
void connection_take_body(struct connections *cs, struct connection *c, struct request *r);

/* What still comes of the body is thrown away. */
void connection_waste_body(struct connections *cs, struct connection *c);

/* Before libmicrohttpd suspends it: the request is the workers' until connections_resume. False, and nothing changed,
 * if the connection was cut, or after connections_hold_no_more. */
bool connection_hold(struct connections *cs, struct connection *c, struct request *r);
void connections_hold_no_more(struct connections *cs);

/* The one place where a suspended connection goes on. */
void connections_resume(struct connections *cs, struct connection *c);

/* What a CUT client was told; 0 for any other connection. */
int connection_cut_status(struct connections *cs, struct connection *c);

/* Bytes of the current or last answer that the peer has taken, its head among them. */
uint64_t connection_answer_taken(struct connections *cs, struct connection *c);

/* One was accepted; one was closed, or never came to be. */
void connections_announce(struct connections *cs);
void connections_withdraw(struct connections *cs);

/* How many there are in all, and in a phase. */
int connections_count(struct connections *cs);
int connections_in(struct connections *cs, enum connection_phase phase);

/* How many have a request whose answer is not out: BODY, HELD and ANSWER, seen at one moment. A request that goes
 * forward meanwhile is never missed, as it would be between two calls of connections_in. */
int connections_unanswered(struct connections *cs);

/* How many libmicrohttpd may believe suspended: it aborts if it is stopped while there are any. */
int connections_suspended(struct connections *cs);

/* Bytes that the peer has sent, or taken, since the connection opened; 0 where the kernel does not say. By lock. */
uint64_t connection_bytes_received(const struct connection *c);
uint64_t connection_bytes_acked(const struct connection *c);
