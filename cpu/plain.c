/* plain.c - the oracle as an engine: one patch at a time on the calling thread, nothing shared, nothing fast. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/decide.h"
#include "cpu/plain_layers.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BANDS = 4096 }; /* of a map; nothing is allocated by run, so the scratch is for the widest package */

struct engine {
    void *map_scratch;
    size_t map_scratch_size;
    uint64_t models; /* bytes */
};

struct engine_model {
    struct network network; /* a copy: the caller may release his */
    struct plain_trace trace;
    float *line, *logits; /* (P,K), (N) */
    uint64_t bytes;
};

static int plain_probe(struct engine_device *out, size_t *count, struct err *e)
{
    (void)e;
    if (*count > 0)
        *out = (struct engine_device){.name = "plain C, 1 thread"};
    *count = 1;
    return 0;
}

static void plain_close(struct engine *x)
{
    if (x == NULL)
        return;
    free(x->map_scratch);
    free(x);
}

static int plain_open(struct engine **out, const struct engine_options *o, struct err *e)
{
    if (o->precision != PRECISION_FP32)
        return err_set(e, ERR_REQUEST, "the plain CPU engine computes in fp32 only, not in %s",
                       precision_name(o->precision));
    struct engine *x = calloc(1, sizeof *x);
    if (x == NULL)
        return err_nomem(e);
    x->map_scratch_size = affine_map_scratch(&(struct affine_map){.B = MOST_BANDS, .K = MOST_BANDS});
    x->map_scratch = malloc(x->map_scratch_size);
    if (x->map_scratch == NULL) {
        plain_close(x);
        return err_nomem(e);
    }
    *out = x;
    return 0;
}

static void plain_unload(struct engine *x, struct engine_model *m)
{
    if (m == NULL)
        return;
    x->models -= m->bytes;
    network_release(&m->network);
    plain_trace_release(&m->trace);
    free(m->line);
    free(m->logits);
    free(m);
}

static int plain_load(struct engine *x, const struct network *n, struct engine_model **out, struct err *e)
{
    struct engine_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_nomem(e);
    m->bytes = plain_trace_bytes(n);
    x->models += m->bytes;
    m->line = malloc((size_t)n->P * (size_t)n->K * sizeof *m->line);
    m->logits = malloc((size_t)n->N * sizeof *m->logits);
    if (m->line == NULL || m->logits == NULL) {
        err_nomem(e);
        goto failed;
    }
    if (copy_network(&m->network, n, e) != 0 || plain_trace_init(&m->trace, n, e) != 0)
        goto failed;
    *out = m;
    return 0;
failed:
    plain_unload(x, m);
    return -1;
}

/* The patch whose corner, in the frame of the samples, is (line, column): x (P,P,K) of the trace. */
static void cut_patch(struct engine *x, struct engine_model *m, const struct block *b, int line, int column)
{
    size_t P = (size_t)m->network.P, row = P * (size_t)m->network.K, wide = (size_t)b->columns + 2 * (size_t)b->halo;
    for (size_t r = 0; r < P; r++) {
        const uint8_t *valid = b->valid + ((size_t)line + r) * wide + (size_t)column;
        affine_map_apply(b->map, b->type, block_sample(b, line + (int)r, 0, column), wide, valid, P, m->line,
                         x->map_scratch);
        for (size_t i = 0; i < row; i++)
            m->trace.x[r * row + i] = (double)m->line[i];
    }
}

static void run_block(struct engine *x, const struct engine_task *t)
{
    struct engine_model *m = t->model;
    struct block *b = t->block;
    for (int pixel = 0; pixel < b->lines * b->columns; pixel++) {
        int line = pixel / b->columns, column = pixel % b->columns;
        if (t->canceled != NULL && atomic_load(t->canceled))
            return;
        if (!decide_is_valid(b, line, column)) {
            decide_nothing(b, (size_t)pixel);
            continue;
        }
        cut_patch(x, m, b, line, column);
        plain_forward(&m->network, &m->trace);
        for (size_t k = 0; k < (size_t)b->N; k++)
            m->logits[k] = (float)m->trace.logits[k];
        decide_pixel(b, (size_t)pixel, m->logits);
    }
}

static int plain_run(struct engine *x, struct engine_task *tasks, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct block *b = tasks[i].block;
        const struct network *n = &tasks[i].model->network;
        assert(b->halo == n->P / 2 && b->N == n->N && b->B == b->map->B && b->map->K == n->K);
        if (affine_map_scratch(b->map) > x->map_scratch_size)
            return err_set(e, ERR_DEVICE, "the CPU engine takes %d bands at most, not %d", MOST_BANDS, b->map->B);
        run_block(x, &tasks[i]);
    }
    return 0;
}

static void plain_describe(const struct engine *x, struct engine_info *out)
{
    *out = (struct engine_info){.backend = "cpu-plain",
                                .device = "plain C, 1 thread",
                                .isa = "c",
                                .threads = 1,
                                .precision = PRECISION_FP32,
                                .batch_pixels = 64,
                                .memory = x->models + x->map_scratch_size};
}

const struct engine_backend cpu_plain_engine = {
    .name = "cpu-plain",
    .probe = plain_probe,
    .open = plain_open,
    .load = plain_load,
    .run = plain_run,
    .describe = plain_describe,
    .unload = plain_unload,
    .close = plain_close,
};
