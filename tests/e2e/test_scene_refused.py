"""What cannot be classified is refused on the command line with exit status 3, a sentence, and no file left."""
import os
import shutil
import subprocess
import time

import pytest

import bad_cubes
import packages
import scenes
from test_scene_forms import PROGRAM, classify


def write(tmp_path, made):
    data, header = made
    path = tmp_path / ("cube.img" if header is not None else "cube.dat")
    path.write_bytes(data)
    if header is not None:
        path.with_suffix(".hdr").write_text(header)
    return path


@pytest.mark.parametrize("name", bad_cubes.CASES)
def test_bad_cube_is_refused_with_a_sentence(name, tmp_path):
    status, words, make = bad_cubes.CASES[name]
    path = write(tmp_path, make(tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    message = classify(path, out / "labels.tif", code=3).stderr
    for word in words:
        assert word in message
    assert len(message.strip().splitlines()) == 1
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("window", ["0,0,121,100", "120,0,1,1", "0,99,1,2", "4000000000,0,1,1", "-1,0,5,5"])
def test_a_window_outside_the_scene_is_refused(window, tmp_path):
    done = subprocess.run([PROGRAM, "classify", "-q", "-m", scenes.PACKAGE, scenes.DEMO / "scene.tif", "-o", tmp_path / "o.tif",
                           f"--window={window}"], stderr=subprocess.PIPE, text=True)
    assert done.returncode in (2, 3) and "window" in done.stderr
    assert not (tmp_path / "o.tif").exists()


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("res_net1.bn2.running_var"), ["res_net1.bn2.running_var"]),
    (lambda t: t.update({"conv3.weight": t["conv3.weight"][:, :, :, :, :64]}), ["conv3.weight", "64", "128"]),
    (lambda t: t.update({"extra": t["conv2.bias"]}), ["extra"]),
])
def test_a_broken_package_is_refused_by_tensor(change, words, tmp_path):
    package = packages.write(tmp_path / "p.safetensors", K=48, change=change)
    message = classify(scenes.DEMO / "scene.tif", tmp_path / "o.tif", model=package, code=3).stderr
    for word in ["p.safetensors", *words]:
        assert word in message


@pytest.mark.parametrize("out, options, word", [
    ("map.png", [], "'.png'"), ("labels", ["--logits", "labels"], "same"), ("-", ["--logits", "-"], "same"),
])
def test_an_output_that_cannot_be_meant_is_refused(out, options, word, tmp_path):
    done = subprocess.run([PROGRAM, "classify", "-m", scenes.PACKAGE, scenes.DEMO / "scene.tif", "-o", out, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 2 and word in done.stderr and done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("over", ["cube.img", "cube.hdr", "model.safetensors", "truth.tif", "./alias.tif"])
@pytest.mark.parametrize("option", ["-o", "--logits"])
def test_what_is_read_is_never_written_over(over, option, tmp_path):
    scenes.write_envi(tmp_path / "cube.img", scenes.demo().cut(0, 0, 24, 20))
    shutil.copy(scenes.PACKAGE, tmp_path / "model.safetensors")
    shutil.copy(scenes.DEMO / "truth.tif", tmp_path / "truth.tif")
    (tmp_path / "alias.tif").symlink_to("truth.tif")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    others = ["-o", "labels.json"] if option == "--logits" else []
    done = subprocess.run([PROGRAM, "classify", "-m", "model.safetensors", "cube.img", "--truth", "truth.tif", "--format=json",
                           option, over, *others], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "written over" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_killed_run_is_cleaned_up_by_the_next(tmp_path):
    left, other = tmp_path / ".spectrad.a1B2c3", tmp_path / ".spectrad.folder"
    for folder in (left, other):
        folder.mkdir(mode=0o700)
    (left / "labels.tif").write_text("half")
    (other / "inner").mkdir()
    for folder in (left, other):
        os.utime(folder, (1, 1))
    classify(scenes.write_tiff(tmp_path / "s.tif", scenes.demo().cut(0, 0, 9, 9)), tmp_path / "o.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".spectrad.folder", "o.json", "s.tif"]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    classify(scenes.write_tiff(tmp_path / "s.tif", scenes.demo().cut(0, 0, 9, 9)), tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink() and "pixels" in (tmp_path / "real.json").read_text()


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    done = subprocess.run([PROGRAM, "inspect", tmp_path / "fifo"], stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 3 and done.stderr


@pytest.mark.parametrize("arguments", [[], ["--model", scenes.PACKAGE], ["--nonsense"], ["--bands", "name"], ["--threads", "x"]])
def test_usage_errors_exit_with_2(arguments, tmp_path):
    done = subprocess.run([PROGRAM, "classify", scenes.DEMO / "scene.tif", *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("spectrad classify: ")


def test_no_such_device_exits_with_4(tmp_path):
    message = classify(scenes.DEMO / "scene.tif", tmp_path / "o.tif", "--device", "cuda", code=4).stderr
    assert "cuda" in message.lower()


def test_a_file_that_is_not_there_is_a_failure_with_its_name(tmp_path):
    done = subprocess.run([PROGRAM, "classify", "-m", scenes.PACKAGE, tmp_path / "nowhere.tif", "-o", tmp_path / "o.tif"],
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode in (1, 3) and "nowhere.tif" in done.stderr


@pytest.mark.parametrize("wait", [0, 2])
def test_an_interrupted_run_leaves_nothing(wait, tmp_path):
    """Also where every line was read long ago and only blocks are waited for."""
    out = tmp_path / "out"
    out.mkdir()
    with subprocess.Popen([PROGRAM, "classify", "-q", "-m", scenes.PACKAGE, scenes.DEMO / "scene.tif", "-o", out / "o.tif", "--device",
                           "cpu-plain"], stderr=subprocess.PIPE) as child:
        while not list(out.iterdir()) and child.poll() is None:
            pass
        time.sleep(wait)
        child.terminate()
        assert child.wait(timeout=60) == 1
    assert list(out.iterdir()) == []
