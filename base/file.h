/* file.h - a small file read whole, bytes written whole.
 * Threading: safe from any thread.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a regular file of at most limit bytes; *bytes (length) is for free(). A file with holes takes its whole length,
 * so limit is what may be allocated. Errors: ERR_IO, ERR_INPUT (not a regular file, too large), ERR_NOMEM; no path in
 * them. */
int file_read(uint8_t **bytes, size_t *length, const char *path, size_t limit, struct err *e);

/* True if a call failed with `error` (an errno) because there is no room: the disk, the quota or the largest file. */
bool file_is_full(int error);

/* Writes all of bytes[0..length) at `offset`, or where the descriptor stands if it is -1. Errors: "WHAT cannot be
 * written", ERR_SPACE where the disk, the quota or the largest file is full, else ERR_IO; errno then has the reason. */
int file_write(int fd, const void *bytes, size_t length, off_t offset, const char *what, struct err *e);

/* Closes a file that was written: some file systems tell only then that it did not fit. Errors as file_write. */
int file_close(int fd, const char *what, struct err *e);
