"""Parity with the authors' code on real scenes: logits, labels, both engines."""
import json
import os

import numpy as np
import pytest

import scenes
from test_scene_forms import classify

CASES = {
    "salinas150": "salinas150/salinas150.bip", "jasper_ridge": "jasper_ridge/jasperRidge2_R198.img",
    "potsdam": "potsdam/potsdam_A_64x128.tif", "salinas150_pca15_p9": "salinas150/salinas150.bip",
    "random_p11_c16_f16": "salinas150/salinas150.bip", "paper_attention_bf16": "jasper_ridge/jasperRidge2_R198.img",
}
SAMPLE = bool(os.environ.get("SPECTRAD_TEST_SAMPLE"))
TOLERANCE = 1e-3

pytestmark = pytest.mark.skipif(not (scenes.SHARED / "goldens").is_dir(), reason="the goldens (../shared) are not here")


def golden(case):
    folder = scenes.SHARED / "goldens"
    return (np.load(folder / f"{case}.logits.npy"), np.load(folder / f"{case}.labels.npy"),
            json.loads((folder / f"{case}.json").read_text()))


def paths(case):
    return scenes.SHARED / "scenes" / CASES[case], scenes.SHARED / "packages" / f"{case}.safetensors"


def hold(found_logits, found_labels, logits, ids, window):
    """Compares on the pixels that are valid; returns how many those are."""
    column, row, columns, rows = window
    logits = logits[row:row + rows, column:column + columns]
    valid = found_labels > 0
    np.testing.assert_array_equal(np.isnan(found_logits).any(-1), ~valid)
    assert np.abs(found_logits - logits)[valid].max() <= TOLERANCE
    two = np.sort(logits, -1)[..., -2:]
    clear = valid & (two[..., 1] - two[..., 0] >= TOLERANCE)
    np.testing.assert_array_equal(found_labels[clear], np.asarray(ids)[logits.argmax(-1)][clear])
    return int(valid.sum())


def class_ids(package):
    raw = package.read_bytes()
    head = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
    return [one["id"] for one in json.loads(head["__metadata__"]["spectrad"])["classes"]]


def run(case, window, tmp_path, *options):
    cube, package = paths(case)
    logits, _, about = golden(case)
    classify(cube, tmp_path / "labels.npy", "--window", ",".join(map(str, window)), "--logits", tmp_path / "logits.npy", *options,
             model=package)
    return hold(np.load(tmp_path / "logits.npy"), np.load(tmp_path / "labels.npy"), logits, class_ids(package), window), about


def valid_window(case, columns, rows):
    """A window of the scene all of whose pixels are valid, in its upper left where there are several."""
    labels = golden(case)[1]
    for row in range(0, labels.shape[0] - rows + 1, 5):
        for column in range(0, labels.shape[1] - columns + 1, 5):
            if labels[row:row + rows, column:column + columns].all():
                return column, row, columns, rows
    raise AssertionError("no such window")


@pytest.mark.parametrize("case", CASES)
def test_fast_engine_gives_the_authors_logits(case, tmp_path):
    rows, columns = golden(case)[0].shape[:2]
    window = valid_window(case, 8, 6) if SAMPLE else (0, 0, columns, rows)
    valid, about = run(case, window, tmp_path)
    assert valid == (48 if SAMPLE else about["valid"])


@pytest.mark.parametrize("case", CASES)
def test_plain_engine_gives_the_authors_logits(case, tmp_path):
    window = valid_window(case, 3, 2) if SAMPLE else valid_window(case, 20, 10)
    valid, _ = run(case, window, tmp_path, "--device", "cpu-plain")
    assert valid == window[2] * window[3]
