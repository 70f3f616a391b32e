/* progress.h - a progress bar on standard error, where that is a terminal.
 * Threading: one thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    double start, last; /* clock_now() */
};

/* quiet, or standard error not a terminal: nothing is ever drawn. */
void progress_init(struct progress *p, bool quiet);
void progress_update(struct progress *p, uint64_t done, uint64_t pixels); /* draws ten times a second at most */
void progress_clear(struct progress *p);                                  /* wipes the line */
