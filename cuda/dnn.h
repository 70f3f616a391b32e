/* dnn.h - one fused convolution on a GPU, and cuDNN behind it.
 *
 *     y = activation(conv(x, w) + bias + residual)
 *
 * A *target* is what plans are made for: the current CUDA device, or the description of a device that is not there. A
 * *plan* is one layer made ready: cuDNN's operation graph, the engine chosen for it, and the workspace that it needs.
 * A described target plans as a real one does but cannot run: so a machine without a GPU can prove that every layer of
 * the network is supported on a named GPU (tests/cuda/plans). It proves nothing about numbers or speed.
 *
 * Threading: a target and its plans belong to one thread at a time (a cuDNN handle does), with the device that was
 * current at dnn_open current again in every call. Ownership: plans are released before their target is closed.
 * Errors: ERR_DEVICE with the layer's name, the step and cuDNN's own words.
 */
#pragma once
#include "base/err.h"
#include "engine/precision.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct CUstream_st; /* cudaStream_t is a pointer to it; its header is not needed to describe a layer */
struct dnn_target;
struct dnn_plan;

/* Layouts, elements in the precision's type (float for fp32 and tf32), each tensor dense and on a 16-byte boundary:
 *   x         (batch, height, width, in)
 *   w         (out, kernel_h, kernel_w, in)
 *   bias      (out), always float
 *   residual  as y
 *   y         (batch, y height, y width, out),
 *             y height = (height + 2 pad_h - dilation_h (kernel_h - 1) - 1) / stride_h + 1, rounded down
 * No tensor has 2^31 elements or more. Sums are float in every precision; fp32 is kept off the tensor cores, which
 * would round its operands to tf32.
 *
 * What the caller pads: `in` and `out` must be multiples of dnn_channel_multiple(precision); the channels added hold
 * zeros in x, w and bias, and y gets zeros there too. C = 24, 16 and 8 need none in any precision. */
struct dnn_layer {
    const char *name; /* for messages; copied */
    enum precision precision;
    int batch, in, height, width, out;
    int kernel_h, kernel_w, pad_h, pad_w;
    int stride_h, stride_w, dilation_h, dilation_w; /* each 1 or more */
    bool bias, residual, relu;
};

/* 1 in fp32, 4 in tf32, 8 in fp16 and bf16: 16 bytes where tensor cores load the operands. */
int dnn_channel_multiple(enum precision p);

/* n rounded up to a multiple of it. */
int dnn_padded_channels(enum precision p, int n);

/* A target on the current device. No plan will need more than workspace_limit bytes of workspace. ERR_DEVICE says so
 * where no driver or no device is there, or where cuBLASLt or nvrtc, which cuDNN loads by itself, is missing. */
int dnn_open(struct dnn_target **out, size_t workspace_limit, struct err *e);

/* A target that only plans. properties: cuDNN's JSON of device properties (tests/cuda/plans/devices.c writes some). */
int dnn_open_described(struct dnn_target **out, const char *properties, size_t workspace_limit, struct err *e);

void dnn_close(struct dnn_target *t); /* accepts NULL */

/* Which of cuDNN's engines a plan runs on. */
struct dnn_choice {
    int64_t engine;        /* cuDNN's global index for this kind of graph */
    int passed_over;       /* engines that stood before it and were unfit, too large, or not to be had */
    bool fallback;         /* not one that the heuristics propose for speed */
    bool tensor_cores;     /* by cuDNN's own note */
    bool runtime_compiled; /* its kernel is generated while the plan is built */
};

/* Plans a layer: takes the first engine in cuDNN's order of speed that is fit for the precision, deterministic and
 * within the limit. Milliseconds to a second; allocates. Errors: ERR_DEVICE if there is none or the layer has no
 * output, ERR_NOMEM. */
int dnn_build(struct dnn_target *t, const struct dnn_layer *l, struct dnn_plan **out, struct err *e);

size_t dnn_workspace(const struct dnn_plan *p); /* bytes; may be 0 */
const struct dnn_choice *dnn_chosen(const struct dnn_plan *p);

/* Device memory of one run. bias and residual are ignored where the layer has none; workspace has dnn_workspace bytes
 * on a 16-byte boundary, shared with no run that may be under way at the same time. */
struct dnn_buffers {
    const void *x, *w, *bias, *residual;
    void *y, *workspace;
};

/* Queues the layer on the stream. The whole batch is computed: a smaller one leaves the rest of x as it is, so that a
 * pixel's bits never depend on how full the batch was. Repeating the buffers of the plan's last run allocates nothing.
 * ERR_DEVICE: refused by cuDNN, or the target was only described. */
int dnn_run(struct dnn_plan *p, const struct dnn_buffers *b, struct CUstream_st *stream, struct err *e);

void dnn_release(struct dnn_plan *p); /* accepts NULL */
