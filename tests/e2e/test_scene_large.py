"""A 20 GB cube takes the memory of a few lines: classified in a window and in a strip as wide as the scene."""
import os
import subprocess
import sys

import numpy as np
import pytest
from osgeo import gdal

import packages
import scenes

PROGRAM = os.environ.get("SPECTRAD", str(scenes.ROOT / "build" / "spectrad"))
MEMORY_MB = 600
SAMPLE = bool(os.environ.get("SPECTRAD_TEST_SAMPLE"))


def peak_mb(command):
    """Peak resident memory of a command. Run by a small process: a child's figure begins with that of the process it was forked from."""
    measure = ("import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", measure, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1000


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """220 sensor bands into a network so small that the reading is what is tested."""
    return packages.write(tmp_path_factory.mktemp("package") / "p.safetensors", K=7, C=1, B=220)


@pytest.mark.parametrize("form", ["envi", "tiff"])
@pytest.mark.parametrize("window", ["9000,4000,300,200", "0,2000,10000,20"])
def test_a_20_gb_cube_takes_less_than_600_mb(form, window, package, tmp_path):
    cube = tmp_path / ("cube.bil" if form == "envi" else "cube.tif")
    subprocess.run([sys.executable, scenes.ROOT / "tests" / "large_cube.py", form, cube], check=True)
    assert cube.stat().st_size > 20e9 and cube.stat().st_blocks * 512 < 10e6
    if SAMPLE:
        window = "9000,4000,30,20"
    megabytes = peak_mb([PROGRAM, "classify", "--quiet", "--model", package, cube, "-o", tmp_path / "labels.npy", "--window", window])
    labels = np.load(tmp_path / "labels.npy")
    assert labels.size == np.prod([int(n) for n in window.split(",")[2:]])
    assert (labels > 0).all()
    print(f"{form} {window}: {megabytes:.0f} MB")
    if not SAMPLE:  # a sanitizer's shadow is not the program's memory
        assert megabytes < MEMORY_MB


def read_bytes(command):
    """Bytes that a command reads: a process is charged with those of the children it has waited for."""
    measure = ("import subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
               "print(open('/proc/self/io').read().split()[1]); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", measure, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("tile, bands, interleave", [(512, 200, "BAND"), (256, 420, "PIXEL")])
def test_a_row_of_tiles_is_decoded_once(tile, bands, interleave, tmp_path):
    """Tiles of more bytes than GDAL's cache holds: read line by line, each would be decoded for every 32 of its lines."""
    cube = tmp_path / "cube.tif"
    scene = gdal.GetDriverByName("GTiff").Create(str(cube), 2 * tile, tile, bands, gdal.GDT_Int32, [
        "TILED=YES", f"BLOCKXSIZE={tile}", f"BLOCKYSIZE={tile}", f"INTERLEAVE={interleave}", "COMPRESS=PACKBITS"])
    scene.GetRasterBand(1).Fill(1)
    scene = None
    package = packages.write(tmp_path / "p.safetensors", K=7, C=1, B=bands)
    read = read_bytes([PROGRAM, "classify", "--quiet", "--model", package, cube, "-o", tmp_path / "labels.npy",
                       f"--window={tile - 4},0,8,{tile}"])
    assert read < 2 * cube.stat().st_size
