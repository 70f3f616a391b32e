/* upload.h - a request's body on its way into files: fixed names in a private folder, counted against the spool.
 *
 * A raw body is the cube; of multipart/form-data the parts `cube` and `header` are taken. No name that a client gave is
 * ever part of a path.
 * Threading: one thread at a time.
 */
#pragma once
#include "base/err.h"
#include "proto/multipart.h"
#include "server/guard.h"
#include "server/spool.h"
#include <stdbool.h>
#include <stdint.h>

struct upload {
    struct spool_claim claim; /* the whole body */
    char *folder;
    char *cube;   /* path; NULL: no such part yet */
    char *header; /* path; NULL: no such part */
    int file;     /* of the part that comes now; -1: none */
    bool in_header;
    uint64_t header_bytes;
    uint64_t bytes;           /* of the body, so far */
    struct multipart *parser; /* NULL: a raw body */
};

void upload_init(struct upload *u);

/* Claims length bytes of the spool and makes the folder. content_type may be NULL. Errors: ERR_FORMAT (a type that is
 * not served), ERR_REQUEST (no boundary), ERR_SPACE, ERR_IO, ERR_NOMEM. */
int upload_open(struct upload *u, struct spool *s, const struct header *content_type, uint64_t length, struct err *e);

/* The next bytes of the body. Errors: ERR_REQUEST (a malformed form, unknown or doubled parts), ERR_TOO_LARGE (the
 * header part), ERR_SPACE, ERR_IO; after any of them nothing may be written. */
int upload_write(struct upload *u, const void *bytes, size_t length, struct err *e);

/* After the last byte: cube and header, those that came, can be read. ERR_REQUEST: a form that is cut, or has neither;
 * what is wrong with a header alone, cube_open says. */
int upload_finish(struct upload *u, struct err *e);

/* Removes the files. Twice does no harm. */
void upload_release(struct upload *u);
