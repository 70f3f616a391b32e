"""Trains an A2S2K-ResNet on one scene and its truth raster, and writes a package.

The recipe is the authors': standardised bands (or --pca), zero padding after that, Adam with learning rate 0.001,
early stopping on a validation part. Their script makes a new cosine schedule in every epoch, which comes to a
learning rate that shrinks by 1.1 % an epoch; that is what --decay does. It keeps the weights of the first epoch
that got worse; this one keeps those of the best epoch.
"""
import argparse
import json
import os
import sys
import time

import choices
import program


def parser():
    found = argparse.ArgumentParser(description="Train an A2S2K-ResNet on a scene with truth; write a package.")
    found.add_argument("scene", help="the cube, any format that GDAL reads")
    found.add_argument("truth", help="raster of class ids on the same grid, 0 where unknown")
    found.add_argument("-o", "--output", required=True, metavar="FILE.safetensors", help="the package to write")
    about = found.add_argument_group("what the package says")
    about.add_argument("--name", help="default: the output's file name")
    about.add_argument("--version", default="1")
    about.add_argument("--classes", help="JSON or CSV file, or names with commas (default: the truth's own names)")
    shape = found.add_argument_group("preprocessing and network")
    shape.add_argument("--pca", type=int, nargs="?", const=0, metavar="COMPONENTS",
                       help="a PCA before the network, as the authors do; without a number of full rank")
    shape.add_argument("--patch", type=int, default=7, choices=choices.PATCH_SIDES)
    shape.add_argument("--kernels", type=int, default=24)
    shape.add_argument("--attention", choices=choices.ATTENTION_FORMS, default="published")
    shape.add_argument("--scaling", choices=("file", "none"), default="file", help="units: as the file says, or DN")
    shape.add_argument("--nodata", type=float, help="where the file declares none; stored in the package")
    shape.add_argument("--nodata-rule", choices=choices.NODATA_RULES, default="auto")
    parts = found.add_argument_group("split")
    parts.add_argument("--split", choices=("random", "blocks"), default="random",
                       help="pixels at random, or blocks whose patches do not overlap (honest accuracy)")
    parts.add_argument("--block", type=int, default=0, metavar="PIXELS", help="side of a block (default: 3 patches)")
    parts.add_argument("--train", type=float, default=0.1, help="share that trains (default: %(default)s)")
    parts.add_argument("--validation", type=float, default=0.1, help="share that stops it (default: %(default)s)")
    course = found.add_argument_group("training")
    course.add_argument("--epochs", type=int, default=200, help="at most (default: %(default)s)")
    course.add_argument("--patience", type=int, default=20, help="epochs without a better one (default: %(default)s)")
    course.add_argument("--batch", type=int, default=32)
    course.add_argument("--learning-rate", type=float, default=1e-3)
    course.add_argument("--decay", type=float, default=0.989, help="of the learning rate (default: %(default)s)")
    course.add_argument("--seed", type=int, default=1331)
    course.add_argument("--threads", type=int, help="PyTorch's threads")
    found.add_argument("--report", metavar="FILE.json", help="write the accuracies and the course of training")
    return found


with program.imports(__name__, parser):
    import numpy as np
    import torch
    import torch.nn.functional as F

    import accuracy
    import classes as class_lists
    import cube as cubes
    import network
    import package as packages
    import predict
    import preprocessing
    import split


def load_scene(args):
    """(cube, bands that are used, valid mask, truth as class indices with -1, classes)."""
    cube = cubes.read(args.scene)
    picked = [int(b) for b in np.flatnonzero(cube.good)]
    valid = cubes.valid_pixels(cube, picked, args.nodata_rule, args.nodata)
    ids, classes = class_lists.of_raster(args.truth)
    if ids.shape != cube.shape:
        raise ValueError("truth has {} x {} pixels, the scene {} x {}".format(*ids.shape, *cube.shape))
    if args.classes:
        classes = class_lists.listed(args.classes)
    truth = np.full(cube.shape, -1)
    for index, entry in enumerate(classes):
        truth[(ids == entry["id"]) & valid] = index
    if not classes or not (truth >= 0).any():
        raise ValueError("no valid pixel has a class of the list")
    return cube, picked, valid, truth, classes


