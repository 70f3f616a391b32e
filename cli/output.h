/* output.h - a result file that appears whole or not at all.
 *
 * Written under a private directory beside its place, then renamed; with it the files that GDAL leaves beside it
 * (`.aux.xml`). Threading: one thread.
 */
#pragma once
#include "base/err.h"

struct output {
    char *directory; /* private, beside the target; NULL once released */
    char *path;      /* where to write: directory/NAME */
    char *target;    /* where it goes; NULL: standard output */
};

/* target "-": standard output. Errors: ERR_IO with the target's name, which the user gave. */
int output_open(struct output *o, const char *target, struct err *e);

/* Moves every file of the directory to the target's folder (the target last), or copies `path` to standard output. */
int output_commit(struct output *o, struct err *e);

/* Removes what was not committed. */
void output_release(struct output *o);
