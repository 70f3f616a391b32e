#include "server/workers.h"
#include "server/request.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct workers {
    void (*perform)(struct request *r);
    int most_held;
    pthread_mutex_t lock;
    pthread_cond_t wake;           /* something was queued, or stop */
    struct request *first, **last; /* by lock: the queue */
    struct workers_load load;      /* by lock */
    bool stop;                     /* by lock */
    int count;
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->first == NULL && !w->stop)
            pthread_cond_wait(&w->wake, &w->lock);
        struct request *r = w->first;
        if (r == NULL)
            break;
        w->first = r->next;
        if (w->first == NULL)
            w->last = &w->first;
        w->load.queued--;
        w->load.running++;
        pthread_mutex_unlock(&w->lock);
        w->perform(r);
        pthread_mutex_lock(&w->lock);
        w->load.running--;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int workers_open(struct workers **out, int threads, int most_held, void (*perform)(struct request *r), struct err *e)
{
    struct workers *w = calloc(1, sizeof *w + (size_t)threads * sizeof w->threads[0]);
    if (w == NULL)
        return err_nomem(e);
    w->perform = perform;
    w->most_held = most_held;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    for (; w->count < threads; w->count++) {
        int why = pthread_create(&w->threads[w->count], NULL, work, w);
        if (why != 0) {
            workers_close(w);
            return err_set(e, ERR_IO, "cannot start a request worker: %s", strerror(why));
        }
    }
    *out = w;
    return 0;
}

void workers_close(struct workers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int workers_admit(struct workers *w, struct err *e)
{
    pthread_mutex_lock(&w->lock);
    bool full = w->load.held == w->most_held;
    w->load.held += !full;
    pthread_mutex_unlock(&w->lock);
    return full ? err_set(e, ERR_BUSY, "%d requests are held already; try again later", w->most_held) : 0;
}

void workers_dismiss(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->load.held--;
    pthread_mutex_unlock(&w->lock);
}

void workers_submit(struct workers *w, struct request *r)
{
    r->next = NULL;
    pthread_mutex_lock(&w->lock);
    *w->last = r;
    w->last = &r->next;
    w->load.queued++;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

bool workers_withdraw(struct workers *w, struct request *r)
{
    bool found = false;
    pthread_mutex_lock(&w->lock);
    for (struct request **at = &w->first; *at != NULL; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            if (*at == NULL)
                w->last = at;
            w->load.queued--;
            found = true;
            break;
        }
    pthread_mutex_unlock(&w->lock);
    return found;
}

void workers_load(struct workers *w, struct workers_load *out)
{
    pthread_mutex_lock(&w->lock);
    *out = w->load;
    pthread_mutex_unlock(&w->lock);
}
