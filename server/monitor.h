/* monitor.h - one thread that ends what clients would let hang: slow headers, stalled bodies, answers nobody reads,
 * requests whose client has left or whose deadline has passed.
 *
 * Threading: monitor_open and monitor_close by one thread, monitor_make_room from any. Lock order: connections.h.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

struct monitor;
struct service;

/* Watches s->connections until monitor_close. Errors: ERR_NOMEM, ERR_IO. */
int monitor_open(struct monitor **out, struct service *s, struct err *e);
void monitor_close(struct monitor *m); /* accepts NULL */

/* Shuts down idle kept-alive connections from now on, as soon as they are idle. */
void monitor_close_idle(struct monitor *m);

/* Ends every held request with ERR_UNAVAILABLE, now and from now on. */
void monitor_end_held(struct monitor *m);

/* For a request that was refused since others hold every place, or the spool: of the bodies that have come for longer
 * than header-timeout and on average slower than 1 MB/s, the slowest is cut with 408, one a second at most. So a few
 * clients that send just above min-rate cannot keep the places for as long as their bodies are announced to be. True if
 * one was cut just now: then another try after a second is worth it. */
bool monitor_make_room(struct service *s);
