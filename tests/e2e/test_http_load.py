"""Many clients, slow ones, ones that leave; a full queue, a full spool, a full disk; SIGTERM under load."""
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

from conftest import SAMPLE, SCENE, form, read_all
from http_clients import SMALL, TIFF, begin_upload, held, parse, running, together, upload_head, slow_model  # noqa: F401 (a fixture)


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
