"""What the comparison with peers must not get wrong: the 2-D rewrite, the work counted, when a speed is believed."""
import json
import os
import sys

import numpy as np
import pytest
import torch

import network

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))

from network_2d import Network2d  # noqa: E402


@pytest.mark.parametrize("attention", network.ATTENTION_FORMS)
@pytest.mark.parametrize("side", network.PATCH_SIDES)
def test_2d_rewrite_gives_the_same_logits(attention, side, lively):
    net = lively(network.S3KAIResNet(15, 4, 6, attention))
    patches = torch.randn(8, 1, side, side, 15)
    with torch.no_grad():
        logits = net(patches)
        assert logits.std(dim=0).min() > 0.05
        assert torch.allclose(Network2d(net)(patches), logits, atol=1e-4)


@pytest.fixture
def peers():
    pytest.importorskip("onnxruntime", reason="not installed: onnxruntime (bench/requirements.txt)")
    return __import__("peers")


def test_naive_work_of_salinas_is_103_million_multiply_adds(peers):
    meta = {"bands": 204, "patch": 7, "kernels": 24, "classes": [{}] * 8}
    assert peers.naive_flop(meta) / 2 == pytest.approx(103e6, rel=0.01)


def test_peers_that_disagree_give_no_speed(peers):
    patches = torch.zeros(100, 1, 7, 7, 9)
    right, wrong = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    def answers(row):
        return lambda chosen: np.repeat(row, len(chosen), axis=0)
    assert peers.check_agreement({"a": answers(right), "b": answers(right)}, patches) == 0
    with pytest.raises(RuntimeError, match="b does not agree with a"):
        peers.check_agreement({"a": answers(right), "b": answers(wrong)}, patches)


@pytest.mark.parametrize("error, believed", ((2e-6, True), (2e-3, False), (float("nan"), False)))
def test_speed_of_wrong_logits_is_not_believed(peers, tmp_path, error, believed):
    table = __import__("table")
    said = {"patches_per_second": 1, "device": "cpu", "precision": "fp32", "threads": 1, "isa": "c",
            "fma_peak_gflops": 1, "naive_flop_per_patch": 1, "max_logit_error": error}
    program = tmp_path / "spectrad"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    program.chmod(0o755)
    if believed:
        assert table.spectrad(str(program), "m", 1, 1, [])["patches_per_second"] == 1
    else:
        with pytest.raises(table.BenchError, match="no speed of it counts"):
            table.spectrad(str(program), "m", 1, 1, [])
