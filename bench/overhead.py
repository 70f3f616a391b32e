#!/usr/bin/env python3
"""What the daemon adds to the engine: the wall time of POST /classify over the time that its engine computed.

The claim is at most 1.1 for a scene that keeps the engine busy: upload, reading, queue, encoding and download together
take a tenth. One client, one request after the other on one connection, so that nothing waits for another; the first
requests warm up and do not count. The engine's time is the daemon's own figure (Server-Timing: compute). Needs Python's
standard library alone.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


class OverheadError(RuntimeError):
    """The daemon did not start, or did not answer as it should."""


@contextlib.contextmanager
def serving(program, model, options):
    """(host, port) of a daemon on a free port, which is stopped afterwards."""
    with tempfile.TemporaryDirectory() as spool, tempfile.TemporaryFile("w+") as log:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--models", model, "--spool", spool, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as daemon:
            try:
                found = re.match(r"listening on http://(.+):(\d+)$", daemon.stdout.readline())
                if not found:
                    daemon.wait()
                    log.seek(0)
                    raise OverheadError(f"{program} serve does not start: {log.read().strip()[-500:]}")
                yield found[1], int(found[2])
            finally:
                daemon.terminate()


def post(connection, body, result):
    """Seconds from the request's first byte to the answer's last, and each step's as the daemon has them."""
    begun = time.perf_counter()
    connection.request("POST", f"/classify?format={result}", body, {"Content-Type": "image/tiff"})
    answer = connection.getresponse()
    text = answer.read()
    wall = time.perf_counter() - begun
    if answer.status != 200:
        raise OverheadError(f"{answer.status}: {text[:500].decode(errors='replace')}")
    steps = re.findall(r"(\w+);dur=([\d.]+)", answer.headers.get("Server-Timing", ""))
    return wall, {name: float(milliseconds) / 1e3 for name, milliseconds in steps}


def measure(args):
    body = pathlib.Path(args.scene).read_bytes()
    with serving(args.program, args.model, args.option) as (host, port):
        connection = http.client.HTTPConnection(host, port, timeout=3600)
        taken = [post(connection, body, args.format) for _ in range(args.warm_up + args.count)][args.warm_up:]
        connection.close()
    if any(steps.get("compute", 0) <= 0 for _, steps in taken):
        raise OverheadError("the daemon names no compute time; is the scene too small?")
    figures = {"scene": os.path.basename(args.scene), "model": os.path.basename(args.model), "format": args.format,
               "requests": args.count, "ratio": statistics.median(wall / steps["compute"] for wall, steps in taken),
               "wall_s": statistics.median(wall for wall, _ in taken)}
    for name in taken[0][1]:
        figures[f"{name}_s"] = statistics.median(steps[name] for _, steps in taken)
    return figures


def arguments():
    parser = argparse.ArgumentParser(description="Start the daemon, post a scene again and again, and print by how much the "
                                     "wall time of a request exceeds the engine's (medians).")
    parser.add_argument("--program", default=str(ROOT / "build" / "spectrad"))
    parser.add_argument("--model", default=str(ROOT / "demo" / "demo.safetensors"), metavar="PACKAGE")
    parser.add_argument("--scene", default=str(ROOT / "demo" / "scene.tif"), metavar="TIFF", help="default: the demo's, which is small")
    parser.add_argument("--format", default="npy", choices=("json", "geotiff", "npy"), help="default: %(default)s")
    parser.add_argument("--count", type=int, default=5, metavar="N", help="requests that count (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=2, metavar="N", help="requests before (default: %(default)s)")
    parser.add_argument("--option", action="append", default=[], metavar="OPTION",
                        help="one more option of `spectrad serve`, as --option=--threads=4; may be repeated")
    parser.add_argument("--most", type=float, metavar="RATIO", help="exit status 1 above it, such as 1.1")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    if args.count < 1 or args.warm_up < 0:
        parser.error("--count is at least 1, --warm-up at least 0")
    return args


def main():
    args = arguments()
    try:
        figures = measure(args)
    except (OverheadError, OSError, http.client.HTTPException) as error:
        sys.exit(f"overhead.py: {error}")
    steps = ", ".join(f"{key[:-2]} {1e3 * value:.1f}" for key, value in figures.items() if key.endswith("_s") and key != "wall_s")
    print(f"{figures['scene']}, {figures['model']}, {figures['format']}, {figures['requests']} requests: wall / compute "
          f"{figures['ratio']:.3f} (wall {1e3 * figures['wall_s']:.1f} ms; {steps})")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.most is not None and figures["ratio"] > args.most:
        sys.exit(f"overhead.py: the ratio is above {args.most}")


if __name__ == "__main__":
    main()
