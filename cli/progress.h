/* progress.h - a progress bar on standard error, where that is a terminal.
 * Threading: one thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    double start, last; /* clock_now() */
    uint64_t pixels;    /* of the whole, for the rate; 0: not known yet */
};

/* quiet, or standard error not a terminal: nothing is ever drawn. */
void progress_init(struct progress *p, bool quiet);
void progress_update(struct progress *p, double fraction); /* 0..1; draws ten times a second at most */
void progress_clear(struct progress *p);                   /* wipes the line */
