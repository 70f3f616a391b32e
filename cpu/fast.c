/* fast.c - the CPU engine: its vtable, its threads and their memory. What the threads do is in strip.c, who does what
 * in share.c. */
#include "cpu/cores.h"
#include "cpu/cpu.h"
#include "cpu/decide.h"
#include "cpu/isa.h"
#include "cpu/pack.h"
#include "cpu/pool.h"
#include "cpu/share.h"
#include "cpu/strip.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_THREADS = 1024,
    MOST_BANDS = 4096, /* of a map: its scratch is allocated before one is known */
    BATCH_PIXELS_A_THREAD = 2048,
    ALIGNMENT = 64,
};

/* Working memory of a thread for one network: beyond this, strips are narrowed. The part that a patch reads is P rows
 * of its columns; it should lie in the thread's share of the last cache. */
static const size_t WORK_BYTES = 24u << 20;

struct worker {
    float *memory; /* engine->work_floats */
    void *map_scratch;
    const struct engine_model *placed; /* what memory is laid out for; NULL: nothing */
    struct work work;
};

struct engine_model {
    struct packed packed;
    size_t strip_columns, work_floats;
};

struct engine {
    const struct kernels *kernels;
    struct pool *pool;
    struct share *share;
    int threads;
    struct worker *workers; /* (threads) */
    size_t work_floats;
    uint64_t packed_bytes, memory; /* held; allowed, 0: as much as it takes */
};

static void cpu_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(out, size, "CPU");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || value == NULL)
            continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (f != NULL)
        fclose(f);
}

static void device_name(char *out, size_t size, int threads, const char *isa)
{
    char name[64];
    cpu_name(name, sizeof name);
    snprintf(out, size, "%s, %d thread%s, %s", name, threads, threads == 1 ? "" : "s", isa);
}

static int fast_probe(struct engine_device *out, size_t *count, struct err *e)
{
    const struct kernels *k;
    if (isa_select(NULL, &k, e) != 0)
        return err_set(e, ERR_DEVICE, "this build has no kernels for this processor");
    if (*count > 0) {
        *out = (struct engine_device){0};
        device_name(out->name, sizeof out->name, cores_available(), k->isa);
    }
    *count = 1;
    return 0;
}

static void fast_close(struct engine *x)
{
    if (x == NULL)
        return;
    pool_close(x->pool);
    share_close(x->share);
    for (int t = 0; x->workers != NULL && t < x->threads; t++) {
        free(x->workers[t].memory);
        free(x->workers[t].map_scratch);
    }
    free(x->workers);
    free(x);
}

static size_t map_scratch_bytes(void)
{
    return affine_map_scratch(&(struct affine_map){.B = MOST_BANDS, .K = MOST_BANDS});
}

static int fast_open(struct engine **out, const struct engine_options *o, struct err *e)
{
    const struct kernels *k;
    *out = NULL;
    if (o->precision != PRECISION_FP32)
        return err_set(e, ERR_REQUEST, "the CPU engine computes in fp32 only, not in %s", precision_name(o->precision));
    if (o->threads < 0 || o->threads > MOST_THREADS)
        return err_set(e, ERR_REQUEST, "threads must be 1 to %d, or 0 for as many as there are processors",
                       MOST_THREADS);
    if (isa_select(o->isa, &k, e) != 0)
        return -1;
    struct engine *x = calloc(1, sizeof *x);
    if (x == NULL)
        return err_nomem(e);
    x->kernels = k;
    x->memory = o->memory;
    x->threads = o->threads > 0 ? o->threads : cores_available();
    x->workers = calloc((size_t)x->threads, sizeof *x->workers);
    if (x->workers == NULL)
        goto no_memory;
    for (int t = 0; t < x->threads; t++)
        if ((x->workers[t].map_scratch = malloc(map_scratch_bytes())) == NULL)
            goto no_memory;
    if (share_open(&x->share, x->threads, e) != 0 || pool_open(&x->pool, x->threads, e) != 0) {
        fast_close(x);
        return -1;
    }
    *out = x;
    return 0;
no_memory:
    fast_close(x);
    return err_nomem(e);
}

/* Makes every thread's memory at least so large; on failure it stays as it was. */
static int grow(struct engine *x, size_t floats, struct err *e)
{
    int t = 0;
    if (floats <= x->work_floats)
        return 0;
    float **fresh = calloc((size_t)x->threads, sizeof *fresh);
    for (; fresh != NULL && t < x->threads; t++)
        if ((fresh[t] = aligned_alloc(ALIGNMENT, floats * sizeof(float))) == NULL)
            break;
    if (fresh == NULL || t < x->threads) {
        while (t-- > 0)
            free(fresh[t]);
        free(fresh);
        return err_nomem(e);
    }
    for (t = 0; t < x->threads; t++) {
        free(x->workers[t].memory);
        x->workers[t].memory = fresh[t];
        x->workers[t].placed = NULL;
    }
    free(fresh);
    x->work_floats = floats;
    return 0;
}

