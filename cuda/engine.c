/* engine.c - the CUDA engine's table of functions. What a device holds is in device.c, a piece's way in slot.c, the
 * stages' order in model.c. */
#include "cuda/cuda.h"
#include "cuda/device.h"
#include "cuda/weights.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_CENTRES = 64, MIB = 1 << 20 };

static const uint64_t RESERVE = 256ull << 20; /* left to the driver and to others on the device */

static int no_device(cudaError_t status, struct err *e)
{
    (void)cudaGetLastError();
    if (status == cudaErrorInsufficientDriver)
        return err_set(e, ERR_DEVICE, "no CUDA driver is on this machine, or one older than this build needs");
    if (status == cudaErrorNoDevice || status == cudaSuccess)
        return err_set(e, ERR_DEVICE, "no CUDA device is on this machine");
    return err_set(e, ERR_DEVICE, "the CUDA devices cannot be listed: %s", cudaGetErrorName(status));
}

static int probe(struct engine_device *out, size_t *count, struct err *e)
{
    int found = 0;
    cudaError_t status = cudaGetDeviceCount(&found);
    if (status != cudaSuccess || found == 0)
        return no_device(status, e);
    for (int i = 0; i < found && (size_t)i < *count; i++) {
        struct cudaDeviceProp p;
        if (cuda_check(cudaGetDeviceProperties(&p, i), "asking for a device's properties", e) != 0)
            return -1;
        snprintf(out[i].name, sizeof out[i].name, "%.60s, sm_%d%d, %zu GiB", p.name, p.major, p.minor,
                 p.totalGlobalMem >> 30);
        out[i].memory = p.totalGlobalMem;
    }
    *count = (size_t)found;
    return 0;
}

static int check_device(struct engine *x, const struct cudaDeviceProp *p, struct err *e)
{
    int capability = 10 * p->major + p->minor;
    snprintf(x->name, sizeof x->name, "%.80s", p->name);
    snprintf(x->architecture, sizeof x->architecture, "sm_%d", capability);
    x->device = (struct plan_device){.processors = p->multiProcessorCount,
                                     .shared_memory = p->sharedMemPerBlockOptin,
                                     .shared_memory_processor = p->sharedMemPerMultiprocessor,
                                     .l2 = (size_t)p->l2CacheSize};
    if (capability < 75)
        return err_set(e, ERR_DEVICE, "%s has compute capability %d.%d; 7.5 is the least", p->name, p->major, p->minor);
    if (capability < 80 && (x->precision == PRECISION_TF32 || x->precision == PRECISION_BF16))
        return err_set(e, ERR_REQUEST, "%s cannot multiply in %s; choose fp32 or fp16", p->name,
                       precision_name(x->precision));
    return 0;
}

/* What may be taken: what is free but for a reserve, and what the operator allows. */
static int check_memory(struct engine *x, const struct engine_options *o, struct err *e)
{
    size_t free_bytes = 0, all = 0;
    if (device_check(x, cudaMemGetInfo(&free_bytes, &all), "asking for free memory", e) != 0)
        return -1;
    uint64_t room = free_bytes > RESERVE ? free_bytes - RESERVE : 0;
    x->memory = o->memory > 0 && o->memory < room ? o->memory : room;
    return 0;
}

static void engine_close(struct engine *x)
{
    if (x == NULL)
        return;
    assert(x->models == NULL);
    (void)cudaSetDevice(x->ordinal);
    device_close(x);
    free(x);
}

static int engine_open(struct engine **out, const struct engine_options *o, struct err *e)
{
    struct cudaDeviceProp properties;
    *out = NULL;
    if (o->isa != NULL && strcmp(o->isa, "auto") != 0)
        return err_set(e, ERR_REQUEST, "isa is a choice of the CPU engine, not of the CUDA engine");
    struct engine *x = calloc(1, sizeof *x);
    if (x == NULL)
        return err_nomem(e);
    x->ordinal = o->ordinal;
    x->precision = o->precision;
    if (device_check(x, cudaSetDevice(x->ordinal), "choosing the device", e) != 0 ||
        device_check(x, cudaGetDeviceProperties(&properties, x->ordinal), "asking for the device's properties", e) !=
            0 ||
        check_device(x, &properties, e) != 0 || check_memory(x, o, e) != 0 || device_open(x, e) != 0) {
        engine_close(x);
        return -1;
    }
    *out = x;
    return 0;
}

