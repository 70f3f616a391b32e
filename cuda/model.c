#include "cuda/device.h"
#include "cuda/kernels.h"

static cudaError_t queue_stages(const struct cuda_network *n, const struct cuda_buffers *b, const struct cuda_launch *l)
{
    cudaError_t (*const before[])(const struct cuda_network *, const struct cuda_buffers *,
                                  const struct cuda_launch *) = {cuda_preprocess, cuda_entries, cuda_entry_sums,
                                                                 cuda_mix};
    cudaError_t (*const group[])(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *,
                                 int) = {cuda_residual, cuda_conv2, cuda_head};
    cudaError_t status = cudaSuccess;
    for (size_t i = 0; status == cudaSuccess && i < sizeof before / sizeof before[0]; i++)
        status = before[i](n, b, l);
    for (int first = 0; first < l->centres; first += l->group)
        for (size_t i = 0; status == cudaSuccess && i < sizeof group / sizeof group[0]; i++)
            status = group[i](n, b, l, first);
    return status;
}

static int capture(struct engine *x, struct engine_model *m, int s, const struct cuda_launch *l, cudaGraphExec_t *out,
                   struct err *e)
{
    struct cuda_buffers b = device_buffers(x, m, s);
    cudaGraph_t graph = NULL;
    if (device_check(x, cudaStreamBeginCapture(x->compute, cudaStreamCaptureModeThreadLocal), "recording the stages",
                     e) != 0)
        return -1;
    cudaError_t queued = queue_stages(&m->network, &b, l), ended = cudaStreamEndCapture(x->compute, &graph);
    int result = device_check(x, queued != cudaSuccess ? queued : ended, "recording the stages", e);
    if (result == 0)
        result = device_check(x, cudaGraphInstantiate(out, graph, 0), "preparing the stages", e);
    if (graph != NULL)
        (void)cudaGraphDestroy(graph);
    return result;
}

void model_release_graphs(struct engine_model *m)
{
    for (int s = 0; s < SLOTS; s++)
        for (int i = 0; i < BATCHES; i++) {
            if (m->graph[s][i] != NULL)
                (void)cudaGraphExecDestroy(m->graph[s][i]);
            m->graph[s][i] = NULL;
        }
}

/* The launches of a piece of 1/divisor of the centres. */
static struct cuda_launch smaller(const struct cuda_launch *l, int divisor, int halo)
{
    struct cuda_launch out = *l;
    int lines = PLAN_LINES, columns = l->centres / lines / divisor;
    if (columns < 1)
        columns = 1;
    out.centres = lines * columns;
    out.pixels = (lines + halo) * (columns + halo);
    if (out.group > out.centres)
        out.group = out.centres;
    if (out.blocks > out.group)
        out.blocks = out.group;
    return out;
}

int model_capture(struct engine *x, struct engine_model *m, struct err *e)
{
    model_release_graphs(m);
    for (int i = 0, divisor = 1; i < BATCHES; i++, divisor *= 4) {
        m->batch[i] = smaller(&m->plan.launch, divisor, m->network.s.P - 1);
        m->batch[i].stream = x->compute;
        for (int s = 0; s < SLOTS; s++)
            if (capture(x, m, s, &m->batch[i], &m->graph[s][i], e) != 0)
                return -1;
    }
    return 0;
}
