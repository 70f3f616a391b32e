/* service.h - what the parts of the daemon share.
 *
 * Made by server.c before the first connection, taken down after the last. settings never changes; scheduler, models
 * and spool are set before the state leaves LOADING, which is a release and an acquire (service_state), and stay. The
 * others have locks of their own.
 */
#pragma once
#include "server/config.h"
#include "server/connections.h"
#include "server/leftover.h"
#include "server/metrics.h"
#include "server/models.h"
#include "server/spool.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum service_state {
    SERVICE_LOADING,
    SERVICE_READY,
    SERVICE_FAILED,   /* up, but nothing can be classified: the reason says why */
    SERVICE_LEAVING,  /* told to stop when READY; still takes requests while balancers notice */
    SERVICE_DRAINING, /* takes no new classify request */
};

struct service {
    const struct server_settings *settings;
    struct scheduler *scheduler; /* NULL while loading */
    struct models models;
    struct spool spool;
    struct workers *workers;
    struct connections connections;
    struct leftover leftover;
    struct metrics metrics;
    atomic_int state; /* enum service_state */
    pthread_mutex_t lock;
    char reason[512]; /* by lock */
    double started;   /* time() */
};

enum service_state service_state(const struct service *s);

/* reason may be NULL. */
void service_enter(struct service *s, enum service_state state, const char *reason);

/* Copies the reason, "" if there is none. */
void service_reason(struct service *s, char *out, size_t size);
