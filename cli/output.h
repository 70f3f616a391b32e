/* output.h - a result file that appears whole or not at all.
 *
 * Written under a private directory beside its place, then renamed; with it the files that GDAL leaves beside it
 * (`.aux.xml`). A directory that a killed run left behind is removed by the next run into the same folder. Threading:
 * one thread.
 */
#pragma once
#include "base/err.h"

struct output {
    char *directory; /* private, beside the target; NULL once released */
    char *path;      /* where to write: directory/NAME */
    char *target;    /* where it goes; NULL: standard output */
    int lock;        /* the directory, locked for as long as it is in use */
};

/* target "-": standard output. Errors: ERR_IO with the target's name, which the user gave. */
int output_open(struct output *o, const char *target, struct err *e);

/* Moves every file of the directory to the target's folder, the result first and no old companion beside it, or copies
 * `path` to standard output. Errors: ERR_IO, ERR_SPACE. */
int output_commit(struct output *o, struct err *e);

/* Removes what was not committed. */
void output_release(struct output *o);
