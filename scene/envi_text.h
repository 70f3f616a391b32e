/* envi_text.h - the text of an ENVI header, cut into keys and values.
 *
 * Line by line `key = value`; a value in braces may go on over lines. Blank lines, lines without "=" and comments
 * (lines that begin with ";") are skipped, as ENVI, SPy and GDAL do. Line ends are LF, CR LF or CR. Threading: pure
 * functions on the caller's memory.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct envi_field {
    char *key;   /* lower case, words parted by one blank; "_" counts as a blank */
    char *value; /* without braces, control characters and outer blanks; lines are joined by a blank */
    bool braces;
};

struct envi_text {
    struct envi_field *fields;
    size_t count;
    char *storage; /* keys and values lie in here */
};

/* True if the bytes begin as an ENVI header: "ENVI" alone in the first line, a UTF-8 mark before it allowed. */
bool envi_text_begins(const char *bytes, size_t length);

/* Errors: ERR_FORMAT (no ENVI header), ERR_INPUT (a NUL byte, a brace that is never closed), ERR_NOMEM. On -1 nothing
 * needs to be released. */
int envi_text_parse(struct envi_text *t, const char *bytes, size_t length, struct err *e);
void envi_text_release(struct envi_text *t);

/* *field: that of `key`, or NULL. ERR_INPUT if the key is given twice with different values: which one holds differs
 * from reader to reader. */
int envi_text_find(const struct envi_text *t, const char *key, const struct envi_field **field, struct err *e);
