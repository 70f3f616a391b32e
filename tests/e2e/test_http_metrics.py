"""GET /metrics: the text format, what is counted, and health while the models load."""
import re
import shutil
import socket
import subprocess
import time

import pytest

import packages
from conftest import SAMPLE, SCENE

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)+\})? '
                  r'([+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)')


@pytest.fixture
def used(start):
    """A daemon that has classified, refused and been looked at."""
    daemon = start()
    assert daemon.post(SCENE, window="0,0,8,8").status == 200
    assert daemon.post(SCENE, window="0,0,5,5", format="npy").status == 200
    assert daemon.post(b"nothing").status in (415, 422)
    assert daemon.get("/nothing").status == 404
    return daemon


def test_the_text_format_is_kept(used):
    reply = used.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = reply.body.decode()
    assert text.endswith("\n")
    kinds, helped, seen, current = {}, set(), set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in helped and len(line.split(" ", 3)) == 4
            helped.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
        else:
            found = LINE.fullmatch(line)
            assert found, line
            name, labels = found[1], found[2] or ""
            assert (name, labels) not in seen
            seen.add((name, labels))
            family = re.sub("_(bucket|sum|count)$", "", name) if kinds[current] == "histogram" else name
            assert family == current
            assert kinds[family] != "counter" or name.endswith("_total")
    assert len(kinds) >= 25


def test_promtool_is_content(used):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=used.get("/metrics").body, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0 and done.stdout == b"", done.stdout


def test_what_is_counted(used):
    m = used.metric
    assert m('spectrad_http_requests_total{route="/classify",code="200"}') == 2
    assert m('spectrad_http_requests_total{route="other",code="404"}') == 1
    assert m('spectrad_rejected_total{reason="not-found"}') == 1
    assert m("spectrad_received_bytes_total") == 2 * SCENE.stat().st_size + len(b"nothing")
    assert m("spectrad_sent_bytes_total") > 128 + 25
    assert m('spectrad_pixels_total{state="valid"}') + m('spectrad_pixels_total{state="invalid"}') == 64 + 25
    assert m("spectrad_engine_pixels_total") >= 64 + 25 + 1  # and the warm-up
    assert m("spectrad_engine_batches_total") >= 3
    assert m("spectrad_last_inference_age_seconds") >= 0
    assert m('spectrad_requests_held{state="running"}') == 0
    assert m("spectrad_ready") == 1 and m("spectrad_models") == 1
    assert m("process_resident_memory_bytes") > 1e6 and m("process_open_fds") > 3 and m("process_cpu_seconds_total") > 0
    assert abs(m("process_start_time_seconds") - time.time()) < 600


def test_histograms_are_cumulative_and_agree(used):
    text = used.get("/metrics").body.decode()
    for stage in ("request", "upload", "queue", "read", "compute", "encode"):
        name = f"spectrad_{stage}_seconds"
        buckets = [float(v) for v in re.findall(rf'^{name}_bucket{{le="[^"]+"}} (\S+)$', text, re.M)]
        bounds = [float(v) for v in re.findall(rf'^{name}_bucket{{le="([^"]+)"}}', text, re.M)]
        assert bounds == sorted(bounds) and bounds[-1] == float("inf") and bounds[-2] >= 600
        assert buckets == sorted(buckets) and buckets[-1] == used.metric(name + "_count") == 2
        assert used.metric(name + "_sum") > 0


def large_packages(folder):
    """Twelve that take a while to load and to warm up."""
    bands, kernels = (48, 16) if SAMPLE else (200, 64)
    for i in range(12):
        packages.write(folder / f"m{i:02}.safetensors", K=bands, C=kernels, P=11, N=3, name=f"m{i:02}", seed=i)


def test_while_models_load_health_answers_and_classify_waits(start, tmp_path):
    """The socket is open before the models are loaded, so that nobody takes the daemon for dead."""
    large_packages(tmp_path)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    daemon = start(models=tmp_path, listen=f"127.0.0.1:{port}", wait=False)
    daemon.address = ("127.0.0.1", port)
    loading = refused = 0
    while not daemon.stdout():
        try:
            ready = daemon.get("/health/ready")
            if ready.json()["status"] == "loading":
                assert ready.status == 503 and int(ready.headers["retry-after"]) > 0
                assert daemon.get("/health/live").status == 200 and daemon.get("/metrics").status == 200
                loading += 1
                reply = daemon.post(SCENE)
                refused += reply.status == 503 and reply.problem()["code"] == "unavailable"
        except ConnectionRefusedError:
            time.sleep(0.005)
    assert loading > 0 and refused > 0
    daemon.wait_ready()
    assert daemon.get("/health/ready").json()["models"] == 12
    daemon.stop()


def test_sigterm_while_models_load(start, tmp_path):
    large_packages(tmp_path)
    daemon = start(models=tmp_path, wait=False)
    daemon.wait_for(lambda: daemon.log("model loaded"))
    daemon.stop()
    assert daemon.stdout() == ""


@pytest.mark.parametrize("how", ["loading", "failed"])
def test_sigterm_before_it_was_ready_takes_no_requests_for_the_drain_delay(start, tmp_path, how):
    if how == "loading":
        large_packages(tmp_path)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    daemon = start("--drain-delay=60", models=tmp_path, listen=f"127.0.0.1:{port}", wait=how == "failed")
    daemon.address = ("127.0.0.1", port)
    if how == "loading":
        daemon.wait_for(lambda: daemon.log("model loaded"))
    with daemon.connect() as s:
        daemon.terminate()
        daemon.wait_for(lambda: daemon.log("draining"))
        s.sendall(b"POST /classify?model=m11 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % SCENE.stat().st_size + SCENE.read_bytes())
        assert s.recv(12) == b"HTTP/1.1 503"
    assert daemon.wait(30) == 0
