"""demo/run.sh: what it prints is the daemon's and the demo's own."""
import subprocess

from conftest import ROOT

RUNS = 25  # a race: without its mend, one run in three or four showed it


def test_a_daemon_that_does_not_start_is_all_that_is_heard(tmp_path):
    program = tmp_path / "spectrad"
    program.write_text("#!/bin/sh\necho 'it does not start' >&2\nexit 1\n")
    program.chmod(0o755)
    for _ in range(RUNS):
        done = subprocess.run(["sh", "demo/run.sh", str(program)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "it does not start\n")
