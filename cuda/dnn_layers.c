#include "cuda/dnn_layers.h"
#include "model/network.h"

void dnn_network_layers(struct dnn_layer out[DNN_NETWORK_LAYERS], int K, int C, int P, int patches, enum precision p)
{
    const int D = network_spectral_positions(K), c = dnn_padded_channels(p, C), n = patches * P * P, Q = P - 2;
    const struct dnn_layer common = {.precision = p,
                                     .height = 1,
                                     .width = 1,
                                     .kernel_h = 1,
                                     .kernel_w = 1,
                                     .stride_h = 1,
                                     .stride_w = 1,
                                     .dilation_h = 1,
                                     .dilation_w = 1,
                                     .bias = true,
                                     .relu = true};
    for (int i = 0; i < DNN_NETWORK_LAYERS; i++)
        out[i] = common;

    struct dnn_layer *l = &out[DNN_CONV1X1];
    l->name = "conv1x1";
    l->batch = n, l->width = D, l->in = DNN_TAPS, l->out = c;

    l = &out[DNN_CONV3X3];
    l->name = "conv3x3";
    l->batch = patches, l->height = P, l->width = P * D, l->in = DNN_TAPS, l->out = c;
    l->kernel_h = l->kernel_w = 3, l->pad_h = 1, l->pad_w = l->dilation_w = D;

    l = &out[DNN_SPECTRAL_RELU];
    l->name = "spectral conv1";
    l->batch = n, l->width = D, l->in = l->out = c;
    l->kernel_w = 7, l->pad_w = 3;

    out[DNN_SPECTRAL] = *l;
    out[DNN_SPECTRAL].name = "spectral conv2";
    out[DNN_SPECTRAL].relu = false;

    l = &out[DNN_CONV2];
    l->name = "conv2";
    l->batch = n, l->in = c * D, l->out = NETWORK_CONV2_OUT;

    l = &out[DNN_CONV3];
    l->name = "conv3";
    l->batch = patches, l->height = l->width = P, l->in = NETWORK_CONV2_OUT, l->out = c;
    l->kernel_h = l->kernel_w = 3;

    l = &out[DNN_SPATIAL_RELU];
    l->name = "spatial conv1";
    l->batch = patches, l->height = l->width = Q, l->in = l->out = c;
    l->kernel_h = l->kernel_w = 3, l->pad_h = l->pad_w = 1;

    out[DNN_SPATIAL] = *l;
    out[DNN_SPATIAL].name = "spatial conv2";
    out[DNN_SPATIAL].relu = false;
}
