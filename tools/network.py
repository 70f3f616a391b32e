"""A2S2K-ResNet in PyTorch, with the state_dict names of the authors' class S3KAIResNet.

The network is described in Roy et al., "Attention-Based Adaptive Spectral-Spatial Kernel ResNet for
Hyperspectral Image Classification", IEEE TGRS 59(9), 2021. Every layer of the published code is here, the
ones without effect too (conv_se, conv_ex, some bn2), so that load_state_dict(strict=True) takes a checkpoint
of the authors' script as it is, and a state_dict of ours can go back to them.

Letters: K network bands, C kernels, D = ceil((K - 6) / 2) spectral positions, P patch side, N classes.
Layout of a batch of patches: (patch, 1, row, column, band).
"""
import argparse
import math

import program
from choices import ATTENTION_FORMS, PATCH_SIDES


def parser():
    found = argparse.ArgumentParser(description="Print the tensors of an A2S2K-ResNet and its size.")
    found.add_argument("bands", type=int, help="K, bands that enter the network (after any PCA)")
    found.add_argument("classes", type=int, help="N")
    found.add_argument("--kernels", type=int, default=24, help="C (default: %(default)s)")
    found.add_argument("--attention", choices=ATTENTION_FORMS, default="published")
    return found


with program.imports(__name__, parser):
    import torch
    import torch.nn.functional as F
    from torch import nn

BANDS_MIN, BANDS_MAX = 7, 512
FEATURES = 128  # maps after conv2; fixed in the published code


def spectral_positions(bands):
    """D: what is left of K bands after a 7-tap convolution of stride 2."""
    return math.ceil((bands - 6) / 2)


