/* dnn_internal.h - what the rooms of dnn share: cuDNN's descriptors, and a plan before anyone has checked its shapes.
 *
 * Descriptors that a plan grew from live as long as the plan; whether cuDNN copies or refers to them is its own affair.
 */
#pragma once
#include "cuda/dnn.h"
#include <cudnn.h>

struct dnn_target {
    cudnnHandle_t handle;                /* NULL in a described target */
    cudnnBackendDescriptor_t properties; /* NULL on a real device */
    size_t workspace_limit;
};

/* (batch, channels, height, width), in the order in which cuDNN counts dimensions whatever the strides are. */
struct dnn_shapes {
    int64_t x[4], w[4], y[4]; /* w: (out, in, height, width) */
};

/* How a tensor is named in a graph and again when its memory is handed over. */
enum dnn_tensor { DNN_X = 1, DNN_W, DNN_BIAS, DNN_RESIDUAL, DNN_Y, DNN_BETWEEN };

/* A list of descriptors that grows until something fails; then every further step does nothing, so that a graph can be
 * written down as a sequence of statements and asked once. */
enum { DNN_DESCRIPTORS = 24 };
struct dnn_graph {
    const char *layer; /* borrowed from the plan */
    struct err *e;     /* valid while the graph is being built */
    bool failed;
    int count, between;
    cudnnBackendDescriptor_t all[DNN_DESCRIPTORS];
};

struct dnn_plan {
    char layer[48];
    cudnnHandle_t handle;
    struct dnn_graph graph;
    cudnnBackendDescriptor_t config, plan;
    size_t workspace;
    struct dnn_choice choice;
    int64_t ids[5]; /* the tensors of this layer, and how many */
    int tensors;
    struct dnn_buffers buffers; /* of the last run, which `pack` was made for */
    cudnnBackendDescriptor_t pack;
};

/* 0 if s is success; else -1 with ERR_DEVICE: "layer: step: cuDNN's words". */
int dnn_check(cudnnStatus_t s, const char *layer, const char *step, struct err *e);

/* Shapes of a layer; ERR_DEVICE if the kernel is larger than the padded input, or a size is not positive. */
int dnn_shapes_of(const struct dnn_layer *l, struct dnn_shapes *out, struct err *e);

/* dnn_build for shapes that need not belong together: the tests hand in wrong ones and see them refused. */
int dnn_build_shapes(struct dnn_target *t, const struct dnn_layer *l, const struct dnn_shapes *s, struct dnn_plan **out,
                     struct err *e);

/* dnn_graph.c: writes the layer down; returns the operation graph, or NULL with *g->e filled. */
cudnnBackendDescriptor_t dnn_graph_write(struct dnn_graph *g, const struct dnn_target *t, const struct dnn_layer *l,
                                         const struct dnn_shapes *s);
void dnn_graph_release(struct dnn_graph *g);

/* dnn_choose.c: finds the engine: fills config, plan, workspace and choice of *p. */
int dnn_choose(struct dnn_plan *p, const struct dnn_target *t, enum precision precision,
               cudnnBackendDescriptor_t operations, struct err *e);
