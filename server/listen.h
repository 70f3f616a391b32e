/* listen.h - from "127.0.0.1:8080" or "[::]:0" to a listening socket.
 *
 * Ours rather than libmicrohttpd's, so that a busy port is a sentence and port 0 can be named before anything is
 * served. Threading: used at start.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>

/* Binds and listens, non-blocking, closed on exec; an IPv6 wildcard takes IPv4 too. shown[size] becomes the address
 * with the port that was got, as it stands in a URL: "127.0.0.1:43211", "[::]:8080". Returns 0 with *fd for close().
 * Errors: ERR_USAGE for a text that is no address, ERR_IO for a port that cannot be had. */
int listen_open(int *fd, char *shown, size_t size, const char *text, struct err *e);

/* Whether text is an address of this machine; its port is not looked at further, since a daemon may be serving there
 * now. Errors: as above. */
int listen_check(const char *text, struct err *e);
