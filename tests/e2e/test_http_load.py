"""Many clients, slow ones, ones that leave; a full queue, a full spool, a full disk; SIGTERM under load."""
import concurrent.futures
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
from osgeo import gdal

import packages
from conftest import SAMPLE, SCENE, Reply, form, read_all

TIFF = SCENE.read_bytes()
SMALL = "0,0,6,6" if SAMPLE else "0,0,24,24"


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """A package for the demo's scene that takes long."""
    kernels, patch = (8, 7) if SAMPLE else (64, 11)
    return packages.write(tmp_path_factory.mktemp("slow") / "slow.safetensors", K=48, C=kernels, P=patch, N=3, name="slow")


def together(count, call):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def upload_head(length=len(TIFF), query=""):
    return f"POST /classify{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def begin_upload(daemon, sent=1000, **more):
    s = daemon.connect()
    s.sendall(upload_head(**more) + TIFF[:sent])
    return s


def parse(answer):
    """What came over a bare socket, as a Reply."""
    head_, body = answer.split(b"\r\n\r\n", 1)
    first, *lines = head_.decode().split("\r\n")
    return Reply(int(first.split()[1]), [tuple(line.split(": ", 1)) for line in lines], body)


def running(daemon):
    return daemon.metric('spectrad_requests_held{state="running"}')


def held(daemon):
    return sum(daemon.metric(f'spectrad_requests_held{{state="{s}"}}') for s in ("uploading", "queued", "running"))


def test_eight_clients_get_the_same_bytes_as_one(start):
    daemon = start("--workers=8")
    alone = {f: daemon.post(SCENE, window=SMALL, format=f).body for f in ("npy", "geotiff")}
    for form_ in alone:
        replies = together(8, lambda i: daemon.post(SCENE, window=SMALL, format=form_))
        assert {r.status for r in replies} == {200}
        if form_ == "npy":
            assert {r.body for r in replies} == {alone[form_]}
        else:  # the request's id stands in the file
            bare = {re.sub(rb"[0-9a-f]{32}", b"", r.body) for r in replies}
            assert bare == {re.sub(rb"[0-9a-f]{32}", b"", alone[form_])}


def test_windows_at_once_are_those_of_the_whole(start):
    import io
    daemon = start("--workers=4", "--http-threads=4")
    whole = np.load(io.BytesIO(daemon.post(SCENE, format="npy", window="0,0,48,12").body))
    def one(i):
        return np.load(io.BytesIO(daemon.post(SCENE, format="npy", window=f"{i * 4},2,4,8").body))
    for i, part in enumerate(together(12, one)):
        np.testing.assert_array_equal(part, whole[2:10, i * 4:i * 4 + 4])


def test_beyond_the_most_connections_clients_wait_their_turn(start):
    daemon = start("--max-connections=3")
    idle = [daemon.connect() for _ in range(3)]
    daemon.wait_for(lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) >= 3)
    with daemon.connect(timeout=1) as waiting:
        waiting.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with pytest.raises(socket.timeout):
            waiting.recv(1)
        idle.pop().close()
        waiting.settimeout(30)
        assert b"spectrad_connections 3\n" in read_all(waiting)
    for s in idle:
        s.close()


def test_a_lack_of_descriptors_is_logged_once_each_time(start):
    daemon = start()
    pid = daemon.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    for episode in (1, 2):
        daemon.wait_for(lambda: daemon.metric("spectrad_connections") == 1)
        time.sleep(0.1)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), before[1]))
        with daemon.connect() as s:
            s.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
            daemon.wait_for(lambda: len(daemon.log("connections cannot be accepted")) >= episode)
            time.sleep(0.5)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            assert b"live" in read_all(s)
        assert len(daemon.log("connections cannot be accepted")) == episode


