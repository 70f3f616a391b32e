#include "cuda/device.h"
#include "base/sample.h"
#include <string.h>

int device_check(struct engine *x, cudaError_t status, const char *what, struct err *e)
{
    x->lost = x->lost || cuda_is_sticky(status);
    return cuda_check(status, what, e);
}

static int open_stream(struct engine *x, cudaStream_t *s, struct err *e)
{
    return device_check(x, cudaStreamCreateWithFlags(s, cudaStreamNonBlocking), "opening a stream", e);
}

static int open_events(struct engine *x, struct slot *s, struct err *e)
{
    cudaEvent_t *events[] = {&s->uploaded, &s->computed, &s->answered};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (device_check(x, cudaEventCreateWithFlags(events[i], cudaEventDisableTiming), "making an event", e) != 0)
            return -1;
    return 0;
}

static int take_pinned(struct engine *x, void *out, size_t bytes, struct err *e)
{
    void *p = NULL;
    if (device_check(x, cudaHostAlloc(&p, bytes, cudaHostAllocDefault), "taking pinned memory", e) != 0)
        return -1;
    memcpy(out, &p, sizeof p);
    return 0;
}

static int take_device(struct engine *x, void *out, size_t bytes, struct err *e)
{
    void *p = NULL;
    if (device_check(x, cudaMalloc(&p, bytes), "taking device memory", e) != 0)
        return -1;
    memcpy(out, &p, sizeof p);
    return 0;
}

static int open_slot(struct engine *x, struct slot *s, struct err *e)
{
    size_t logits = (size_t)MOST_CENTRES * CUDA_MOST_CLASSES * sizeof(float);
    x->slot_bytes = HEAD_BYTES + PLAN_SAMPLES + MOST_CENTRES * (sizeof(float) + 1) + logits;
    return open_events(x, s, e) != 0 || take_pinned(x, &s->head, HEAD_BYTES, e) != 0 ||
                   take_pinned(x, &s->samples, PLAN_SAMPLES, e) != 0 ||
                   take_pinned(x, &s->labels, MOST_CENTRES, e) != 0 ||
                   take_pinned(x, &s->confidence, MOST_CENTRES * sizeof(float), e) != 0 ||
                   take_pinned(x, &s->logits, logits, e) != 0 || take_device(x, &s->device_head, HEAD_BYTES, e) != 0 ||
                   take_device(x, &s->device_samples, PLAN_SAMPLES, e) != 0 ||
                   take_device(x, &s->device_labels, MOST_CENTRES, e) != 0 ||
                   take_device(x, &s->device_confidence, MOST_CENTRES * sizeof(float), e) != 0 ||
                   take_device(x, &s->device_logits, logits, e) != 0
               ? -1
               : 0;
}

int device_open(struct engine *x, struct err *e)
{
    size_t map = (PLAN_MAP + 512) * sizeof(double);
    if (open_stream(x, &x->up, e) != 0 || open_stream(x, &x->compute, e) != 0 || open_stream(x, &x->down, e) != 0 ||
        take_pinned(x, &x->map, map, e) != 0 || take_device(x, &x->device_map, map, e) != 0)
        return -1;
    for (int s = 0; s < SLOTS; s++)
        if (open_slot(x, &x->slots[s], e) != 0)
            return -1;
    return 0;
}

static void close_slot(struct slot *s)
{
    cudaEvent_t events[] = {s->uploaded, s->computed, s->answered};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i] != NULL)
            (void)cudaEventDestroy(events[i]);
    (void)cudaFreeHost(s->head);
    (void)cudaFreeHost(s->samples);
    (void)cudaFreeHost(s->labels);
    (void)cudaFreeHost(s->confidence);
    (void)cudaFreeHost(s->logits);
    (void)cudaFree(s->device_head);
    (void)cudaFree(s->device_samples);
    (void)cudaFree(s->device_labels);
    (void)cudaFree(s->device_confidence);
    (void)cudaFree(s->device_logits);
}

void device_close(struct engine *x)
{
    cudaStream_t streams[] = {x->up, x->compute, x->down};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        if (streams[i] != NULL)
            (void)cudaStreamDestroy(streams[i]);
    for (int s = 0; s < SLOTS; s++)
        close_slot(&x->slots[s]);
    (void)cudaFreeHost(x->map);
    (void)cudaFree(x->device_map);
    (void)cudaFree(x->work);
    (void)cudaGetLastError();
}

struct cuda_buffers device_buffers(const struct engine *x, const struct engine_model *m, int s)
{
    const struct slot *slot = &x->slots[s];
    struct cuda_buffers b = {.piece = (const struct cuda_piece *)(const void *)slot->device_head,
                             .valid = (const uint8_t *)slot->device_head + HEAD_VALID,
                             .samples = slot->device_samples,
                             .map_weight = x->device_map,
                             .map_bias = x->device_map + PLAN_MAP,
                             .labels = slot->device_labels,
                             .confidence = slot->device_confidence,
                             .logits = slot->device_logits};
    plan_place(&m->plan, x->work, &b);
    return b;
}
