"""Clients that are slow with headers, bodies and answers: cut in time, what they hold is counted, and nobody else waits for them."""
import http.client
import resource
import socket
import threading
import time

import numpy as np
import pytest
from osgeo import gdal

import packages
from conftest import SCENE, read_all
from http_clients import TIFF, begin_upload, held, parse, upload_head


def test_slow_headers_are_cut_and_others_are_served(start):
    daemon = start("--header-timeout=1")
    slow = [daemon.connect() for _ in range(50)]
    begun = time.monotonic()
    stop = threading.Event()

    def drip():
        for i in range(1000):
            for s in slow:
                try:
                    s.sendall(b"GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[i:i + 1] or b"a")
                except OSError:
                    pass
            if stop.wait(0.1):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    assert daemon.post(SCENE, window="0,0,4,4").status == 200
    for s in slow:
        s.settimeout(10)
        assert read_all(s) == b""
    took = time.monotonic() - begun
    stop.set()
    thread.join()
    assert 1 <= took < 8
    daemon.wait_for(lambda: daemon.metric("spectrad_connections") == 1)


def test_slow_headers_of_a_second_request_are_cut(start):
    daemon = start("--header-timeout=1", "--idle-timeout=60")
    with daemon.connect(timeout=10) as s:
        s.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"live" in s.recv(4096)
        begun = time.monotonic()
        while time.monotonic() - begun < 8:
            try:
                s.sendall(b"G" if time.monotonic() - begun < 0.1 else b"E")
            except OSError:
                break
            time.sleep(0.1)
        assert 1 <= time.monotonic() - begun < 8


def test_an_idle_connection_is_closed_after_its_time(start):
    daemon = start("--idle-timeout=1", "--header-timeout=30")
    with daemon.connect(timeout=10) as s:
        s.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"live" in s.recv(4096)
        begun = time.monotonic()
        assert s.recv(100) == b"" and 0.5 < time.monotonic() - begun < 8


@pytest.mark.parametrize("drips", [False, True])
def test_a_body_that_stalls_is_408(start, drips):
    daemon = start("--header-timeout=1")
    with begin_upload(daemon) as s:
        s.settimeout(0.1 if drips else 10)
        answer, begun = b"", time.monotonic()
        while time.monotonic() - begun < 10 and not answer.endswith(b"}"):
            try:
                if drips:
                    s.sendall(b"x")
                answer += s.recv(4096)
            except socket.timeout:
                pass
            except OSError:
                break
        assert answer.startswith(b"HTTP/1.1 408 ")
        problem = parse(answer).problem()  # which holds the id in the body against that in the headers
        assert problem["code"] == "timeout"
        daemon.wait_for(lambda: any(r["request_id"] == problem["instance"] for r in daemon.log("request")))
        assert time.monotonic() - begun < 8
    daemon.wait_for(lambda: held(daemon) == 0)
    assert daemon.metric('spectrad_http_requests_total{route="/classify",code="408"}') == 1
    assert daemon.metric('spectrad_rejected_total{reason="timeout"}') == 1
    assert daemon.post(SCENE, window="0,0,4,4").status == 200


def drip(clients, stop, rate):
    """Sends so many bytes a second to each until told to stop; a client that was cut is left out."""
    while not stop.wait(0.1):
        for s in clients:
            try:
                s.sendall(b"x" * int(rate / 10))
            except OSError:
                pass


@pytest.mark.parametrize("what", ["places", "spool"])
def test_slow_bodies_yield_to_requests_that_are_refused(start, what):
    """Four clients that announce a gigabyte each; the slowest goes, and no other."""
    options = ["--max-requests=4"] if what == "places" else ["--spool-limit=4G"]
    daemon = start("--header-timeout=1", "--min-rate=0", *options)
    slow = [begin_upload(daemon, length=1 << 30) for _ in range(4)]
    stop = threading.Event()
    threads = [threading.Thread(target=drip, args=(slow[i:i + 1], stop, 100_000 - 20_000 * (i == 2))) for i in range(4)]
    for t in threads:
        t.start()
    try:
        daemon.wait_for(lambda: held(daemon) == 4)
        time.sleep(1.5)
        refused = daemon.post(SCENE, window="0,0,4,4")
        assert refused.status == (429 if what == "places" else 507) and refused.headers["retry-after"] == "1"
        time.sleep(1)
        assert daemon.post(SCENE, window="0,0,4,4").status == 200
        daemon.wait_for(lambda: held(daemon) == 3, "three that kept their places", seconds=10)
        slow[2].settimeout(5)
        answer = parse(read_all(slow[2]))
        assert answer.status == 408 and "place" in answer.problem()["detail"]
    finally:
        stop.set()
        for t in threads:
            t.join()
        for s in slow:
            s.close()
    daemon.wait_for(lambda: held(daemon) == 0 and daemon.metric("spectrad_spool_bytes") == 0)


def test_fast_bodies_and_young_ones_keep_their_places(start):
    daemon = start("--header-timeout=2", "--max-requests=2")
    stop = threading.Event()
    with begin_upload(daemon, length=1 << 30) as fast, begin_upload(daemon):
        thread = threading.Thread(target=drip, args=([fast], stop, 4_000_000))
        thread.start()
        daemon.wait_for(lambda: held(daemon) == 2)
        assert int(daemon.post(SCENE).headers["retry-after"]) > 1
        assert held(daemon) == 2
        time.sleep(2.5)  # the one that sends nothing is cut meanwhile
        with begin_upload(daemon):
            daemon.wait_for(lambda: held(daemon) == 2)
            assert int(daemon.post(SCENE).headers["retry-after"]) > 1
            assert held(daemon) == 2
        stop.set()
        thread.join()


def test_nobody_yields_to_what_could_never_fit(start):
    daemon = start("--header-timeout=1", "--min-rate=0", "--spool-limit=1M")
    with begin_upload(daemon, length=500_000):
        daemon.wait_for(lambda: held(daemon) == 1)
        time.sleep(1.5)
        assert daemon.post(b"x" * (2 << 20)).status == 507
        time.sleep(0.3)
        assert held(daemon) == 1


def test_an_upload_that_is_slow_but_steady_is_taken(start):
    daemon = start("--header-timeout=1", "--min-rate=1K")
    with daemon.connect() as s:
        s.sendall(upload_head(query="?window=0,0,4,4"))
        for i in range(15):
            s.sendall(TIFF[i * 4000:(i + 1) * 4000])
            time.sleep(0.2)
        s.sendall(TIFF[60000:])
        assert s.recv(12) == b"HTTP/1.1 200"


def test_an_answer_that_nobody_reads_is_given_up(start):
    daemon = start("--header-timeout=1")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(daemon.address)
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1500)  # more than the buffers of both sides hold
        daemon.wait_for(lambda: daemon.metric("spectrad_connections") == 2, seconds=5)
        daemon.wait_for(lambda: daemon.metric("spectrad_connections") == 1, seconds=20)


