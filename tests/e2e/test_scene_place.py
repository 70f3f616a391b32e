"""The label map lies where the scene lies, and says what it is: GDAL's and rasterio's view of it."""
import json
import subprocess

import numpy as np
import pytest
import rasterio
from osgeo import gdal, osr

import scenes
from test_scene_forms import classify

CORNER = (20, 50, 16, 12)


def wkt(code):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference.ExportToWkt()


def info(path):
    return json.loads(subprocess.run(["gdalinfo", "-json", path], stdout=subprocess.PIPE, check=True).stdout)


def placed(tmp_path, geotransform, code):
    cube = scenes.demo().cut(*CORNER)
    cube.geotransform, cube.wkt = geotransform, wkt(code) if code else None
    return scenes.write_tiff(tmp_path / "s.tif", cube)


PLACES = {"utm": ((365055, 30, 0, 5807085, 0, -30), 32633), "rotated": ((500000, 20, 5, 4000000, 4, -21), 32611),
          "geographic": ((11.5, 0.001, 0, 48.2, 0, -0.0005), 4326), "feet": ((6000000, 10, 0, 2000000, 0, -10), 2229),
          "south up": ((500000, 10, 0, 4000000, 0, 10), 32718), "none": (None, None)}


@pytest.mark.parametrize("geotransform, code", PLACES.values(), ids=PLACES.keys())
def test_label_map_lies_where_the_scene_lies(geotransform, code, tmp_path):
    classify(placed(tmp_path, geotransform, code), tmp_path / "o.tif", "--window", "3,2,10,8")
    with rasterio.open(tmp_path / "o.tif") as found, rasterio.open(tmp_path / "s.tif") as scene:
        assert found.crs == scene.crs
        if geotransform is not None:
            assert np.allclose(found.transform, scene.transform * rasterio.Affine.translation(3, 2), rtol=0, atol=1e-9)
        assert found.nodata == 0 and found.dtypes == ("uint8",) and found.count == 1


def test_label_map_has_colours_names_and_provenance(tmp_path):
    classify(scenes.DEMO / "scene.tif", tmp_path / "o.tif", "--window", "20,50,16,12")
    about = info(tmp_path / "o.tif")
    band = about["bands"][0]
    assert band["colorInterpretation"] == "Palette" and band["noDataValue"] == 0
    with open(scenes.PACKAGE, "rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    classes = json.loads(head["__metadata__"]["spectrad"])["classes"]
    with rasterio.open(tmp_path / "o.tif") as found:
        colours = found.colormap(1)
    for one in classes:
        assert colours[one["id"]][:3] == tuple(int(one["color"][i:i + 2], 16) for i in (1, 3, 5))
    dataset = gdal.Open(str(tmp_path / "o.tif"))
    dataset.GetGeoTransform()  # GDAL 3.6 reads the names only after something else made it read .aux.xml
    names = dataset.GetRasterBand(1).GetCategoryNames()
    assert names[0] == "unclassified" and [names[one["id"]] for one in classes] == [one["name"] for one in classes]
    assert (tmp_path / "o.tif.aux.xml").exists()
    tags = about["metadata"][""]
    assert tags["SPECTRAD_MODEL"].startswith("demo/") and tags["SPECTRAD_ENGINE"] == "cpu" and tags["SPECTRAD_PRECISION"] == "fp32"
    assert tags["SPECTRAD_BAND_MATCHING"] == "wavelength" and len(tags["SPECTRAD_MODEL_SHA256"]) == 64


@pytest.mark.parametrize("place, pixel", [("utm", 900.0), ("rotated", 20 * 21 + 5 * 4), ("feet", 100 * (1200 / 3937) ** 2), ("south up", 100.0)])
def test_areas_are_in_square_metres(place, pixel, tmp_path):
    classify(placed(tmp_path, *PLACES[place]), tmp_path / "o.json")
    for one in json.loads((tmp_path / "o.json").read_text())["classes"]:
        assert one["area_m2"] == pytest.approx(one["pixels"] * pixel, rel=1e-9)


def test_areas_of_a_geographic_scene_are_the_ellipsoids(tmp_path):
    """Held against a projection that keeps areas, EPSG:6933."""
    geotransform, code = PLACES["geographic"]
    classify(placed(tmp_path, geotransform, code), tmp_path / "o.json")
    total = sum(one["area_m2"] for one in json.loads((tmp_path / "o.json").read_text())["classes"])
    source, target = osr.SpatialReference(), osr.SpatialReference()
    source.ImportFromEPSG(4326)
    target.ImportFromEPSG(6933)
    for reference in (source, target):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    transform = osr.CoordinateTransformation(source, target)
    x0, y0, _ = transform.TransformPoint(11.5, 48.2)
    x1, y1, _ = transform.TransformPoint(11.5 + 16 * 0.001, 48.2 - 12 * 0.0005)
    assert total == pytest.approx(abs((x1 - x0) * (y1 - y0)), rel=1e-6)


def test_no_crs_is_a_warning_and_null_areas(tmp_path):
    classify(placed(tmp_path, None, None), tmp_path / "o.json")
    result = json.loads((tmp_path / "o.json").read_text())
    assert result["scene"]["crs"] is None and all(one["area_m2"] is None for one in result["classes"])
    assert any("area" in warning for warning in result["warnings"])


def test_ground_control_points_move_with_the_window(tmp_path):
    cube = scenes.demo().cut(*CORNER)
    cube.geotransform, cube.wkt = None, None
    path = scenes.write_tiff(tmp_path / "s.tif", cube)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    points = [gdal.GCP(10 + 0.1 * i, 50 - 0.1 * j, 0, 8 * i, 6 * j) for i in range(3) for j in range(3)]
    dataset.SetGCPs(points, wkt(4326))
    dataset = None
    classify(path, tmp_path / "o.tif", "--window", "3,2,10,8")
    found = gdal.Open(str(tmp_path / "o.tif"))
    assert [(p.GCPPixel, p.GCPLine, p.GCPX, p.GCPY) for p in found.GetGCPs()] == \
        [(p.GCPPixel - 3, p.GCPLine - 2, p.GCPX, p.GCPY) for p in points]
