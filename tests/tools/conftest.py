"""Lets the tests import tools/ as its own programs do, and skips where what the tools run on is not installed."""
import importlib.util
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

NEEDS = {"test_accuracy.py": ("numpy",), "test_split.py": ("numpy",), "test_make_scene.py": ("numpy", "osgeo"),
         "test_cube.py": ("numpy", "osgeo")}
EVERYTHING = ("numpy", "osgeo", "torch", "safetensors")


def missing(modules):
    return [name for name in modules if importlib.util.find_spec(name) is None]


def pytest_pycollect_makemodule(module_path, parent):
    lacking = missing(NEEDS.get(module_path.name, EVERYTHING))
    return Skipped.from_parent(parent, path=module_path, lacking=lacking) if lacking else None


class Skipped(pytest.Module):
    """A test file whose libraries are absent: one skipped item that names them, instead of an import error."""

    def __init__(self, *, lacking, **kwargs):
        super().__init__(**kwargs)
        self.lacking = lacking

    def collect(self):
        pytest.skip(f"not installed: {', '.join(self.lacking)} (tools/requirements.txt)", allow_module_level=True)
