"""Packages of random weights for tests, written byte by byte: what a package is stands in the open here, without a library."""
import json
import pathlib

import numpy as np


def tensors(K, C, P, N, B=None, seed=0):
    """All tensors of the published form; with B, a (K, B) matrix in front."""
    rng = np.random.default_rng(seed)
    D = (K - 5) // 2
    out = {}

    def layer(name, *shape):
        out[name + ".weight"] = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
        out[name + ".bias"] = rng.normal(0, 0.1, shape[0])

    def norm(name, channels):
        out[name + ".weight"] = rng.uniform(0.5, 1.5, channels)
        out[name + ".bias"] = rng.normal(0, 0.1, channels)
        out[name + ".running_mean"] = rng.normal(0, 0.1, channels)
        out[name + ".running_var"] = rng.uniform(0.5, 1.5, channels)

    layer("conv1x1", C, 1, 1, 1, 7)
    layer("conv3x3", C, 1, 3, 3, 7)
    norm("batch_norm1x1.0", C)
    norm("batch_norm3x3.0", C)
    layer("conv_se.0", K // 2, C, 1, 1, 1)
    layer("conv_ex", C, K // 2, 1, 1, 1)
    for block, kernel, first in (("res_net1", (1, 1, 7), 1), ("res_net2", (1, 1, 7), 0), ("res_net3", (3, 3, 1), 0),
                                 ("res_net4", (3, 3, 1), 0)):
        layer(block + ".conv1.0", C, C, *kernel)
        layer(block + ".conv2", C, C, *kernel)
        for i in range(first, 3):
            norm(f"{block}.bn{i}", C)
        out[block + ".ecalayer.conv.weight"] = rng.normal(0, 0.5, (1, 1, 3, 3))
    layer("conv2", 128, C, 1, 1, D)
    norm("batch_norm2.0", 128)
    layer("conv3", C, 1, 3, 3, 128)
    norm("batch_norm3.0", C)
    layer("full_connection.0", N, C)
    if B is not None:
        out["preprocess.matrix"] = rng.normal(0, 1 / np.sqrt(B), (K, B))
        out["preprocess.offset"] = rng.normal(0, 0.1, K)
    return {name: np.asarray(value, "<f4") for name, value in out.items()}


def write(path, K=12, C=4, P=7, N=3, B=None, seed=0, change=None, **metadata):
    """Writes a package; `change(tensors)` may spoil it first. Returns the path."""
    parts = tensors(K, C, P, N, B, seed)
    if change is not None:
        change(parts)
    about = {"format": 1, "architecture": "a2s2k-resnet", "name": "random", "version": "1", "sensor_bands": B or K, "bands": K,
             "patch": P, "kernels": C, "classes": [{"id": i + 1, "name": f"class {i + 1}"} for i in range(N)]}
    about.update(metadata)
    head, body = {"__metadata__": {"spectrad": json.dumps({k: v for k, v in about.items() if v is not None})}}, b""
    for name, value in parts.items():
        head[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + value.nbytes]}
        body += value.tobytes()
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(len(text).to_bytes(8, "little") + text + body)
    return pathlib.Path(path)