def test_connections_that_wait_at_sigterm_are_answered(start):
    """Those in the kernel's queue, which the server has not accepted when the signal comes."""
    daemon = start()
    daemon.process.send_signal(signal.SIGSTOP)
    waiting = [daemon.connect() for _ in range(20)]
    for s in waiting:
        s.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
    daemon.terminate()
    daemon.process.send_signal(signal.SIGCONT)
    answers = [read_all(s) for s in waiting]
    assert all(a.startswith(b"HTTP/1.1 ") and b"\r\nConnection: close\r\n" in a for a in answers if b"503" in a[:12])
    assert all(a[9:12] in (b"200", b"503") for a in answers)
    assert daemon.wait() == 0


def test_a_full_queue_is_429_with_retry_after(start):
    daemon = start("--max-requests=2", "--workers=1")
    first, second = begin_upload(daemon, query="?format=npy&window=0,0,4,4"), begin_upload(daemon)
    daemon.wait_for(lambda: held(daemon) == 2)
    refused = daemon.post(SCENE)
    assert refused.status == 429 and int(refused.headers["retry-after"]) > 0 and refused.problem()["code"] == "busy"
    assert daemon.metric('spectrad_rejected_total{reason="busy"}') == 1
    assert daemon.get("/health/ready").status == 200
    first.sendall(TIFF[1000:])
    assert first.recv(12) == b"HTTP/1.1 200"
    assert daemon.post(SCENE, window="0,0,4,4").status == 200
    first.close()
    second.close()
    daemon.wait_for(lambda: held(daemon) == 0)


def test_the_queue_holds_what_workers_cannot_take_yet(start, slow_model):
    daemon = start("--max-requests=6", "--workers=1", models=slow_model)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(daemon.post(SCENE, window="10,10,5,5").status)) for _ in range(6)]
    for t in threads:
        t.start()
    daemon.wait_for(lambda: daemon.metric('spectrad_requests_held{state="queued"}') >= 1)
    before = time.monotonic()
    assert daemon.get("/health/ready").status == 200 and daemon.get("/metrics").status == 200
    assert time.monotonic() - before < 2  # health does not wait for the queue
    for t in threads:
        t.join()
    assert replies == [200] * 6


def test_a_client_that_leaves_stops_costing_compute(start, slow_model):
    daemon = start("--workers=1", "--max-requests=3", models=slow_model)
    clients = [begin_upload(daemon, sent=len(TIFF)) for _ in range(3)]
    daemon.wait_for(lambda: running(daemon) == 1 and held(daemon) == 3)
    for s in clients:
        s.close()
    left = time.monotonic()
    daemon.wait_for(lambda: held(daemon) == 0, seconds=60 if SAMPLE else 10)
    if not SAMPLE:
        assert time.monotonic() - left < 5
    assert daemon.metric('spectrad_rejected_total{reason="canceled"}') == 3
    daemon.wait_for(lambda: daemon.metric('spectrad_http_requests_total{route="/classify",code="499"}') == 3)
    assert daemon.post(SCENE, window="10,10,1,1").status == 200


@pytest.mark.parametrize("at_once", [False, True])
def test_a_client_that_leaves_while_it_uploads(start, at_once):
    daemon = start("--max-requests=1")
    if at_once:  # the end of the stream is there before the first byte is read
        daemon.process.send_signal(signal.SIGSTOP)
        begin_upload(daemon).close()
        daemon.process.send_signal(signal.SIGCONT)
    else:
        with begin_upload(daemon):
            daemon.wait_for(lambda: held(daemon) == 1)
    daemon.wait_for(lambda: daemon.metric('spectrad_http_requests_total{route="/classify",code="499"}') == 1, seconds=5)
    daemon.wait_for(lambda: held(daemon) == 0)
    daemon.wait_for(lambda: daemon.metric('spectrad_rejected_total{reason="canceled"}') == 1)
    assert daemon.metric("spectrad_spool_bytes") == 0
    assert daemon.post(SCENE, window="0,0,4,4").status == 200


