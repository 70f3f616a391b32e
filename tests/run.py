#!/usr/bin/env python3
"""Runs the suites that `make test` is made of and counts: unit programs (cmocka) and test folders (pytest), each once or under a sanitizer.

usage: run.py [--build FOLDER] [--units PROGRAM ...] [--pytest PATH ...] [--name LABEL] [--tally FILE]
       run.py --total FILE

Each call appends its counts to the tally; --total prints them and `N passed, N failed, N skipped` last, and exits with 1 if any failed
or none ran.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

UNIT_TIMEOUT_S = 900


def count_tap(output):
    """(passed, failed, skipped) of a cmocka program's TAP output; cmocka 1.1.5 writes a skipped test as `not ok`."""
    points = re.findall(r"^(not ok|ok) \d+\b(.*# SKIP)?", output, re.M)
    skipped = sum(1 for _, skip in points if skip)
    passed = sum(1 for verdict, skip in points if verdict == "ok" and not skip)
    return passed, len(points) - passed - skipped, skipped


def run_unit(program, environment):
    """One cmocka program. Returns (passed, failed, skipped); a program that dies counts as one failure more."""
    environment = dict(environment, CMOCKA_MESSAGE_OUTPUT="TAP")
    try:
        done = subprocess.run([program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=UNIT_TIMEOUT_S, text=True, errors="replace")
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + "\ntimed out", -1
    passed, failed, skipped = count_tap(output)
    if code != 0 and failed == 0:
        failed = 1
    if failed:
        print(output)
    elif skipped:
        print("\n".join(line for line in output.splitlines() if "skip" in line.lower()))
    return passed, failed, skipped


def run_pytest(paths, environment, name):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"--junitxml={report}", *paths]
        if name:
            command += ["-k", name]
        code = subprocess.run(command, env=environment).returncode
        if code == 5:  # nothing of that name
            return 0, 0, 0
        if not report.exists():
            return 0, 1, 0
        suite = ElementTree.parse(report).getroot().find("testsuite")
        total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        if code != 0 and failed == 0:
            failed = 1
        return total - failed - skipped, failed, skipped


def total(tally):
    rows = [json.loads(line) for line in pathlib.Path(tally).read_text().splitlines()]
    for row in rows:
        print(f"{row['name']:<44} {row['passed']:>5} passed {row['failed']:>4} failed {row['skipped']:>4} skipped")
    sums = {key: sum(row[key] for row in rows) for key in ("passed", "failed", "skipped")}
    print(f"{sums['passed']} passed, {sums['failed']} failed" + (f", {sums['skipped']} skipped" if sums["skipped"] else ""))
    return 1 if sums["failed"] or sums["passed"] == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--label", default="plain")
    parser.add_argument("--units", nargs="*", default=[])
    parser.add_argument("--pytest", nargs="*", default=[])
    parser.add_argument("--name", default=os.environ.get("TEST", ""))
    parser.add_argument("--tally", default="build/tally")
    parser.add_argument("--total")
    options = parser.parse_args()
    if options.total:
        return total(options.total)
    environment = dict(os.environ, TEST=options.name, SPECTRAD=os.path.abspath(f"{options.build}/spectrad"))
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    environment.setdefault("TSAN_OPTIONS", "halt_on_error=0:exitcode=99:second_deadlock_stack=1")
    rows = []
    for program in options.units:
        rows.append((pathlib.Path(program).name, run_unit(program, environment)))
        print(f"{options.label}: {rows[-1][0]:<28} {rows[-1][1][0]} passed, {rows[-1][1][1]} failed", flush=True)
    if options.pytest:
        rows.append((" ".join(options.pytest), run_pytest(options.pytest, environment, options.name)))
    with open(options.tally, "a") as tally:
        for name, (passed, failed, skipped) in rows:
            row = {"name": f"{options.label}: {name}", "passed": passed, "failed": failed, "skipped": skipped}
            tally.write(json.dumps(row) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
