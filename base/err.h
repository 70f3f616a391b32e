/* err.h - what went wrong, for the person who can act on it.
 *
 * A fallible function takes a `struct err *e` last, returns 0 or -1 and fills *e on -1. The message is one sentence
 * without a path, without a library's own words, and says what to do where something can be done. What only the
 * operator may see (a path, GDAL's message) goes to the log, not here. Threading: plain data owned by the caller.
 */
#pragma once
#include <stdarg.h>

/* The HTTP status and the exit status of each are chosen in one place each: proto/problem.c and cli/cli.c. */
enum err_code {
    ERR_NONE = 0,
    ERR_REQUEST,     /* the request or an option is malformed (400) */
    ERR_NOT_FOUND,   /* no such model, no such route (404) */
    ERR_METHOD,      /* the route exists, not with this method (405) */
    ERR_ACCEPT,      /* no format that the client accepts (406) */
    ERR_TIMEOUT,     /* a body that stalls (408) */
    ERR_LENGTH,      /* no Content-Length (411) */
    ERR_TOO_LARGE,   /* above a configured limit of bytes (413) */
    ERR_FORMAT,      /* not a TIFF, not an ENVI pair, or a disguised one (415) */
    ERR_INPUT,       /* a cube or a package that cannot be used (422) */
    ERR_LIMIT,       /* a cube above a configured limit of pixels, bands, ratio (422) */
    ERR_BUSY,        /* the queue is full (429) */
    ERR_CANCELED,    /* the client left, or the run was interrupted (499, never sent) */
    ERR_UNAVAILABLE, /* loading, draining, or no engine (503) */
    ERR_DEADLINE,    /* the request's deadline passed (504) */
    ERR_SPACE,       /* the spool or the disk is full (507) */
    ERR_DEVICE,      /* the engine failed (500) */
    ERR_IO,          /* the operating system refused a read or a write (500) */
    ERR_NOMEM,       /* out of memory (500) */
    ERR_USAGE,       /* a command line that cannot be understood (exit 2) */
};

struct err {
    enum err_code code;
    char message[512]; /* UTF-8, one sentence, cut at the end if longer */
};

/* Fills *e (which may be NULL) and returns -1, so that `return err_set(e, ERR_INPUT, "...")` reads as one statement. */
int err_set(struct err *e, enum err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int err_setv(struct err *e, enum err_code code, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* Puts `prefix: ` before the message, keeping the code; for a caller who knows the file or the part. Returns -1. */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ERR_NOMEM with one wording for all. Returns -1. */
int err_nomem(struct err *e);

/* The name of a code in lower case with dashes ("too-large"), used in problem types, metrics and logs. Static storage.
 */
const char *err_name(enum err_code code);
