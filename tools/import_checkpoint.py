"""Turns a checkpoint of the authors' script into a package.

A checkpoint holds weights alone: what stood before the network has to be said beside them, or every answer is
noise. Either the PCA and the scaler are at hand (--pca, --scaler), or the scene that the authors' script was run
on (--fit), from which they are fitted again. Both are folded into preprocess.scale, .matrix and .offset.
"""
import argparse
import inspect
import os
import re
import sys

import choices
import program


def parser():
    found = argparse.ArgumentParser(description="Make a package of a checkpoint of the authors' A2S2K-ResNet script.")
    found.add_argument("checkpoint", help="state_dict in a .pt/.pth file")
    found.add_argument("-o", "--output", required=True, metavar="FILE.safetensors")
    found.add_argument("--name", help="default: the checkpoint's file name")
    found.add_argument("--version", default="1")
    found.add_argument("--classes", help="JSON or CSV file, or names with commas, in the order of the logits")
    found.add_argument("--patch", type=int, choices=choices.PATCH_SIDES)
    found.add_argument("--bands", type=int, help="bands that enter the network, where the weights leave it open")
    found.add_argument("--wavelengths", metavar="FILE", help="of the sensor's bands: an ENVI header or any raster, "
                       "or a text file of wavelength[, FWHM] lines")
    before = found.add_argument_group("what stands before the network: files, or a scene to fit on")
    before.add_argument("--pca", metavar="FILE", help=".npz with components, mean (, whiten), or .npy components")
    before.add_argument("--scaler", metavar="FILE", help=".npz with mean and scale, or .npy of these two rows")
    before.add_argument("--fit", metavar="SCENE", help="fit the authors' PCA and standardisation on this scene")
    before.add_argument("--no-pca", action="store_true", help="with --fit: standardise the bands only")
    before.add_argument("--pca-signs", choices=choices.SIGNS, default="scores", help="which way components "
                        "point: by their largest score, as scikit-learn did before 1.5, or by their largest loading")
    found.add_argument("--scaling", choices=("file", "none"), default="file", help="units: as the file says, or DN")
    found.add_argument("--normalization", choices=("model", "scene"), default="model")
    found.add_argument("--nodata", type=float, help="stands in where a scene declares none")
    return found


with program.imports(__name__, parser):
    import numpy as np
    import torch

    import classes as class_lists
    import cube as cubes
    import network
    import package as packages
    import preprocessing
    from package import PackageError


def load_state(path):
    """The state_dict in a .pt/.pth file, out of the wrappers that people put around one."""
    options = {"map_location": "cpu"}
    if "weights_only" in inspect.signature(torch.load).parameters:
        options["weights_only"] = True  # a checkpoint is data: unpickling must not run what it names
    try:
        found = torch.load(path, **options)
    except FileNotFoundError as error:
        raise PackageError(f"{path}: no such file") from error
    except Exception as error:  # torch and pickle raise whatever the bytes provoke
        raise PackageError(f"{path} does not load as plain tensors ({type(error).__name__}): save "
                           f"model.state_dict(), not the module itself") from error
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not all(isinstance(t, torch.Tensor) for t in found.values()):
        raise PackageError(f"{path} holds no state_dict: expected names and tensors")
    prefix = "module."  # DataParallel's
    if all(name.startswith(prefix) for name in found):
        found = {name[len(prefix):]: tensor for name, tensor in found.items()}
    return dict(found)


