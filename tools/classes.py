"""Class lists: ids, names and colours, from a file or from the truth raster itself."""
import csv
import json

import numpy as np
from osgeo import gdal

gdal.UseExceptions()


def read(path):
    """[{id, name[, color]}] from JSON (such a list, {"classes": [...]}, or names) or CSV (id,name[,color] or names)."""
    with open(path, encoding="utf-8") as file:
        if path.endswith(".json"):
            found = json.load(file)
            found = found["classes"] if isinstance(found, dict) else found
            return named(found) if found and isinstance(found[0], str) else found
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    if rows and rows[0][0].lower() == "id":
        rows = rows[1:]
    if all(len(row) == 1 for row in rows):
        return named([row[0] for row in rows])
    try:
        return [dict(id=int(row[0]), name=row[1], **({"color": row[2]} if len(row) > 2 and row[2] else {}))
                for row in rows]
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: expected lines of id,name[,color]: {error}") from error


def named(names):
    return [{"id": i + 1, "name": name} for i, name in enumerate(names)]


def listed(argument):
    """The value of --classes: a .json or .csv file, or names separated by commas."""
    if argument.endswith((".json", ".csv", ".txt")):
        return read(argument)
    return named([name.strip() for name in argument.split(",")])


def of_raster(path):
    """(ids (rows, columns), classes): a truth raster, named by its own category names and colour table."""
    dataset = gdal.Open(path)
    band = dataset.GetRasterBand(1)
    text = band.ReadRaster(buf_type=gdal.GDT_Int32)
    ids = np.frombuffer(text, np.int32).reshape(dataset.RasterYSize, dataset.RasterXSize)
    ids = np.where(ids == band.GetNoDataValue(), 0, ids)
    names, table = band.GetCategoryNames() or [], band.GetColorTable()
    classes = []
    for key in (int(i) for i in np.unique(ids) if i != 0):
        entry = {"id": key, "name": (names[key] if 0 <= key < len(names) else "") or f"class {key}"}
        if table is not None and 0 <= key < table.GetCount():
            entry["color"] = "#{:02x}{:02x}{:02x}".format(*table.GetColorEntry(key)[:3])
        classes.append(entry)
    return ids, classes
