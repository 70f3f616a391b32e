/* workers.h - the request workers, the queue before them, and how many classify requests are held at all.
 *
 * A request is admitted before its first byte of body and dismissed when its result is written, so that what is
 * uploading, queued and running together is bounded. Threading: any thread; one lock, innermost: nothing is called
 * under it.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

struct request;
struct workers;

struct workers_load {
    int held, queued, running;
};

/* perform is called from a worker with each submitted request, which is its own from then on. Errors: ERR_NOMEM,
 * ERR_IO. */
int workers_open(struct workers **out, int threads, int most_held, void (*perform)(struct request *r), struct err *e);

/* Nothing may be held any more. Accepts NULL. */
void workers_close(struct workers *w);

/* Takes a place among the held. ERR_BUSY: all are taken. */
int workers_admit(struct workers *w, struct err *e);
void workers_dismiss(struct workers *w);

void workers_submit(struct workers *w, struct request *r);

/* True if r still waited, and does no more: it is the caller's again. */
bool workers_withdraw(struct workers *w, struct request *r);

void workers_load(struct workers *w, struct workers_load *out);
