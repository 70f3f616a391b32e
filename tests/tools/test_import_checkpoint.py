"""Checkpoints become packages that answer as the network did; what does not fit is named with its shapes."""
import json

import numpy as np
import pytest
import torch

import import_checkpoint
import make_scene
import network
import package as packages
import predict
import cube as cubes

BANDS, CLASSES, KERNELS = 12, 3, 6


@pytest.fixture(params=network.ATTENTION_FORMS)
def net(request, lively):
    return lively(network.S3KAIResNet(BANDS, CLASSES, KERNELS, request.param))


def plain(state):
    return state


def wrapped(state):
    return {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}


def imported(tmp_path, content, *options):
    torch.save(content, tmp_path / "weights.pt")
    out = str(tmp_path / "out.safetensors")
    import_checkpoint.main([str(tmp_path / "weights.pt"), "-o", out, "--patch", "7", *map(str, options)])
    return packages.read(out)


def refusal(capsys, tmp_path, content, *options):
    with pytest.raises(SystemExit) as stopped:
        imported(tmp_path, content, *options)
    return str(stopped.value) + capsys.readouterr().err


@pytest.mark.parametrize("form", (plain, wrapped))
def test_round_trip_gives_the_same_logits(tmp_path, net, form):
    found = imported(tmp_path, form(net.state_dict()), "--name", "n", "--classes", "a,b,c")
    patches = torch.randn(5, 1, 7, 7, BANDS)
    with torch.no_grad():
        assert torch.equal(found.network()(patches), net(patches))
    meta = found.meta
    assert (meta["bands"], meta["sensor_bands"], meta["kernels"], meta["patch"]) == (BANDS, BANDS, KERNELS, 7)
    assert [c["name"] for c in meta["classes"]] == ["a", "b", "c"] and meta["classes"][0]["color"].startswith("#")


@pytest.mark.parametrize("bands", range(7, 24))
def test_number_of_bands_follows_from_the_weights(bands):
    assert import_checkpoint.dimensions(network.S3KAIResNet(bands, 4, 5).state_dict()) == (bands, 5, 4)


def test_without_the_idle_layers_bands_must_be_said(tmp_path, capsys):
    state = {name: tensor for name, tensor in network.S3KAIResNet(BANDS, CLASSES, KERNELS).state_dict().items()
             if not name.startswith(("conv_se", "conv_ex", "res_net2.bn2", "res_net3.bn2"))}
    assert "11 and 12 bands: say which with --bands" in refusal(capsys, tmp_path, state)
    assert imported(tmp_path, state, "--bands", 12).meta["bands"] == 12


def test_errors_name_tensor_and_shapes(tmp_path, capsys):
    good = network.S3KAIResNet(BANDS, CLASSES, KERNELS).state_dict()
    bad = dict(good, **{"res_net1.conv2.weight": torch.zeros(KERNELS, KERNELS, 1, 1, 5)})
    said = refusal(capsys, tmp_path, bad)
    assert "res_net1.conv2.weight" in said and "(6, 6, 1, 1, 5)" in said and "(6, 6, 1, 1, 7)" in said
    assert "tensor res_net4.bn2.bias (6,) is missing" in refusal(
        capsys, tmp_path, {name: t for name, t in good.items() if name != "res_net4.bn2.bias"})
    more = dict(good, **{"fc.weight": torch.ones(2, 2)})
    assert "tensor fc.weight (2, 2) is none of" in refusal(capsys, tmp_path, more)
    assert "2 classes are named" in refusal(capsys, tmp_path, good, "--classes", "a,b")
    assert "not a checkpoint of A2S2K-ResNet" in refusal(capsys, tmp_path, {"layer.weight": torch.ones(1)})


def test_a_pickled_module_is_refused_without_running_it(tmp_path, capsys, net):
    assert "save model.state_dict()" in refusal(capsys, tmp_path, net)


def test_patch_comes_from_the_authors_file_name():
    assert import_checkpoint.patch_side("S3KAIResNetpatch_9_SV_split_0.9.pt", None) == 9
    with pytest.raises(packages.PackageError, match="--patch"):
        import_checkpoint.patch_side("weights.pt", None)


def test_pca_and_scaler_are_folded(tmp_path):
    rng = np.random.default_rng(1)
    components, mean = rng.normal(size=(BANDS, 20)), rng.normal(size=20)
    centre, width = rng.normal(size=BANDS), rng.uniform(1, 2, BANDS)
    np.savez(tmp_path / "pca.npz", components_=components, mean_=mean)
    np.savez(tmp_path / "scaler.npz", mean_=centre, scale_=width)
    (tmp_path / "axis.txt").write_text("".join(f"{0.4 + 0.01 * i:.2f}, 0.01\n" for i in range(20)))
    (tmp_path / "classes.json").write_text(json.dumps([{"id": 7, "name": "x", "color": "#010203"},
                                                       {"id": 2, "name": "y"}, {"id": 9, "name": "z"}]))
    found = imported(tmp_path, network.S3KAIResNet(BANDS, CLASSES, KERNELS).state_dict(), "--pca", tmp_path / "pca.npz",
                     "--scaler", tmp_path / "scaler.npz", "--wavelengths", tmp_path / "axis.txt",
                     "--classes", tmp_path / "classes.json", "--nodata", -1, "--version", 4)
    spectrum = rng.normal(size=20)
    expected = (components @ (spectrum - mean) - centre) / width
    assert found.matrix @ spectrum + found.offset == pytest.approx(expected, rel=1e-4, abs=1e-5)
    meta = found.meta
    assert meta["sensor_bands"] == 20 and meta["nodata"] == -1 and meta["version"] == "4"
    assert meta["wavelengths_nm"][:2] == [400, 410] and meta["fwhm_nm"][0] == 10
    assert [c["id"] for c in meta["classes"]] == [7, 2, 9] and meta["classes"][0]["color"] == "#010203"


@pytest.mark.parametrize("options", ((), ("--no-pca",)))
def test_fit_on_a_scene_standardises_what_the_network_sees(tmp_path, options):
    samples, _, centres, fwhm, good = make_scene.make(30, 40, BANDS, seed=2)
    scene = str(tmp_path / "scene.tif")
    make_scene.write_scene(scene, samples, centres, fwhm, good)
    found = imported(tmp_path, network.S3KAIResNet(BANDS, CLASSES, KERNELS).state_dict(), "--fit", scene, *options)
    assert found.meta["wavelengths_nm"] == pytest.approx(centres)
    assert (found.matrix is None) == bool(options)
    patches, valid = predict.prepare(found, cubes.read(scene))
    seen = patches.image[3:-3, 3:-3].numpy()[valid]
    assert seen.mean(axis=0) == pytest.approx(0, abs=1e-3) and seen.std(axis=0) == pytest.approx(1, abs=1e-3)
    if not options:
        correlation = np.corrcoef(seen, rowvar=False)
        assert correlation - np.eye(BANDS) == pytest.approx(0, abs=2e-2)
