#include "server/descriptors.h"
#include <sys/resource.h>

enum {
    RESERVED = 256,       /* for everything that is not a connection */
    FOR_A_REQUEST = 2,    /* the upload; the label map, or the result while it is written */
    FOR_A_CONNECTION = 2, /* its socket; the result that it sends, which holds no place among the requests any more */
    MOST = 16384,         /* where the operator names no number */
    ENDLESS = 1 << 20,    /* what RLIM_INFINITY is taken for */
};

int descriptors_for_connections(const struct server_settings *s, int *most, struct err *e)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(e, ERR_IO, "the limit of open files cannot be read");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(e, ERR_IO, "the limit of open files cannot be set");
    long long kept = RESERVED + FOR_A_REQUEST * s->max_requests;
    long long files = limit.rlim_cur > ENDLESS ? ENDLESS : (long long)limit.rlim_cur,
              room = (files - kept) / FOR_A_CONNECTION;
    if (room <= 0)
        return err_set(e, ERR_USAGE, "the limit of %lld open files is too low; raise it above %lld (ulimit -n)", files,
                       kept);
    if (s->max_connections > room)
        return err_set(e, ERR_USAGE, "max-connections is %lld, but the limit of %lld open files leaves room for %lld",
                       s->max_connections, files, room);
    *most = (int)(s->max_connections > 0 ? s->max_connections : room < MOST ? room : MOST);
    return 0;
}
