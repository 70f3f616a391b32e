"""Scenes by POST: the same labels as the command line's, whole or refused, whoever asks at the same time."""
import concurrent.futures
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import rasterio

import bad_cubes
import packages
import scenes
from conftest import PACKAGE, Daemon
from test_goldens import CASES, golden, hold, class_ids, paths, valid_window
from test_scene_forms import PROGRAM, classify

SAMPLE = bool(os.environ.get("SPECTRAD_TEST_SAMPLE"))
CORNER = (0, 0, 40, 30)


def npy(reply):
    assert reply.status == 200, reply.body
    return np.load(io.BytesIO(reply.body))


@pytest.fixture(scope="module")
def corner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corner")
    path = scenes.write_tiff(folder / "scene.tif", scenes.demo().cut(*CORNER))
    classify(path, folder / "labels.npy", model=PACKAGE)
    return path, np.load(folder / "labels.npy")


def test_posted_tiff_and_envi_get_the_labels_of_the_command_line(daemon, corner):
    path, expected = corner
    cube = scenes.demo().cut(*CORNER)
    np.testing.assert_array_equal(npy(daemon.post(path, format="npy")), expected)
    for interleave in ("bsq", "bil", "bip"):
        parts = [("cube", scenes.envi_bytes(cube, interleave=interleave)), ("header", scenes.header_text(cube, interleave=interleave))]
        np.testing.assert_array_equal(npy(daemon.post_form(parts, format="npy")), expected)
        np.testing.assert_array_equal(npy(daemon.post_form(parts[::-1], format="npy")), expected)


def test_curl_posts_both_ways(daemon, corner, tmp_path):
    path, expected = corner
    scenes.write_envi(tmp_path / "scene.img", scenes.demo().cut(*CORNER))
    for arguments in (["--data-binary", f"@{path}"], ["-F", f"cube=@{path}"],
                      ["-F", f"cube=@{tmp_path}/scene.img", "-F", f"header=@{tmp_path}/scene.hdr"]):
        done = subprocess.run(["curl", "-sS", "--fail-with-body", *arguments, f"{daemon.url}/classify?format=npy"],
                              stdout=subprocess.PIPE, check=True)
        np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), expected)


def test_a_window_by_post_equals_the_cut(daemon, corner):
    path, expected = corner
    np.testing.assert_array_equal(npy(daemon.post(path, format="npy", window="5,7,20,11")), expected[7:18, 5:25])


def test_geotiff_by_accept_lies_where_the_scene_lies(daemon, corner, tmp_path):
    path, expected = corner
    reply = daemon.post(path, accept="image/tiff, application/json;q=0.5")
    assert reply.status == 200 and reply.headers["content-type"] == "image/tiff; application=geotiff"
    assert "Accept" in reply.headers["vary"] and ".tif" in reply.headers["content-disposition"]
    (tmp_path / "o.tif").write_bytes(reply.body)
    with rasterio.open(tmp_path / "o.tif") as found, rasterio.open(path) as scene:
        assert found.crs == scene.crs and found.transform == scene.transform and found.nodata == 0
        np.testing.assert_array_equal(found.read(1), expected)
        assert found.tags()["SPECTRAD_REQUEST_ID"] == reply.headers["x-request-id"]
    name_version, sha = reply.headers["spectrad-model"].split()
    assert re.fullmatch(r"[a-z]+/1", name_version) and len(sha) == 64


def test_json_has_what_the_contract_names(daemon, corner):
    path, expected = corner
    result = daemon.post(path, window="2,3,30,20").json()
    assert set(result) == {"request_id", "scene", "model", "classes", "unclassified", "labels", "timing", "warnings"}
    assert set(result["scene"]) == {"columns", "rows", "bands", "driver", "data_type", "crs", "geotransform", "window", "band_matching",
                                    "bands_used", "scaling", "nodata", "nodata_rule", "pixels_valid", "pixels_invalid",
                                    "pixels_partly_nodata"}
    assert set(result["model"]) == {"name", "version", "sha256", "patch", "device", "precision", "normalization"}
    assert set(result["timing"]) == {"upload_s", "queue_s", "read_s", "compute_s", "encode_s", "total_s"}
    scene = result["scene"]
    assert (scene["columns"], scene["rows"], scene["window"]) == (40, 30, [2, 3, 30, 20])
    assert scene["pixels_valid"] + scene["pixels_invalid"] == 600
    assert sum(one["fraction"] for one in result["classes"]) == pytest.approx(1)
    rows = [np.repeat(row[0::2], row[1::2]) for row in result["labels"]["rows"]]
    np.testing.assert_array_equal(np.array(rows), expected[3:23, 2:32])
    assert "labels" not in daemon.post(path, labels=0).json()


