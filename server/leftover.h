/* leftover.h - connections that were answered before their body was read, kept a moment longer.
 *
 * Closing a socket with unread bytes makes the kernel send a reset, which can overtake the answer: a client that sends
 * on without looking would see a broken connection instead of its 413. So its bytes are read and thrown away until it
 * closes, is silent for a while, or has had its time.
 * Threading: leftover_add from any thread; the others by one thread.
 */
#pragma once
#include <pthread.h>

enum { LEFTOVER_MOST = 128 };

struct leftover {
    pthread_mutex_t lock;
    struct {
        int fd;
        double last, until; /* clock_now(): of the last bytes, of the end */
    } item[LEFTOVER_MOST];  /* by lock */
    int count;              /* by lock */
};

void leftover_init(struct leftover *l);
void leftover_release(struct leftover *l);

/* Takes the descriptor, whose sending side is shut already; closes it at once if there are too many. */
void leftover_add(struct leftover *l, int fd);

/* Reads for so many milliseconds. */
void leftover_wait(struct leftover *l, int milliseconds);
