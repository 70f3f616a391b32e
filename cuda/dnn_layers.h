/* dnn_layers.h - the convolutions of the network as layers of dnn.h: the plain path, and what its check plans.
 *
 * Letters as in network.h; n = patches P P, C' = C padded by dnn_padded_channels. Every tensor is channels-last, so
 * that each layer reads what the one before it wrote:
 *
 *   taps (n, D, 8)                channel t = sample 2 d + t of the pixel's spectrum, t < 7; channel 7 is zero
 *   conv1x1, conv3x3 -> (n, D, C')  -> elementwise -> spectral (n, D, C')
 *   conv2 -> (n, 128)
 *   conv3 -> (patches, P-2, P-2, C') -> spatial, the same
 *
 * How a layer is written decides which engines cuDNN has for it:
 * - conv1x1 and conv3x3 have one input channel and a stride of 2 along the spectrum, and tensor cores want 8 channels.
 *   So the 7 taps *are* the channels: both layers read one tensor, which holds each sample about four times, and no
 *   channel but the eighth is waste. conv1x1 is then a 1 x 1 kernel.
 * - conv3x3 is a 3 x 3 kernel over rows and columns of rank 2: the width is P D, and a column's neighbour lies D
 * further, so the kernel is dilated by D and the padding is D. What it reads outside is outside the patch, as it should
 * be.
 * - conv2 is 1 x 1 over C' D channels, which is the same memory as a kernel of 1 x D; for that one there is no bf16
 *   engine at all, and in fp16 none on tensor cores.
 */
#pragma once
#include "cuda/dnn.h"

enum dnn_network_layer {
    DNN_CONV1X1,
    DNN_CONV3X3,
    DNN_SPECTRAL_RELU, /* conv1 of res_net1 and res_net2 */
    DNN_SPECTRAL,      /* conv2 of both */
    DNN_CONV2,
    DNN_CONV3,
    DNN_SPATIAL_RELU, /* conv1 of res_net3 and res_net4 */
    DNN_SPATIAL,      /* conv2 of both */
    DNN_NETWORK_LAYERS
};

enum { DNN_TAPS = 8 };

/* Fills one layer for each name above. Where the weights come from (network.h), the added channels zero:
 *   conv1x1   w (C', 8)            conv1x1.weight (C,7)
 *   conv3x3   w (C', 3, 3, 8)      conv3x3.weight (C,3,3,7)
 *   spectral  w (C', 7, C')        (out, tap, in); the network has (out, in, tap)
 *   conv2     w (128, D, C')       the network has (out, channel, spectral)
 *   conv3     w (C', 3, 3, 128)    as the network
 *   spatial   w (C', 3, 3, C')     (out, row, column, in); the network has (out, in, row, column) */
void dnn_network_layers(struct dnn_layer out[DNN_NETWORK_LAYERS], int K, int C, int P, int patches, enum precision p);