/* More working memory, for all models; their graphs hold its addresses. */
static int grow(struct engine *x, size_t bytes, struct err *e)
{
    if (bytes <= x->work_bytes)
        return 0;
    for (struct engine_model *m = x->models; m != NULL; m = m->next)
        model_release_graphs(m);
    (void)cudaFree(x->work);
    x->work = NULL;
    x->work_bytes = 0;
    void *fresh = NULL;
    if (device_check(x, cudaMalloc(&fresh, bytes), "taking working memory", e) != 0)
        return -1;
    x->work = fresh;
    x->work_bytes = bytes;
    return 0;
}

/* A model's working memory and graphs are there: at load, and again after another model's load took them and failed. */
static int make_ready(struct engine *x, struct engine_model *m, struct err *e)
{
    if (grow(x, m->plan.total, e) != 0)
        return -1;
    return m->graph[SLOTS - 1][BATCHES - 1] != NULL ? 0 : model_capture(x, m, e);
}

static uint64_t fixed_bytes(const struct engine *x)
{
    return SLOTS * (uint64_t)x->slot_bytes + (PLAN_MAP + 512) * sizeof(double) + x->weight_bytes;
}

/* The largest piece whose working memory fits; *e has the figures when none does. */
static int choose_plan(struct engine *x, struct engine_model *m, struct err *e)
{
    uint64_t fixed = fixed_bytes(x), room = x->memory > fixed ? x->memory - fixed : 0;
    for (int centres = MOST_CENTRES; centres >= LEAST_CENTRES; centres /= 2) {
        if (plan_make(&m->plan, &m->network.s, x->precision, &x->device, centres, e) != 0)
            return -1;
        if (m->plan.total <= room && m->plan.launch.pixels <= HEAD_BYTES - HEAD_VALID && grow(x, m->plan.total, e) == 0)
            return 0;
        if (x->lost)
            return -1;
    }
    return err_set(e, ERR_NOMEM,
                   "the model needs %zu MB of the GPU's memory for the smallest piece, and %llu MB are left of %llu MB",
                   m->plan.total / MIB + 1, (unsigned long long)room / MIB, (unsigned long long)x->memory / MIB);
}

static int upload(struct engine *x, struct engine_model *m, const struct network *n, struct err *e)
{
    void *host = malloc(m->weight_bytes);
    if (host == NULL)
        return err_nomem(e);
    int result = device_check(x, cudaMalloc(&m->weights, m->weight_bytes), "taking memory for the weights", e);
    if (result == 0) {
        weights_pack(&m->network, n, x->precision, host, m->weights);
        result = device_check(x, cudaMemcpy(m->weights, host, m->weight_bytes, cudaMemcpyHostToDevice),
                              "sending the weights", e);
    }
    free(host);
    return result;
}

static int prepare_kernels(struct engine *x, const struct engine_model *m, struct err *e)
{
    const struct cuda_launch *l = &m->plan.launch;
    return device_check(x, cuda_entry_prepare(&m->network.s, l), "preparing res_net1", e) != 0 ||
                   device_check(x, cuda_residual_prepare(&m->network.s, l), "preparing res_net2", e) != 0 ||
                   device_check(x, cuda_head_prepare(&m->network.s, l), "preparing the head", e) != 0
               ? -1
               : 0;
}

/* The rows between the residual blocks' convolutions are zeros behind and before what is written. Each model lays them
 * out in its own way, so they are cleared when the models change. */
static int clear_middle(struct engine *x, const struct engine_model *m, struct err *e)
{
    return device_check(x, cudaMemsetAsync(x->work, 0, m->plan.middle, x->compute), "clearing memory", e);
}

