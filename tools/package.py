"""The package: one .safetensors file with a network's tensors, its preprocessing and what they mean.

Tensor names are the state_dict's own; preprocess.scale (B), preprocess.matrix (K, B) and preprocess.offset (K)
stand beside them. The metadata key "spectrad" holds one JSON object: name, version, bands, classes, wavelengths
(docs: the model notes). Run as a program, it shows what a package says.
"""
import argparse
import json
import os
import sys
from dataclasses import dataclass

import program


def parser():
    found = argparse.ArgumentParser(description="Check a package and print its metadata as JSON.")
    found.add_argument("package", help="a .safetensors package")
    return found


with program.imports(__name__, parser):
    import numpy as np
    import safetensors.torch
    import torch
    from safetensors import SafetensorError, safe_open

    import network

METADATA_KEY = "spectrad"
FORMAT, ARCHITECTURE = 1, "a2s2k-resnet"
REQUIRED = ("format", "architecture", "name", "version", "sensor_bands", "bands", "patch", "classes")
PREPROCESS = ("scale", "matrix", "offset")
# Layers that change nothing in the published network: a package may leave them out.
WITHOUT_EFFECT = ("res_net2.bn2.", "res_net3.bn2.")
WITHOUT_EFFECT_PUBLISHED = WITHOUT_EFFECT + ("conv_se.", "conv_ex.")
# For classes that bring no colour: eight hues that stay apart for most colour-blind eyes, then lighter ones.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#999999",
           "#7fb8d8", "#f2cf7f", "#7fcfb9", "#eaae7f", "#e5bcd3", "#aad9f4", "#f7f1a0", "#cccccc")


class PackageError(ValueError):
    """A package, a checkpoint or a description of one that cannot be used; says what to change."""


@dataclass
class Package:
    """meta: the JSON object. state: the state_dict. scale, matrix, offset: float32 arrays, None is the default."""
    meta: dict
    state: dict
    scale: np.ndarray = None
    matrix: np.ndarray = None
    offset: np.ndarray = None

    def network(self):
        """The network in eval mode, in float32 whatever the file's precision."""
        net = blank_network(self.meta, self.state)
        filled = net.state_dict()
        filled.update({name: tensor.to(filled[name].dtype) for name, tensor in self.state.items()})
        net.load_state_dict(filled, strict=True)
        return net.eval()

    def affine(self):
        """(matrix or None, scale, offset) in float64, defaults filled in."""
        bands, sensor_bands = self.meta["bands"], self.meta["sensor_bands"]
        scale = np.ones(sensor_bands) if self.scale is None else self.scale.astype(np.float64)
        offset = np.zeros(bands) if self.offset is None else self.offset.astype(np.float64)
        return (None if self.matrix is None else self.matrix.astype(np.float64)), scale, offset


def blank_network(meta, state):
    return network.S3KAIResNet(meta["bands"], len(meta["classes"]), meta.get("kernels", 24),
                               network.attention_form(state))


def check_metadata(meta):
    """Raises PackageError at the first thing that a reader of the package would refuse."""
    missing = [key for key in REQUIRED if key not in meta]
    if missing:
        raise PackageError(f"the metadata lacks {', '.join(missing)}")
    if meta["format"] != FORMAT or meta["architecture"] != ARCHITECTURE:
        raise PackageError(f"format {meta['format']!r}, architecture {meta['architecture']!r}: "
                           f"expected {FORMAT} and {ARCHITECTURE!r}")
    if meta["patch"] not in network.PATCH_SIDES:
        raise PackageError(f"patch {meta['patch']}: the published head takes 7, 9 or 11")
    if not network.BANDS_MIN <= meta["bands"] <= network.BANDS_MAX:
        raise PackageError(f"bands {meta['bands']}: expected {network.BANDS_MIN} to {network.BANDS_MAX}")
    ids = [c["id"] for c in meta["classes"]]
    if not ids or len(set(ids)) != len(ids) or not all(isinstance(i, int) and 1 <= i <= 255 for i in ids):
        raise PackageError(f"class ids {ids}: expected at least one, unique, from 1 to 255")
    for key in ("wavelengths_nm", "fwhm_nm"):
        if key in meta and len(meta[key]) != meta["sensor_bands"]:
            raise PackageError(f"{key} has {len(meta[key])} values, sensor_bands is {meta['sensor_bands']}")


