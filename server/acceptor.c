#include "server/acceptor.h"
#include "base/log.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PAUSE_MS = 20 }; /* until it is asked again whether there is room */

struct acceptor {
    struct acceptor_target target;
    int listening, wake; /* wake: an eventfd, readable once it shall stop */
    bool troubled;       /* by the thread: the last attempt failed; it is tried 50 times a second, and logged once */
    pthread_t thread;
};

enum taken { TAKEN, NONE_WAITS, TROUBLE };

static enum taken take_one(const struct acceptor *a)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    int fd = accept4(a->listening, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        a->target.take(a->target.arg, fd, (struct sockaddr *)&from, length);
        return TAKEN;
    }
    if (errno == EAGAIN)
        return NONE_WAITS;
    if (errno == ECONNABORTED || errno == EINTR)
        return TAKEN; /* and gone again */
    if (!a->troubled)
        log_event(LOG_WARNING, "connections cannot be accepted", LOG_STR("error", strerror(errno)));
    return TROUBLE;
}

/* Takes all that wait. False: there may be more, but not now, and polling the socket would spin. */
static bool take_waiting(struct acceptor *a)
{
    while (!a->target.full(a->target.arg)) {
        enum taken taken = take_one(a);
        a->troubled = taken == TROUBLE;
        if (taken != TAKEN)
            return taken == NONE_WAITS;
    }
    return false;
}

static void *accept_all(void *arg)
{
    struct acceptor *a = arg;
    for (bool room = true;;) {
        struct pollfd p[] = {{.fd = a->wake, .events = POLLIN}, {.fd = a->listening, .events = POLLIN}};
        (void)poll(p, room ? 2 : 1, room ? -1 : PAUSE_MS);
        if (p[0].revents != 0)
            break;
        room = take_waiting(a);
    }
    /* From here on the kernel lets one client wait at most, so that closing the socket resets next to none. */
    (void)listen(a->listening, 0);
    (void)take_waiting(a);
    return NULL;
}

static void release(struct acceptor *a)
{
    if (a->wake >= 0)
        close(a->wake);
    close(a->listening);
    free(a);
}

int acceptor_open(struct acceptor **out, int listening, const struct acceptor_target *target, struct err *e)
{
    struct acceptor *a = calloc(1, sizeof *a);
    if (a == NULL) {
        close(listening);
        return err_nomem(e);
    }
    a->target = *target;
    a->listening = listening;
    a->wake = eventfd(0, EFD_CLOEXEC);
    int why = a->wake < 0 ? errno : pthread_create(&a->thread, NULL, accept_all, a);
    if (why != 0) {
        release(a);
        return err_set(e, ERR_IO, "cannot start the acceptor: %s", strerror(why));
    }
    *out = a;
    return 0;
}

void acceptor_close(struct acceptor *a)
{
    if (a == NULL)
        return;
    (void)eventfd_write(a->wake, 1);
    pthread_join(a->thread, NULL);
    release(a);
}
