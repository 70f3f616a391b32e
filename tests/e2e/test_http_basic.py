"""What is looked at and asked for: health, models, metrics, ids, methods, keep-alive."""
import http.client
import re
import subprocess

import pytest

from conftest import PACKAGE, SCENE, metadata

GETS = ["/models", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/metrics"]


@pytest.mark.parametrize("path", GETS)
def test_head_says_what_get_says(daemon, path):
    get, head = daemon.get(path), daemon.request("HEAD", path)
    assert get.status == head.status == 200
    assert head.body == b"" and head.headers["content-type"] == get.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


def test_ready_names_device_and_models(daemon):
    ready = daemon.get("/health/ready").json()
    assert ready["status"] == "ready" and ready["reason"] is None and ready["models"] == 1 and ready["device"]
    assert ready["last_inference_age_s"] >= 0  # the warm-up was a real one


def test_models_describes_the_package(daemon):
    about = metadata(PACKAGE)
    (model,) = daemon.get("/models").json()["models"]
    assert [(c["id"], c["name"]) for c in model["classes"]] == [(c["id"], c["name"]) for c in about["classes"]]
    assert model["wavelengths_nm"] == pytest.approx(about["wavelengths_nm"])
    assert (model["name"], model["sensor_bands"], model["patch"]) == (about["name"], about["sensor_bands"], about["patch"])
    sha = subprocess.run(["sha256sum", PACKAGE], stdout=subprocess.PIPE, text=True).stdout.split()[0]
    assert model["sha256"] == sha


def test_a_connection_is_kept_over_good_and_refused_requests(daemon):
    connection = http.client.HTTPConnection(*daemon.address)
    connection.connect()
    first = connection.sock.getsockname()
    for path, status in [("/models", 200), ("/nothing", 404), ("/health/live", 200), ("/classify", 405), ("/metrics", 200)]:
        assert daemon.request("GET", path, connection=connection).status == status
        assert connection.sock is not None and connection.sock.getsockname() == first
    connection.close()


def test_classifies_twice_on_one_connection(daemon):
    connection = http.client.HTTPConnection(*daemon.address)
    first = daemon.post(SCENE, connection=connection, window="0,0,20,10", format="npy")
    port = connection.sock.getsockname()
    second = daemon.post(SCENE, connection=connection, window="0,0,20,10", format="npy")
    assert first.status == second.status == 200 and first.body == second.body
    assert connection.sock.getsockname() == port
    connection.close()


@pytest.mark.parametrize("method, path, allow", [("GET", "/classify", "POST"), ("PUT", "/classify", "POST"),
                                                 ("POST", "/models", "GET, HEAD"), ("DELETE", "/metrics", "GET, HEAD"),
                                                 ("OPTIONS", "/health/ready", "GET, HEAD")])
def test_a_wrong_method_is_told_the_right_one(daemon, method, path, allow):
    reply = daemon.request(method, path)
    assert reply.status == 405 and reply.headers["allow"] == allow
    assert reply.problem()["code"] == "method"


def test_a_method_with_a_body_is_refused_without_the_body_being_taken_for_a_request(daemon):
    smuggled = b"GET /models HTTP/1.1\r\nHost: x\r\n\r\n"
    for method in ("DELETE", "PUT", "PATCH", "GET", "HEAD"):
        answer = daemon.raw(f"{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: {len(smuggled)}\r\n\r\n".encode() + smuggled)
        assert answer.count(b"HTTP/1.1 ") == 1, answer
        assert answer.startswith(b"HTTP/1.1 405" if method not in ("GET", "HEAD") else b"HTTP/1.1 400")


@pytest.mark.parametrize("path", ["/", "/classify/", "/Classify", "/models/demo", "/classify%00", "/%63lassify", "//classify"])
def test_other_paths_are_not_found(daemon, path):
    reply = daemon.request("POST", path)
    assert reply.status == 404
    assert reply.problem()["code"] == "not-found"


def test_the_absolute_form_of_a_target_is_understood(daemon):
    assert daemon.raw(b"GET http://any.example/health/live HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"
                      ).startswith(b"HTTP/1.1 200")


def test_a_request_id_is_taken_echoed_and_logged(daemon):
    taken = "Some.client_id-1"
    reply = daemon.get("/health/live", headers={"X-Request-Id": taken})
    assert reply.headers["x-request-id"] == taken
    daemon.wait_for(lambda: taken in [row.get("request_id") for row in daemon.log("request")])


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "x" * 129, "a\xe9", '"'])
def test_a_bad_request_id_is_replaced(daemon, bad):
    reply = daemon.get("/health/live", headers={"X-Request-Id": bad})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])


def test_made_request_ids_differ(daemon):
    assert len({daemon.get("/health/live").headers["x-request-id"] for _ in range(20)}) == 20


def test_traceparent_is_taken_where_it_is_one(daemon):
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert daemon.get("/health/live", headers={"traceparent": good}).headers["traceparent"] == good
    for bad in [good.upper(), good + "0", good.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), "00-x"]:
        made = daemon.get("/health/live", headers={"traceparent": bad}).headers["traceparent"]
        assert made != bad and re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", made)


def test_the_result_id_is_the_requests(daemon):
    reply = daemon.post(SCENE, headers={"X-Request-Id": "mine"}, window="0,0,8,8")
    assert reply.status == 200 and reply.json()["request_id"] == "mine"


def test_one_log_line_a_request(daemon):
    daemon.post(SCENE, headers={"X-Request-Id": "logged-once"}, window="0,0,8,8", format="npy")
    daemon.wait_for(lambda: any(r["request_id"] == "logged-once" for r in daemon.log("request")))
    (row,) = [r for r in daemon.log("request") if r["request_id"] == "logged-once"]
    assert (row["method"], row["path"], row["status"], row["model"]) == ("POST", "/classify", 200, "demo")
    assert row["bytes_in"] == SCENE.stat().st_size and row["bytes_out"] == 128 + 64 and row["seconds"] > 0


def test_the_answer_says_what_made_it(daemon):
    reply = daemon.post(SCENE, window="0,0,8,8", format="geotiff")
    (model,) = daemon.get("/models").json()["models"]
    assert reply.headers["spectrad-model"] == f"{model['name']}/{model['version']} {model['sha256']}"
    assert reply.headers["content-type"] == "image/tiff; application=geotiff"
    assert reply.headers["content-disposition"] == 'attachment; filename="labels.tif"'
    assert reply.headers["vary"] == "Accept"
    assert re.search(r"compute;dur=[\d.]+", reply.headers["server-timing"])


def test_timing_adds_up(daemon):
    timing = daemon.post(SCENE, window="0,0,20,20").json()["timing"]
    assert all(timing[k] > 0 for k in ("upload_s", "queue_s", "read_s", "compute_s", "encode_s"))
    assert timing["total_s"] >= timing["upload_s"] + timing["compute_s"] > 0
