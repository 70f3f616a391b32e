"""What the tools do before their work: --help without libraries, a sentence for a missing one, a look at the outputs."""
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

import program

ROOT = pathlib.Path(__file__).parents[2]
NEEDS = {"train": ("numpy", "osgeo", "torch", "safetensors"), "predict": ("numpy", "osgeo", "torch", "safetensors"),
         "import_checkpoint": ("numpy", "osgeo", "torch", "safetensors"), "package": ("numpy", "torch", "safetensors"),
         "network": ("torch",), "make_scene": ("numpy", "osgeo")}
EVERYTHING = NEEDS["train"]
# A command line that each would take.
ARGUMENTS = {"train": "s.tif t.tif -o x.safetensors", "predict": "--model p.safetensors s.tif -o x.npy",
             "import_checkpoint": "w.pt -o x.safetensors", "package": "p.safetensors", "network": "12 3",
             "make_scene": "s.tif t.tif"}


def run(tool, *arguments, without=()):
    """Runs a tool as its user does, in the root, on a Python that lacks some libraries."""
    start = (f"import runpy, sys; sys.modules.update(dict.fromkeys({list(without)!r})); sys.path.insert(0, 'tools'); "
             f"sys.argv[0] = 'tools/{tool}.py'; runpy.run_path(sys.argv[0], run_name='__main__')")
    return subprocess.run([sys.executable, "-c", start, *arguments], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)


def lacking(tool):
    import importlib.util
    return [name for name in NEEDS[tool] if importlib.util.find_spec(name) is None]


def test_every_program_is_tried_here():
    found = {path.stem for path in (ROOT / "tools").glob("*.py") if "import program" in path.read_text()}
    assert found == set(NEEDS)


@pytest.mark.parametrize("tool", NEEDS)
def test_help_needs_no_library(tool):
    done = run(tool, "--help", without=EVERYTHING)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {tool}.py") and done.stderr == ""


@pytest.mark.parametrize("tool", NEEDS)
def test_a_mistyped_option_needs_no_library(tool):
    done = run(tool, *ARGUMENTS[tool].split(), "--mistyped", without=EVERYTHING)
    assert done.returncode == 2 and "--mistyped" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("tool, library", [(tool, library) for tool in NEEDS for library in NEEDS[tool]])
def test_a_missing_library_is_one_sentence(tool, library):
    absent = set(lacking(tool)) - {library}
    if absent:
        pytest.skip(f"another is not installed: {', '.join(sorted(absent))} (tools/requirements.txt)")
    done = run(tool, *ARGUMENTS[tool].split(), without=[library])
    assert done.returncode == 1 and done.stdout == ""
    command = "apt-get install python3-gdal" if library == "osgeo" else "pip install -r tools/requirements.txt"
    assert done.stderr.startswith(f"{tool}.py: the Python library {library} is missing")
    assert done.stderr.count("\n") == 1 and command in done.stderr and "tools/requirements.txt" in done.stderr


# Short, for where the check is broken and it trains.
SHORT = "demo/scene.tif demo/truth.tif --train 0.005 --validation 0.005 --epochs 1"
WRITING = [("train", f"{SHORT} -o OUT"), ("train", f"{SHORT} -o x.safetensors --report OUT"),
           ("predict", "--model demo/demo.safetensors demo/scene.tif -o OUT"),
           ("predict", "--model demo/demo.safetensors demo/scene.tif -o x.npy --labels OUT"),
           ("import_checkpoint", "absent.pt --pca absent.npy -o OUT"), ("make_scene", "OUT t.tif"),
           ("make_scene", "s.tif OUT"), ("make_scene", "s.tif t.tif --envi OUT")]


@pytest.mark.parametrize("tool, arguments", WRITING)
def test_an_output_that_cannot_be_written_is_found_before_the_work(tool, arguments, tmp_path):
    """Nothing else is written either, and no epoch runs."""
    if lacking(tool):
        pytest.skip(f"not installed: {', '.join(lacking(tool))} (tools/requirements.txt)")
    bad = tmp_path / "absent" / "x.safetensors"
    words = [str(bad) if word == "OUT" else str(ROOT / word) if word.startswith("demo/") else
             str(tmp_path / word) if word[0].isalpha() and "." in word else word for word in arguments.split()]
    done = run(tool, *words)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{tool}.py: {bad} cannot be written: there is no folder {bad.parent}\n"
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_can_be_written_pass_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program.check_output("x.npy")
    program.check_output(str(tmp_path / "x.npy"), replaced=True)
    program.check_output("/dev/null")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_keeps_its_content(tmp_path):
    (tmp_path / "x.npy").write_text("kept")
    program.check_output(str(tmp_path / "x.npy"))
    assert (tmp_path / "x.npy").read_text() == "kept"


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(OSError, match="is a folder: name the file"):
        program.check_output(str(tmp_path))


def refusals_of_one_without_rights(folder):
    """What is said of x.npy (may not be changed), then of new files beside it, to a process that is not root."""
    said = []
    for name, replaced in (("x.npy", False), ("y.npy", False), ("x.npy", True)):
        try:
            program.check_output(os.path.join(folder, name), replaced)
            said.append("nothing")
        except OSError as error:
            said.append(str(error))
    return "\n".join(said)


def test_a_folder_without_permission_is_no_place():
    """Root may write everywhere: where the tests run as root, a child asks as nobody."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.npy")
        open(path, "w").close()
        os.chmod(path, 0o444)
        os.chmod(folder, 0o555)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writer, refusals_of_one_without_rights(folder).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            first, second, third = answer.read().splitlines()
        os.waitpid(child, 0)
        os.chmod(folder, 0o755)
    assert "you may not change it" in first
    assert "takes no file (Permission denied)" in second and "takes no file (Permission denied)" in third


@pytest.mark.skipif(not os.path.isdir("/proc/self/fdinfo"), reason="needs /proc")
def test_a_file_system_that_takes_no_file_is_no_place():
    """Root may write everywhere, and still not here."""
    with pytest.raises(OSError, match="/proc/self/fdinfo takes no file"):
        program.check_output("/proc/self/fdinfo/x.npy")
