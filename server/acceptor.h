/* acceptor.h - one thread that takes connections from a listening socket and hands them on.
 *
 * libmicrohttpd can do this itself, but its MHD_quiesce_daemon races with its own threads for the listening socket and
 * aborts the process when it loses (0.9.75 and 1.0.1; once in some thousand stops under load), and above its limit of
 * connections it spins. So it never sees the listening socket.
 * Threading: acceptor_open and acceptor_close by one thread.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <sys/socket.h>

struct acceptor;

struct acceptor_target {
    bool (*full)(void *arg); /* no connection is taken while it says so; they wait in the kernel's queue */
    void (*take)(void *arg, int fd, const struct sockaddr *from, socklen_t length); /* owns fd */
    void *arg;
};

/* The listening socket becomes the acceptor's, also on failure. Errors: ERR_NOMEM, ERR_IO. */
int acceptor_open(struct acceptor **out, int listening, const struct acceptor_target *target, struct err *e);

/* Takes what waits in the kernel's queue, then closes the socket: later clients are refused. Accepts NULL. */
void acceptor_close(struct acceptor *a);
