"""bench/overhead.py: that it measures, and says what is wrong; not how fast anything is."""
import json
import subprocess
import sys

from conftest import PROGRAM, ROOT, small_package

SCRIPT = ROOT / "bench" / "overhead.py"
PACKAGE = small_package()


def overhead(*options):
    return subprocess.run([sys.executable, SCRIPT, "--program", PROGRAM, *map(str, options)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)


def test_help_names_the_options():
    done = overhead("--help")
    assert done.returncode == 0 and "--scene" in done.stdout and "--most" in done.stdout


def test_the_demo_scene_gives_a_ratio_of_wall_and_compute(tmp_path):
    done = overhead("--model", PACKAGE, "--count=2", "--warm-up=1", "--json", tmp_path / "figures.json")
    assert done.returncode == 0 and "wall / compute" in done.stdout, done
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["requests"] == 2 and figures["wall_s"] >= figures["compute_s"] > 0 and figures["ratio"] >= 1


def test_a_ratio_that_is_too_large_is_a_failure():
    done = overhead("--model", PACKAGE, "--count=1", "--warm-up=0", "--most=0.5")
    assert done.returncode == 1 and "above 0.5" in done.stderr


def test_what_goes_wrong_is_said(tmp_path):
    assert "none.safetensors" in overhead("--model", tmp_path / "none.safetensors").stderr
    (tmp_path / "no.tif").write_bytes(b"nothing")
    done = overhead("--model", PACKAGE, "--scene", tmp_path / "no.tif")
    assert done.returncode == 1 and "overhead.py: 4" in done.stderr, done
