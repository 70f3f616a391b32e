"""The committed demo holds together: its logits are what PyTorch says, its package knows its truth."""
import os

import numpy as np
import pytest

import accuracy
import classes as class_lists
import cube as cubes
import package as packages
import predict

DEMO = os.path.join(os.path.dirname(__file__), "..", "..", "demo")


@pytest.fixture(scope="module")
def prepared():
    package = packages.read(os.path.join(DEMO, "demo.safetensors"))
    patches, valid = predict.prepare(package, cubes.read(os.path.join(DEMO, "scene.tif")))
    return package, patches, valid, np.load(os.path.join(DEMO, "logits.npy"))


def test_logits_are_reproduced_on_a_sample(prepared):
    package, patches, valid, logits = prepared
    inside = np.flatnonzero(valid)
    sample = np.unique(np.concatenate([inside[:60], inside[::97], inside[-60:]]))
    found = predict.logits_of(package.network(), patches, sample)
    assert found == pytest.approx(logits.reshape(-1, logits.shape[-1])[sample], abs=2e-5)


def test_logits_are_nan_where_invalid(prepared):
    _, _, valid, logits = prepared
    assert logits.dtype == np.float32 and np.array_equal(np.isnan(logits).any(axis=-1), ~valid)
    assert 0 < np.count_nonzero(~valid) < valid.size / 10


def test_package_knows_the_truth(prepared):
    package, _, valid, logits = prepared
    ids, _ = class_lists.of_raster(os.path.join(DEMO, "truth.tif"))
    order = [c["id"] for c in package.meta["classes"]]
    known = np.isin(ids, order) & valid
    truth = np.searchsorted(order, ids[known])
    found = accuracy.report(accuracy.confusion_matrix(truth, logits[known].argmax(axis=-1), len(order)), order)
    assert found["overall_accuracy"] >= 0.97


def test_demo_stays_small():
    sizes = [os.path.getsize(os.path.join(DEMO, name)) for name in os.listdir(DEMO)
             if os.path.isfile(os.path.join(DEMO, name))]
    assert sum(sizes) <= 2_000_000
