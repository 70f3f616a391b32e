#!/usr/bin/env python3
"""Brings nvcc and cuDNN into a folder of the project, without root and without the vendor's installer.

usage: deps_cuda.py [--inspect] [--folder FOLDER]

FOLDER (build/toolkit) becomes a CUDA toolkit: bin/nvcc, include/, lib64/ with the static runtime and cuDNN. --inspect adds
nvdisasm, cuobjdump and compute-sanitizer. The wheels, their versions and their hashes stand in cuda_pins.txt; what is
there already is left alone. Prints what it does and, last, the folder.
"""
import argparse
import hashlib
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

PINS = pathlib.Path(__file__).with_name("cuda_pins.txt")
MARK = ".spectrad-cuda"
# Unpacked size plus the wheels, with some air: a full disk would otherwise show as a broken wheel.
NEEDED = {"toolkit": 2.8e9, "inspect": 0.2e9}
# Where a wheel's members go. All of them are the CUDA toolkit's own tree but cuDNN's, which has its own.
PLACES = [
    (re.compile(r"nvidia/(?:cu13|cudnn)/((?:bin|include|lib|nvvm)/.+)"), r"\1"),
    (re.compile(r"(nvidia_[a-z0-9_]+)-[^/]+\.dist-info/licenses/(.+)"), r"licenses/\1/\2"),
]
# Of cuBLAS only the part that cuDNN loads; of nvrtc not its second build.
LEFT_OUT = re.compile(r"lib/(libcublas|libnvblas|libnvrtc.*\.alt)\.so.*|include/(cublas|nvblas)[^/]*")
RUNNABLE = re.compile(r"(nvvm/)?bin/[^/.]+(\+\+)?$")


class Refusal(Exception):
    """A sentence for the person who ran this."""


def read_pins():
    """The text of each section of the pin file, as pip reads it."""
    sections, name = {}, None
    for line in PINS.read_text().splitlines():
        header = re.match(r"# \[(\w+)\]", line)
        if header:
            name = header.group(1)
            sections[name] = ""
        elif name and line.strip() and not line.startswith("#"):
            sections[name] += line + "\n"
    return sections


def why_pip_failed(output):
    if "DO NOT MATCH THE HASHES" in output:
        return "a wheel is not the one that cuda_pins.txt names; do not use it"
    if "No space left" in output:
        return "the disk is full"
    if re.search(r"NewConnectionError|ConnectTimeout|ConnectionError|ProxyError|Failed to establish", output):
        return "the package index cannot be reached; is there a network, or a proxy to set?"
    if "No matching distribution" in output:
        return f"the index has no such wheel for {platform.machine()}, or pip is too old for its name"
    return output.strip().splitlines()[-1] if output.strip() else "pip says nothing"


def download(section, text, folder):
    requirements = folder / "requirements.txt"
    requirements.write_text(text)
    print(f"deps-cuda: downloading {len(re.findall('==', text))} wheels ({section})", flush=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if subprocess.run(pip + ["--version"], capture_output=True).returncode != 0:
        raise Refusal(f"{sys.executable} has no pip; install python3-pip, or run this with a Python that has it")
    done = subprocess.run(
        pip + ["download", "--no-input", "--retries", "2", "--no-deps", "--only-binary=:all:", "--require-hashes",
               "--dest", str(folder), "--requirement", str(requirements)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Refusal("the wheels cannot be had: " + why_pip_failed(done.stdout))
    return sorted(folder.glob("*.whl"))


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            for pattern, place in PLACES:
                match = pattern.fullmatch(member.filename)
                if member.is_dir() or match is None or ".." in member.filename.split("/"):
                    continue
                name = match.expand(place)
                if LEFT_OUT.fullmatch(name):
                    continue
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                if RUNNABLE.fullmatch(name):
                    target.chmod(0o755)


def link(folder):
    """The names that a linker looks for, which wheels leave out."""
    if not (folder / "lib64").is_symlink():
        (folder / "lib64").symlink_to("lib")
    for library in (folder / "lib").glob("lib*.so.*"):
        short = library.with_name(library.name.split(".so.")[0] + ".so")
        if not short.exists():
            short.symlink_to(library.name)


def install(section, text, folder):
    mark = folder / MARK / section
    digest = hashlib.sha256(text.encode() + platform.machine().encode()).hexdigest()
    if mark.is_file() and mark.read_text() == digest:
        print(f"deps-cuda: {section} is there")
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_dir():
        raise Refusal(f"{folder} holds something else; name another folder with --folder")
    if section == "toolkit" and (folder / MARK).is_dir():
        print("deps-cuda: removing an older or unfinished toolkit")
        shutil.rmtree(folder)
    (folder / MARK).mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < NEEDED[section]:
        raise Refusal(f"{folder} needs {NEEDED[section] / 1e9:.1f} GB of free disk for this")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".wheels-") as wheels:
        for wheel in download(section, text, pathlib.Path(wheels)):
            print(f"deps-cuda: unpacking {'-'.join(wheel.name.split('-')[:2])}", flush=True)
            unpack(wheel, folder)
    link(folder)
    mark.write_text(digest)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inspect", action="store_true", help="also nvdisasm, cuobjdump and compute-sanitizer")
    parser.add_argument("--folder", default="build/toolkit", type=pathlib.Path, help="default: build/toolkit")
    arguments = parser.parse_args()
    try:
        pins = read_pins()
        for section in ["toolkit"] + ["inspect"] * arguments.inspect:
            install(section, pins[section], arguments.folder)
    except (Refusal, OSError) as error:
        sys.exit(f"deps-cuda: {error}")
    print(arguments.folder)


if __name__ == "__main__":
    main()