def dimensions(state, bands=None):
    """(K, C, N) of a state_dict. K follows from D and K // 2 together; without conv_se it has to be given."""
    for name, rank in (("conv1x1.weight", 5), ("conv2.weight", 5), ("full_connection.0.weight", 2)):
        if name not in state:
            raise PackageError(f"tensor {name} is missing: not a checkpoint of A2S2K-ResNet")
        if state[name].ndim != rank:
            raise PackageError(f"tensor {name} has shape {tuple(state[name].shape)}, expected {rank} dimensions")
    depth = state["conv2.weight"].shape[4]
    possible = [k for k in (2 * depth + 5, 2 * depth + 6) if bands in (None, k)]
    if not possible:
        raise PackageError(f"tensor conv2.weight has shape {tuple(state['conv2.weight'].shape)}, expected a last "
                           f"dimension of {network.spectral_positions(bands)} for {bands} bands")
    if "conv_se.0.weight" in state and len(possible) > 1:
        squeezed = state["conv_se.0.weight"].shape[0]
        possible = [k for k in possible if k // 2 == squeezed]
        if not possible:
            raise PackageError(f"tensor conv_se.0.weight has shape {tuple(state['conv_se.0.weight'].shape)}, which "
                               f"fits no number of bands that conv2.weight {tuple(state['conv2.weight'].shape)} fits")
    if len(possible) > 1:
        raise PackageError(f"the checkpoint fits {possible[0]} and {possible[1]} bands: say which with --bands")
    return possible[0], state["conv1x1.weight"].shape[0], state["full_connection.0.weight"].shape[0]


def patch_side(path, given):
    """--patch, or what the authors' script wrote into the file name (S3KAIResNetpatch_9_SV_...)."""
    named = re.search(r"patch_(\d+)_", os.path.basename(path))
    if given or named:
        return given or int(named.group(1))
    raise PackageError("the weights do not tell the patch size: say --patch 7, 9 or 11 "
                       "(the authors' script trains 9 unless told otherwise)")


def arrays(path, *names):
    """Arrays of an .npz by name (scikit-learn's spelling with a final _ too), None where absent; or the one .npy."""
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return (found, *[None] * (len(names) - 1))
    return tuple(next((found[key] for key in (name, name + "_") if key in found), None) for name in names)


def folded(pca, scaler, bands):
    """(scale, matrix, offset) of a PCA file and a scaler file, either of them None."""
    matrix, offset = None, np.zeros(bands)
    if pca:
        matrix, mean, variance, whiten = arrays(pca, "components", "mean", "explained_variance", "whiten")
        if matrix is None or matrix.ndim != 2 or matrix.shape[0] != bands:
            raise PackageError(f"{pca}: components of shape {None if matrix is None else matrix.shape}, "
                               f"expected ({bands}, sensor bands)")
        matrix = matrix.astype(np.float64)
        if whiten is not None and bool(whiten):
            matrix = matrix / np.sqrt(variance)[:, None]
        if mean is not None:
            offset = -matrix @ mean
    if not scaler:
        return None, matrix, offset
    mean, deviation = arrays(scaler, "mean", "scale")
    if deviation is None and mean is not None and mean.shape == (2, bands):
        mean, deviation = mean  # an .npy of two rows
    for name, array in (("mean", mean), ("scale", deviation)):
        if array is None or array.shape != (bands,):
            shape = None if array is None else array.shape
            raise PackageError(f"{scaler}: {name} of shape {shape}, expected ({bands},)")
    deviation = np.where(deviation == 0, 1.0, deviation)
    offset = (offset - mean) / deviation
    return (1 / deviation, None, offset) if matrix is None else (None, matrix / deviation[:, None], offset)


def fitted(path, bands, args):
    """(scale, matrix, offset) of the authors' recipe on a scene, and its cube."""
    cube = cubes.read(path)
    picked = [int(b) for b in np.flatnonzero(cube.good)]
    if bands > len(picked) or (args.no_pca and bands != len(picked)):
        raise PackageError(f"{path} has {len(picked)} good bands, the checkpoint takes {bands}")
    valid = cubes.valid_pixels(cube, picked, nodata=args.nodata)
    spectra = cubes.physical(cube, picked, args.scaling)[valid]
    if args.no_pca:
        return preprocessing.fit_standard(spectra), cube, picked
    return preprocessing.fit_pca(spectra, bands, args.pca_signs), cube, picked


def spectral_axis(path):
    """(wavelengths, fwhm or None) in nm, from a raster or an ENVI header beside one, or a text file."""
    if path.lower().endswith((".txt", ".csv", ".dat")):
        try:
            with open(path, encoding="utf-8") as file:
                table = np.loadtxt(file.read().replace(",", " ").splitlines(), ndmin=2)
        except ValueError as error:
            raise PackageError(f"{path}: expected lines of wavelength[, FWHM]: {error}") from error
        wavelengths = cubes.to_nm(table[:, 0], None)
        grown = wavelengths[0] / table[0, 0]
        return wavelengths, table[:, 1] * grown if table.shape[1] > 1 else None
    if path.lower().endswith(".hdr"):
        stem = path[:-4]
        path = next((stem + end for end in ("", ".img", ".dat", ".raw", ".bil", ".bip", ".bsq")
                     if os.path.exists(stem + end)), path)
    cube = cubes.read(path)
    if cube.wavelengths is None:
        raise PackageError(f"{path} declares no wavelengths")
    good = cube.good
    return cube.wavelengths[good], None if cube.fwhm is None else cube.fwhm[good]


def build(args):
    state = load_state(args.checkpoint)
    bands, kernels, outputs = dimensions(state, args.bands)
    axis = (None, None)
    if args.fit:
        (scale, matrix, offset), cube, picked = fitted(args.fit, bands, args)
        axis = [None if values is None else values[picked] for values in (cube.wavelengths, cube.fwhm)]
    else:
        scale, matrix, offset = folded(args.pca, args.scaler, bands)
    if args.wavelengths:
        axis = spectral_axis(args.wavelengths)
    sensor_bands = bands if matrix is None else matrix.shape[1]
    listed = [None if values is None else [round(float(v), 4) for v in values] for values in axis]
    classes = class_lists.listed(args.classes) if args.classes else (
        class_lists.named([f"class {i + 1}" for i in range(outputs)]))
    if len(classes) != outputs:
        raise PackageError(f"{len(classes)} classes are named, tensor full_connection.0.weight has shape "
                           f"{tuple(state['full_connection.0.weight'].shape)}: expected {outputs}")
    meta = packages.describe(
        args.name or os.path.splitext(os.path.basename(args.checkpoint))[0], classes, sensor_bands, bands,
        patch_side(args.checkpoint, args.patch), kernels, args.version, scaling=args.scaling,
        normalization=args.normalization, nodata=args.nodata, wavelengths_nm=listed[0], fwhm_nm=listed[1])
    parts = [None if part is None else np.asarray(part, np.float32) for part in (scale, matrix, offset)]
    return packages.Package(meta, state, *parts)


def main(argv=None):
    args = parser().parse_args(argv)
    if args.fit and (args.pca or args.scaler):
        parser().error("--fit fits both itself: leave out --pca and --scaler")
    if not (args.fit or args.pca or args.scaler):
        print("import_checkpoint.py: warning: no preprocessing given; the package feeds the network raw values",
              file=sys.stderr)
    try:
        program.check_output(args.output, replaced=True)
        made = build(args)
        packages.write(args.output, made)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"import_checkpoint.py: {error}")
    meta = made.meta
    print(f"{args.output}: {meta['name']}/{meta['version']}, {meta['sensor_bands']} sensor bands, {meta['bands']} into "
          f"the network, patch {meta['patch']}, {meta['kernels']} kernels, {len(meta['classes'])} classes")


if __name__ == "__main__":
    main()
