"""The rules of the house that a program can check."""
import importlib.util
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = ["base", "model", "engine", "scene", "cpu", "proto", "pipeline", "server", "cli"]
HEADERS = sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).glob("*.h"))
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.[ch]"))
BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|atof|strtok|alloca|gets|system)\s*\("


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


layers, run = load("layers"), load("run")


def test_includes_go_downward_only():
    assert layers.check(ROOT) == []


@pytest.mark.parametrize("path, include, rule", [
    ("model/x.c", '"scene/cube.h"', "above"),
    ("scene/x.c", '"cpu/kernels.h"', "do not see each other"),
    ("pipeline/x.c", "<gdal.h>", "belongs to"),
    ("server/x.c", "<microhttpd.h>", "belongs to"),
    ("server/x.c", '"cpu/cpu.h"', "alone names the engines"),
    ("base/x.c", '"err.h"', "from the root"),
])
def test_a_wrong_include_is_found(tmp_path, path, include, rule):
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(f"#include {include}\n")
    assert any(rule in line for line in layers.check(tmp_path))


@pytest.mark.parametrize("header", HEADERS)
def test_header_compiles_alone(header):
    compiler = shutil.which("gcc") or shutil.which("clang")
    flags = subprocess.run(["pkg-config", "--cflags", "gdal", "libmicrohttpd", "libcjson"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.split()
    done = subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-I.", *flags, "-Wall", "-Wextra", "-Werror",
                           "-fsyntax-only", "-x", "c", "-include", header, "/dev/null"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


def test_no_banned_function_is_called():
    found = []
    for path in SOURCES:
        code = re.sub(r"/\*.*?\*/|//[^\n]*|\"(\\.|[^\"\\])*\"", "", path.read_text(), flags=re.S)
        found += [f"{path.relative_to(ROOT)}: {call}" for call in re.findall(BANNED, code)]
    assert found == []


def test_every_source_of_the_makefile_exists_and_every_file_is_in_it():
    listed = set()
    for line in subprocess.run(["make", "-s", "print-library"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        listed.add(line)
    there = {path.relative_to(ROOT).as_posix() for path in SOURCES if path.suffix == ".c"} - {"server/main.c"}
    assert listed == there


@pytest.mark.parametrize("output, counted", [
    ("1..2\nok 1 - a\nok 2 - b\n# ok - tests\n", (2, 0, 0)),
    ("ok 1 - a\nnot ok 12 - b\n", (1, 1, 0)),
    ("ok 11 - a\nnot ok 12 # SKIP b\n", (1, 0, 1)),
    ("ok 11 - a\nok 12 # SKIP b\n", (1, 0, 1)),
])
def test_results_of_a_unit_program_are_counted(output, counted):
    assert run.count_tap(output) == counted
