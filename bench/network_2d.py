"""The same network with 2-D convolutions: the form that CPU libraries like better, so the fairer opponent.

Every 3-D kernel of A2S2K-ResNet is 1 long on the spectral axis or 1 x 1 in space, except conv3x3's, which becomes
nine input channels (the shifted patch). Rows then stand for the pixels of a patch, columns for the spectrum.
"""
import torch
import torch.nn.functional as F
from torch import nn


def norm(bn, x):
    """A BatchNorm3d in eval mode on an (n, C, pixels, D) or (n, C, P, P) map."""
    return F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, False, 0.0, bn.eps)


def along_spectrum(conv, x):
    """A (1, 1, taps) convolution on (n, C, pixels, spectral)."""
    return F.conv2d(x, conv.weight[:, :, 0], conv.bias, (1, conv.stride[2]), (0, conv.padding[2]))


def in_space(conv, x):
    """A (3, 3, 1) convolution on (n, C, P, P)."""
    return F.conv2d(x, conv.weight[..., 0], conv.bias, padding=1)


def gated(block, x):
    mean = x.mean(dim=(2, 3))[:, None, None, :]
    gate = torch.sigmoid(F.conv2d(mean, block.ecalayer.conv.weight, padding=1))[:, 0, 0]
    return x * gate[:, :, None, None]


def residual(block, x, convolve):
    z = x if block.place == "start" else F.relu(norm(block.bn0, x))
    z = F.relu(norm(block.bn1, F.relu(convolve(block.conv1[0], z))))
    z = convolve(block.conv2, z)
    if block.place == "start":
        z = norm(block.bn2, z)
    z = gated(block, z) + x
    return F.relu(norm(block.bn2, z)) if block.place == "end" else z


class Network2d(nn.Module):
    """Wraps an S3KAIResNet in eval mode and shares its tensors; same input, same logits."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, patches):
        net, count, side, bands = self.net, patches.shape[0], patches.shape[2], patches.shape[4]
        pixels = patches.reshape(count, 1, side * side, bands)
        framed = F.pad(patches[:, 0], (0, 0, 1, 1, 1, 1))
        shifted = torch.stack([framed[:, i:i + side, j:j + side] for i in range(3) for j in range(3)], dim=1)
        shifted = shifted.reshape(count, 9, side * side, bands)
        a = F.relu(norm(net.batch_norm1x1[0], along_spectrum(net.conv1x1, pixels)))
        weight = net.conv3x3.weight.reshape(-1, 9, 1, 7)
        b = F.relu(norm(net.batch_norm3x3[0], F.conv2d(shifted, weight, net.conv3x3.bias, (1, 2))))
        x = net.fuse(a[..., None], b[..., None])[..., 0]
        x = residual(net.res_net2, residual(net.res_net1, x, along_spectrum), along_spectrum)
        x = F.relu(norm(net.batch_norm2[0], along_spectrum(net.conv2, x))).reshape(count, -1, side, side)
        weight = net.conv3.weight[:, 0].permute(0, 3, 1, 2)
        x = F.relu(norm(net.batch_norm3[0], F.conv2d(x, weight, net.conv3.bias)))
        x = residual(net.res_net4, residual(net.res_net3, x, in_space), in_space)
        return net.full_connection(F.avg_pool2d(x, 5).flatten(1))
