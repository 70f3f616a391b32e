"""One tiny training, from files to a package that says everything about itself."""
import json
import sys

import numpy as np
import pytest
import torch

import cube as cubes
import make_scene
import network
import package as packages
import predict
import preprocessing
import train


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with a 20 x 20 pixel scene of 12 good bands and bad ones, its lower left without data, and truth."""
    folder = tmp_path_factory.mktemp("scene")
    samples, _, centres, fwhm, good = make_scene.make(20, 20, 12, seed=1, bad_bands=True)
    truth = np.zeros((20, 20), np.uint8)
    truth[:, :10], truth[:, 11:] = 3, 6
    samples[:, :, 11:][samples[:, :, 11:] != make_scene.NODATA] //= 2  # something to learn
    make_scene.write_scene(str(folder / "scene.tif"), samples, centres, fwhm, good)
    make_scene.write_truth(str(folder / "truth.tif"), truth)
    return folder


def trained(scene, monkeypatch, name, *options):
    out = scene / f"{name}.safetensors"
    monkeypatch.setattr(sys, "argv", ["train.py", str(scene / "scene.tif"), str(scene / "truth.tif"), "-o", str(out),
                                      "--kernels", "4", "--train", "0.3", "--epochs", "2", *options])
    train.main()
    return packages.read(str(out))


def test_package_says_everything(scene, monkeypatch, capsys):
    report = scene / "report.json"
    package = trained(scene, monkeypatch, "plain", "--report", str(report), "--seed", "5")
    meta, cube = package.meta, cubes.read(str(scene / "scene.tif"))
    assert (meta["name"], meta["patch"], meta["kernels"]) == ("plain", 7, 4)
    assert meta["sensor_bands"] == meta["bands"] == 12  # the bad bands are left out
    assert meta["wavelengths_nm"] == pytest.approx(cube.wavelengths[cube.good])
    assert meta["fwhm_nm"] == pytest.approx(cube.fwhm[cube.good])
    assert meta["nodata"] == make_scene.NODATA and meta["scaling"] == "file" and meta["normalization"] == "model"
    assert [(c["id"], c["name"], c["color"]) for c in meta["classes"]] == [(3, "meadow", "#7cb342"),
                                                                           (6, "bare soil", "#8d5a34")]
    training, found = meta["training"], json.loads(report.read_text())
    assert training["scene"] == "scene.tif" and training["seed"] == 5 and training["epochs"] == 2
    assert training["overall_accuracy"] == pytest.approx(found["parts"]["test"]["overall_accuracy"], abs=1e-4)
    assert sum(found["parts"][p]["pixels"] for p in ("train", "validation", "test")) == found["parts"]["all"]["pixels"]
    assert "overall accuracy" in capsys.readouterr().out


def test_same_seed_same_weights(scene, monkeypatch):
    first, again = (trained(scene, monkeypatch, name, "--pca", "8") for name in ("first", "again"))
    assert first.matrix.shape == (8, 12) and first.meta["bands"] == 8
    assert all(torch.equal(first.state[name], again.state[name]) for name in first.state)


def test_blocks_split_leaves_out_what_lies_between(scene, monkeypatch):
    report = scene / "report.json"
    package = trained(scene, monkeypatch, "blocks", "--split", "blocks", "--block", "7", "--report", str(report))
    parts = json.loads(report.read_text())["parts"]
    assert package.meta["training"]["split"] == "blocks"
    assert 0 < package.meta["training"]["train_pixels"] == parts["train"]["pixels"]
    assert sum(parts[p]["pixels"] for p in parts if p != "all") < parts["all"]["pixels"]


def test_truth_of_another_size_is_refused(scene, monkeypatch, tmp_path):
    make_scene.write_truth(str(tmp_path / "truth.tif"), np.ones((19, 20), np.uint8))
    monkeypatch.setattr(sys, "argv", ["train.py", str(scene / "scene.tif"), str(tmp_path / "truth.tif"),
                                      "-o", str(tmp_path / "x.safetensors")])
    with pytest.raises(SystemExit, match="truth has 19 x 20 pixels, the scene 20 x 20"):
        train.main()


def test_patches_are_zero_outside_and_where_invalid():
    normalised, valid = np.ones((4, 5, 8)), np.ones((4, 5), bool)
    valid[1, 2] = False
    patch = preprocessing.Patches(normalised, valid, 7).take([0])[0, 0, :, :, 0].numpy()
    expected = np.zeros((7, 7))
    expected[3:, 3:] = 1
    expected[4, 5] = 0
    assert np.array_equal(patch, expected)


@pytest.mark.parametrize("side", (5, 13))
def test_patch_sides_that_do_not_fit_are_refused(side):
    with pytest.raises(ValueError, match="use 7, 9 or 11"):
        network.S3KAIResNet(10, 2, 4)(torch.zeros(1, 1, side, side, 10))


def test_attention_of_the_published_form_is_one_half(lively):
    """The layers that the published form skips really cannot matter: two equal ones in the paper's form agree."""
    published, paper = lively(network.S3KAIResNet(14, 3, 4)), network.S3KAIResNet(14, 3, 4, "paper").eval()
    state = published.state_dict()
    for part in ("weight", "bias"):
        tensor = state.pop(f"conv_ex.{part}")
        state[f"conv_ex_3x3.{part}"] = state[f"conv_ex_1x1.{part}"] = tensor
    paper.load_state_dict(state)
    patches = torch.randn(3, 1, 9, 9, 14)
    with torch.no_grad():
        assert torch.allclose(published(patches), paper(patches), atol=1e-5)
        state["conv_ex_1x1.bias"] = state["conv_ex_1x1.bias"] + 1
        paper.load_state_dict(state)
        assert not torch.allclose(published(patches), paper(patches), atol=1e-3)


def test_scene_normalization_is_over_valid_pixels():
    values = np.array([[[1.0, 5.0], [3.0, 5.0], [100.0, 9.0]]])
    found = preprocessing.over_scene(values, np.array([[True, True, False]]))
    assert found[0, :2].tolist() == [[-1, 0], [1, 0]]


def test_logits_do_not_depend_on_the_batch(monkeypatch):
    torch.manual_seed(0)
    net = network.S3KAIResNet(9, 2, 4).eval()
    patches = preprocessing.Patches(np.random.default_rng(0).normal(size=(6, 7, 9)), np.ones((6, 7), bool), 7)
    whole = predict.logits_of(net, patches, np.arange(42))
    monkeypatch.setattr(predict, "BATCH", 5)
    assert predict.logits_of(net, patches, np.arange(42)) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("signs", preprocessing.SIGNS)
def test_pca_components_point_the_way_that_is_asked_for(signs):
    spectra = np.random.default_rng(7).normal(size=(200, 6)) * np.arange(1, 7) ** 2 + 3
    _, matrix, offset = preprocessing.fit_pca(spectra, 4, signs)
    judged = matrix if signs == "loadings" else (spectra @ matrix.T + offset).T
    assert (judged[np.arange(4), np.abs(judged).argmax(axis=1)] > 0).all()
    assert (spectra @ matrix.T + offset).std(axis=0) == pytest.approx(1)
