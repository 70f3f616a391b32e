#include "cuda/plan.h"

enum { ALIGNMENT = 256, ENTRY_WARPS = 8 };

static size_t element_bytes(enum precision p)
{
    return p == PRECISION_FP16 || p == PRECISION_BF16 ? 2 : 4;
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The most warps, halving from `most`, with which a block of the stage fits; 0: none does. */
static int warps_that_fit(size_t (*memory)(const struct cuda_shapes *, enum precision, int),
                          const struct cuda_shapes *s, enum precision p, size_t room, int most)
{
    int warps = most;
    while (warps > 0 && memory(s, p, warps) > room)
        warps /= 2;
    return warps;
}

static int choose_launch(struct cuda_launch *l, const struct cuda_shapes *s, enum precision p,
                         const struct plan_device *d, int centres, struct err *e)
{
    int lines = PLAN_LINES, halo = s->P - 1, columns = (centres + lines - 1) / lines;
    *l = (struct cuda_launch){.precision = p,
                              .centres = lines * columns,
                              .pixels = (lines + halo) * (columns + halo),
                              .warps =
                                  warps_that_fit(cuda_residual_memory, s, p, d->shared_memory, CUDA_MOST_WARPS(s->W)),
                              .entry_warps = warps_that_fit(cuda_entry_memory, s, p, d->shared_memory, ENTRY_WARPS)};
    if (l->warps == 0 || l->entry_warps == 0 || cuda_head_memory(s, p) > d->shared_memory)
        return err_set(e, ERR_DEVICE,
                       "a model with %d kernels and patches of %d needs more shared memory in %s than this "
                       "GPU has; choose fp16",
                       s->C, s->P, precision_name(p));
    int resident = (int)(d->shared_memory_processor / (cuda_residual_memory(s, p, l->warps) + 1024));
    int by_registers = 65536 / (l->warps * 32 * (s->W == CUDA_NARROW ? 128 : 255));
    resident = resident < by_registers ? resident : by_registers;
    l->blocks = d->processors * (resident < 1 ? 1 : resident);
    /* out2 of a group should stay in the L2 until conv2 has read it */
    size_t patch = (size_t)(s->P * s->P) * (size_t)s->D * (size_t)s->W * element_bytes(p);
    int fit = (int)(d->l2 / 2 / patch) / l->blocks * l->blocks;
    l->group = fit > l->blocks ? fit : l->blocks;
    if (l->group > l->centres)
        l->group = l->centres;
    if (l->blocks > l->group)
        l->blocks = l->group;
    return 0;
}

int plan_make(struct plan *out, const struct cuda_shapes *s, enum precision p, const struct plan_device *d, int centres,
              struct err *e)
{
    *out = (struct plan){0};
    struct cuda_launch *l = &out->launch;
    if (choose_launch(l, s, p, d, centres, e) != 0)
        return -1;
    size_t row = (size_t)s->W * element_bytes(p), positions = (size_t)(s->P * s->P), D = (size_t)s->D;
    size_t H = (size_t)l->pixels, M = (size_t)l->centres, G = (size_t)l->group;
    out->x = aligned(H * (size_t)s->K * sizeof(float));
    out->seen = aligned(H);
    out->patches = aligned((M + 1) * sizeof(int));
    out->p = out->q = aligned(H * CUDA_ENTRIES * D * row);
    out->sums = aligned(H * CUDA_ENTRIES * (size_t)s->W * sizeof(float));
    out->u = out->g = aligned(M * row);
    out->middle = aligned((size_t)l->blocks * cuda_residual_rows(s, l->warps) * row);
    out->out1 = s->distinct_attention ? aligned(G * positions * D * row) : 0;
    out->out2 = aligned(G * positions * D * row);
    out->waist = aligned(G * positions * CUDA_WAIST * element_bytes(p));
    out->total = out->x + out->seen + out->patches + out->p + out->q + out->sums + out->u + out->g + out->middle +
                 out->out1 + out->out2 + out->waist;
    return 0;
}

static void *take(char **at, size_t bytes)
{
    char *here = *at;
    *at += bytes;
    return here;
}

void plan_place(const struct plan *p, char *base, struct cuda_buffers *b)
{
    b->middle = take(&base, p->middle); /* first: it must be zeros */
    b->x = take(&base, p->x);
    b->seen = take(&base, p->seen);
    b->patches = take(&base, p->patches);
    b->count = b->patches + p->launch.centres;
    b->p = take(&base, p->p);
    b->q = take(&base, p->q);
    b->sums = take(&base, p->sums);
    b->u = take(&base, p->u);
    b->g = take(&base, p->g);
    b->out1 = take(&base, p->out1);
    b->out2 = take(&base, p->out2);
    b->waist = take(&base, p->waist);
}
