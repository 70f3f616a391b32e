#include "base/clock.h"
#include "base/sample.h"
#include "cuda/device.h"
#include <assert.h>
#include <string.h>
#include <time.h>

/* A piece takes milliseconds; a device that has not answered for so long never will. */
static const double HUNG_S = 30;

/* Everything under way must be over before the map that it reads is changed. */
static int receive_all(struct engine *x, struct err *e)
{
    for (int s = 0; s < SLOTS; s++)
        if (slot_receive(x, s, e) != 0)
            return -1;
    return 0;
}

static size_t map_weights(const struct affine_map *m)
{
    return (size_t)m->K * (m->diagonal ? 1 : (size_t)m->B);
}

/* The task's map on the device; blocks of one request have the same. */
static int send_map(struct engine *x, const struct affine_map *m, struct err *e)
{
    size_t weights = map_weights(m), bias = (size_t)m->K;
    double *to = x->map + PLAN_MAP;
    if (x->map_K == m->K && x->map_B == m->B && x->map_diagonal == m->diagonal &&
        memcmp(x->map, m->weight, weights * sizeof *to) == 0 && memcmp(to, m->bias, bias * sizeof *to) == 0)
        return 0;
    if (receive_all(x, e) != 0)
        return -1;
    x->map_K = 0;
    memcpy(x->map, m->weight, weights * sizeof *to);
    memcpy(to, m->bias, bias * sizeof *to);
    if (device_check(x, cudaMemcpyAsync(x->device_map, x->map, weights * sizeof *to, cudaMemcpyHostToDevice, x->up),
                     "sending the preprocessing", e) != 0 ||
        device_check(x, cudaMemcpyAsync(x->device_map + PLAN_MAP, to, bias * sizeof *to, cudaMemcpyHostToDevice, x->up),
                     "sending the preprocessing", e) != 0)
        return -1;
    x->map_K = m->K;
    x->map_B = m->B;
    x->map_diagonal = m->diagonal;
    return 0;
}

/* Samples and validity of the piece with its halo, out of the block. */
static size_t fill(struct slot *s, const struct block *b)
{
    size_t size = sample_size(b->type), wide = (size_t)(s->piece.columns + 2 * b->halo);
    size_t block_wide = (size_t)(b->columns + 2 * b->halo);
    char *samples = s->samples;
    memcpy(s->head, &s->piece, sizeof s->piece);
    for (int line = 0; line < s->piece.lines + 2 * b->halo; line++) {
        memcpy(s->head + HEAD_VALID + (size_t)line * wide,
               b->valid + (size_t)(s->line + line) * block_wide + (size_t)s->column, wide);
        for (int band = 0; band < b->B; band++) {
            memcpy(samples, block_sample(b, s->line + line, band, s->column), wide * size);
            samples += wide * size;
        }
    }
    return (size_t)(samples - (char *)s->samples);
}

/* The smallest graph that the piece fits. */
static int batch_for(const struct engine_model *m, const struct cuda_piece *p, int halo)
{
    int batch = BATCHES - 1;
    while (batch > 0 && (p->lines * p->columns > m->batch[batch].centres ||
                         (p->lines + 2 * halo) * (p->columns + 2 * halo) > m->batch[batch].pixels))
        batch--;
    return batch;
}

static int send_up(struct engine *x, struct slot *s, const struct block *b, struct err *e)
{
    size_t bytes = fill(s, b);
    size_t pixels = (size_t)(s->piece.lines + 2 * b->halo) * (size_t)(s->piece.columns + 2 * b->halo);
    return device_check(x, cudaMemcpyAsync(s->device_head, s->head, HEAD_VALID + pixels, cudaMemcpyHostToDevice, x->up),
                        "sending a piece", e) != 0 ||
                   device_check(x, cudaMemcpyAsync(s->device_samples, s->samples, bytes, cudaMemcpyHostToDevice, x->up),
                                "sending samples", e) != 0 ||
                   device_check(x, cudaEventRecord(s->uploaded, x->up), "sending a piece", e) != 0
               ? -1
               : 0;
}

