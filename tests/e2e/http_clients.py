"""What tests of the daemon under load share: a scene to post, uploads in parts, a model that takes long."""
import concurrent.futures

import pytest

import packages
from conftest import SAMPLE, SCENE, Reply


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
