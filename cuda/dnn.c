#include "cuda/dnn.h"
#include "cuda/dnn_internal.h"
#include <stdio.h>
#include <stdlib.h>

int dnn_channel_multiple(enum precision p)
{
    switch (p) {
    case PRECISION_FP16:
    case PRECISION_BF16:
        return 8;
    case PRECISION_TF32:
        return 4;
    case PRECISION_FP32:
        break;
    }
    return 1;
}

int dnn_padded_channels(enum precision p, int n)
{
    int multiple = dnn_channel_multiple(p);
    return (n + multiple - 1) / multiple * multiple;
}

/* ---- building -----------------------------------------------------------------------------------------------------
 */

/* Elements of a tensor; sizes are ints, so three products fit and the fourth is checked. */
static bool too_many(const int64_t size[4])
{
    const int64_t limit = INT32_MAX, first = size[0] * size[1];
    return first > limit || first * size[2] > limit || first * size[2] * size[3] > limit;
}

int dnn_shapes_of(const struct dnn_layer *l, struct dnn_shapes *out, struct err *e)
{
    const int sizes[] = {l->batch,    l->in,       l->height,   l->width,      l->out,       l->kernel_h,
                         l->kernel_w, l->stride_h, l->stride_w, l->dilation_h, l->dilation_w};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] <= 0)
            return err_set(e, ERR_DEVICE, "%s: a size of the layer is not positive", l->name);
    const int64_t down = l->height + 2LL * l->pad_h - 1 - (l->kernel_h - 1LL) * l->dilation_h;
    const int64_t across = l->width + 2LL * l->pad_w - 1 - (l->kernel_w - 1LL) * l->dilation_w;
    if (l->pad_h < 0 || l->pad_w < 0 || down < 0 || across < 0)
        return err_set(e, ERR_DEVICE, "%s: the kernel is larger than the padded input", l->name);
    const int multiple = dnn_channel_multiple(l->precision);
    if (l->in % multiple != 0 || l->out % multiple != 0)
        return err_set(e, ERR_DEVICE, "%s: its channels must be padded to a multiple of %d in %s", l->name, multiple,
                       precision_name(l->precision));
    *out = (struct dnn_shapes){
        .x = {l->batch, l->in, l->height, l->width},
        .w = {l->out, l->in, l->kernel_h, l->kernel_w},
        .y = {l->batch, l->out, down / l->stride_h + 1, across / l->stride_w + 1},
    };
    if (too_many(out->x) || too_many(out->w) || too_many(out->y))
        return err_set(e, ERR_DEVICE, "%s: a tensor has 2^31 elements or more; take a smaller batch", l->name);
    return 0;
}

int dnn_build_shapes(struct dnn_target *t, const struct dnn_layer *l, const struct dnn_shapes *s, struct dnn_plan **out,
                     struct err *e)
{
    *out = NULL;
    struct dnn_plan *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_nomem(e);
    snprintf(p->layer, sizeof p->layer, "%s", l->name);
    p->handle = t->handle;
    p->graph = (struct dnn_graph){.layer = p->layer, .e = e};
    p->ids[p->tensors++] = DNN_X;
    p->ids[p->tensors++] = DNN_W;
    if (l->bias)
        p->ids[p->tensors++] = DNN_BIAS;
    if (l->residual)
        p->ids[p->tensors++] = DNN_RESIDUAL;
    p->ids[p->tensors++] = DNN_Y;
    cudnnBackendDescriptor_t operations = dnn_graph_write(&p->graph, t, l, s);
    p->graph.e = NULL;
    if (operations == NULL || dnn_choose(p, t, l->precision, operations, e) != 0) {
        dnn_release(p);
        return -1;
    }
    *out = p;
    return 0;
}

int dnn_build(struct dnn_target *t, const struct dnn_layer *l, struct dnn_plan **out, struct err *e)
{
    struct dnn_shapes s;
    *out = NULL;
    if (dnn_shapes_of(l, &s, e) != 0)
        return -1;
    return dnn_build_shapes(t, l, &s, out, e);
}

size_t dnn_workspace(const struct dnn_plan *p)
{
    return p->workspace;
}

const struct dnn_choice *dnn_chosen(const struct dnn_plan *p)
{
    return &p->choice;
}

void dnn_release(struct dnn_plan *p)
{
    if (p == NULL)
        return;
    if (p->pack != NULL)
        cudnnBackendDestroyDescriptor(p->pack);
    if (p->plan != NULL)
        cudnnBackendDestroyDescriptor(p->plan);
    if (p->config != NULL)
        cudnnBackendDestroyDescriptor(p->config);
    dnn_graph_release(&p->graph);
    free(p);
}

/* ---- running ------------------------------------------------------------------------------------------------------
 */

static const void *buffer_of(const struct dnn_buffers *b, int64_t id)
{
    switch (id) {
    case DNN_X:
        return b->x;
    case DNN_W:
        return b->w;
    case DNN_BIAS:
        return b->bias;
    case DNN_RESIDUAL:
        return b->residual;
    default:
        return b->y;
    }
}

static bool same_buffers(const struct dnn_buffers *a, const struct dnn_buffers *b)
{
    return a->x == b->x && a->w == b->w && a->bias == b->bias && a->residual == b->residual && a->y == b->y &&
           a->workspace == b->workspace;
}

/* Names the memory of every tensor to cuDNN. */
static int bind(struct dnn_plan *p, const struct dnn_buffers *b, struct err *e)
{
    const void *pointers[5]; /* cuDNN takes all alike, and writes only y and the workspace */
    for (int i = 0; i < p->tensors; i++)
        pointers[i] = buffer_of(b, p->ids[i]);
    if (p->pack != NULL)
        cudnnBackendDestroyDescriptor(p->pack);
    p->pack = NULL;
    cudnnBackendDescriptor_t d = NULL;
    cudnnStatus_t s = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &d);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, p->tensors, p->ids);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, p->tensors,
                                     pointers);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &b->workspace);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendFinalize(d);
    if (dnn_check(s, p->layer, "the run's buffers", e) != 0) {
        if (d != NULL)
            cudnnBackendDestroyDescriptor(d);
        return -1;
    }
    p->pack = d;
    p->buffers = *b;
    return 0;
}

int dnn_run(struct dnn_plan *p, const struct dnn_buffers *b, struct CUstream_st *stream, struct err *e)
{
    if (p->handle == NULL)
        return err_set(e, ERR_DEVICE, "%s: its plan was made for a described device and cannot run", p->layer);
    if ((p->pack == NULL || !same_buffers(&p->buffers, b)) && bind(p, b, e) != 0)
        return -1;
    if (dnn_check(cudnnSetStream(p->handle, stream), p->layer, "stream", e) != 0)
        return -1;
    return dnn_check(cudnnBackendExecute(p->handle, p->plan, p->pack), p->layer, "run", e);
}
