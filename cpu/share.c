/* share.c
 * Lock order: a holder's lock, or the list's; never two at once. */
#include "cpu/share.h"
#include <pthread.h>
#include <stdlib.h>

enum {
    LEAST_COLUMNS = 8,  /* of a strip that is cut only to have enough of them: its halo costs as much as itself */
    LEAST_TO_SPLIT = 3, /* lines: entering a strip costs nearly one, so of two none is worth taking */
};

/* What a thread works on. */
struct holder {
    pthread_mutex_t lock;
    const struct engine_task *task; /* lock; as are the rest */
    int column, columns;
    int next, end; /* lines not yet claimed */
};

struct share {
    int threads;

    pthread_mutex_t lock;
    const struct engine_task *tasks; /* lock; as are the rest up to holders */
    size_t count, task;              /* task: of the next strip */
    int strip;
    double pixels; /* of the run */
    int (*width)(const struct engine_model *);

    struct holder holders[];
};

int share_open(struct share **out, int threads, struct err *e)
{
    struct share *s = calloc(1, sizeof *s + (size_t)threads * sizeof *s->holders);
    *out = s;
    if (s == NULL)
        return err_nomem(e);
    s->threads = threads;
    pthread_mutex_init(&s->lock, NULL);
    for (int t = 0; t < threads; t++)
        pthread_mutex_init(&s->holders[t].lock, NULL);
    return 0;
}

void share_close(struct share *s)
{
    if (s == NULL)
        return;
    for (int t = 0; t < s->threads; t++)
        pthread_mutex_destroy(&s->holders[t].lock);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void share_begin(struct share *s, const struct engine_task *tasks, size_t count,
                 int (*width)(const struct engine_model *))
{
    pthread_mutex_lock(&s->lock);
    s->tasks = tasks;
    s->count = count;
    s->task = 0;
    s->strip = 0;
    s->width = width;
    s->pixels = 0;
    for (size_t i = 0; i < count; i++)
        s->pixels += (double)tasks[i].block->lines * (double)tasks[i].block->columns;
    for (int t = 0; t < s->threads; t++) /* a canceled run leaves lines behind, of blocks that are gone */
        s->holders[t].next = s->holders[t].end = 0;
    pthread_mutex_unlock(&s->lock);
}

/* Strips of a block: as few as the working memory allows, but one for each thread in a run that has no more. */
static int strips_of(const struct share *s, const struct engine_task *t)
{
    int columns = t->block->columns, width = s->width(t->model);
    int least = (columns + width - 1) / width, most = (columns + LEAST_COLUMNS - 1) / LEAST_COLUMNS;
    double part = (double)columns * (double)t->block->lines / s->pixels;
    int wanted = (int)(part * s->threads + 0.999);
    if (wanted > most)
        wanted = most;
    return wanted > least ? wanted : least;
}

static int next_strip(struct share *s, struct piece *out)
{
    int found = 0;
    pthread_mutex_lock(&s->lock);
    if (s->task < s->count) {
        const struct engine_task *t = &s->tasks[s->task];
        long long strips = strips_of(s, t), columns = t->block->columns;
        int first = (int)(columns * s->strip / strips), behind = (int)(columns * (s->strip + 1) / strips);
        *out = (struct piece){t, first, behind - first, 0, t->block->lines};
        if (++s->strip == strips) {
            s->strip = 0;
            s->task++;
        }
        found = 1;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* The lower half of what a thread has left. */
static int take_half(struct holder *h, struct piece *out)
{
    int found = 0;
    pthread_mutex_lock(&h->lock);
    int left = h->end - h->next;
    if (left >= LEAST_TO_SPLIT) {
        *out = (struct piece){h->task, h->column, h->columns, h->end - left / 2, left / 2};
        h->end -= left / 2;
        found = 1;
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

static int lines_left(struct holder *h)
{
    pthread_mutex_lock(&h->lock);
    int left = h->end - h->next;
    pthread_mutex_unlock(&h->lock);
    return left;
}

/* From whoever has most lines left; again if he has finished them meanwhile. */
static int steal(struct share *s, struct piece *out)
{
    for (;;) {
        struct holder *richest = NULL;
        int most = LEAST_TO_SPLIT - 1;
        for (int t = 0; t < s->threads; t++) {
            int left = lines_left(&s->holders[t]);
            if (left > most) {
                most = left;
                richest = &s->holders[t];
            }
        }
        if (richest == NULL)
            return 0;
        if (take_half(richest, out))
            return 1;
    }
}

int share_next(struct share *s, int thread, struct piece *out)
{
    struct holder *h = &s->holders[thread];
    if (!next_strip(s, out) && !steal(s, out))
        return 0;
    pthread_mutex_lock(&h->lock);
    h->task = out->task;
    h->column = out->column;
    h->columns = out->columns;
    h->next = out->line;
    h->end = out->line + out->lines;
    pthread_mutex_unlock(&h->lock);
    return 1;
}

int share_line(struct share *s, int thread)
{
    struct holder *h = &s->holders[thread];
    pthread_mutex_lock(&h->lock);
    int line = h->next < h->end ? h->next++ : -1;
    pthread_mutex_unlock(&h->lock);
    return line;
}
