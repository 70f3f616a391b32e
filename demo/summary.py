#!/usr/bin/env python3
"""Prints what the demo's answer says, holds the label map against the truth, and draws scene, truth and map side by side.

usage: summary.py DEMO OUT      reads OUT/result.json and OUT/labels.tif, writes OUT/overview.png
"""
import json
import pathlib
import sys

import numpy as np
from osgeo import gdal
from PIL import Image, ImageDraw

gdal.UseExceptions()
MARGIN, ZOOM = 12, 4


def band(dataset, number, kind):
    raster = dataset.GetRasterBand(number).ReadRaster()
    return np.frombuffer(raster, kind).reshape(dataset.RasterYSize, dataset.RasterXSize)


def composite(scene):
    """A near-infrared, red, green composite, each stretched between its 2nd and 98th percentile."""
    wavelengths = [float(scene.GetRasterBand(i + 1).GetMetadataItem("wavelength")) for i in range(scene.RasterCount)]
    layers = []
    for target in (840, 660, 560):
        nearest = min(range(len(wavelengths)), key=lambda i: abs(wavelengths[i] - target))
        values = band(scene, nearest + 1, np.int16).astype(float)
        valid = values > -32768
        low, high = np.percentile(values[valid], (2, 98))
        layers.append(np.where(valid, np.clip((values - low) / (high - low), 0, 1) * 255, 0).astype(np.uint8))
    return np.stack(layers, -1)


def coloured(labels, classes):
    image = np.full(labels.shape + (3,), 255, np.uint8)
    for one in classes:
        image[labels == one["id"]] = [int(one["color"][i:i + 2], 16) for i in (1, 3, 5)]
    return image


def draw(panels, classes, path):
    rows, columns = panels[0][1].shape[:2]
    width = MARGIN + len(panels) * (columns * ZOOM + MARGIN)
    sheet = Image.new("RGB", (width, rows * ZOOM + 3 * MARGIN + 40), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (title, pixels) in enumerate(panels):
        x = MARGIN + i * (columns * ZOOM + MARGIN)
        pen.text((x, 4), title, fill="black")
        sheet.paste(Image.fromarray(pixels).resize((columns * ZOOM, rows * ZOOM), Image.NEAREST), (x, MARGIN + 10))
    x, y = MARGIN, rows * ZOOM + 2 * MARGIN + 16
    for one in classes:
        pen.rectangle((x, y, x + 12, y + 12), fill=one["color"], outline="black")
        pen.text((x + 18, y), one["name"], fill="black")
        x += 30 + 7 * len(one["name"])
    sheet.save(path)


def main():
    demo, out = map(pathlib.Path, sys.argv[1:3])
    result = json.loads((out / "result.json").read_text())
    truth = band(gdal.Open(str(demo / "truth.tif")), 1, np.uint8)
    labels = band(gdal.Open(str(out / "labels.tif")), 1, np.uint8)
    scene, model = result["scene"], result["model"]
    print(f"scene   {scene['columns']} x {scene['rows']} pixels, {scene['bands']} bands, {scene['crs']}, "
          f"{scene['pixels_invalid']} pixels without data")
    print(f"model   {model['name']}/{model['version']} on {model['device']}, {model['precision']}; bands by "
          f"{scene['band_matching']}, {scene['scaling']}")
    print(f"{'class':<24}{'pixels':>8}{'share':>8}{'hectares':>10}{'confidence':>12}")
    for one in result["classes"]:
        confidence = "-" if one["mean_confidence"] is None else f"{one['mean_confidence']:.3f}"
        print(f"{one['name']:<24}{one['pixels']:>8}{one['fraction'] * 100:>7.1f}%{one['area_m2'] / 1e4:>10.2f}{confidence:>12}")
    known = (truth > 0) & (labels > 0)
    accuracy = (truth == labels)[known].mean()
    draw([("scene (840, 660, 560 nm)", composite(gdal.Open(str(demo / "scene.tif")))),
          ("truth", coloured(truth, result["classes"])), ("label map", coloured(labels, result["classes"]))],
         result["classes"], out / "overview.png")
    print(f"overall accuracy {accuracy:.4f} on {known.sum()} pixels of the truth")
    print(f"label map {out}/labels.tif, its picture {out}/labels.png, beside scene and truth {out}/overview.png")
    return 0 if accuracy >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
