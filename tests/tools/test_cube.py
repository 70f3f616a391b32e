"""Units, validity and band matching of tools/cube.py, on cubes built by hand."""
import numpy as np
import pytest

import cube


def built(samples, **known):
    """A cube of samples (bands, rows, columns) that declares what is given."""
    bands = len(samples)
    values = dict(gain=np.ones(bands), add=np.zeros(bands), scaling="none", nodata=[None] * bands,
                  masked=np.zeros(samples.shape[1:], bool), good=np.ones(bands, bool))
    return cube.Cube("scene", samples, **{**values, **known})


def spectral(*wavelengths, **known):
    return built(np.zeros((len(wavelengths), 1, 1), np.int16), wavelengths=np.array(wavelengths), **known)


def test_zero_nodata_in_one_band_keeps_the_pixel():
    scene = built(np.array([[[0, 0, 5]], [[0, 7, 5]]], np.int16), nodata=[0, 0])
    assert cube.valid_pixels(scene, [0, 1]).tolist() == [[False, True, True]]
    assert cube.valid_pixels(scene, [0, 1], rule="any").tolist() == [[False, False, True]]


def test_other_nodata_in_one_band_is_enough():
    scene = built(np.array([[[-1, -1, 5]], [[-1, 7, 5]]], np.int16))
    assert cube.valid_pixels(scene, [0, 1]).all()
    assert cube.valid_pixels(scene, [0, 1], nodata=-1).tolist() == [[False, False, True]]
    assert cube.valid_pixels(scene, [1], nodata=-1).tolist() == [[False, True, True]]  # the picked bands alone count


def test_nan_and_masked_pixels_are_invalid():
    scene = built(np.array([[[1, np.nan, np.inf, 2]]], np.float32), masked=np.array([[True, False, False, False]]))
    assert cube.valid_pixels(scene, [0]).tolist() == [[False, False, False, True]]


def test_bands_match_the_nearest_wavelength_and_a_tie_goes_down():
    scene = spectral(500.0, 510.0, 504.0, 600.0)
    assert cube.match_bands(scene, 3, [505.0, 507.0, 598.0]) == ([2, 1, 3], "wavelength")


def test_bad_bands_are_no_candidates():
    scene = spectral(500.0, 503.0, good=np.array([False, True]))
    assert cube.match_bands(scene, 1, [500.0])[0] == [1]


def test_reach_is_half_the_fwhm_or_5_nm():
    with pytest.raises(cube.CubeError, match="within 5 nm of the package's 506"):
        cube.match_bands(spectral(500.0), 1, [506.0])
    assert cube.match_bands(spectral(500.0), 1, [506.0], [12.0])[0] == [0]


def test_band_counts_that_differ_name_both():
    with pytest.raises(cube.CubeError, match="expected 3 bands, got 1"):
        cube.match_bands(built(np.zeros((1, 1, 1), np.int16)), 3)


@pytest.mark.parametrize("values, unit, expected", (
    ([0.4, 2.5], "Micrometers", [400, 2500]), ([400, 2500], "Nanometers", [400, 2500]),
    ([0.4, 2.5], "Unknown", [400, 2500]), ([400, 2500], None, [400, 2500])))
def test_wavelengths_are_in_nm_whatever_the_unit(values, unit, expected):
    assert cube.to_nm(np.array(values), unit) == pytest.approx(expected)


def test_physical_values_and_scaling_none():
    scene = built(np.array([[[100]]], np.int16), gain=np.array([0.01]), add=np.array([2.0]))
    assert cube.physical(scene, [0]).item() == 3.0 and cube.physical(scene, [0], "none").item() == 100.0
