#include "cuda/dnn_internal.h"
#include <assert.h>

int dnn_check(cudnnStatus_t s, const char *layer, const char *step, struct err *e)
{
    if (s == CUDNN_STATUS_SUCCESS)
        return 0;
    char words[256] = "";
    cudnnGetLastErrorString(words, sizeof words);
    words[sizeof words - 1] = '\0';
    for (char *c = words; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return err_set(e, ERR_DEVICE, "%s: %s: %s%s%s", layer, step, cudnnGetErrorString(s), words[0] == '\0' ? "" : ": ",
                   words);
}

static void check(struct dnn_graph *g, cudnnStatus_t s, const char *step)
{
    if (dnn_check(s, g->layer, step, g->e) != 0)
        g->failed = true;
}

/* A new descriptor, owned by the graph. */
static cudnnBackendDescriptor_t add(struct dnn_graph *g, cudnnBackendDescriptorType_t type, const char *step)
{
    cudnnBackendDescriptor_t d = NULL;
    if (g->failed)
        return NULL;
    assert(g->count < DNN_DESCRIPTORS);
    check(g, cudnnBackendCreateDescriptor(type, &d), step);
    if (!g->failed)
        g->all[g->count++] = d;
    return d;
}

static void set(struct dnn_graph *g, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    if (!g->failed)
        check(g, cudnnBackendSetAttribute(d, name, type, count, values), "a property of the graph");
}

static void set_numbers(struct dnn_graph *g, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                        int64_t count, const int64_t *values)
{
    set(g, d, name, CUDNN_TYPE_INT64, count, values);
}

static void set_descriptor(struct dnn_graph *g, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                           cudnnBackendDescriptor_t value)
{
    set(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void finalize(struct dnn_graph *g, cudnnBackendDescriptor_t d, const char *step)
{
    if (!g->failed)
        check(g, cudnnBackendFinalize(d), step);
}

/* A channels-last tensor. Results between two operations have no memory ("virtual") and are float, whatever the
 * precision: the sums are rounded once, when y is written. */
static cudnnBackendDescriptor_t tensor(struct dnn_graph *g, int64_t id, cudnnDataType_t type, const int64_t size[4])
{
    int64_t strides[4] = {size[1] * size[2] * size[3], 1, size[1] * size[3], size[1]};
    int64_t alignment = 16;
    bool between = id >= DNN_BETWEEN;
    cudnnBackendDescriptor_t d = add(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor");
    set(g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set_numbers(g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, 4, size);
    set_numbers(g, d, CUDNN_ATTR_TENSOR_STRIDES, 4, strides);
    set_numbers(g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1, &id);
    set_numbers(g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1, &alignment);
    set(g, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &between);
    finalize(g, d, "tensor");
    return d;
}

static cudnnBackendDescriptor_t convolution(struct dnn_graph *g, const struct dnn_layer *l, cudnnBackendDescriptor_t x,
                                            cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y)
{
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t rank = 2, padding[2] = {l->pad_h, l->pad_w}, strides[2] = {l->stride_h, l->stride_w};
    const int64_t dilations[2] = {l->dilation_h, l->dilation_w};
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t c = add(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution");
    set(g, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    set(g, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set_numbers(g, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1, &rank);
    set_numbers(g, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 2, padding);
    set_numbers(g, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 2, padding);
    set_numbers(g, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 2, strides);
    set_numbers(g, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, 2, dilations);
    finalize(g, c, "convolution");

    cudnnBackendDescriptor_t o = add(g, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "convolution");
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    set(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
    set(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
    finalize(g, o, "convolution (do the shapes of x, w and y belong together?)");
    return o;
}

/* y = x + other, or y = relu(x) where other is NULL. */
static cudnnBackendDescriptor_t pointwise(struct dnn_graph *g, cudnnBackendDescriptor_t x,
                                          cudnnBackendDescriptor_t other, cudnnBackendDescriptor_t y)
{
    const cudnnPointwiseMode_t mode = other != NULL ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t p = add(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "pointwise step");
    set(g, p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(g, p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    finalize(g, p, "pointwise step");

    cudnnBackendDescriptor_t o = add(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "pointwise step");
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (other != NULL)
        set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finalize(g, o, "pointwise step");
    return o;
}

static cudnnDataType_t data_type(enum precision p)
{
    switch (p) {
    case PRECISION_FP16:
        return CUDNN_DATA_HALF;
    case PRECISION_BF16:
        return CUDNN_DATA_BFLOAT16;
    case PRECISION_FP32:
    case PRECISION_TF32:
        break;
    }
    return CUDNN_DATA_FLOAT; /* tf32 is not a type in memory: the tensor cores round as they load */
}

/* Where a step writes: between two steps, or y where none is left. */
static cudnnBackendDescriptor_t result(struct dnn_graph *g, cudnnDataType_t type, const struct dnn_shapes *s, int left)
{
    if (left == 0)
        return tensor(g, DNN_Y, type, s->y);
    return tensor(g, DNN_BETWEEN + g->between++, CUDNN_DATA_FLOAT, s->y);
}

cudnnBackendDescriptor_t dnn_graph_write(struct dnn_graph *g, const struct dnn_target *t, const struct dnn_layer *l,
                                         const struct dnn_shapes *s)
{
    const cudnnDataType_t type = data_type(l->precision);
    const int64_t bias_size[4] = {1, s->w[0], 1, 1};
    int left = l->bias + l->residual + l->relu, count = 0;
    cudnnBackendDescriptor_t operations[4], from, with;

    cudnnBackendDescriptor_t x = tensor(g, DNN_X, type, s->x), w = tensor(g, DNN_W, type, s->w);
    cudnnBackendDescriptor_t to = result(g, type, s, left);
    operations[count++] = convolution(g, l, x, w, to);
    if (l->bias) {
        from = to, with = tensor(g, DNN_BIAS, CUDNN_DATA_FLOAT, bias_size), to = result(g, type, s, --left);
        operations[count++] = pointwise(g, from, with, to);
    }
    if (l->residual) {
        from = to, with = tensor(g, DNN_RESIDUAL, type, s->y), to = result(g, type, s, --left);
        operations[count++] = pointwise(g, from, with, to);
    }
    if (l->relu) {
        from = to, to = result(g, type, s, --left);
        operations[count++] = pointwise(g, from, NULL, to);
    }
    cudnnBackendDescriptor_t graph = add(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "operation graph");
    set(g, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, operations);
    if (t->handle != NULL)
        set(g, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &t->handle);
    finalize(g, graph, "operation graph");
    return g->failed ? NULL : graph;
}

void dnn_graph_release(struct dnn_graph *g)
{
    while (g->count > 0)
        cudnnBackendDestroyDescriptor(g->all[--g->count]);
}
