"""The whole program with the emulated device in the GPU's place: the authors' answers in every precision, and the real program without a
driver. The kernels are the product's, run by the CPU; no GPU is proven by this."""
import io
import subprocess

import numpy as np
import pytest

import scenes
from conftest import form
from test_goldens import CASES, TOLERANCE, class_ids, golden, paths

EMULATED = scenes.ROOT / "build" / "spectrad-emulated"
PROGRAM = scenes.ROOT / "build" / "spectrad"

pytestmark = [
    pytest.mark.skipif(not EMULATED.exists(), reason="no CUDA toolkit is here: the emulated device was not built"),
]
needs_goldens = pytest.mark.skipif(not (scenes.SHARED / "goldens").is_dir(), reason="the goldens (../shared) are not here")

# Windows with a border of the scene; salinas150's corner has nodata pixels beside valid ones where there are any.
WINDOW = (0, 0, 4, 4)
PRECISIONS = ["fp32", "tf32", "fp16", "bf16"]


def window_of(case):
    """4 x 4 pixels at the scene's border, some of them invalid where the scene has such pixels there."""
    labels = golden(case)[1]
    rows, columns = labels.shape
    border = [(c, r) for r in (0, rows - 4) for c in range(0, columns - 3)] + [(c, r) for c in (0, columns - 4) for r in range(0, rows - 3)]
    mixed = [(c, r) for c, r in border if 0 < (labels[r:r + 4, c:c + 4] > 0).sum() < 16]
    column, row = (mixed or border)[0]
    return column, row, 4, 4


def classify(case, precision, tmp_path):
    cube, package = paths(case)
    window = window_of(case)
    done = subprocess.run([EMULATED, "classify", "-q", "--device", "cuda", "--precision", precision, "-m", package, cube, "-o",
                           tmp_path / "labels.npy", "--logits", tmp_path / "logits.npy", "--window", ",".join(map(str, window))],
                          stderr=subprocess.PIPE, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return window, np.load(tmp_path / "labels.npy"), np.load(tmp_path / "logits.npy")


@needs_goldens
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES)
def test_the_kernels_give_the_authors_answers(case, precision, tmp_path):
    (column, row, columns, rows), labels, logits = classify(case, precision, tmp_path)
    reference, _, about = golden(case)
    reference = reference[row:row + rows, column:column + columns]
    valid = labels > 0
    assert valid.any()
    error = np.abs(logits - reference)[valid]
    best = np.asarray(class_ids(paths(case)[1]))[reference.argmax(-1)]
    two = np.sort(reference, -1)[..., -2:]
    margin = two[..., 1] - two[..., 0]
    if precision == "fp32":
        assert error.max() <= TOLERANCE
        clear = valid & (margin >= TOLERANCE)
    else:
        trained = "random" not in case and "paper" not in case
        assert np.sqrt((error ** 2).mean()) <= (0.003 if trained else 0.02) * about["logit_std"]
        clear = valid & (margin > 0.05)
    np.testing.assert_array_equal(labels[clear], best[clear])


@needs_goldens
def test_a_window_posted_to_the_daemon_gets_the_golden_labels(start):
    cube, package = paths("salinas150_pca15_p9")
    daemon = start("--device", "cuda", "--precision", "fp32", models=package, program=EMULATED)
    body = form([("cube", cube.read_bytes()), ("header", cube.with_suffix(".hdr").read_bytes())])
    reply = daemon.request("POST", "/classify?format=npy&window=40,60,24,24", body=body,
                           headers={"Content-Type": "multipart/form-data; boundary=b0undary"})
    assert reply.status == 200, reply.body
    labels = np.load(io.BytesIO(reply.body))
    reference, expected, _ = golden("salinas150_pca15_p9")
    valid = labels > 0
    np.testing.assert_array_equal(labels[valid], expected[60:84, 40:64][valid])
    assert valid.any() and daemon.request("GET", "/metrics").status == 200


def test_without_a_driver_cuda_is_refused_and_auto_takes_the_cpu(tmp_path):
    cube, package = scenes.DEMO / "scene.tif", scenes.PACKAGE
    asked = subprocess.run([PROGRAM, "classify", "-q", "--device", "cuda", "-m", package, cube, "-o", tmp_path / "a.json"],
                           stderr=subprocess.PIPE, text=True, timeout=120)
    version = subprocess.run([PROGRAM, "version"], stdout=subprocess.PIPE, text=True, timeout=120).stdout
    if "engine cuda:0" in version:
        pytest.skip("this machine has a CUDA device")
    assert asked.returncode == 4 and len(asked.stderr.splitlines()) == 1 and "CUDA" in asked.stderr
    subprocess.run([PROGRAM, "classify", "-q", "-m", package, cube, "-o", tmp_path / "b.json", "--window=0,0,4,4"], check=True, timeout=120)
    assert '"cpu' in (tmp_path / "b.json").read_text()
