"""One table: spectrad and its peers, measured in turns in one run on one machine.

Speeds taken at different times say little on a machine that others use too, so every round measures everything once,
spectrad first, and the medians are compared. The share of the peak counts the network's naive work (every layer as it
is written) against the FMA peak that spectrad measures; an engine that shares work between patches can exceed 100 %.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

import peers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
NEEDED = ("patches_per_second", "device", "precision", "threads", "isa", "fma_peak_gflops", "naive_flop_per_patch",
          "max_logit_error")
FLOAT32_ERROR = 1e-3  # what a float32 engine may differ from the reference


class BenchError(RuntimeError):
    """A measurement that failed or must not be believed."""


def spectrad(program, model, threads, seconds, extra):
    """The JSON object of one `spectrad bench`."""
    command = [program, "bench", "--model", model, "--json", "--threads", str(threads), "--seconds", str(seconds)]
    command += extra
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    lacking = [key for key in NEEDED if key not in found]
    if lacking:
        raise BenchError(f"{program} bench --json lacks {', '.join(lacking)}")
    error = found["max_logit_error"]
    if found["precision"] == "fp32" and not error <= FLOAT32_ERROR:  # written so that NaN fails
        raise BenchError(f"spectrad's logits differ by {error} from its plain engine's: no speed of it counts")
    return found


def measure(args):
    """Rows of {what, patches_per_second}, and the facts of the run."""
    package = peers.packages.read(args.model)
    found, patches = peers.build(package, args.threads)
    difference = peers.check_agreement(found, patches)
    batches = {name: peers.best_batch(answer, patches, args.seconds / 4) for name, answer in found.items()}
    ours = {f"spectrad {kind}".strip(): kind.split() for kind in args.spectrad}
    rates = {name: [] for name in (*ours, *found)}
    last = {}
    for turn in range(args.rounds):
        for name, extra in ours.items():
            last[name] = spectrad(args.program, args.model, args.threads, args.seconds, extra)
            rates[name].append(last[name]["patches_per_second"])
        for name, answer in found.items():
            rates[name].append(peers.rate(answer, patches, batches[name], args.seconds))
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
    first = last[next(iter(ours))]
    facts = {key: first[key] for key in ("device", "isa", "fma_peak_gflops", "naive_flop_per_patch", "max_logit_error")}
    facts.update(model=os.path.basename(args.model), threads=args.threads, rounds=args.rounds,
                 peers_max_logit_difference=difference)
    speeds = {name: statistics.median(values) for name, values in rates.items()}
    reference = speeds[next(iter(ours))]
    peak = first["fma_peak_gflops"] * 1e9
    return facts, [{"what": name, "patches_per_second": speed, "lowest": min(rates[name]), "highest": max(rates[name]),
                    "batch": batches.get(name), "share_of_peak": speed * first["naive_flop_per_patch"] / peak,
                    "spectrad_times": reference / speed} for name, speed in speeds.items()]


def lines(facts, rows, markdown):
    head = ("what", "patches/s", "lowest..highest", "of naive FMA peak", "spectrad is")
    cells = [(r["what"], f"{r['patches_per_second']:.0f}", f"{r['lowest']:.0f}..{r['highest']:.0f}",
              f"{100 * r['share_of_peak']:.0f} %", f"{r['spectrad_times']:.2f}x") for r in rows]
    about = (f"{facts['model']}, {facts['threads']} threads, {facts['device']} ({facts['isa']}), FMA peak "
             f"{facts['fma_peak_gflops']:.0f} GFLOP/s, {facts['naive_flop_per_patch'] / 1e6:.1f} MFLOP a patch, "
             f"medians of {facts['rounds']} rounds, logits: spectrad within {facts['max_logit_error']:.1e}"
             " of its plain "
             f"engine, peers within {facts['peers_max_logit_difference']:.1e} of each other")
    if markdown:
        return [about, "", "| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|",
                *("| " + " | ".join(row) + " |" for row in cells)]
    width = [max(len(row[i]) for row in (head, *cells)) for i in range(len(head))]
    return [about, *("  ".join([row[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(row[1:], width[1:]))])
                     for row in (head, *cells))]


def main():
    parser = argparse.ArgumentParser(description="Measure spectrad and its peers in turns; print one table.")
    parser.add_argument("--model", default=os.path.join(ROOT, "demo", "demo.safetensors"), metavar="PACKAGE")
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "spectrad"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median counts (default: %(default)s)")
    parser.add_argument("--spectrad", action="append", metavar="OPTIONS", help="options of one more row of spectrad's, "
                        "as '--spectrad=--precision bf16'; the first row is what the ratios are of (default: none)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there too")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    args.spectrad = args.spectrad or [""]
    try:
        facts, rows = measure(args)
    except (BenchError, RuntimeError, ValueError, OSError) as error:
        sys.exit(f"table.py: {error}")
    print("\n".join(lines(facts, rows, markdown=False)))
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as file:
            file.write("\n".join(lines(facts, rows, markdown=True)) + "\n")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({**facts, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
