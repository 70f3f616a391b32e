"""The daemon as a fixture: started on a free port, spoken to over real sockets, and looked at when it ends.

Every daemon that a test starts must leave with status 0 after SIGTERM (unless the test says what else it expects), without a
sanitizer's report on standard error, and with an empty spool.
"""
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.environ.get("SPECTRAD", str(ROOT / "build" / "spectrad"))
SAMPLE = bool(os.environ.get("SPECTRAD_TEST_SAMPLE"))  # a sanitizer's build: the same tests with less to compute
DEMO = ROOT / "demo" / "demo.safetensors"
SCENE = ROOT / "demo" / "scene.tif"
REPORTS = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
PATIENCE_S = 120
os.environ["TSAN_OPTIONS"] = ":".join(filter(None, [os.environ.get("TSAN_OPTIONS"), f"suppressions={ROOT / 'tests' / 'tsan.supp'}"]))
sys.path.insert(0, str(pathlib.Path(__file__).parent))


# The program on the emulated device is built once, without a sanitizer: its tests run once.
collect_ignore = ["test_cuda.py"] if os.environ.get("SPECTRAD_TEST_SAMPLE") else []


def metadata(package):
    raw = package.read_bytes()
    return json.loads(json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["spectrad"])


def small_package():
    """The demo's package with fewer kernels, of random weights: about a thirtieth of the work."""
    import packages
    about = metadata(DEMO)
    about.pop("kernels", None)
    path = pathlib.Path(tempfile.mkdtemp(prefix="spectrad-test-")) / "small.safetensors"
    atexit.register(shutil.rmtree, path.parent)
    return packages.write(path, K=about["bands"], C=4, P=about["patch"], N=len(about["classes"]), kernels=4, **about)


PACKAGE = small_package() if SAMPLE else DEMO


class Reply:
    """An answer: status, headers (lower-case names), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {k.lower(): v for k, v in headers}, body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        assert self.headers["content-type"] == "application/problem+json", self.body[:200]
        problem = self.json()
        assert problem["status"] == self.status and problem["instance"] == self.headers["x-request-id"]
        assert problem["type"] and problem["title"] and problem["detail"]
        assert str(tempfile.gettempdir()) not in self.body.decode() and "/var/" not in self.body.decode()
        return problem


class Daemon:
    """A running `spectrad serve`."""

    def __init__(self, *options, models=PACKAGE, spool=None, listen="127.0.0.1:0", environment=None, wait=True, preexec=None,
                 program=PROGRAM):
        self.own_spool = None if spool else tempfile.TemporaryDirectory()
        self.spool = pathlib.Path(spool or self.own_spool.name)
        self.stderr_file = tempfile.NamedTemporaryFile()
        self.stdout_file = tempfile.NamedTemporaryFile()
        command = [program, "serve", "--listen", listen, "--spool", str(self.spool)]
        for one in models if isinstance(models, (list, tuple)) else [models]:
            command += ["--models", str(one)] if one is not None else []
        self.process = subprocess.Popen(command + [str(o) for o in options], stdout=self.stdout_file, stderr=self.stderr_file,
                                        stdin=subprocess.DEVNULL, env=dict(os.environ, **(environment or {})), preexec_fn=preexec)
        self.address = None
        if wait:
            self.wait_ready()

    def stdout(self):
        return pathlib.Path(self.stdout_file.name).read_text()

    def stderr(self):
        return pathlib.Path(self.stderr_file.name).read_text(errors="replace")

    def log(self, message=None):
        """The log's objects, or those of one message."""
        rows = [json.loads(line) for line in self.stderr().splitlines() if line.startswith("{")]
        return [row for row in rows if message in (None, row["message"])]

    def wait_ready(self):
        until = time.monotonic() + PATIENCE_S
        while not self.stdout().endswith("\n"):
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.stderr()}"
            assert time.monotonic() < until, "not ready: " + self.stderr()
            time.sleep(0.02)
        found = re.fullmatch(r"listening on http://(.+):(\d+)\n", self.stdout())
        assert found, self.stdout()
        self.address = (found[1].strip("[]"), int(found[2]))

    @property
    def url(self):
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def connect(self, timeout=PATIENCE_S):
        return socket.create_connection(self.address, timeout=timeout)

    def request(self, method, path, body=None, headers=None, connection=None, **query):
        """One request; on a connection of its own unless one is given (http.client.HTTPConnection)."""
        if query:
            path += "?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        own = connection or http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)
        own.request(method, path, body=body, headers=headers or {})
        answer = own.getresponse()
        reply = Reply(answer.status, answer.getheaders(), answer.read())
        if connection is None:
            own.close()
        return reply

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, cube, content_type="image/tiff", accept=None, headers=None, connection=None, **query):
        """Posts a cube (a path, or bytes) to /classify; the query's keys by name."""
        body = cube if isinstance(cube, bytes) else pathlib.Path(cube).read_bytes()
        headers = dict(headers or {})
        if content_type is not None:
            headers["Content-Type"] = content_type
        if accept is not None:
            headers["Accept"] = accept
        return self.request("POST", "/classify", body, headers, connection, **query)

    def post_form(self, parts, boundary="b0undary", **more):
        """Posts multipart/form-data; parts: [(name, bytes)]."""
        return self.post(form(parts, boundary), content_type=f"multipart/form-data; boundary={boundary}", **more)

    def raw(self, text, timeout=PATIENCE_S):
        """Sends bytes as they are, and reads until the server closes."""
        with self.connect(timeout) as s:
            s.sendall(text)
            return read_all(s)

    def metric(self, name):
        """The value of a metric line, such as 'spectrad_ready' or 'spectrad_rejected_total{reason="busy"}'; 0 if it is not there."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def wait_for(self, condition, what="it", seconds=PATIENCE_S):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{what} did not come; {self.stderr()[-2000:]}"
            time.sleep(0.02)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=PATIENCE_S):
        return self.process.wait(seconds)

    def stop(self, status=0):
        """SIGTERM where it still runs, and what every daemon must leave."""
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("did not stop: " + self.stderr()[-2000:])
        said = self.stderr()
        assert not REPORTS.search(said), said[-8000:]
        assert code == status, f"ended with {code}: {said[-4000:]}"
        assert list(self.spool.iterdir()) == []

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_spool:
            self.own_spool.cleanup()
        self.stderr_file.close()
        self.stdout_file.close()


def read_all(s):
    out = b""
    while True:
        try:
            piece = s.recv(1 << 16)
        except ConnectionResetError:
            return out
        if not piece:
            return out
        out += piece


def form(parts, boundary="b0undary"):
    out = b""
    for name, data in parts:
        data = data.encode() if isinstance(data, str) else data
        out += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.bin"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n").encode() + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


@pytest.fixture
def start():
    """start(*options, ...) -> Daemon; all are stopped and looked at when the test ends."""
    started = []

    def make(*options, **more):
        started.append(Daemon(*options, **more))
        return started[-1]

    yield make
    try:
        for daemon in started:
            if daemon.process.poll() is None:
                daemon.stop()
    finally:
        for daemon in started:
            daemon.discard()


@pytest.fixture(scope="module")
def daemon():
    """One daemon with the demo's model for all tests of a file."""
    one = Daemon()
    yield one
    try:
        one.stop()
    finally:
        one.discard()

