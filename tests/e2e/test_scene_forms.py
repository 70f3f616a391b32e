"""One scene in every form gives one label map, bit for bit; so do windows, threads, instruction sets of one machine and halves."""
import json
import os
import subprocess

import numpy as np
import pytest

import scenes

PROGRAM = os.environ.get("SPECTRAD", str(scenes.ROOT / "build" / "spectrad"))
CORNER = (0, 0, 44, 37)  # holds nodata pixels, a border, and mixed materials


def classify(cube, out, *options, model=scenes.PACKAGE, code=0):
    done = subprocess.run([PROGRAM, "classify", "--quiet", "--model", str(model), str(cube), "-o", str(out), *map(str, options)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    assert done.returncode == code, done.stderr
    return done


def labels(cube, tmp_path, *options):
    out = tmp_path / "labels.npy"
    classify(cube, out, *options)
    return np.load(out)


@pytest.fixture(scope="module")
def corner():
    return scenes.demo().cut(*CORNER)


@pytest.fixture(scope="module")
def expected(corner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    return labels(scenes.write_tiff(folder / "scene.tif", corner), folder)


ENVI = {
    "bsq": dict(interleave="bsq"), "bil": dict(interleave="bil"), "bip": dict(interleave="bip"),
    "big-endian bsq": dict(interleave="bsq", byte_order=1), "big-endian bip": dict(interleave="bip", byte_order=1),
    "header offset": dict(interleave="bil", offset=1000), "float32": dict(kind="f4", interleave="bip"),
    "big-endian float64": dict(kind="f8", interleave="bil", byte_order=1), "int32": dict(kind="i4", interleave="bsq"),
}
TIFF = {
    "striped": [], "tiled": ["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=32"], "band": ["INTERLEAVE=BAND"],
    "pixel": ["INTERLEAVE=PIXEL"], "tiled band deflate": ["TILED=YES", "INTERLEAVE=BAND", "COMPRESS=DEFLATE", "PREDICTOR=2"],
    "lzw": ["COMPRESS=LZW", "PREDICTOR=2"], "zstd": ["COMPRESS=ZSTD"], "packbits": ["COMPRESS=PACKBITS", "INTERLEAVE=BAND"],
    "one line a strip": ["BLOCKYSIZE=1"], "big-endian": ["ENDIANNESS=BIG"], "bigtiff": ["BIGTIFF=YES"],
}


@pytest.mark.parametrize("form", ENVI.values(), ids=ENVI.keys())
def test_envi_form_gives_the_same_labels(corner, expected, tmp_path, form):
    np.testing.assert_array_equal(labels(scenes.write_envi(tmp_path / "scene.img", corner, **form), tmp_path), expected)


@pytest.mark.parametrize("options", TIFF.values(), ids=TIFF.keys())
def test_tiff_form_gives_the_same_labels(corner, expected, tmp_path, options):
    np.testing.assert_array_equal(labels(scenes.write_tiff(tmp_path / "s.tif", corner, options=options), tmp_path), expected)


def test_float32_tiff_gives_the_same_labels(corner, expected, tmp_path):
    path = scenes.write_tiff(tmp_path / "s.tif", corner, kind="f4", options=["COMPRESS=DEFLATE", "PREDICTOR=3"])
    np.testing.assert_array_equal(labels(path, tmp_path), expected)


@pytest.mark.parametrize("kind, value", [("f4", 1e38), ("f4", -3.4e38), ("f8", 1e60), ("f8", -np.inf)])
def test_a_sample_beyond_any_measurement_is_as_one_that_is_missing(corner, tmp_path, kind, value):
    maps = []
    for name, sample in (("missing", np.nan), ("beyond", value)):
        one = corner.cut(12, 12, 12, 10)
        one.samples = one.samples.astype(kind)
        one.samples[7, 5, 6] = sample
        maps.append(labels(scenes.write_tiff(tmp_path / f"{name}.tif", one, kind=kind), tmp_path))
    assert maps[0][5, 6] == 0
    np.testing.assert_array_equal(maps[1], maps[0])


def test_wavelengths_in_the_imagery_domain_give_the_same_labels(corner, expected, tmp_path):
    path = scenes.write_tiff(tmp_path / "s.tif", corner, wavelength_domain="IMAGERY")
    np.testing.assert_array_equal(labels(path, tmp_path, "--bands", "wavelength"), expected)


@pytest.mark.parametrize("unit, factor", [("Micrometers", 1e-3), ("nm", 1), ("Unknown", 1e-3), ("um", 1e-3)])
def test_wavelengths_in_any_unit_give_the_same_labels(corner, expected, tmp_path, unit, factor):
    text = "{" + ", ".join(repr(w * factor) for w in corner.wavelengths) + "}"
    path = scenes.write_envi(tmp_path / "s.img", corner, wavelength_units=unit, wavelength=text, fwhm=None)
    np.testing.assert_array_equal(labels(path, tmp_path, "--bands", "wavelength"), expected)


def test_bands_in_another_order_are_found_by_wavelength(corner, expected, tmp_path):
    order = np.random.default_rng(3).permutation(len(corner.wavelengths))
    shuffled = corner.cut(0, 0, *CORNER[2:])
    shuffled.samples = corner.samples[order]
    shuffled.wavelengths = [corner.wavelengths[i] for i in order]
    shuffled.fwhm = [corner.fwhm[i] for i in order]
    np.testing.assert_array_equal(labels(scenes.write_tiff(tmp_path / "s.tif", shuffled), tmp_path), expected)


def test_the_header_may_be_given_instead_of_the_data_and_follow_the_extension(corner, expected, tmp_path):
    path = scenes.write_envi(tmp_path / "scene.bil", corner)
    np.testing.assert_array_equal(labels(path.with_suffix(".hdr"), tmp_path), expected)
    path.with_suffix(".hdr").rename(tmp_path / "scene.bil.hdr")
    np.testing.assert_array_equal(labels(path, tmp_path), expected)
    np.testing.assert_array_equal(labels(tmp_path / "scene.bil.hdr", tmp_path), expected)


@pytest.mark.parametrize("window", [(0, 0, 1, 1), (7, 5, 20, 11), (43, 36, 1, 1), (0, 12, 44, 3), (30, 0, 14, 37)])
def test_a_window_equals_the_cut_from_the_whole(corner, expected, tmp_path, window):
    column, row, columns, rows = window
    cut = expected[row:row + rows, column:column + columns]
    path = scenes.write_tiff(tmp_path / "s.tif", corner)
    if not cut.any():
        assert "no pixel of the window is valid" in classify(path, tmp_path / "o.npy", "--window", "0,0,1,1", code=3).stderr
        return
    found = labels(path, tmp_path, "--window", ",".join(map(str, window)))
    np.testing.assert_array_equal(found, cut)


def test_a_window_with_scene_statistics_knows_the_whole_scene(corner, tmp_path):
    path = scenes.write_tiff(tmp_path / "s.tif", corner)
    whole = labels(path, tmp_path, "--normalization", "scene")
    part = labels(path, tmp_path, "--normalization", "scene", "--window", "10,8,20,15")
    np.testing.assert_array_equal(part, whole[8:23, 10:30])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_a_bit_of_the_logits(corner, tmp_path, threads):
    path = scenes.write_tiff(tmp_path / "s.tif", corner)
    logits = []
    for n in (1, threads):
        classify(path, tmp_path / "o.npy", "--threads", n, "--logits", tmp_path / f"{n}.npy")
        logits.append((tmp_path / f"{n}.npy").read_bytes())
    assert logits[0] == logits[1]


def test_logits_are_pytorchs(corner, tmp_path):
    golden = np.load(scenes.DEMO / "logits.npy")
    path = scenes.DEMO / "scene.tif"
    window = (0, 0, 120, 100) if not os.environ.get("SPECTRAD_TEST_SAMPLE") else (0, 0, 30, 20)
    classify(path, tmp_path / "l.npy", "--window", ",".join(map(str, window)), "--logits", tmp_path / "logits.npy")
    found = np.load(tmp_path / "logits.npy")
    column, row, columns, rows = window
    golden = golden[row:row + rows, column:column + columns]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(golden))
    assert np.nanmax(np.abs(found - golden)) < 1e-3
    valid = ~np.isnan(golden[..., 0])
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy")[valid], golden[valid].argmax(-1) + 1)
    assert (np.load(tmp_path / "l.npy")[~valid] == 0).all()


def test_json_and_geotiff_and_npy_say_the_same(corner, expected, tmp_path):
    path = scenes.write_tiff(tmp_path / "s.tif", corner)
    classify(path, tmp_path / "out.json")
    classify(path, tmp_path / "out.tif")
    result = json.loads((tmp_path / "out.json").read_text())
    rows = [np.repeat(row[0::2], row[1::2]) for row in result["labels"]["rows"]]
    np.testing.assert_array_equal(np.array(rows), expected)
    np.testing.assert_array_equal(scenes.read_raster(tmp_path / "out.tif")[0], expected)
    assert result["scene"]["pixels_valid"] == np.count_nonzero(expected)
    assert result["scene"]["pixels_invalid"] == expected.size - np.count_nonzero(expected)
    assert [one["pixels"] for one in result["classes"]] == [int((expected == one["id"]).sum()) for one in result["classes"]]


def test_truth_gives_the_accuracy(tmp_path):
    classify(scenes.DEMO / "scene.tif", tmp_path / "o.json", "--truth", scenes.DEMO / "truth.tif", "--window", "20,20,40,30")
    classify(scenes.DEMO / "scene.tif", tmp_path / "o.npy", "--window", "20,20,40,30")
    truth, found = scenes.read_raster(scenes.DEMO / "truth.tif")[0][20:50, 20:60], np.load(tmp_path / "o.npy")
    report = json.loads((tmp_path / "o.json").read_text())["truth"]
    known = (truth > 0) & (found > 0)
    assert report["pixels"] == known.sum()
    assert report["overall_accuracy"] == pytest.approx((truth == found)[known].mean())
    matrix = np.zeros((8, 8), int)
    np.add.at(matrix, (truth[known] - 1, found[known] - 1), 1)
    np.testing.assert_array_equal(report["confusion_matrix"], matrix)
