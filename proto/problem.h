/* problem.h - errors on the wire: RFC 9457 application/problem+json, and the one place where a code becomes a status.
 * Threading: pure functions.
 */
#pragma once
#include "base/err.h"

int problem_status(enum err_code code); /* 422 for ERR_INPUT, ... */

/* The JSON text, malloc'ed; NULL when out of memory. Members: type ("urn:spectrad:problem:NAME"),
 * title, status, detail (the message), instance (request id), code (err_name). */
char *problem_json(const struct err *e, const char *request_id);