def test_a_deadline_ends_a_request_that_waits_and_one_that_runs(start, slow_model):
    daemon = start("--workers=1", models=slow_model)
    before = time.monotonic()
    replies = together(2, lambda i: daemon.post(SCENE, deadline="0.7"))
    assert [r.status for r in replies] == [504, 504]
    if not SAMPLE:
        assert time.monotonic() - before < 6
    assert replies[0].problem()["code"] == "deadline"
    assert start("--deadline=0.5", models=slow_model).post(SCENE).status == 504


def test_no_request_outlives_the_operators_deadline(start):
    refused = start("--deadline=100").post(SCENE, deadline="101")
    assert refused.status == 400 and "100" in refused.problem()["detail"]
    assert start("--deadline=0").post(SCENE, deadline="604800", window="0,0,4,4").status == 200


def test_a_deadline_ends_a_body_that_still_comes(start):
    daemon = start()
    with begin_upload(daemon, query="?deadline=1") as s:
        s.settimeout(8)
        answer = parse(read_all(s))
        assert answer.status == 504 and answer.problem()["code"] == "deadline"
    daemon.wait_for(lambda: held(daemon) == 0)
    assert daemon.metric('spectrad_http_requests_total{route="/classify",code="504"}') == 1
    assert daemon.metric('spectrad_rejected_total{reason="deadline"}') == 1


def test_a_deadline_ends_a_request_that_waits_for_a_worker(start, slow_model):
    daemon = start("--workers=1", models=slow_model)
    with begin_upload(daemon, sent=len(TIFF)):
        daemon.wait_for(lambda: running(daemon) == 1)
        reply = daemon.post(SCENE, deadline="0.5", window="0,0,1,1")
        assert running(daemon) == 1, "the other one ended too early to prove anything"
        assert reply.status == 504


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


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place]).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_507_and_the_next_request_succeeds(small_disk, start):
    daemon = start("--header-timeout=5", spool=small_disk)
    too_much = daemon.post(b"II*\0" + b"x" * (8 << 20))
    assert too_much.status == 507  # seen by statvfs, before the body
    filler = small_disk / "filler"
    with daemon.connect() as s:  # the disk fills while the body comes
        s.sendall(upload_head(length=1 << 20) + b"x" * 1000)
        daemon.wait_for(lambda: held(daemon) == 1)
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass
        s.sendall(b"x" * ((1 << 20) - 1000))
        assert s.recv(12) == b"HTTP/1.1 507"
    filler.unlink()
    assert daemon.post(SCENE, window="0,0,4,4").status == 200


def test_sigterm_under_load_answers_every_accepted_request(start):
    daemon = start("--workers=2", "--max-requests=64", "--drain-timeout=100")
    accepted = threading.Semaphore(0)
    results = []

    def client(i):
        with daemon.connect() as s:
            s.sendall(upload_head(query=f"?window=0,0,{10 + i},10&format=npy") + TIFF[:5000])
            accepted.release()
            if i % 2:
                time.sleep(1)  # still uploading when the signal comes
            s.sendall(TIFF[5000:])
            results.append((i, read_all(s)))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for _ in threads:
        accepted.acquire()
    daemon.wait_for(lambda: held(daemon) >= 20 or len(results) > 4)
    time.sleep(0.3)
    daemon.terminate()
    daemon.wait_for(lambda: daemon.log("draining"))
    late = None
    try:
        late = daemon.post(SCENE)
    except OSError:
        pass  # listens no more: everything was answered already
    for t in threads:
        t.join()
    assert daemon.wait() == 0
    assert len(results) == 24
    for i, answer in results:
        assert answer.startswith(b"HTTP/1.1 200"), (i, answer[:300])
        assert len(answer.split(b"\r\n\r\n", 1)[1]) == 128 + (10 + i) * 10
    if late is not None:
        assert late.status == 503 and late.headers["connection"] == "close" and int(late.headers["retry-after"]) > 0


