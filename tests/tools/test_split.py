"""The parts of tools/split.py: complete, apart, and in space too where that is asked for."""
import numpy as np
import pytest

import split


@pytest.fixture
def truth():
    """40 x 50 pixels of three classes in a chequer of 4 x 5, one row unlabelled."""
    y, x = np.indices((40, 50))
    labels = (y // 4 + x // 5) % 3
    labels[11] = -1
    return labels


def test_random_pixels_share_out_each_class(truth):
    parts = split.random_pixels(truth, 0.1, 0.2, np.random.default_rng(0))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.flatnonzero(truth >= 0))
    for label in range(3):
        share = [np.count_nonzero(truth.ravel()[part] == label) / np.count_nonzero(truth == label) for part in parts]
        assert share == pytest.approx([0.1, 0.2, 0.7], abs=0.01)


def test_rare_class_trains_on_three_pixels():
    truth = np.zeros((10, 10), int)
    truth[0, :5] = 1
    parts = split.random_pixels(truth, 0.1, 0.1, np.random.default_rng(0))
    assert [np.count_nonzero(truth.ravel()[part] == 1) for part in parts] == [3, 1, 1]


@pytest.mark.parametrize("side", (7, 9))
def test_spatial_blocks_have_no_pixel_in_two_parts_patches(truth, side):
    parts = split.spatial_blocks(truth, 0.4, 0.2, side, np.random.default_rng(3), block=10)
    assert all(len(part) for part in (parts[split.TRAIN], parts[split.TEST]))
    half = side // 2
    reached = []
    for part in parts:
        seen = np.zeros(truth.shape, bool)
        for y, x in zip(*np.unravel_index(part, truth.shape)):
            seen[max(0, y - half):y + half + 1, max(0, x - half):x + half + 1] = True
        reached.append(seen)
    assert (np.sum(reached, axis=0) <= 1).all()
    assert all((truth.ravel()[part] >= 0).all() for part in parts)


def test_spatial_blocks_refuse_what_cannot_train_on_every_class():
    truth = np.zeros((20, 20), int)
    truth[6, 6] = 1  # next to a block's border wherever the blocks go
    with pytest.raises(ValueError, match=r"classes \[1\]"):
        split.spatial_blocks(truth, 0.4, 0.2, 7, np.random.default_rng(0), block=7)
