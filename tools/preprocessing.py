"""What stands before the network: the affine map of a package, fitted on a scene and applied to one; patches.

The authors' script fits a PCA, standardises over the scene, and pads with zeros *after* that. A package states the
first two as x' = M (s v) + o; here they are folded into that form and applied in float64, so that the reference
carries no rounding of its own.
"""
import numpy as np
import torch

from choices import SIGNS  # the two that fit_pca knows


def deviation(values):
    """Population deviation per column; a constant column counts as 1, so that it becomes 0 and not NaN."""
    found = values.std(axis=0)
    return np.where(found > 0, found, 1.0)


def fit_standard(spectra):
    """spectra (n, B) -> (scale, None, offset): every band gets mean 0 and deviation 1."""
    scale = 1 / deviation(spectra)
    return scale, None, -spectra.mean(axis=0) * scale


def fit_pca(spectra, components=None, signs="loadings"):
    """spectra (n, B) -> (None, matrix, offset): the authors' recipe, PCA (full rank unless said) then standardised.

    The sign of a component is arbitrary, but weights trained behind one fit need the same in another. "loadings":
    the largest weight is positive (scikit-learn since 1.5); "scores": the largest projection is (before)."""
    mean = spectra.mean(axis=0)
    variance, vectors = np.linalg.eigh(np.cov(spectra, rowvar=False, bias=True))
    axes = vectors[:, np.argsort(variance)[::-1][:components]].T
    judged = axes if signs == "loadings" else ((spectra - mean) @ axes.T).T
    axes = axes * np.sign(judged[np.arange(len(axes)), np.abs(judged).argmax(axis=1)])[:, None]
    return (None, *standardised_after(spectra, axes, -axes @ mean))


def standardised_after(spectra, matrix, offset):
    """Folds the standardisation of what (matrix, offset) makes of the spectra into them."""
    projected = spectra @ matrix.T + offset
    scale = 1 / deviation(projected)
    return matrix * scale[:, None], (offset - projected.mean(axis=0)) * scale


def apply(package, values):
    """values (rows, columns, B) in physical units -> (rows, columns, K) in the network's space."""
    matrix, scale, offset = package.affine()
    scaled = values * scale
    return (scaled if matrix is None else scaled @ matrix.T) + offset


def over_scene(normalised, valid):
    """normalization "scene": standardised once more over the valid pixels of this scene."""
    spectra = normalised[valid]
    return (normalised - spectra.mean(axis=0)) / deviation(spectra)


class Patches:
    """The patches of a scene, cut when asked for: (rows, columns, K) with zeros where invalid and outside."""

    def __init__(self, normalised, valid, side):
        half = side // 2
        image = np.where(valid[..., None], normalised, 0).astype(np.float32)
        self.image = torch.from_numpy(np.pad(image, ((half, half), (half, half), (0, 0))))
        self.side = side
        self.columns = valid.shape[1]

    def take(self, pixels):
        """pixels: flat indices into the scene -> float32 tensor (n, 1, P, P, K)."""
        offsets = torch.arange(self.side)
        index = torch.as_tensor(np.asarray(pixels), dtype=torch.int64)
        rows = torch.div(index, self.columns, rounding_mode="floor")[:, None] + offsets
        columns = (index % self.columns)[:, None] + offsets
        return self.image[rows[:, :, None], columns[:, None, :]][:, None]
