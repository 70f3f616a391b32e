/* guard.h - which requests are refused by their headers alone, before a byte of body is read.
 *
 * libmicrohttpd frames leniently (Content-Length beside Transfer-Encoding, two Content-Lengths, blanks before the
 * colon): what a proxy in front may read differently is refused here, and the connection closed. Threading: pure
 * functions on the caller's memory.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADERS_MOST = 100 };

struct header {
    const char *name, *value; /* borrowed; not terminated */
    size_t name_length, value_length;
};

struct headers {
    struct header item[HEADERS_MOST];
    size_t count;
    bool too_many; /* more came than fit */
};

/* Keeps a header; beyond HEADERS_MOST only notes it. */
void headers_add(struct headers *h, const char *name, size_t name_length, const char *value, size_t value_length);

/* True if the header has that name, in any case. */
bool header_named(const struct header *header, const char *name);

/* The first of that name; NULL: none. */
const struct header *headers_find(const struct headers *h, const char *name);

/* True if the header's value is `text` in any case. header may be NULL. */
bool header_is(const struct header *header, const char *text);

/* What the framing says of the body. */
struct framing {
    bool chunked;
    bool has_length;
    uint64_t length;
};

/* Errors: ERR_REQUEST, after which the connection must be closed. */
int guard_check(const struct headers *h, struct framing *f, struct err *e);
