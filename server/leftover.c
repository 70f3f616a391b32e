#include "server/leftover.h"
#include "base/clock.h"
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static const double silence_s = 2, longest_s = 30;

void leftover_init(struct leftover *l)
{
    l->count = 0;
    pthread_mutex_init(&l->lock, NULL);
}

void leftover_release(struct leftover *l)
{
    for (int i = 0; i < l->count; i++)
        close(l->item[i].fd);
    pthread_mutex_destroy(&l->lock);
}

void leftover_add(struct leftover *l, int fd)
{
    double now = clock_now();
    pthread_mutex_lock(&l->lock);
    bool room = l->count < LEFTOVER_MOST;
    if (room) {
        l->item[l->count].fd = fd;
        l->item[l->count].last = now;
        l->item[l->count++].until = now + longest_s;
    }
    pthread_mutex_unlock(&l->lock);
    if (!room)
        close(fd);
}

/* One piece, so that one fast client does not hold up the others. False: the client is done. */
static bool throw_away(int fd)
{
    char waste[1 << 16];
    ssize_t n = recv(fd, waste, sizeof waste, MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Only the caller of leftover_wait removes items, so that the first `count` stay where they are meanwhile. */
static void look(struct leftover *l, const struct pollfd *polled, int count)
{
    double now = clock_now();
    pthread_mutex_lock(&l->lock);
    for (int i = count - 1; i >= 0; i--) {
        bool going = true;
        if (polled[i].revents != 0) {
            l->item[i].last = now;
            going = throw_away(l->item[i].fd);
        }
        if (going && now < l->item[i].until && now - l->item[i].last < silence_s)
            continue;
        close(l->item[i].fd);
        l->item[i] = l->item[--l->count];
    }
    pthread_mutex_unlock(&l->lock);
}

void leftover_wait(struct leftover *l, int milliseconds)
{
    double end = clock_now() + milliseconds * 1e-3;
    for (double left; (left = end - clock_now()) > 0;) {
        struct pollfd polled[LEFTOVER_MOST];
        pthread_mutex_lock(&l->lock);
        int count = l->count;
        for (int i = 0; i < count; i++)
            polled[i] = (struct pollfd){.fd = l->item[i].fd, .events = POLLIN};
        pthread_mutex_unlock(&l->lock);
        (void)poll(polled, (nfds_t)count, (int)(left * 1e3) + 1);
        look(l, polled, count);
    }
}
