"""What a user would run instead: PyTorch and ONNX Runtime, each with the published 3-D layers and the 2-D rewrite.

All four get the package's own weights, the same patches of a synthetic scene without invalid pixels, the same number
of threads, and each the batch size that suits it best. Before a speed is given, their logits must agree.
"""
import argparse
import inspect
import json
import os
import statistics
import sys
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))

import package as packages  # noqa: E402
import preprocessing  # noqa: E402
from network_2d import Network2d  # noqa: E402

BATCHES = (16, 64, 256)
SCENE = 32          # pixels a side
AGREEMENT = 1e-3    # largest difference of a logit, and smallest margin of a label that counts
OPSET = 17


def synthetic_patches(meta, seed=0):
    """Patches (SCENE^2, 1, P, P, K) of a smooth scene in the network's space, borders included."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(6, meta["bands"])) / np.sqrt(6)
    scene = rng.normal(size=(SCENE, SCENE, 6)) @ mixing + 0.3 * rng.normal(size=(SCENE, SCENE, meta["bands"]))
    whole = preprocessing.Patches(scene, np.ones((SCENE, SCENE), bool), meta["patch"])
    return whole.take(np.arange(SCENE * SCENE))


def naive_flop(meta):
    """Multiplications and additions of one patch, every layer computed as it is written (a multiply-add is 2)."""
    bands, kernels, side = meta["bands"], meta.get("kernels", 24), meta["patch"]
    depth, area, inner = -(-(bands - 6) // 2), side**2, (side - 2) ** 2
    spectral = (7 + 63 + 4 * 7 * kernels + 128) * kernels * area * depth
    spatial = (9 * 128 + 4 * 9 * kernels) * kernels * inner
    return 2 * (spectral + spatial + kernels * len(meta["classes"]))


def torch_peer(net):
    def answer(patches):
        with torch.inference_mode():
            return net(patches).numpy()
    return answer


def onnx_peer(net, example, threads):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on Python values; the check below is what counts
        path = os.path.join(folder, "network.onnx")
        # The tracing exporter: the newer one needs onnxscript and gives the same graph here.
        options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        torch.onnx.export(net, (example,), path, input_names=["patches"], output_names=["logits"],
                          dynamic_axes={"patches": {0: "n"}, "logits": {0: "n"}}, opset_version=OPSET, **options)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return lambda patches: session.run(None, {"patches": patches.numpy()})[0]


def build(package, threads):
    """{name: function(patches) -> logits}, and the patches."""
    torch.set_num_threads(threads)
    patches = synthetic_patches(package.meta)
    net = package.network()
    flat = Network2d(net).eval()
    with torch.inference_mode():
        found = {f"PyTorch {torch.__version__.split('+')[0]}, 3-D as published": torch_peer(net),
                 f"PyTorch {torch.__version__.split('+')[0]}, 2-D rewrite": torch_peer(flat)}
    for name, form in (("3-D as published", net), ("2-D rewrite", flat)):
        found[f"ONNX Runtime {onnxruntime.__version__}, {name}"] = onnx_peer(form, patches[:16], threads)
    return found, patches


def check_agreement(found, patches, sample=64):
    """Largest difference of a logit between the peers; RuntimeError if they do not compute the same thing."""
    chosen = patches[torch.linspace(0, len(patches) - 1, sample).long()]
    answers = {name: answer(chosen) for name, answer in found.items()}
    first = next(iter(answers.values()))
    best = np.sort(first, axis=1)
    clear = best[:, -1] - best[:, -2] > AGREEMENT if first.shape[1] > 1 else np.ones(len(first), bool)
    worst = 0.0
    for name, logits in answers.items():
        worst = max(worst, float(np.abs(logits - first).max()))
        if (logits.argmax(axis=1) != first.argmax(axis=1))[clear].any() or worst > AGREEMENT:
            raise RuntimeError(f"{name} does not agree with {next(iter(answers))}: logits differ by {worst:g}")
    return worst


def rate(answer, patches, batch, seconds):
    """Patches a second over at least `seconds`."""
    done, start, began = 0, 0, time.perf_counter()
    while True:
        answer(patches[start:start + batch])
        done += batch
        start = (start + batch) % (len(patches) - batch + 1)
        passed = time.perf_counter() - began
        if passed >= seconds:
            return done / passed


def best_batch(answer, patches, seconds):
    rates = {}
    for batch in BATCHES:
        answer(patches[:batch])
        rates[batch] = rate(answer, patches, batch, seconds)
    return max(rates, key=rates.get)


def main():
    parser = argparse.ArgumentParser(description="Measure PyTorch and ONNX Runtime on a package; print JSON.")
    parser.add_argument("--model", required=True, metavar="PACKAGE")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the median counts (default: %(default)s)")
    args = parser.parse_args()
    package = packages.read(args.model)
    found, patches = build(package, args.threads)
    difference = check_agreement(found, patches)
    batches = {name: best_batch(answer, patches, args.seconds / 4) for name, answer in found.items()}
    rates = {name: [] for name in found}
    for _ in range(args.rounds):
        for name, answer in found.items():
            rates[name].append(rate(answer, patches, batches[name], args.seconds))
    print(json.dumps({"threads": args.threads, "naive_flop_per_patch": naive_flop(package.meta),
                      "max_logit_difference": difference,
                      "peers": [{"what": name, "patches_per_second": statistics.median(values),
                                 "batch": batches[name]} for name, values in rates.items()]}, indent=1))


if __name__ == "__main__":
    main()
