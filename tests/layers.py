#!/usr/bin/env python3
"""Checks the include edges against the layers: a file includes only what lies below it, and some headers belong to one room.

usage: layers.py [FOLDER]      exit status 1 and a line per broken rule
"""
import pathlib
import re
import sys

LAYERS = [
    ["base/"],
    ["model/"],
    ["engine/engine", "engine/block", "engine/precision"],
    ["scene/", "cpu/", "cuda/"],
    ["proto/", "engine/scheduler", "engine/select"],
    ["pipeline/"],
    ["server/", "cli/"],
    ["server/main"],
]
# Rooms of one layer that do not see each other.
STRANGERS = [{"scene", "cpu", "cuda"}, {"server", "cli"}]
# Headers from outside, and the rooms that may see them.
OWNERS = {
    r"(gdal|ogr_|cpl_).*\.h": ("scene/",),
    r"microhttpd\.h": ("server/http.",),
    r"ini\.h": ("base/option",),
    r"(cuda|cudnn).*\.h": ("cuda/",),
    r"nettle/.*": ("model/",),
}
# The engines are named by the program alone.
ENGINE_HEADERS = {"cpu/cpu.h": ("cpu/", "server/main.c"), "cuda/cuda.h": ("cuda/", "server/main.c")}
FOLDERS = ["base", "model", "engine", "scene", "cpu", "cuda", "proto", "pipeline", "server", "cli"]


def layer(path):
    best = (-1, None)
    for rank, prefixes in enumerate(LAYERS):
        for prefix in prefixes:
            if path.startswith(prefix) and len(prefix) > best[0]:
                best = (len(prefix), rank)
    return best[1]


def broken_rules(path, include, quoted):
    if not quoted:
        for pattern, owners in OWNERS.items():
            if re.fullmatch(pattern, include) and not path.startswith(owners):
                yield f"{path}: <{include}> belongs to {', '.join(owners)}"
        return
    here, there = layer(path), layer(include)
    if there is None:
        yield f"{path}: {include} lies in no layer; write includes from the root"
        return
    if there > here:
        yield f"{path}: includes {include}, which lies above it"
    rooms = path.split("/")[0], include.split("/")[0]
    if rooms[0] != rooms[1] and layer(path) != len(LAYERS) - 1:
        for strangers in STRANGERS:
            if strangers >= set(rooms):
                yield f"{path}: includes {include}: {rooms[0]}/ and {rooms[1]}/ do not see each other"
    if include in ENGINE_HEADERS and not path.startswith(ENGINE_HEADERS[include]):
        yield f"{path}: includes {include}: the program alone names the engines"


def check(root):
    broken = []
    for folder in FOLDERS:
        for file in sorted((root / folder).glob("*.[ch]*")):
            path = file.relative_to(root).as_posix()
            for open_, include in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', file.read_text(), re.M):
                broken += broken_rules(path, include, open_ == '"')
    return broken


if __name__ == "__main__":
    found = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(found) if found else "the include edges keep to the layers")
    sys.exit(1 if found else 0)
