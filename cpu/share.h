/* share.h - how the threads of the CPU engine divide a run among themselves.
 *
 * A piece is some columns of one block, from a line on. Threads take strips from a list; a thread that finds the list
 * empty takes the lower half of the lines that another has left. So no thread idles while there is work, and the lines
 * around a cut, which cost some work twice, are paid for only where a cut was needed. Where cuts fall is up to chance:
 * results do not depend on it. Threading: share_begin by one thread, before the others call share_next and share_line,
 * each for itself.
 */
#pragma once
#include "base/err.h"
#include "engine/engine.h"

struct share;

struct piece {
    const struct engine_task *task;
    int column, columns;
    int line, lines; /* what the piece has at most: others may take lines from its end */
};

/* Errors: ERR_NOMEM. */
int share_open(struct share **out, int threads, struct err *e);
void share_close(struct share *s); /* accepts NULL */

/* Begins a run. width: the broadest strip that a model's working memory is laid out for. */
void share_begin(struct share *s, const struct engine_task *tasks, size_t count,
                 int (*width)(const struct engine_model *));

/* The next piece for a thread; 0 when no work is left. */
int share_next(struct share *s, int thread, struct piece *out);

/* Claims the next line of the thread's piece; -1 when none is left. */
int share_line(struct share *s, int thread);
