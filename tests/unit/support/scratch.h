/* scratch.h - a folder for a test's files, gone with the test.
 *
 * A misuse, or a full disk, aborts the test. Threading: a folder belongs to one thread.
 */
#pragma once
#include <stddef.h>

struct scratch {
    char folder[64];
    char path[128]; /* what scratch_path returned last */
};

void scratch_open(struct scratch *s);
void scratch_close(struct scratch *s); /* removes the files in it */

/* The path of `name` in the folder; valid until the next call. */
const char *scratch_path(struct scratch *s, const char *name);

/* Writes a file of those bytes, replacing what is there; returns its path as scratch_path does. */
const char *scratch_write(struct scratch *s, const char *name, const void *bytes, size_t length);