class EfficientChannelAttention(nn.Module):
    """Gates every channel by a 3-tap filter over its neighbours' means.

    The published weight is that of a 2-D convolution (1, 1, 3, 3) run over a map of one row: zero padding
    leaves only the middle row of the weight, weight[0, 0, 1, :], to act.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        mean = x.mean(dim=(2, 3, 4))[:, None, None, :]  # (patch, 1, 1, channel)
        gate = torch.sigmoid(self.conv(mean))[:, 0, 0]
        return x * gate[:, :, None, None, None]


class Residual(nn.Module):
    """One residual block; `place` is 'start', 'middle' or 'end', as the published flags say."""

    def __init__(self, channels, kernel, padding, place="middle"):
        super().__init__()
        self.place = place
        self.conv1 = nn.Sequential(nn.Conv3d(channels, channels, kernel, padding=padding), nn.ReLU())
        self.conv2 = nn.Conv3d(channels, channels, kernel, padding=padding)
        if place != "start":
            self.bn0 = nn.BatchNorm3d(channels)
        self.bn1 = nn.BatchNorm3d(channels)
        self.bn2 = nn.BatchNorm3d(channels)  # unused in the middle, though every checkpoint has it
        self.ecalayer = EfficientChannelAttention()

    def forward(self, x):
        z = x if self.place == "start" else F.relu(self.bn0(x))
        z = F.relu(self.bn1(self.conv1(z)))
        z = self.conv2(z)
        if self.place == "start":
            z = self.bn2(z)
        z = self.ecalayer(z) + x
        return F.relu(self.bn2(z)) if self.place == "end" else z


def normalised(channels):
    """The batch normalisation (eps 0.001) and ReLU that follow the four plain convolutions."""
    return nn.Sequential(nn.BatchNorm3d(channels, eps=0.001), nn.ReLU(inplace=True))


class S3KAIResNet(nn.Module):
    """patches (n, 1, P, P, K) -> logits (n, N).

    attention "published": both branches share conv_ex, so softmax gives each exactly one half and the
    attention layers cannot change the answer; they are kept for the checkpoint's sake and skipped.
    attention "paper": conv_ex_3x3 and conv_ex_1x1, as the paper's equations have it.
    """

    def __init__(self, bands, classes, kernels=24, attention="published"):
        super().__init__()
        if not BANDS_MIN <= bands <= BANDS_MAX:
            raise ValueError(f"{bands} bands: the network takes {BANDS_MIN} to {BANDS_MAX}")
        if attention not in ATTENTION_FORMS:
            raise ValueError(f"attention {attention!r}: expected one of {', '.join(ATTENTION_FORMS)}")
        self.attention = attention
        self.conv1x1 = nn.Conv3d(1, kernels, (1, 1, 7), stride=(1, 1, 2))
        self.conv3x3 = nn.Conv3d(1, kernels, (3, 3, 7), stride=(1, 1, 2), padding=(1, 1, 0))
        self.batch_norm1x1 = normalised(kernels)
        self.batch_norm3x3 = normalised(kernels)
        squeezed = bands // 2
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.conv_se = nn.Sequential(nn.Conv3d(kernels, squeezed, 1), nn.ReLU(inplace=True))
        if attention == "published":
            self.conv_ex = nn.Conv3d(squeezed, kernels, 1)
        else:
            self.conv_ex_3x3 = nn.Conv3d(squeezed, kernels, 1)
            self.conv_ex_1x1 = nn.Conv3d(squeezed, kernels, 1)
        self.res_net1 = Residual(kernels, (1, 1, 7), (0, 0, 3), place="start")
        self.res_net2 = Residual(kernels, (1, 1, 7), (0, 0, 3))
        self.res_net3 = Residual(kernels, (3, 3, 1), (1, 1, 0))
        self.res_net4 = Residual(kernels, (3, 3, 1), (1, 1, 0), place="end")
        self.conv2 = nn.Conv3d(kernels, FEATURES, (1, 1, spectral_positions(bands)))
        self.batch_norm2 = normalised(FEATURES)
        self.conv3 = nn.Conv3d(1, kernels, (3, 3, FEATURES))
        self.batch_norm3 = normalised(kernels)
        self.avg_pooling = nn.AvgPool3d((5, 5, 1))
        self.full_connection = nn.Sequential(nn.Linear(kernels, classes))

    def fuse(self, a, b):
        """The selective-kernel step: V from the 1x1 branch a and the 3x3 branch b, both (n, C, P, P, D)."""
        if self.attention == "published":
            return 0.5 * b + 0.5 * a
        z = self.conv_se(self.pool(a + b))
        weight = torch.softmax(torch.stack([self.conv_ex_3x3(z), self.conv_ex_1x1(z)]), dim=0)
        return weight[0] * b + weight[1] * a

    def forward(self, patches):
        side = patches.shape[2]
        if side not in PATCH_SIDES or patches.shape[3] != side:
            raise ValueError(f"patches of {side} x {patches.shape[3]} pixels do not fit the published head, which "
                             f"pools 5 x 5 after an unpadded 3 x 3: use 7, 9 or 11")
        x = self.fuse(self.batch_norm1x1(self.conv1x1(patches)), self.batch_norm3x3(self.conv3x3(patches)))
        x = self.res_net2(self.res_net1(x))
        x = self.batch_norm2(self.conv2(x)).permute(0, 4, 2, 3, 1)  # features become the spectral axis
        x = self.batch_norm3(self.conv3(x))
        x = self.res_net4(self.res_net3(x))
        return self.full_connection(self.avg_pooling(x).flatten(1))


def attention_form(names):
    """Which form the tensors of a checkpoint belong to."""
    return "paper" if any(name.startswith("conv_ex_") for name in names) else "published"


def main():
    args = parser().parse_args()
    net = S3KAIResNet(args.bands, args.classes, args.kernels, args.attention)
    for name, tensor in net.state_dict().items():
        print(f"{name:40} {tuple(tensor.shape)}")
    print(f"{sum(p.numel() for p in net.parameters())} parameters")


if __name__ == "__main__":
    main()
