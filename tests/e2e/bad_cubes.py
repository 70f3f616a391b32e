"""Cubes that cannot be classified, each with the status it must get and words of the sentence that says why.

A case makes bytes: (data, header or None). The demo's package is what they are posted to.
"""
import io
import struct
import zipfile

import numpy as np

import scenes

CASES = {}


def case(status, *words):
    def add(make):
        CASES[make.__name__] = (status, words, make)
        return make
    return add


def cube():
    return scenes.demo().cut(0, 60, 24, 20)


def envi(change=None, form=None, **extra):
    form = form or {}
    one = cube()
    if change:
        change(one)
    return scenes.envi_bytes(one, **form), scenes.header_text(one, **form, **extra)


def tiff(tmp, change=None, **form):
    one = cube()
    if change:
        change(one)
    return scenes.write_tiff(tmp / "made.tif", one, **form).read_bytes(), None


@case(415, "PNG")
def a_png(tmp):
    return b"\x89PNG\r\n\x1a\n" + bytes(100), None


@case(415, "HDF5")
def an_hdf5(tmp):
    return b"\x89HDF\r\n\x1a\n" + bytes(100), None


@case(415, "MATLAB")
def a_matlab_file(tmp):
    return b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(100), None


@case(415, "zip")
def a_zip(tmp):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "no cube")
    return out.getvalue(), None


@case(415, "TIFF", "ENVI")
def text(tmp):
    return b"wavelength,reflectance\n400,0.1\n", None


@case(415, "ENVI")
def envi_data_without_header(tmp):
    return envi()[0], None


@case(415, "ENVI")
def header_that_is_none(tmp):
    return envi()[0], "samples = 24\nlines = 20\n"


@case(422, "expected 48 bands, got 47")
def one_band_too_few_and_no_wavelengths(tmp):
    def change(one):
        one.samples = one.samples[:47]
    return tiff(tmp, change, wavelength_domain=None)


@case(422, "wavelengths", "nm")
def wavelengths_of_another_sensor(tmp):
    def change(one):
        one.wavelengths = [3000 + w for w in one.wavelengths]
    return tiff(tmp, change)


@case(422, "bytes")
def truncated_envi(tmp):
    data, header = envi()
    return data[:len(data) * 9 // 10], header


@case(422, "bytes")
def overlong_envi(tmp):
    data, header = envi()
    return data + b"\0\0", header


@case(422, "data type")
def unknown_data_type(tmp):
    data, header = envi()
    return data, header.replace("data type = 2", "data type = 77")


@case(422, "omplex")
def complex_envi(tmp):
    data, header = envi()
    return data * 4, header.replace("data type = 2", "data type = 6")


@case(422, "omplex")
def complex_tiff(tmp):
    from osgeo import gdal
    gdal.GetDriverByName("GTiff").Create(str(tmp / "c.tif"), 8, 8, 48, gdal.GDT_CFloat32)
    return (tmp / "c.tif").read_bytes(), None


@case(422)
def absurd_envi_size(tmp):
    data, header = envi()
    return data, header.replace("samples = 24", "samples = 2000000000").replace("lines = 20", "lines = 2000000000")


@case(422)
def negative_envi_size(tmp):
    data, header = envi()
    return data, header.replace("samples = 24", "samples = -24")


@case(422)
def envi_without_lines(tmp):
    data, header = envi()
    return data, header.replace("lines = 20\n", "")


@case(422)
def compressed_envi(tmp):
    data, header = envi()
    return data, header + "file compression = 1\n"


@case(422)
def envi_with_too_few_wavelengths(tmp):
    data, header = envi(wavelength="{400, 500, 600}")
    return data, header


@case(422, "scale")
def band_scale_zero(tmp):
    return tiff(tmp, lambda one: setattr(one, "factor", np.float64(np.inf)))


@case(422, "scale", "1e+15")
def band_scale_beyond_any_measurement(tmp):
    return tiff(tmp, lambda one: setattr(one, "factor", np.float64(1e-13)))


@case(422, "valid")
def all_pixels_nodata(tmp):
    def change(one):
        one.samples[:] = one.nodata
    return tiff(tmp, change)


@case(422, "valid")
def all_pixels_nan(tmp):
    def change(one):
        one.samples = np.full(one.samples.shape, np.nan, "f4")
    return tiff(tmp, change, kind="f4")


@case(422, "truncated or damaged")
def cut_tiff(tmp):
    """Opens, and fails only when its last lines are read."""
    data, _ = tiff(tmp, options=["BLOCKYSIZE=1", "INTERLEAVE=PIXEL", "COMPRESS=NONE", "TILED=NO"])
    return data[:len(data) - 3000], None


@case(422)
def tiff_head_alone(tmp):
    return tiff(tmp)[0][:16], None


@case(422)
def tiff_of_rubbish(tmp):
    return b"II*\0" + np.random.default_rng(1).bytes(4000), None


@case(422)
def sparse_bomb(tmp):
    from osgeo import gdal
    gdal.GetDriverByName("GTiff").Create(str(tmp / "b.tif"), 1000000, 1000000, 1, gdal.GDT_Byte,
                                         ["SPARSE_OK=TRUE", "TILED=YES", "BLOCKXSIZE=32768", "BLOCKYSIZE=32768", "BIGTIFF=YES"])
    return (tmp / "b.tif").read_bytes(), None


@case(422)
def inflating_bomb(tmp):
    def change(one):
        one.samples = np.zeros((48, 2000, 2000), "i2")
    return tiff(tmp, change, options=["COMPRESS=ZSTD", "INTERLEAVE=PIXEL"])