def new_package(args, cube, picked, valid, classes):
    """A package with fitted preprocessing and no weights yet."""
    spectra = cubes.physical(cube, picked, args.scaling)[valid]
    fitted = preprocessing.fit_standard(spectra) if args.pca is None else (
        preprocessing.fit_pca(spectra, args.pca or None))
    scale, matrix, offset = (None if part is None else part.astype(np.float32) for part in fitted)
    declared = next((value for value in cube.nodata if value is not None), args.nodata)
    def rounded(values):
        return None if values is None else [round(float(v), 4) for v in values[picked]]
    meta = packages.describe(
        args.name or os.path.splitext(os.path.basename(args.output))[0], classes, len(picked),
        len(offset), args.patch, args.kernels, args.version, scaling=args.scaling, normalization="model",
        nodata=None if declared is None or np.isnan(declared) else declared,
        wavelengths_nm=rounded(cube.wavelengths), fwhm_nm=rounded(cube.fwhm))
    return packages.Package(meta, {}, scale, matrix, offset)


def evaluate(net, patches, pixels, labels, names):
    """(mean cross entropy, accuracy report) over these pixels."""
    net.eval()
    logits = predict.logits_of(net, patches, pixels)
    loss = float(F.cross_entropy(torch.from_numpy(logits), torch.as_tensor(labels)))
    return loss, accuracy.report(accuracy.confusion_matrix(labels, logits.argmax(axis=1), len(names)), names)


def fit(net, patches, parts, truth, names, args, rng):
    """Trains in place and leaves the best epoch's weights. Returns one line of figures per epoch."""
    optimizer = torch.optim.Adam(net.parameters(), lr=args.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, args.decay)
    train, validation = parts[split.TRAIN], parts[split.VALIDATION]
    judge = validation if len(validation) else train
    flat = truth.ravel()
    course, best, kept, waited = [], np.inf, None, 0
    for epoch in range(1, args.epochs + 1):
        started = time.monotonic()
        net.train()
        order, lost = rng.permutation(train), 0.0
        for start in range(0, len(order), args.batch):
            pixels = order[start:start + args.batch]
            loss = F.cross_entropy(net(patches.take(pixels)), torch.as_tensor(flat[pixels]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            lost += loss.item() * len(pixels)
        schedule.step()
        loss, found = evaluate(net, patches, judge, flat[judge], names)
        course.append({"epoch": epoch, "train_loss": lost / len(order), "validation_loss": loss,
                       "validation_accuracy": found["overall_accuracy"]})
        print(f"epoch {epoch:3}  train loss {lost / len(order):.4f}  validation loss {loss:.4f}  accuracy "
              f"{found['overall_accuracy']:.4f}  {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        waited += 1
        if loss < best:
            best, waited = loss, 0
            kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        if waited >= args.patience:
            break
    net.load_state_dict(kept)
    return course


def run(args):
    cube, picked, valid, truth, classes = load_scene(args)
    names = [c["name"] for c in classes]
    rng = np.random.default_rng(args.seed)
    if args.split == "blocks":
        parts = split.spatial_blocks(truth, args.train, args.validation, args.patch, rng, args.block)
    else:
        parts = split.random_pixels(truth, args.train, args.validation, rng)
    package = new_package(args, cube, picked, valid, classes)
    normalised = preprocessing.apply(package, cubes.physical(cube, picked, args.scaling))
    patches = preprocessing.Patches(normalised, valid, args.patch)
    torch.manual_seed(args.seed)
    net = network.S3KAIResNet(package.meta["bands"], len(classes), args.kernels, args.attention)
    print(f"{cube.shape[0]} x {cube.shape[1]} pixels, {len(picked)} bands, scaling: {cube.scaling}; "
          + ", ".join(f"{len(p)} {name}" for p, name in zip(parts, split.PARTS)), file=sys.stderr)
    course = fit(net, patches, parts, truth, names, args, rng)
    flat = truth.ravel()
    found = {name: evaluate(net, patches, pixels, flat[pixels], names)[1]
             for name, pixels in (*zip(split.PARTS, parts), ("all", np.flatnonzero(flat >= 0))) if len(pixels)}
    package.state = net.state_dict()
    judged = found.get("test", found["all"])
    package.meta["training"] = {
        "scene": os.path.basename(args.scene), "split": args.split, "train_pixels": len(parts[0]), "seed": args.seed,
        "epochs": len(course), "overall_accuracy": round(judged["overall_accuracy"], 4),
        "torch": torch.__version__.split("+")[0]}
    packages.write(args.output, package)
    print(accuracy.table(judged))
    if args.report:
        with open(args.report, "w", encoding="utf-8") as file:
            json.dump({"parts": found, "course": course, "options": vars(args)}, file, indent=1)


def main():
    args = parser().parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        program.check_output(args.output, replaced=True)
        if args.report:
            program.check_output(args.report)
        run(args)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"train.py: {error}")


if __name__ == "__main__":
    main()
