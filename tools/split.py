"""Which labelled pixels train, which stop the training in time, which test.

`random_pixels` is what the authors' script does. Patches of neighbouring pixels overlap, so that its test pixels have
been seen in training, as neighbours: the accuracy it gives is too good. `spatial_blocks` keeps the patches apart.
"""
import numpy as np

TRAIN, VALIDATION, TEST = range(3)
PARTS = ("train", "validation", "test")
TRIES = 400


def random_pixels(truth, train, validation, rng, least=3):
    """truth: (rows, columns), -1 where unlabelled. train, validation: shares of each class.

    Returns three arrays of flat pixel indices. Each class gives at least `least` pixels to train where it has them,
    and one to validation where two are left."""
    parts = ([], [], [])
    flat = truth.ravel()
    for label in np.unique(flat[flat >= 0]):
        members = rng.permutation(np.flatnonzero(flat == label))
        first = min(len(members), max(least, round(train * len(members))))
        second = min(len(members) - first, max(1, round(validation * len(members))))
        for part, piece in zip(parts, np.split(members, [first, first + second])):
            part.append(piece)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def undivided(area, side):
    """Pixels whose side x side patch, as far as it lies in the scene, stays within one value of `area`."""
    half = side // 2
    padded = np.pad(area, half, mode="edge")
    same = np.ones(area.shape, bool)
    rows, columns = area.shape
    for dy in range(side):
        for dx in range(side):
            same &= padded[dy:dy + rows, dx:dx + columns] == area
    return same


def spatial_blocks(truth, train, validation, side, rng, block=0):
    """Whole blocks go to one part, and a pixel counts only if its patch lies wholly in its own part's blocks:
    no patch of one part shares a pixel with a patch of another.

    Of TRIES random assignments the one is kept whose classes are shared out most evenly. `block` 0: three patches."""
    block = block or 3 * side
    rows, columns = truth.shape
    if block < side:
        raise ValueError(f"blocks of {block} pixels are smaller than a patch of {side}")
    y, x = np.arange(rows) // block, np.arange(columns) // block
    grid = (y[-1] + 1, x[-1] + 1)
    wanted = np.array([train, validation, 1 - train - validation])
    labels = truth.max() + 1
    best = None
    for _ in range(TRIES):
        area = rng.choice(3, size=grid, p=wanted)[y][:, x]
        usable = undivided(area, side) & (truth >= 0)
        counts = np.bincount(area[usable] * labels + truth[usable], minlength=3 * labels).reshape(3, labels)
        shares = counts / np.maximum(counts.sum(axis=0), 1)
        miss = np.abs(shares - wanted[:, None]).mean() + 10 * (counts[[TRAIN, TEST]] == 0).sum()
        if best is None or miss < best[0]:
            best = (miss, area, usable, counts)
    _, area, usable, counts = best
    if (counts[TRAIN] == 0).any():
        lost = [int(i) for i in np.flatnonzero(counts[TRAIN] == 0)]
        raise ValueError(f"no assignment of {block} x {block} blocks trains on the classes {lost} (counted from 0): "
                         f"take smaller blocks or random pixels")
    return tuple(np.flatnonzero((usable & (area == part)).ravel()) for part in range(3))
