"""Hyperspectral cubes as GDAL opens them: samples, units, wavelengths, which pixels can be used.

The rules are those of the server, so that a package trained here means the same there: exactly one scaling,
bands by wavelength where both sides have them, nodata 0 only where every band is 0.
Samples go through ReadRaster, not gdal_array: the latter is built for one ABI of numpy, and people have another.
"""
from dataclasses import dataclass, field

import numpy as np
from osgeo import gdal

gdal.UseExceptions()

DTYPES = {gdal.GDT_Byte: np.uint8, gdal.GDT_UInt16: np.uint16, gdal.GDT_Int16: np.int16, gdal.GDT_UInt32: np.uint32,
          gdal.GDT_Int32: np.int32, gdal.GDT_Float32: np.float32, gdal.GDT_Float64: np.float64}
MATCH_NM_WITHOUT_FWHM = 5.0


class CubeError(ValueError):
    """A cube that cannot be used, with a sentence for the person who has it."""


@dataclass
class Cube:
    """samples: (bands, rows, columns) in the file's own type, alpha bands left out; what the file says of them."""
    path: str
    samples: np.ndarray
    gain: np.ndarray            # v = DN * gain + add, per band
    add: np.ndarray
    scaling: str                # what was applied, in words
    nodata: list                # per band, None where not declared
    masked: np.ndarray          # (rows, columns): a dataset mask or alpha says no
    wavelengths: np.ndarray = None  # nm, or None
    fwhm: np.ndarray = None         # nm, or None
    good: np.ndarray = field(default=None)  # bbl: True where the band is not marked bad

    @property
    def shape(self):
        return self.samples.shape[1:]


def read_band(band):
    dtype = DTYPES.get(band.DataType)
    if dtype is None:
        raise CubeError(f"samples of type {gdal.GetDataTypeName(band.DataType)} are not real numbers")
    return np.frombuffer(band.ReadRaster(), dtype=dtype).reshape(band.YSize, band.XSize)


def envi_list(dataset, key):
    """A {a, b, c} value of an ENVI header, as text items; None if the header has none."""
    text = dataset.GetMetadataItem(key, "ENVI")
    return [item.strip() for item in text.strip("{} \n").split(",")] if text else None


def numbers(items):
    """Floats, or None where any item is absent or no number."""
    try:
        return np.array([float(item) for item in items])
    except (TypeError, ValueError):
        return None


def to_nm(values, unit):
    """Wavelengths in nm. A missing or unknown unit is guessed: no optical sensor has bands at 100 um or at 100 nm."""
    unit = (unit or "").strip().lower()
    if unit.startswith(("micro", "um", "µm")):
        return values * 1000
    if unit.startswith(("nano", "nm")):
        return values
    return values * 1000 if np.median(values) < 100 else values


def spectral_metadata(dataset, bands):
    """(wavelengths, fwhm, good) of the cube's bands, from band metadata, the IMAGERY domain or the ENVI header."""
    unit = bands[0].GetMetadataItem("wavelength_units") or dataset.GetMetadataItem("wavelength_units")
    unit = unit or dataset.GetMetadataItem("wavelength_units", "ENVI")
    found = {}
    for key, imagery in (("wavelength", "CENTRAL_WAVELENGTH_UM"), ("fwhm", "FWHM_UM")):
        values = numbers([band.GetMetadataItem(key) for band in bands])
        if values is None:
            values = numbers(envi_list(dataset, key))
        if values is not None and len(values) == len(bands):
            found[key] = values
            continue
        values = numbers([band.GetMetadataItem(imagery, "IMAGERY") for band in bands])
        found[key] = None if values is None else values * 1000
        unit = unit if values is None else "nm"
    wavelengths = None if found["wavelength"] is None else to_nm(found["wavelength"], unit)
    fwhm = found["fwhm"]
    if fwhm is not None and wavelengths is not None and wavelengths is not found["wavelength"]:
        fwhm = fwhm * 1000  # the same unit as the wavelengths
    flags = numbers([band.GetMetadataItem("bbl") for band in bands])
    flags = numbers(envi_list(dataset, "bbl")) if flags is None else flags
    good = np.ones(len(bands), bool) if flags is None or len(flags) != len(bands) else flags != 0
    return wavelengths, fwhm, good