def check_state(meta, state):
    """Compares names and shapes with the network that the metadata describes; the error names tensor and shapes."""
    expected = {name: tuple(t.shape) for name, t in blank_network(meta, state).state_dict().items()}
    for name, tensor in state.items():
        if name not in expected:
            raise PackageError(f"tensor {name} {tuple(tensor.shape)} is none of an A2S2K-ResNet's")
        if tuple(tensor.shape) != expected[name]:
            raise PackageError(f"tensor {name} has shape {tuple(tensor.shape)}, expected {expected[name]} for "
                               f"{meta['bands']} bands, {meta.get('kernels', 24)} kernels, "
                               f"{len(meta['classes'])} classes")
    idle = WITHOUT_EFFECT_PUBLISHED if network.attention_form(state) == "published" else WITHOUT_EFFECT
    for name, shape in expected.items():
        if name not in state and not name.startswith(idle) and not name.endswith(".num_batches_tracked"):
            raise PackageError(f"tensor {name} {shape} is missing")


def check_preprocess(package):
    bands, sensor_bands = package.meta["bands"], package.meta["sensor_bands"]
    expected = {"scale": (sensor_bands,), "matrix": (bands, sensor_bands), "offset": (bands,)}
    for name in PREPROCESS:
        array = getattr(package, name)
        if array is not None and array.shape != expected[name]:
            raise PackageError(f"preprocess.{name} has shape {array.shape}, expected {expected[name]}")
        if array is not None and not np.isfinite(array).all():
            raise PackageError(f"preprocess.{name} holds values that are not finite")
    if package.matrix is None and bands != sensor_bands:
        raise PackageError(f"{sensor_bands} sensor bands become {bands} network bands, but there is no matrix")


def check(package):
    check_metadata(package.meta)
    check_state(package.meta, package.state)
    check_preprocess(package)


def read(path):
    """The package at `path`; PackageError if it is none or does not hold together."""
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
        tensors = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise PackageError(f"{path}: {error}") from error
    if text is None:
        raise PackageError(f"{path}: no {METADATA_KEY!r} in the metadata: plain weights are not a package; "
                           f"import_checkpoint.py makes one")
    parts = {}
    for name in PREPROCESS:
        tensor = tensors.pop(f"preprocess.{name}", None)
        parts[name] = None if tensor is None else tensor.float().numpy()
    package = Package(json.loads(text), tensors, **parts)
    try:
        check(package)
    except PackageError as error:
        raise PackageError(f"{path}: {error}") from error
    return package


def write(path, package):
    """Checks, then writes. Tensors keep the precision that they are given in."""
    check(package)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in package.state.items()}
    for name in PREPROCESS:
        array = getattr(package, name)
        if array is not None:
            tensors[f"preprocess.{name}"] = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    metadata = {METADATA_KEY: json.dumps(package.meta, ensure_ascii=False)}
    try:
        safetensors.torch.save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:  # a full disk too
        raise OSError(f"{path} cannot be written: {error}") from error
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)  # the library leaves 0600, which a server under its own user cannot read


def describe(name, classes, sensor_bands, bands, patch, kernels, version="1", **optional):
    """The metadata of a new package. classes: list of {id, name[, color]}; keys whose value is None are left out."""
    classes = [dict(c, color=c.get("color") or PALETTE[i % len(PALETTE)]) for i, c in enumerate(classes)]
    meta = {"format": FORMAT, "architecture": ARCHITECTURE, "name": name, "version": version,
            "sensor_bands": sensor_bands, "bands": bands, "patch": patch, "kernels": kernels, "classes": classes}
    meta.update({key: value for key, value in optional.items() if value is not None})
    return meta


def main():
    args = parser().parse_args()
    try:
        package = read(args.package)
    except PackageError as error:
        sys.exit(f"package.py: {error}")
    print(json.dumps(package.meta, indent=2, ensure_ascii=False))
    print(f"{len(package.state)} tensors, attention as {network.attention_form(package.state)}", file=sys.stderr)


if __name__ == "__main__":
    main()
