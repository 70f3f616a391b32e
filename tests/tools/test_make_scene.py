"""The synthetic scene: the same for the same seed, and described as a sensor's product is."""
import numpy as np
import pytest
from osgeo import gdal

import cube
import make_scene
import spectra


def test_same_seed_same_scene():
    first, again = make_scene.make(40, 50, 12, seed=3), make_scene.make(40, 50, 12, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], make_scene.make(40, 50, 12, seed=4)[0])


def test_default_scene_has_every_material_and_a_corner_without_data():
    samples, truth, *_ = make_scene.make(bands=8)
    assert samples.shape == (8, 100, 120) and samples.dtype == np.int16
    pixels = np.bincount(truth.ravel(), minlength=9)
    assert (pixels[1:] > 150).all()
    assert (samples[:, -1, 0] == make_scene.NODATA).all() and truth[-1, 0] == 0
    assert 100 < np.count_nonzero((samples == make_scene.NODATA).any(axis=0)) < 1500


def test_vegetation_has_a_red_edge_and_water_has_not():
    centres = np.array([670.0, 860.0])
    response = spectra.seen_by(centres, np.array([12.0, 12.0]))
    for key, (name, _, low, high) in spectra.MATERIALS.items():
        red, infrared = response @ low, response @ high
        contrast = [float(r[1] / r[0]) for r in (red, infrared)]
        if name in ("trees", "meadow", "young cereals"):
            assert min(contrast) > 3, name
        if name == "water":
            assert max(contrast) < 0.5


def test_no_good_band_lies_in_a_water_vapour_gap():
    centres, _, good = spectra.band_centres(48, bad_bands=True)
    inside = np.zeros(len(centres), bool)
    for low, high in spectra.WATER_VAPOUR_NM:
        inside |= (centres > low) & (centres < high)
    assert np.count_nonzero(good) == 48 and not (inside & good).any() and inside[~good].all()
    assert (np.diff(centres) > 0).all()


@pytest.mark.parametrize("form", ("geotiff", "envi"))
def test_files_say_what_the_samples_mean(tmp_path, form):
    samples, truth, centres, fwhm, good = make_scene.make(30, 40, 10, seed=2, bad_bands=True)
    path = str(tmp_path / ("scene.tif" if form == "geotiff" else "scene.bil"))
    (make_scene.write_scene if form == "geotiff" else make_scene.write_envi)(path, samples, centres, fwhm, good)
    found = cube.read(path)
    assert np.array_equal(found.samples, samples)
    assert found.wavelengths == pytest.approx(centres) and found.fwhm == pytest.approx(fwhm)
    assert np.array_equal(found.good, good)
    assert found.gain == pytest.approx(1e-4) and found.nodata[0] == make_scene.NODATA
    dataset = gdal.Open(path)
    assert dataset.GetGeoTransform()[1] == make_scene.PIXEL_M
    assert dataset.GetSpatialRef().GetUTMZone() == make_scene.ZONE


def test_truth_raster_names_and_colours_its_classes(tmp_path):
    classes = pytest.importorskip("classes")
    truth = make_scene.make(40, 50, 8)[1]
    make_scene.write_truth(str(tmp_path / "truth.tif"), truth)
    ids, found = classes.of_raster(str(tmp_path / "truth.tif"))
    assert np.array_equal(ids, truth)
    assert {c["id"]: (c["name"], c["color"]) for c in found} == {
        key: spectra.MATERIALS[key][:2] for key in np.unique(truth[truth > 0])}