static void unload(struct engine *x, struct engine_model *m)
{
    if (m == NULL)
        return;
    (void)cudaSetDevice(x->ordinal);
    for (struct engine_model **at = &x->models; *at != NULL; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    model_release_graphs(m);
    (void)cudaFree(m->weights);
    (void)cudaGetLastError();
    x->weight_bytes -= m->weight_bytes;
    free(m);
}

static int load(struct engine *x, const struct network *n, struct engine_model **out, struct err *e)
{
    *out = NULL;
    struct engine_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_nomem(e);
    m->weight_bytes = weights_bytes(n, x->precision);
    x->weight_bytes += m->weight_bytes;
    if (device_check(x, cudaSetDevice(x->ordinal), "choosing the device", e) != 0 ||
        weights_shapes(&m->network.s, n, e) != 0 || upload(x, m, n, e) != 0 || choose_plan(x, m, e) != 0 ||
        prepare_kernels(x, m, e) != 0)
        goto failed;
    m->next = x->models;
    x->models = m;
    for (struct engine_model *each = x->models; each != NULL; each = each->next)
        if (make_ready(x, each, e) != 0)
            goto failed;
    *out = m;
    return 0;
failed:
    unload(x, m);
    return -1;
}

/* Lines and columns of the piece at (line, column) of a block. */
static void piece_size(const struct engine_model *m, const struct block *b, int line, int column, int *lines,
                       int *columns)
{
    const struct cuda_launch *l = &m->plan.launch;
    int halo = 2 * b->halo, most = PLAN_LINES;
    size_t pixel = (size_t)b->B * sample_size(b->type);
    *lines = b->lines - line < most ? b->lines - line : most;
    for (;; *lines = (*lines + 1) / 2) {
        int fit = l->centres / *lines, by_pixels = l->pixels / (*lines + halo) - halo;
        int by_bytes = (int)((size_t)PLAN_SAMPLES / pixel) / (*lines + halo) - halo;
        fit = by_pixels < fit ? by_pixels : fit;
        fit = by_bytes < fit ? by_bytes : fit;
        *columns = b->columns - column < fit ? b->columns - column : fit;
        if (*columns > 0 || *lines == 1)
            return;
    }
}

static int run_task(struct engine *x, const struct engine_task *t, int *slot, struct err *e)
{
    const struct block *b = t->block;
    int lines = 0, columns = 0;
    for (int line = 0; line < b->lines; line += lines)
        for (int column = 0; column < b->columns; column += columns) {
            if (t->canceled != NULL && atomic_load_explicit(t->canceled, memory_order_relaxed))
                return 0;
            piece_size(t->model, b, line, column, &lines, &columns);
            if (columns < 1)
                return err_set(e, ERR_DEVICE, "a pixel of %d bands is too large for the GPU's staging memory", b->B);
            if (slot_receive(x, *slot, e) != 0 || slot_send(x, *slot, t, line, column, lines, columns, e) != 0)
                return -1;
            *slot = (*slot + 1) % SLOTS;
        }
    return 0;
}

/* After an error nothing of the run may be waited for: what is under way is given up. */
static void give_up(struct engine *x)
{
    for (int s = 0; s < SLOTS; s++)
        x->slots[s].task = NULL;
    x->map_K = 0;
}

static int run(struct engine *x, struct engine_task *tasks, size_t count, struct err *e)
{
    int slot = 0, result = 0;
    if (x->lost)
        return err_set(e, ERR_DEVICE, "the GPU is lost; the process must be started anew");
    if (device_check(x, cudaSetDevice(x->ordinal), "choosing the device", e) != 0)
        return -1;
    for (size_t i = 0; result == 0 && i < count; i++) {
        const struct cuda_shapes *s = &tasks[i].model->network.s;
        const struct affine_map *m = tasks[i].block->map;
        assert(tasks[i].block->halo == s->P / 2 && tasks[i].block->N == s->N && m->K == s->K);
        (void)s;
        if ((size_t)m->K * (m->diagonal ? 1 : (size_t)m->B) > PLAN_MAP)
            result = err_set(e, ERR_DEVICE, "a preprocessing of %d x %d is too large for the CUDA engine", m->K, m->B);
        else if (i == 0 || tasks[i].model != tasks[i - 1].model)
            result = make_ready(x, tasks[i].model, e) != 0 ? -1 : clear_middle(x, tasks[i].model, e);
        if (result == 0)
            result = run_task(x, &tasks[i], &slot, e);
    }
    for (int s = 0; result == 0 && s < SLOTS; s++, slot = (slot + 1) % SLOTS)
        result = slot_receive(x, slot, e);
    if (result != 0)
        give_up(x);
    return result;
}

static void describe(const struct engine *x, struct engine_info *out)
{
    *out = (struct engine_info){.backend = "cuda", .precision = x->precision, .batch_pixels = MOST_CENTRES};
    snprintf(out->device, sizeof out->device, "%s", x->name);
    snprintf(out->isa, sizeof out->isa, "%s", x->architecture);
    for (const struct engine_model *m = x->models; m != NULL; m = m->next)
        if ((size_t)m->plan.launch.centres < out->batch_pixels)
            out->batch_pixels = (size_t)m->plan.launch.centres;
    out->batch_pixels *= SLOTS;
    out->memory = fixed_bytes(x) + x->work_bytes;
}

const struct engine_backend cuda_engine = {
    .name = "cuda",
    .probe = probe,
    .open = engine_open,
    .load = load,
    .run = run,
    .describe = describe,
    .unload = unload,
    .close = engine_close,
};
