/* http.h - HTTP itself: the only file that knows libmicrohttpd.
 *
 * Threading: http_open, http_quiesce and http_close by one thread.
 */
#pragma once
#include "base/err.h"

struct http;
struct service;

/* Serves on the listening socket, which becomes its own (also on failure). s->connections and s->leftover are made
 * here. Errors: ERR_IO, ERR_USAGE for more connections than the limit of open files allows. */
int http_open(struct http **out, struct service *s, int listening, struct err *e);

/* Takes no more connections; those that wait in the kernel's queue are taken still. Once. */
void http_quiesce(struct http *h);

/* No request may be held. Ends what is still open. Accepts NULL. */
void http_close(struct http *h);
