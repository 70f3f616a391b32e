/* request.h - one request, from its first line to its log line.
 *
 * It belongs to a thread of the HTTP pool, but between connection_hold and connections_resume to the workers. Only
 * `cancel`, `why` and the job are touched from elsewhere, by request_cancel. Lock order: connections.h.
 */
#pragma once
#include "base/err.h"
#include "proto/query.h"
#include "server/answer.h"
#include "server/guard.h"
#include "server/upload.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct connection;
struct model;
struct route;
struct scheduler_job;
struct service;

struct request {
    struct service *service;
    struct connection *connection;
    char id[129];
    char traceparent[56];
    char method[16];
    char path[256];            /* as it came, without the query; cut if longer */
    const struct route *route; /* NULL: none such, or not known yet */
    bool decided;              /* its headers were looked at */
    double started;            /* clock_now() at its first line */

    struct framing framing;
    bool failed;   /* the answer is a problem; what still comes of the body is thrown away */
    bool admitted; /* counted among the workers' held */
    struct upload upload;
    double uploaded; /* clock_now() at the last byte of the body */

    struct query query;
    enum result_format format;
    const struct model *model;
    double deadline; /* clock_now(); 0: none */

    atomic_bool cancel;
    atomic_int why; /* enum err_code of the first cancel */
    pthread_mutex_t lock;
    struct scheduler_job *job; /* by lock: while the engine works for it */
    struct request *next;      /* by the lock of workers.c: its queue */

    struct spool_claim result; /* label map and result, until the answer is out */
    struct answer answer;
};

/* target: the request line's, with the query. NULL when out of memory. */
struct request *request_open(struct service *s, const char *target);
void request_close(struct request *r); /* accepts NULL */

/* Takes X-Request-Id and traceparent where they are well-formed, else makes them. */
void request_identify(struct request *r, const struct headers *h);

/* Asks for the end of a held request: ERR_CANCELED (the client left), ERR_DEADLINE, ERR_UNAVAILABLE (shutdown). The
 * first reason stays. */
void request_cancel(struct request *r, enum err_code why);

/* The job that request_cancel ends from now on; NULL: none. Ends it at once if the request was canceled already. */
void request_set_job(struct request *r, struct scheduler_job *job);

/* The problem that the first reason of request_cancel is for the client. Returns -1. */
int request_canceled(const struct request *r, struct err *e);

/* Makes the answer a problem, counts it, and gives back what the request took. */
void request_fail(struct request *r, const struct err *e);

/* Gives back what an upload took: files, their spool, the place among the held. Twice does no harm. The result keeps
 * its share of the spool until request_close, or request_fail. */
void request_dismiss(struct request *r);
