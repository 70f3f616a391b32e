/* json_writer.h - JSON text to a file descriptor, piece by piece, in a fixed amount of memory.
 *
 * Commas are put where they belong; the caller opens and closes what nests. The first failure is kept and all that
 * follows is dropped: look at json_writer_finish once. Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
    int fd;
    bool comma;  /* the next value needs one before it */
    bool failed; /* then `failure` says why, and nothing more is written */
    struct err failure;
    size_t used;
    char buffer[1 << 14];
};

void json_writer_init(struct json_writer *w, int fd);

/* key NULL: an element of an array. */
void json_writer_open(struct json_writer *w, const char *key, char bracket); /* '{' or '[' */
void json_writer_close(struct json_writer *w, char bracket);                 /* '}' or ']' */
/* NULL: null. Invalid UTF-8 becomes '?'. */
void json_writer_string(struct json_writer *w, const char *key, const char *text);
/* The fewest of 15 to 17 digits that read back; null where not finite. */
void json_writer_number(struct json_writer *w, const char *key, double v);
void json_writer_integer(struct json_writer *w, const char *key, uint64_t v);

/* Writes what is left. Errors: ERR_SPACE, ERR_IO. */
int json_writer_finish(struct json_writer *w, struct err *e);
