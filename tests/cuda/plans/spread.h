/* spread.h - one child process for each piece of work, a few at a time, their output in the order of the pieces.
 *
 * A child that crashes inside a library costs its own piece, not the check.
 */
#pragma once
#include <stddef.h>
#include <stdio.h>

struct tally {
    int passed, failed;
};

typedef void spread_work(size_t piece, void *context, FILE *out, struct tally *t);

/* Runs pieces 0..count-1 and prints what each wrote to stdout. Adds up their tallies; a piece whose process does not
 * end well counts as one failure. Returns 0; -1 with errno set if the machine refuses a process or a file. */
int spread(size_t count, int at_once, spread_work *work, void *context, struct tally *total);