static int compute(struct engine *x, int s, struct err *e)
{
    struct slot *slot = &x->slots[s];
    struct engine_model *m = slot->task->model;
    int batch = batch_for(m, &slot->piece, slot->task->block->halo);
    return device_check(x, cudaStreamWaitEvent(x->compute, slot->uploaded, 0), "starting a piece", e) != 0 ||
                   device_check(x, cudaGraphLaunch(m->graph[s][batch], x->compute), "starting a piece", e) != 0 ||
                   device_check(x, cudaEventRecord(slot->computed, x->compute), "starting a piece", e) != 0
               ? -1
               : 0;
}

static int bring_down(struct engine *x, struct slot *s, const struct block *b, struct err *e)
{
    size_t pixels = (size_t)(s->piece.lines * s->piece.columns), logits = pixels * (size_t)b->N * sizeof(float);
    if (device_check(x, cudaStreamWaitEvent(x->down, s->computed, 0), "fetching labels", e) != 0 ||
        device_check(x, cudaMemcpyAsync(s->labels, s->device_labels, pixels, cudaMemcpyDeviceToHost, x->down),
                     "fetching labels", e) != 0 ||
        device_check(x,
                     cudaMemcpyAsync(s->confidence, s->device_confidence, pixels * sizeof(float),
                                     cudaMemcpyDeviceToHost, x->down),
                     "fetching confidences", e) != 0)
        return -1;
    if (s->piece.logits &&
        device_check(x, cudaMemcpyAsync(s->logits, s->device_logits, logits, cudaMemcpyDeviceToHost, x->down),
                     "fetching logits", e) != 0)
        return -1;
    return device_check(x, cudaEventRecord(s->answered, x->down), "fetching labels", e);
}

int slot_send(struct engine *x, int s, const struct engine_task *t, int line, int column, int lines, int columns,
              struct err *e)
{
    struct slot *slot = &x->slots[s];
    const struct block *b = t->block;
    assert(slot->task == NULL);
    if (send_map(x, b->map, e) != 0)
        return -1;
    slot->task = t;
    slot->line = line;
    slot->column = column;
    slot->piece = (struct cuda_piece){.lines = lines,
                                      .columns = columns,
                                      .B = b->B,
                                      .type = (int)b->type,
                                      .diagonal = b->map->diagonal,
                                      .logits = b->logits != NULL};
    return send_up(x, slot, b, e) != 0 || compute(x, s, e) != 0 ? -1 : bring_down(x, slot, b, e);
}

static int await(struct engine *x, cudaEvent_t event, struct err *e)
{
    const double begun = clock_now();
    for (;;) {
        cudaError_t status = cudaEventQuery(event);
        if (status != cudaErrorNotReady)
            return device_check(x, status, "computing", e);
        (void)cudaGetLastError();
        if (clock_now() - begun > HUNG_S) {
            x->lost = true;
            return err_set(e, ERR_DEVICE, "the GPU has not answered for %.0f s", HUNG_S);
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

int slot_receive(struct engine *x, int s, struct err *e)
{
    struct slot *slot = &x->slots[s];
    if (slot->task == NULL)
        return 0;
    struct block *b = slot->task->block;
    slot->task = NULL;
    if (await(x, slot->answered, e) != 0)
        return -1;
    size_t columns = (size_t)slot->piece.columns, N = (size_t)b->N;
    for (int line = 0; line < slot->piece.lines; line++) {
        size_t to = (size_t)(slot->line + line) * (size_t)b->columns + (size_t)slot->column;
        size_t from = (size_t)line * columns;
        memcpy(b->labels + to, slot->labels + from, columns);
        memcpy(b->confidence + to, slot->confidence + from, columns * sizeof *b->confidence);
        if (slot->piece.logits)
            memcpy(b->logits + to * N, slot->logits + from * N, columns * N * sizeof *b->logits);
    }
    return 0;
}