/* The broadest strip whose working memory is within `bytes`; 1 if none is. */
static size_t choose_columns(const struct packed *m, size_t bytes)
{
    size_t columns = WORK_MOST_COLUMNS;
    while (columns > 1 && work_size(m, columns) * sizeof(float) > bytes)
        columns--;
    return columns;
}

static void fast_unload(struct engine *x, struct engine_model *m)
{
    if (m == NULL)
        return;
    for (int t = 0; t < x->threads; t++)
        if (x->workers[t].placed == m)
            x->workers[t].placed = NULL; /* another model may get this address */
    x->packed_bytes -= m->packed.bytes;
    pack_release(&m->packed);
    free(m);
}

/* Bytes that the working memory of one thread may take. */
static size_t share_of_thread(const struct engine *x)
{
    uint64_t threads = (uint64_t)x->threads, fixed = x->packed_bytes + threads * map_scratch_bytes();
    if (x->memory == 0)
        return WORK_BYTES;
    uint64_t share = x->memory > fixed ? (x->memory - fixed) / threads : 0;
    return share < WORK_BYTES ? (size_t)share : WORK_BYTES;
}

/* Lays out the working memory for a model and sees that every thread has it. */
static int make_room(struct engine *x, struct engine_model *m, struct err *e)
{
    size_t share = share_of_thread(x);
    m->strip_columns = choose_columns(&m->packed, share);
    m->work_floats = work_size(&m->packed, m->strip_columns);
    size_t needed = m->work_floats > x->work_floats ? m->work_floats : x->work_floats;
    if (x->memory > 0 && needed * sizeof(float) > share)
        return err_set(
            e, ERR_NOMEM,
            "the model needs %zu MB of working memory in each of %d threads; allow more or take fewer threads",
            (needed * sizeof(float) >> 20) + 1, x->threads);
    return grow(x, m->work_floats, e);
}

static int fast_load(struct engine *x, const struct network *n, struct engine_model **out, struct err *e)
{
    *out = NULL;
    struct engine_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_nomem(e);
    if (pack_network(&m->packed, n, x->kernels, e) != 0) {
        free(m);
        return -1;
    }
    x->packed_bytes += m->packed.bytes;
    if (make_room(x, m, e) != 0) {
        fast_unload(x, m);
        return -1;
    }
    *out = m;
    return 0;
}

static int strip_width(const struct engine_model *m)
{
    return (int)m->strip_columns;
}

/* What a thread needs to ask for its next line. */
struct line_source {
    struct share *share;
    int thread;
};

static int next_line(void *argument)
{
    const struct line_source *l = argument;
    return share_line(l->share, l->thread);
}

static void run_pieces(void *argument, int thread)
{
    struct engine *x = argument;
    struct worker *w = &x->workers[thread];
    struct line_source lines = {x->share, thread};
    struct piece p;
    while (share_next(x->share, thread, &p)) {
        struct engine_model *m = p.task->model;
        if (w->placed != m) {
            memset(w->memory, 0, m->work_floats * sizeof *w->memory);
            work_place(&w->work, &m->packed, m->strip_columns, w->memory);
            w->placed = m;
        }
        strip_run(&(struct strip){.m = &m->packed,
                                  .w = &w->work,
                                  .map_scratch = w->map_scratch,
                                  .b = p.task->block,
                                  .column = p.column,
                                  .columns = p.columns,
                                  .line = p.line,
                                  .lines = p.lines,
                                  .next_line = next_line,
                                  .next_line_argument = &lines,
                                  .canceled = p.task->canceled});
    }
}

static int fast_run(struct engine *x, struct engine_task *tasks, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct block *b = tasks[i].block;
        const struct network *n = &tasks[i].model->packed.n;
        assert(b->halo == n->P / 2 && b->N == n->N && b->B == b->map->B && b->map->K == n->K);
        (void)n;
        if (affine_map_scratch(b->map) > map_scratch_bytes())
            return err_set(e, ERR_DEVICE, "the CPU engine takes %d bands at most, not %d", MOST_BANDS, b->map->B);
    }
    share_begin(x->share, tasks, count, strip_width);
    pool_run(x->pool, run_pieces, x);
    return 0;
}

static void fast_describe(const struct engine *x, struct engine_info *out)
{
    *out = (struct engine_info){.backend = "cpu", .threads = x->threads, .precision = PRECISION_FP32};
    device_name(out->device, sizeof out->device, x->threads, x->kernels->isa);
    snprintf(out->isa, sizeof out->isa, "%s", x->kernels->isa);
    out->batch_pixels = (size_t)x->threads * BATCH_PIXELS_A_THREAD;
    out->memory = x->packed_bytes + (uint64_t)x->threads * (x->work_floats * sizeof(float) + map_scratch_bytes());
}

const struct engine_backend cpu_engine = {
    .name = "cpu",
    .probe = fast_probe,
    .open = fast_open,
    .load = fast_load,
    .run = fast_run,
    .describe = fast_describe,
    .unload = fast_unload,
    .close = fast_close,
};