@pytest.mark.parametrize("name", bad_cubes.CASES)
def test_bad_cube_gets_its_status_and_the_next_good_one_is_answered(daemon, corner, name, tmp_path):
    status, words, make = bad_cubes.CASES[name]
    data, header = make(tmp_path)
    if header is None:
        reply = daemon.post(data)
    else:
        reply = daemon.post_form([("cube", data), ("header", header)])
    assert reply.status == status, reply.body
    problem = reply.problem()
    for word in words:
        assert word in problem["detail"]
    path, expected = corner
    np.testing.assert_array_equal(npy(daemon.post(path, format="npy", window="0,0,8,6")), expected[:6, :8])


def test_a_window_outside_the_scene_is_422(daemon, corner):
    assert "window" in daemon.post(corner[0], window="30,20,11,11").problem()["detail"]
    assert daemon.post(corner[0], window="30,20,11,11").status == 422


def test_half_an_envi_pair_is_422_and_says_which_half_is_missing(daemon):
    cube = scenes.demo().cut(*CORNER)
    for part in (("header", scenes.header_text(cube)), ("cube", scenes.envi_bytes(cube))):
        reply = daemon.post_form([part])
        assert reply.status == 422, reply.body
        assert "header" in reply.problem()["detail"]
    assert daemon.post_form([]).status == 400


def test_eight_clients_at_once_get_the_bytes_of_one(daemon, corner):
    path, expected = corner
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda i: daemon.post(path, format="npy", window=f"0,{i % 2},40,{29 - i}"), range(8)))
    for i, reply in enumerate(replies):
        np.testing.assert_array_equal(npy(reply), expected[i % 2:i % 2 + 29 - i])


def test_several_models_are_served_side_by_side(corner, tmp_path):
    """The one that `daemon` has, and another."""
    name = json.loads(subprocess.run([PROGRAM, "inspect", "--json", PACKAGE], stdout=subprocess.PIPE, check=True).stdout)["name"]
    other = packages.write(tmp_path / "other.safetensors", K=48, C=3, name="other")
    daemon = Daemon(models=[PACKAGE, other])
    try:
        assert {one["name"] for one in daemon.get("/models").json()["models"]} == {name, "other"}
        unnamed = daemon.post(corner[0])
        assert unnamed.status == 400 and name in unnamed.problem()["detail"] and "other" in unnamed.problem()["detail"]
        missing = daemon.post(corner[0], model="third")
        assert missing.status == 404 and "other" in missing.problem()["detail"]
        np.testing.assert_array_equal(npy(daemon.post(corner[0], model=name, format="npy")), corner[1])
        classify(corner[0], tmp_path / "o.npy", "--bands", "index", model=other)
        np.testing.assert_array_equal(npy(daemon.post(corner[0], model="other", format="npy", bands="index")), np.load(tmp_path / "o.npy"))
        daemon.stop()
    finally:
        daemon.discard()


@pytest.mark.skipif(not (scenes.SHARED / "goldens").is_dir(), reason="the goldens (../shared) are not here")
@pytest.mark.parametrize("case", CASES)
def test_posted_scene_gets_the_authors_labels(case):
    cube, package = paths(case)
    logits, _, about = golden(case)
    rows, columns = logits.shape[:2]
    window = valid_window(case, 8, 6) if SAMPLE else (0, 0, columns, rows)
    headers = [path for path in (cube.with_suffix(".hdr"),) if path.exists() and cube.suffix != ".tif"]
    parts = [("cube", cube.read_bytes())] + [("header", path.read_bytes()) for path in headers]
    daemon = Daemon(models=package)
    try:
        labels = npy(daemon.post_form(parts, format="npy", window=",".join(map(str, window))))
        column, row, columns, rows = window
        part = logits[row:row + rows, column:column + columns]
        hold(np.where((labels > 0)[..., None], part, np.nan), labels, logits, class_ids(package), window)
        assert (labels > 0).sum() == (48 if SAMPLE else about["valid"])
        daemon.stop()
    finally:
        daemon.discard()


def test_a_posted_cube_of_2_gb_takes_the_memory_of_a_few_lines(tmp_path):
    package = packages.write(tmp_path / "p.safetensors", K=7, C=1, B=220)
    subprocess.run([sys.executable, scenes.ROOT / "tests" / "large_cube.py", "tiff", tmp_path / "cube.tif", "--lines", "460"], check=True)
    assert (tmp_path / "cube.tif").stat().st_size > 2e9
    columns = 300 if SAMPLE else 10000
    daemon = Daemon(models=package)
    try:
        done = subprocess.run(["curl", "-sS", "--fail-with-body", "-T", tmp_path / "cube.tif", "-X", "POST", "-H", "Content-Type: image/tiff",
                               f"{daemon.url}/classify?window=0,400,{columns},20&labels=0"], stdout=subprocess.PIPE)
        assert done.returncode == 0, done.stdout
        assert json.loads(done.stdout)["scene"]["pixels_valid"] == columns * 20
        peak = next(int(line.split()[1]) for line in open(f"/proc/{daemon.process.pid}/status") if line.startswith("VmHWM")) / 1000
        print(f"posted 2 GB: {peak:.0f} MB")
        assert SAMPLE or peak < 600  # a sanitizer's shadow is not the program's memory
        daemon.stop()
    finally:
        daemon.discard()
