#include "server/listen.h"
#include "base/number.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, HOST_SIZE = 256 };

/* "[::]:8080" -> "::", "8080". */
static int split(const char *text, char host[HOST_SIZE], char port[8], struct err *e)
{
    const char *colon = strrchr(text, ':');
    long long number;
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);
    if (colon == NULL || !number_integer(colon + 1, strlen(colon + 1), 0, 65535, &number))
        return err_set(e, ERR_USAGE, "listen is ADDRESS:PORT with a port from 0 to 65535, such as 127.0.0.1:8080");
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length) != NULL) {
        return err_set(e, ERR_USAGE, "an IPv6 address stands in brackets, such as [::1]:8080");
    }
    if (length == 0 || length >= HOST_SIZE)
        return err_set(e, ERR_USAGE, "listen needs an address before the port; 0.0.0.0 and [::] mean every one");
    memcpy(host, text, length);
    host[length] = '\0';
    snprintf(port, 8, "%lld", number);
    return 0;
}

static int bind_one(const struct addrinfo *a)
{
    int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void show(int fd, char *shown, size_t size)
{
    struct sockaddr_storage at = {0};
    socklen_t length = sizeof at;
    char host[HOST_SIZE] = "?", port[8] = "?";
    if (getsockname(fd, (struct sockaddr *)&at, &length) == 0)
        (void)getnameinfo((struct sockaddr *)&at, length, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(shown, size, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static const char *reason(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another program listens there; stop it or choose another port";
    case EACCES:
        return "ports below 1024 need the capability CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    default:
        return strerror(error);
    }
}

/* Binds the address, with its port or any free one. */
static int bind_text(int *fd, const char *text, bool any_port, struct err *e)
{
    char host[HOST_SIZE], port[8];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    if (split(text, host, port, e) != 0)
        return -1;
    if (getaddrinfo(host, any_port ? "0" : port, &hints, &found) != 0)
        return err_set(e, ERR_USAGE, "'%s' is not an address of this machine", host);
    *fd = -1;
    int why = 0;
    for (const struct addrinfo *a = found; a != NULL && *fd < 0; a = a->ai_next)
        if ((*fd = bind_one(a)) < 0)
            why = errno;
    freeaddrinfo(found);
    return *fd >= 0 ? 0 : err_set(e, ERR_IO, "cannot listen on %s: %s", text, reason(why));
}

int listen_open(int *fd, char *shown, size_t size, const char *text, struct err *e)
{
    if (bind_text(fd, text, false, e) != 0)
        return -1;
    show(*fd, shown, size);
    return 0;
}

int listen_check(const char *text, struct err *e)
{
    int fd;
    if (bind_text(&fd, text, true, e) != 0)
        return -1;
    close(fd);
    return 0;
}
