"""The project's own demo scene: a synthetic landscape as an imaging spectrometer would deliver it, with truth.

Reflectance x 10000 as int16, nodata -32768 outside the swath, wavelengths and FWHM per band, a UTM grid. The same
options and seed give the same scene. Truth is 0 where no material fills enough of the pixel: reference maps of the
field are not drawn through edges either.
"""
import argparse
import sys

import program


def parser():
    found = argparse.ArgumentParser(description="Make a synthetic hyperspectral scene and its truth raster.")
    found.add_argument("scene", help="GeoTIFF to write")
    found.add_argument("truth", help="GeoTIFF with class ids to write")
    found.add_argument("--envi", metavar="FILE.bil", help="write the scene as an ENVI pair as well")
    found.add_argument("--rows", type=int, default=100)
    found.add_argument("--columns", type=int, default=120)
    found.add_argument("--bands", type=int, default=48, help="good bands (default: %(default)s)")
    found.add_argument("--bad-bands", action="store_true", help="add water-vapour bands: nodata, bbl 0")
    found.add_argument("--noise", type=float, default=1.0, help="times the usual noise (default: %(default)s)")
    found.add_argument("--purity", type=float, default=0.7, help="share of a pixel that one material has to "
                       "fill to be truth (default: %(default)s)")
    found.add_argument("--seed", type=int, default=1)
    return found


with program.imports(__name__, parser):
    import numpy as np
    from osgeo import gdal, osr

    import landscape
    import spectra

gdal.UseExceptions()

NODATA = -32768
SCALE = 10000
EPSG, ZONE, ORIGIN, PIXEL_M = 32632, 32, (684000.0, 5338000.0), 10.0
SKY = 0.22  # share of light at 450 nm that comes from the sky, and reaches the shade


def averaged(fine):
    rows, columns = (side // landscape.OVERSAMPLING for side in fine.shape)
    return fine.reshape(rows, landscape.OVERSAMPLING, columns, landscape.OVERSAMPLING).mean(axis=(1, 3))


def swath(rows, columns):
    """False in the corner that the flight line did not cover."""
    y, x = np.indices((rows, columns))
    return (rows - y) * 1.6 + x * 0.9 > 0.24 * columns + 2 * np.sin(y / 4)


def reflectance(land, centres, fwhm):
    """(rows, columns, bands) without noise, and the share of every material: (materials, rows, columns)."""
    response = spectra.seen_by(centres, fwhm)
    sky = SKY * (450 / centres) ** 2
    total, shares = 0, []
    for key, (_, _, low, high) in spectra.MATERIALS.items():
        here = (land.material == key).astype(float)
        sun = here * land.light * land.slope
        shade = here * (1 - land.light)
        low, high = response @ low, response @ high
        for weight, illumination in ((averaged(sun), 1.0), (averaged(shade), sky)):
            dense = averaged((sun if np.isscalar(illumination) else shade) * land.vigour)
            total = total + ((weight - dense)[..., None] * low + dense[..., None] * high) * illumination
        shares.append(averaged(here))
    return total, np.stack(shares)


def with_noise(clean, centres, rng, noise):
    """Read noise, photon noise and a little striping; the detectors are worse at both ends of the range."""
    ends = 1 + 1.5 * np.exp(-(centres - 400) / 60) + 1.2 * np.exp(-(2500 - centres) / 150)
    deviation = noise * ends * (0.0008 + 0.0022 * np.sqrt(np.clip(clean, 0, None)))
    stripes = noise * 0.0006 * rng.standard_normal((1, *clean.shape[1:]))
    return clean + deviation * rng.standard_normal(clean.shape) + stripes


def make(rows=100, columns=120, bands=48, seed=1, noise=1.0, purity=0.7, bad_bands=False):
    """samples int16 (bands, rows, columns), truth uint8 (rows, columns), centres, fwhm, good."""
    rng = np.random.default_rng(seed)
    land = landscape.Landscape(rows, columns, rng)
    centres, fwhm, good = spectra.band_centres(bands, bad_bands=bad_bands)
    clean, shares = reflectance(land, centres, fwhm)
    samples = np.clip(np.rint(with_noise(clean, centres, rng, noise) * SCALE), -200, 20000).astype(np.int16)
    covered = swath(rows, columns)
    samples[~covered] = NODATA
    samples[..., ~good] = NODATA
    ids = np.array(list(spectra.MATERIALS), np.uint8)
    truth = np.where((shares.max(axis=0) >= purity) & covered, ids[shares.argmax(axis=0)], 0).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(samples, -1, 0)), truth, centres, fwhm, good


