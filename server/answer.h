/* answer.h - what goes back to the client, before it becomes HTTP.
 *
 * Threading: plain data of one thread at a time; a worker fills it, a thread of the HTTP pool sends it.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
    int status;       /* 0: not decided yet */
    const char *type; /* static */
    char *text;       /* malloc'ed; NULL: the body is the file, or empty */
    size_t length;    /* of text */
    int file;         /* -1: none */
    uint64_t file_size;
    bool close;         /* the connection ends after it */
    int retry_after;    /* seconds; 0: no such header */
    const char *allow;  /* static; NULL: no such header */
    char file_name[64]; /* "": no Content-Disposition */
    bool negotiated;    /* depends on Accept */
    char model[640];    /* "name/version sha256"; "": no such header */
    char timing[160];   /* Server-Timing; "": no such header */
};

void answer_init(struct answer *a);
void answer_release(struct answer *a);

/* text (malloc'ed, or NULL when it could not be made) becomes the answer's. */
void answer_text(struct answer *a, int status, const char *type, char *text);

/* An RFC 9457 problem; *a is started anew but for close, allow and retry_after. */
void answer_problem(struct answer *a, const struct err *e, const char *request_id);
