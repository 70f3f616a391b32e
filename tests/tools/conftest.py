"""Lets the tests import tools/ as its own programs do, and skips where what the tools run on is not installed."""
import importlib.util
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

NEEDS = {"test_accuracy.py": ("numpy",), "test_split.py": ("numpy",), "test_make_scene.py": ("numpy", "osgeo"),
         "test_cube.py": ("numpy", "osgeo"), "test_program.py": ()}
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


@pytest.fixture
def lively():
    """A function that gives a network weights under which every layer matters: a fresh network answers almost the
    same to everything, and would hide a layer computed wrongly."""
    import torch

    def enliven(net, seed=2):
        source = torch.Generator().manual_seed(seed)
        for name, tensor in net.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=source))
            elif tensor.ndim > 1:
                fan_in = tensor[0].numel()
                tensor.copy_(torch.randn(tensor.shape, generator=source) * (2 / fan_in) ** 0.5)
            elif name.endswith(("bias", "running_mean")):
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=source))
        return net.eval()
    return enliven
