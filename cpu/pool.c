#include "cpu/pool.h"
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

struct member {
    struct pool *pool;
    int index;
    pthread_t thread;
};

struct pool {
    pthread_mutex_t lock; /* guards all below but members */
    pthread_cond_t begin, done;
    unsigned long turn; /* counts calls of pool_run */
    int busy;           /* threads that have not finished this turn */
    bool closing;
    void (*work)(void *, int);
    void *argument;

    int threads; /* members that run */
    struct member member[];
};

static void flush_denormals(void)
{
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#elif defined(__aarch64__)
    unsigned long mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | 1ul << 24)); /* FZ */
#endif
}

static void *member_main(void *argument)
{
    struct member *m = argument;
    struct pool *p = m->pool;
    unsigned long seen = 0;
    flush_denormals();
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->turn == seen && !p->closing)
            pthread_cond_wait(&p->begin, &p->lock);
        if (p->closing)
            break;
        seen = p->turn;
        pthread_mutex_unlock(&p->lock);
        p->work(p->argument, m->index);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int pool_open(struct pool **out, int threads, struct err *e)
{
    sigset_t all, before;
    *out = NULL;
    struct pool *p = calloc(1, sizeof *p + (size_t)threads * sizeof *p->member);
    if (p == NULL)
        return err_nomem(e);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->done, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* threads inherit the mask of who starts them */
    for (; p->threads < threads; p->threads++) {
        struct member *m = &p->member[p->threads];
        *m = (struct member){.pool = p, .index = p->threads};
        if (pthread_create(&m->thread, NULL, member_main, m) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (p->threads < threads) {
        int started = p->threads;
        pool_close(p);
        return err_set(e, ERR_NOMEM, "the system gave %d of %d threads", started, threads);
    }
    *out = p;
    return 0;
}

void pool_close(struct pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->threads; i++)
        pthread_join(p->member[i].thread, NULL);
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void pool_run(struct pool *p, void (*work)(void *argument, int thread), void *argument)
{
    pthread_mutex_lock(&p->lock);
    p->work = work;
    p->argument = argument;
    p->busy = p->threads;
    p->turn++;
    pthread_cond_broadcast(&p->begin);
    while (p->busy > 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
