/* file.h - a small file, whole.
 * Threading: safe from any thread.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* Reads a regular file of at most limit bytes; *bytes (length) is for free(). A file with holes takes its whole length,
 * so limit is what may be allocated. Errors: ERR_IO, ERR_INPUT (not a regular file, too large), ERR_NOMEM; no path in
 * them. */
int file_read(uint8_t **bytes, size_t *length, const char *path, size_t limit, struct err *e);