def test_more_than_the_spool_holds_is_507_before_the_body(start):
    daemon = start("--spool-limit=1000000")
    with begin_upload(daemon, length=600_000) as s:
        daemon.wait_for(lambda: daemon.metric("spectrad_spool_bytes") == 600_000)
        refused = daemon.post(b"x" * 500_000)
        assert refused.status == 507 and refused.problem()["code"] == "space" and int(refused.headers["retry-after"]) > 0
    daemon.wait_for(lambda: daemon.metric("spectrad_spool_bytes") == 0)
    assert daemon.post(SCENE, window="0,0,4,4").status == 200
    daemon.wait_for(lambda: daemon.metric("spectrad_spool_bytes") == 0)


@pytest.fixture
def wide(tmp_path):
    """A scene of 250,000 pixels, one of them valid, in a few KiB, and a package for it: a large answer for little work."""
    samples = np.zeros((12, 500, 500), "u1")
    samples[:, 250, 250] = 100
    tiff = tmp_path / "wide.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(tiff), 500, 500, 12, gdal.GDT_Byte, ["COMPRESS=DEFLATE", "INTERLEAVE=PIXEL"])
    dataset.WriteRaster(0, 0, 500, 500, samples.tobytes())
    dataset.GetRasterBand(1).SetNoDataValue(0)
    del dataset
    return packages.write(tmp_path / "wide.safetensors", K=12, name="wide"), tiff.read_bytes()


def ask_and_not_read(daemon, body):
    """The answer's first bytes, and the connection in which the rest of it stays; None instead where none came in time."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # small segments: the server's buffer is small too
    s.settimeout(3)
    s.connect(daemon.address)
    s.sendall(upload_head(length=len(body), query="?format=npy") + body)
    try:
        return s, s.recv(12)
    except socket.timeout:
        return s, None


def test_results_that_nobody_reads_take_no_more_descriptors_than_there_are(start, wide):
    package, body = wide
    daemon = start("--max-requests=4", "--min-rate=0", models=package,
                   preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (540, 540)))
    good = http.client.HTTPConnection(*daemon.address, timeout=60)
    assert daemon.get("/health/live", connection=good).status == 200
    clients = []
    try:
        while len(clients) < 300:
            s, first = ask_and_not_read(daemon, body)
            clients.append(s)
            if first is None:
                break
            assert first in (b"HTTP/1.1 200", b"HTTP/1.1 429"), first
        assert 100 < len(clients) < 300
        reply = daemon.post(body, connection=good, format="npy", window="0,0,260,260")
        assert reply.status == 200 and len(reply.body) == 128 + 260 * 260
        assert daemon.log("connections cannot be accepted") == []
    finally:
        for s in clients:
            s.close()
    daemon.wait_for(lambda: held(daemon) == 0 and daemon.metric("spectrad_spool_bytes") == 0)
    daemon.wait_for(lambda: daemon.metric("process_open_fds") < 60)
    good.close()


def test_a_result_is_counted_in_the_spool_until_it_is_sent(start, wide):
    package, body = wide
    daemon = start("--min-rate=0", "--spool-limit=1000000", models=package)
    with ask_and_not_read(daemon, body)[0], ask_and_not_read(daemon, body)[0]:
        daemon.wait_for(lambda: daemon.metric("spectrad_spool_bytes") == 2 * (128 + 250_000), seconds=10)
        refused = daemon.post(body, format="npy")
        assert refused.status == 507 and refused.problem()["code"] == "space" and int(refused.headers["retry-after"]) > 0
        assert daemon.metric("spectrad_spool_bytes") == 2 * (128 + 250_000)
        assert daemon.post(body, format="npy", window="0,0,260,260").status == 200
    daemon.wait_for(lambda: daemon.metric("spectrad_spool_bytes") == 0)
    assert daemon.post(body, format="npy").status == 200


def test_an_answer_that_is_broken_off_is_logged_with_what_was_taken(start, wide):
    package, body = wide
    daemon = start("--min-rate=0", models=package)
    with ask_and_not_read(daemon, body)[0]:
        pass
    daemon.wait_for(lambda: daemon.metric('spectrad_http_requests_total{route="/classify",code="499"}') == 1)
    daemon.wait_for(lambda: [r for r in daemon.log("request") if r["path"] == "/classify"])
    (row,) = [r for r in daemon.log("request") if r["path"] == "/classify"]
    assert row["status"] == 499 and 0 < row["bytes_out"] < 100_000