def georeferenced(path, planes, kind, options):
    count, rows, columns = planes.shape
    dataset = gdal.GetDriverByName("GTiff").Create(path, columns, rows, count, kind, options)
    system = osr.SpatialReference()
    system.ImportFromEPSG(EPSG)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((ORIGIN[0], PIXEL_M, 0, ORIGIN[1], 0, -PIXEL_M))
    return dataset


def write_planes(dataset, planes):
    """After what describes the bands: a TIFF's tags cannot change once its samples have been written."""
    count, rows, columns = planes.shape
    for i, plane in enumerate(planes):
        dataset.GetRasterBand(i + 1).WriteRaster(0, 0, columns, rows, plane.tobytes())


def write_scene(path, samples, centres, fwhm, good):
    dataset = georeferenced(path, samples, gdal.GDT_Int16,
                            ["COMPRESS=DEFLATE", "PREDICTOR=2", "ZLEVEL=9", "INTERLEAVE=PIXEL", "BLOCKYSIZE=10"])
    for i, (centre, width, use) in enumerate(zip(centres, fwhm, good)):
        band = dataset.GetRasterBand(i + 1)
        band.SetNoDataValue(NODATA)
        band.SetScale(1 / SCALE)
        band.SetOffset(0)
        band.SetMetadata({"wavelength": f"{centre:g}", "wavelength_units": "Nanometers", "fwhm": f"{width:g}",
                          "bbl": str(int(use))})
    write_planes(dataset, samples)


def write_truth(path, truth):
    dataset = georeferenced(path, truth[None], gdal.GDT_Byte, ["COMPRESS=DEFLATE", "ZLEVEL=9"])
    band = dataset.GetRasterBand(1)
    table = gdal.ColorTable()
    table.SetColorEntry(0, (0, 0, 0, 0))
    for key, (_, color, _, _) in spectra.MATERIALS.items():
        table.SetColorEntry(key, (*bytes.fromhex(color[1:]), 255))
    band.SetColorTable(table)
    band.SetNoDataValue(0)
    band.SetCategoryNames(["unclassified"] + [name for name, *_ in spectra.MATERIALS.values()])
    write_planes(dataset, truth[None])


def write_envi(path, samples, centres, fwhm, good):
    """A BIL pair: `path` and its header. GDAL's own writer leaves out fwhm, bbl and the scale factor."""
    count, rows, columns = samples.shape
    np.ascontiguousarray(samples.transpose(1, 0, 2)).astype("<i2").tofile(path)
    listed = {"wavelength": [f"{v:g}" for v in centres], "fwhm": [f"{v:g}" for v in fwhm],
              "bbl": [str(int(v)) for v in good]}
    with open(path.rsplit(".", 1)[0] + ".hdr", "w", encoding="ascii") as header:
        header.write(f"ENVI\ndescription = {{synthetic landscape}}\nsamples = {columns}\nlines = {rows}\n"
                     f"bands = {count}\nheader offset = 0\nfile type = ENVI Standard\ndata type = 2\n"
                     f"interleave = bil\nbyte order = 0\ndata ignore value = {NODATA}\n"
                     f"reflectance scale factor = {SCALE}\nwavelength units = Nanometers\n"
                     f"map info = {{UTM, 1, 1, {ORIGIN[0]}, {ORIGIN[1]}, {PIXEL_M}, {PIXEL_M}, {ZONE}, North, "
                     f"WGS-84}}\n")
        for key, values in listed.items():
            header.write(f"{key} = {{{', '.join(values)}}}\n")


def run(args):
    samples, truth, centres, fwhm, good = make(args.rows, args.columns, args.bands, args.seed, args.noise,
                                               args.purity, args.bad_bands)
    write_scene(args.scene, samples, centres, fwhm, good)
    write_truth(args.truth, truth)
    if args.envi:
        write_envi(args.envi, samples, centres, fwhm, good)
    for key, (name, *_) in spectra.MATERIALS.items():
        print(f"{key} {name:15} {np.count_nonzero(truth == key):6} pixels")
    print(f"0 no truth        {np.count_nonzero(truth == 0):6} pixels")


def main():
    args = parser().parse_args()
    try:
        for path in filter(None, (args.scene, args.truth, args.envi)):
            program.check_output(path)
        run(args)
    except (RuntimeError, OSError) as error:
        sys.exit(f"make_scene.py: {error}")


if __name__ == "__main__":
    main()
