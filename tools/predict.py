"""PyTorch's answer for a scene: the reference that the engines are compared with.

Writes logits as float32 (rows, columns, N), NaN where a pixel is invalid, as `spectrad classify --logits` does.
Reading, validity and band matching are those of cube.py, the affine map is applied in float64, the network runs in
float32 (or float64 with --double, to see how much of a difference is rounding).
"""
import argparse
import sys

import choices
import program


def parser():
    found = argparse.ArgumentParser(description="Compute the logits of every pixel of a scene with PyTorch.")
    found.add_argument("--model", required=True, metavar="PACKAGE", help="a .safetensors package")
    found.add_argument("cube", help="the scene, any format that GDAL reads")
    found.add_argument("-o", "--output", required=True, metavar="FILE.npy", help="where the logits go")
    found.add_argument("--labels", metavar="FILE.npy", help="also write class ids (uint8, 0 where invalid)")
    found.add_argument("--normalization", choices=("model", "scene"), help="instead of what the package says")
    found.add_argument("--nodata-rule", choices=choices.NODATA_RULES, default="auto")
    found.add_argument("--bands", choices=("auto", "index", "wavelength"), default="auto", help="how to match bands")
    found.add_argument("--threads", type=int, help="PyTorch's threads (default: its own choice)")
    found.add_argument("--double", action="store_true", help="run the network in float64")
    return found


with program.imports(__name__, parser):
    import numpy as np
    import torch

    import cube as cubes
    import package as packages
    import preprocessing

BATCH = 256


def prepare(package, cube, normalization=None, rule="auto", bands="auto"):
    """(patches, valid) of a cube as a package wants it."""
    meta = package.meta
    picked, _ = cubes.match_bands(cube, meta["sensor_bands"], meta.get("wavelengths_nm"), meta.get("fwhm_nm"), bands)
    valid = cubes.valid_pixels(cube, picked, rule, meta.get("nodata"))
    values = cubes.physical(cube, picked, meta.get("scaling", "file"))
    normalised = preprocessing.apply(package, np.where(valid[..., None], values, 0))
    if (normalization or meta.get("normalization", "model")) == "scene":
        normalised = preprocessing.over_scene(normalised, valid)
    return preprocessing.Patches(normalised, valid, meta["patch"]), valid


def logits_of(net, patches, pixels, progress=None):
    """Logits (n, N) of the pixels with these flat indices."""
    answers = []
    dtype = next(net.parameters()).dtype
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            answers.append(net(patches.take(pixels[start:start + BATCH]).to(dtype)))
            if progress:
                progress(min(start + BATCH, len(pixels)), len(pixels))
    return torch.cat(answers).numpy()


def terminal_progress(done, total):
    if sys.stderr.isatty():
        print(f"\r{done:>8} of {total} pixels", end="\n" if done == total else "", file=sys.stderr, flush=True)


def run(args):
    package = packages.read(args.model)
    cube = cubes.read(args.cube)
    patches, valid = prepare(package, cube, args.normalization, args.nodata_rule, args.bands)
    net = package.network()
    pixels = np.flatnonzero(valid)
    classes = package.meta["classes"]
    logits = np.full((valid.size, len(classes)), np.nan, np.float32)
    logits[pixels] = logits_of(net.double() if args.double else net, patches, pixels, terminal_progress)
    np.save(args.output, logits.reshape(*valid.shape, len(classes)))
    if args.labels:
        labels = np.zeros(valid.size, np.uint8)
        labels[pixels] = np.array([c["id"] for c in classes], np.uint8)[logits[pixels].argmax(axis=1)]
        np.save(args.labels, labels.reshape(valid.shape))


def main():
    args = parser().parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        for path in filter(None, (args.output, args.labels)):
            program.check_output(path)
        run(args)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"predict.py: {error}")


if __name__ == "__main__":
    main()