def test_while_draining_it_says_so_and_takes_nothing_new(start):
    daemon = start("--idle-timeout=100")
    idle = daemon.connect()
    idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"live" in idle.recv(4096)
    with begin_upload(daemon, query="?window=0,0,4,4") as s:
        daemon.wait_for(lambda: held(daemon) == 1)
        daemon.terminate()
        daemon.wait_for(lambda: daemon.get("/health/ready").status == 503)
        assert daemon.get("/health/ready").json()["status"] == "draining"
        assert daemon.get("/health/live").status == 200
        assert idle.recv(100) == b""  # idle connections close
        refused = daemon.post(SCENE)
        assert refused.status == 503 and refused.problem()["code"] == "unavailable"
        s.sendall(TIFF[1000:])
        assert read_all(s).startswith(b"HTTP/1.1 200")
    assert daemon.wait() == 0
    idle.close()


def test_a_request_that_lies_in_an_idle_connection_at_sigterm_is_answered(start):
    """Sent while the daemon stands still, over more connections than its thread serves before idle ones are looked at."""
    daemon = start("--http-threads=1")
    idle = [daemon.connect(timeout=20) for _ in range(300)]
    for s in idle:
        s.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"live" in s.recv(4096)
    daemon.process.send_signal(signal.SIGSTOP)
    for s in idle:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    daemon.terminate()
    daemon.process.send_signal(signal.SIGCONT)
    lost = sum(not read_all(s).startswith(b"HTTP/1.1 200") for s in idle)
    assert lost == 0
    assert daemon.wait() == 0


def test_during_the_drain_delay_requests_are_still_served(start):
    daemon = start("--drain-delay=2")
    daemon.terminate()
    daemon.wait_for(lambda: daemon.get("/health/ready").status == 503)
    reply = daemon.post(SCENE, window="0,0,4,4")
    assert reply.status == 200 and reply.headers["connection"] == "close"
    begun = time.monotonic()
    assert daemon.wait() == 0 and time.monotonic() - begun < 10


def test_the_drain_is_bounded(start, slow_model):
    daemon = start("--drain-timeout=1", models=slow_model)
    with begin_upload(daemon, sent=len(TIFF)) as s, begin_upload(daemon):  # one runs for long, one never comes
        daemon.wait_for(lambda: running(daemon) == 1)
        daemon.terminate()
        answer = read_all(s)
        assert answer.startswith(b"HTTP/1.1 503"), answer[:200]
        assert daemon.wait(60 if SAMPLE else 15) == 1
    assert "before every request" in daemon.stderr()


def test_a_second_signal_stops_at_once(start, slow_model):
    daemon = start("--drain-timeout=1000", models=slow_model)
    with begin_upload(daemon, sent=len(TIFF)) as s:
        daemon.wait_for(lambda: running(daemon) == 1)
        daemon.terminate()
        daemon.wait_for(lambda: daemon.log("draining"))
        begun = time.monotonic()
        daemon.process.send_signal(2)
        assert daemon.wait(60) == 1
        if not SAMPLE:
            assert time.monotonic() - begun < 5
        assert read_all(s).startswith(b"HTTP/1.1 503")


def test_no_file_is_left_open_and_memory_does_not_creep(start):
    daemon = start("--workers=1")  # PROJ keeps its database open, once for each thread
    def open_files():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    def round_():
        for body, query in [(TIFF, {"window": "0,0,4,4"}), (TIFF[:5000], {}), (b"nothing", {}), (TIFF, {"window": "0,0,999,9"}),
                            (form([("x", b"1")]), {}), (TIFF, {"format": "geotiff", "window": "0,0,3,3"}), (TIFF, {"bad": "1"})]:
            daemon.post(body, **query)
    round_()
    daemon.wait_for(lambda: daemon.metric("spectrad_connections") == 1)
    files = open_files()
    for _ in range(3 if SAMPLE else 20):
        round_()
    daemon.wait_for(lambda: daemon.metric("spectrad_connections") == 1)
    daemon.wait_for(lambda: open_files() <= files, "the last socket closed", seconds=10)
    assert daemon.metric("spectrad_spool_bytes") == 0 and held(daemon) == 0
    (own,) = daemon.spool.iterdir()
    assert [p.name for p in own.iterdir()] == [".spectrad-spool"]
