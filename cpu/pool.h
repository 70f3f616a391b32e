/* pool.h - threads of the engine's own, which all do one piece of work together and then sleep.
 *
 * They block every signal (main's threads take those) and flush denormal numbers to zero: a mode of the thread, so that
 * the caller's arithmetic is never touched. For the same reason the caller only waits.
 * Threading: pool_run from one thread at a time.
 */
#pragma once
#include "base/err.h"

struct pool;

/* Starts the threads. Errors: ERR_NOMEM (also when the system refuses a thread). */
int pool_open(struct pool **out, int threads, struct err *e);
void pool_close(struct pool *p); /* accepts NULL */

/* Calls work(argument, t) on every thread t of 0..threads-1 at once; returns when all have returned. */
void pool_run(struct pool *p, void (*work)(void *argument, int thread), void *argument);
