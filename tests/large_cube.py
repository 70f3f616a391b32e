#!/usr/bin/env python3
"""Makes a cube of any size that takes no room on disk: its samples are holes of the file system, behind valid offsets.

usage: large_cube.py envi|tiff OUT [--columns 10000] [--lines 4546] [--bands 220]      (the defaults make 20 GB of int16)

envi: BIL with its header beside it. tiff: a striped, pixel-interleaved BigTIFF, one line a strip, every strip's offset pointing into
the hole. All samples are 0, and nothing declares 0 as nodata.
"""
import argparse
import pathlib
import struct


def write_envi(path, columns, lines, bands):
    with open(path, "wb") as file:
        file.truncate(columns * lines * bands * 2)
    path.with_suffix(".hdr").write_text(
        f"ENVI\nsamples = {columns}\nlines = {lines}\nbands = {bands}\nheader offset = 0\nfile type = ENVI Standard\n"
        "data type = 2\ninterleave = bil\nbyte order = 0\n")


def write_tiff(path, columns, lines, bands):
    strip, data = columns * bands * 2, 1 << 20
    short, long8 = 3, 16
    arrays, at = [], 16

    def array(code, values):
        nonlocal at
        raw = struct.pack(f"<{len(values)}{code}", *values)
        arrays.append((at, raw))
        at += len(raw) + (-len(raw) % 8)
        return at - len(raw) - (-len(raw) % 8)

    entries = [
        (256, 4, 1, columns), (257, 4, 1, lines), (258, short, bands, array("H", [16] * bands)), (259, short, 1, 1),
        (262, short, 1, 1), (273, long8, lines, array("Q", [data + i * strip for i in range(lines)])), (277, short, 1, bands),
        (278, 4, 1, 1), (279, long8, lines, array("Q", [strip] * lines)), (284, short, 1, 1),
        (338, short, bands - 1, array("H", [0] * (bands - 1))), (339, short, bands, array("H", [2] * bands)),
    ]
    assert at < data
    ifd = struct.pack("<Q", len(entries)) + b"".join(struct.pack("<HHQQ", *entry) for entry in entries) + struct.pack("<Q", 0)
    assert at + len(ifd) < data
    with open(path, "wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, at))
        for offset, raw in arrays:
            file.seek(offset)
            file.write(raw)
        file.seek(at)
        file.write(ifd)
        file.truncate(data + strip * lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=["envi", "tiff"])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--columns", type=int, default=10000)
    parser.add_argument("--lines", type=int, default=4546)
    parser.add_argument("--bands", type=int, default=220)
    options = parser.parse_args()
    write = write_envi if options.form == "envi" else write_tiff
    write(options.out, options.columns, options.lines, options.bands)


if __name__ == "__main__":
    main()
