"""Cubes for tests: the demo scene and what can be made of it, in every form in which a scene comes."""
import pathlib

import numpy as np
from osgeo import gdal

gdal.UseExceptions()
ROOT = pathlib.Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
DEMO = ROOT / "demo"
PACKAGE = DEMO / "demo.safetensors"
ENVI_TYPES = {"u1": 1, "i2": 2, "i4": 3, "f4": 4, "f8": 5, "u2": 12, "u4": 13}


class Cube:
    """samples (bands, rows, columns) and what a file says of them."""

    def __init__(self, samples, wavelengths, fwhm, geotransform, wkt, nodata, factor):
        self.samples, self.wavelengths, self.fwhm = samples, wavelengths, fwhm
        self.geotransform, self.wkt, self.nodata, self.factor = geotransform, wkt, nodata, factor

    def cut(self, column, row, columns, rows):
        g = list(self.geotransform)
        g[0] += column * g[1] + row * g[2]
        g[3] += column * g[4] + row * g[5]
        return Cube(self.samples[:, row:row + rows, column:column + columns].copy(), self.wavelengths, self.fwhm, g, self.wkt,
                    self.nodata, self.factor)


def read_raster(path, kind=None):
    """(bands, rows, columns) of any raster; Debian's gdal_array is tied to one numpy, so the bytes are taken as they are."""
    dataset = gdal.Open(str(path))
    types = {gdal.GDT_Byte: "u1", gdal.GDT_Int16: "i2", gdal.GDT_UInt16: "u2", gdal.GDT_Int32: "i4", gdal.GDT_UInt32: "u4",
             gdal.GDT_Float32: "f4", gdal.GDT_Float64: "f8"}
    kind = kind or types[dataset.GetRasterBand(1).DataType]
    return np.frombuffer(dataset.ReadRaster(), kind).reshape(dataset.RasterCount, dataset.RasterYSize, dataset.RasterXSize)


def demo():
    dataset = gdal.Open(str(DEMO / "scene.tif"))
    bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
    return Cube(read_raster(DEMO / "scene.tif").copy(), [float(b.GetMetadataItem("wavelength")) for b in bands],
                [float(b.GetMetadataItem("fwhm")) for b in bands], dataset.GetGeoTransform(), dataset.GetProjection(),
                bands[0].GetNoDataValue(), 10000.0)


def header_text(cube, kind="i2", interleave="bil", byte_order=0, offset=0, **extra):
    bands, rows, columns = cube.samples.shape
    fields = {"samples": columns, "lines": rows, "bands": bands, "header offset": offset, "file type": "ENVI Standard",
              "data type": ENVI_TYPES[kind], "interleave": interleave, "byte order": byte_order,
              "data ignore value": cube.nodata, "reflectance scale factor": cube.factor, "wavelength units": "Nanometers",
              "wavelength": "{" + ", ".join(map(repr, cube.wavelengths)) + "}",
              "fwhm": "{" + ", ".join(map(repr, cube.fwhm)) + "}"}
    g = cube.geotransform
    fields["map info"] = f"{{UTM, 1, 1, {g[0]}, {g[3]}, {g[1]}, {-g[5]}, 32, North, WGS-84, units=Meters}}"
    fields.update({key.replace("_", " "): value for key, value in extra.items()})
    return "ENVI\n" + "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None)


def envi_bytes(cube, kind="i2", interleave="bil", byte_order=0, offset=0):
    order = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    data = np.ascontiguousarray(cube.samples.transpose(order)).astype((">" if byte_order else "<") + kind)
    return b"\xa5" * offset + data.tobytes()


def write_envi(path, cube, **form):
    """path: the data file; its header is written beside it, replacing the extension."""
    path = pathlib.Path(path)
    extra = {key: form.pop(key) for key in list(form) if key not in ("kind", "interleave", "byte_order", "offset")}
    path.write_bytes(envi_bytes(cube, **form))
    path.with_suffix(".hdr").write_text(header_text(cube, **form, **extra))
    return path


def write_tiff(path, cube, kind="i2", options=(), wavelength_domain="", scale=True, nodata=True):
    types = {"i2": gdal.GDT_Int16, "u2": gdal.GDT_UInt16, "f4": gdal.GDT_Float32, "i4": gdal.GDT_Int32, "u1": gdal.GDT_Byte,
             "f8": gdal.GDT_Float64, "u4": gdal.GDT_UInt32}
    bands, rows, columns = cube.samples.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, bands, types[kind], list(options))
    if cube.geotransform is not None:
        dataset.SetGeoTransform(cube.geotransform)
    if cube.wkt:
        dataset.SetProjection(cube.wkt)
    for i in range(bands):
        band = dataset.GetRasterBand(i + 1)
        if wavelength_domain == "IMAGERY":
            band.SetMetadataItem("CENTRAL_WAVELENGTH_UM", repr(cube.wavelengths[i] / 1000), "IMAGERY")
            band.SetMetadataItem("FWHM_UM", repr(cube.fwhm[i] / 1000), "IMAGERY")
        elif wavelength_domain is not None:
            band.SetMetadataItem("wavelength", repr(cube.wavelengths[i]))
            band.SetMetadataItem("wavelength_units", "Nanometers")
            band.SetMetadataItem("fwhm", repr(cube.fwhm[i]))
        if scale:
            band.SetScale(1 / cube.factor)
        if nodata:
            band.SetNoDataValue(cube.nodata)
        band.WriteRaster(0, 0, columns, rows, cube.samples[i].astype(kind).tobytes())
    dataset = None
    return pathlib.Path(path)