def declared_scaling(dataset, bands):
    """(gain, add, words): band scale and offset if any band has them, else ENVI's reflectance scale factor."""
    gain = np.array([1.0 if band.GetScale() is None else band.GetScale() for band in bands])
    add = np.array([band.GetOffset() or 0.0 for band in bands])
    words = "none"
    if (gain != 1).any() or (add != 0).any():
        words = f"band scale {gain[0]:g}, offset {add[0]:g}"
    else:
        factor = numbers([dataset.GetMetadataItem("reflectance_scale_factor", "ENVI")])
        if factor is not None:
            gain, words = gain / factor[0], f"reflectance scale factor {factor[0]:g}"
    if not np.isfinite(gain).all() or not np.isfinite(add).all() or (gain == 0).any():
        raise CubeError("the file's own scale is 0 or not finite")
    return gain, add, words


def read(path):
    """Reads a whole cube. CubeError or GDAL's RuntimeError if it cannot be."""
    dataset = gdal.Open(path)
    every = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
    bands = [b for b in every if b.GetColorInterpretation() != gdal.GCI_AlphaBand]
    if not bands:
        raise CubeError(f"{path} has no bands")
    masked = np.zeros((dataset.RasterYSize, dataset.RasterXSize), bool)
    if bands[0].GetMaskFlags() & (gdal.GMF_PER_DATASET | gdal.GMF_ALPHA):
        masked |= read_band(bands[0].GetMaskBand()) == 0
    gain, add, words = declared_scaling(dataset, bands)
    wavelengths, fwhm, good = spectral_metadata(dataset, bands)
    return Cube(path, np.stack([read_band(b) for b in bands]), gain, add, words,
                [b.GetNoDataValue() for b in bands], masked, wavelengths, fwhm, good)


def match_bands(cube, sensor_bands, wavelengths=None, fwhm=None, how="auto"):
    """Indices of the cube's bands that feed a package's, and "wavelength" or "index"."""
    if how != "index" and wavelengths is not None and cube.wavelengths is not None:
        candidates = np.flatnonzero(cube.good)
        picked = []
        for i, wanted in enumerate(wavelengths):
            distance = np.abs(cube.wavelengths[candidates] - wanted)
            nearest = int(np.argmin(distance)) if len(candidates) else -1  # argmin: a tie goes to the lower band
            reach = fwhm[i] / 2 if fwhm is not None else MATCH_NM_WITHOUT_FWHM
            if nearest < 0 or distance[nearest] > reach:
                raise CubeError(f"{cube.path}: no band within {reach:g} nm of the package's {wanted:g} nm")
            picked.append(int(candidates[nearest]))
        return picked, "wavelength"
    if how == "wavelength":
        raise CubeError(f"{cube.path}: cannot match by wavelength, one side has none")
    if len(cube.samples) != sensor_bands:
        raise CubeError(f"{cube.path}: expected {sensor_bands} bands, got {len(cube.samples)}, "
                        f"and there are no wavelengths to match by")
    return list(range(sensor_bands)), "index"


def valid_pixels(cube, picked, rule="auto", nodata=None):
    """(rows, columns) mask of what can be classified. `nodata` stands in where the file declares none."""
    samples = cube.samples[picked]
    valid = ~cube.masked
    if samples.dtype.kind == "f":
        valid &= np.isfinite(samples).all(axis=0)
    values = [nodata if cube.nodata[b] is None else cube.nodata[b] for b in picked]
    if all(value is None for value in values):
        return valid
    empty = np.stack([np.zeros(cube.shape, bool) if value is None else plane == value
                      for plane, value in zip(samples, values)])
    if rule == "auto":
        rule = "all" if values[0] == 0 else "any"
    return valid & ~(empty.all(axis=0) if rule == "all" else empty.any(axis=0))


def physical(cube, picked, scaling="file"):
    """(rows, columns, bands) float64 in the file's units; scaling "none" takes the numbers as they stand."""
    values = np.moveaxis(cube.samples[picked], 0, -1).astype(np.float64)
    return values if scaling == "none" else values * cube.gain[picked] + cube.add[picked]
