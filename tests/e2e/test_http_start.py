"""Settings, packages and ports at the start: what is wrong is said in a sentence, with a status that is not 0."""
import os
import resource
import shutil
import socket
import subprocess

import pytest

import packages
from conftest import PACKAGE, PROGRAM, SCENE


def fails(tmp_path, *options, status, words, environment=None, preexec=None):
    done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--spool", tmp_path, *map(str, options)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=dict(os.environ, **(environment or {})),
                          preexec_fn=preexec)
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == status, done.stderr
    assert done.stdout == "" and len(said) == 1 and said[0].startswith("spectrad serve: "), done.stderr
    for word in words:
        assert word.lower() in said[0].lower(), said[0]
    assert [p for p in tmp_path.iterdir() if p.name.startswith("spectrad-")] == []
    return said[0]


def test_a_busy_port(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        fails(tmp_path, "--listen", f"127.0.0.1:{port}", "--models", PACKAGE, status=1, words=[str(port), "listens"])


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", "::1:8080", ":8080",
                                    "[::1]", "127.0.0.1:80x", "no.such.host.invalid:0", "203.0.113.7:0"])
def test_an_address_that_is_none(tmp_path, listen):
    fails(tmp_path, "--listen", listen, status=1 if listen.startswith("203") else 2, words=[])


@pytest.mark.parametrize("option", [["--colour=red"], ["--workers=0"], ["--workers=x"], ["--max-body=-1"], ["--max-body=4Q"],
                                    ["--log-level=loud"], ["--models="], ["operand"], ["--config"], ["--precision=fp12"],
                                    ["--isa=z80"]])
def test_a_command_line_that_cannot_be_understood(tmp_path, option):
    done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--spool", tmp_path, *option], text=True,
                          stderr=subprocess.PIPE, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode in (2, 4) and done.stderr and done.stdout == ""


def config(tmp_path, text):
    path = tmp_path / "spectrad.conf"
    path.write_text(text)
    return path


@pytest.mark.parametrize("line, word", [("colour = red", "colour"), ("workers = 0", "workers"), ("max-body = much", "max-body"),
                                        ("check = 1", "check"), ("workers", "")])
def test_a_configuration_file_with_a_mistake_is_named_with_its_line(tmp_path, line, word):
    path = config(tmp_path, f"# two good lines\nworkers = 2\n{line}\n")
    fails(tmp_path, "--config", path, status=2, words=[word, "spectrad.conf:3"])


def test_a_configuration_file_that_is_not_there(tmp_path):
    assert subprocess.run([PROGRAM, "serve", "--config", tmp_path / "none"], stderr=subprocess.PIPE).returncode in (1, 2)


def test_an_environment_variable_with_a_mistake_is_named(tmp_path):
    fails(tmp_path, status=2, words=["SPECTRAD_WORKERS"], environment={"SPECTRAD_WORKERS": "many"})


def test_the_command_line_beats_the_environment_beats_the_file(start, tmp_path):
    """Seen by how large a body is refused."""
    path = config(tmp_path, "max-body = 1000\n")

    def largest(*options, environment=None):
        daemon = start("--config", path, *options, environment=environment)
        return daemon.post(b"x" * 5000).problem()["detail"]

    assert " 1000 " in largest()
    assert " 2048 " in largest(environment={"SPECTRAD_MAX_BODY": "2K"})
    assert " 3000 " in largest("--max-body", "3000", environment={"SPECTRAD_MAX_BODY": "2K"})


def test_models_of_a_stronger_source_replace_those_of_a_weaker(start, tmp_path):
    one, two = packages.write(tmp_path / "one.safetensors", name="one"), packages.write(tmp_path / "two.safetensors", name="two")
    path = config(tmp_path, f"models = {PACKAGE}\nmodels = {one}\n")
    names = lambda d: [m["name"] for m in d.get("/models").json()["models"]]
    assert names(start("--config", path, models=None)) == ["demo", "one"]
    assert names(start("--config", path, models=two)) == ["two"]
    assert names(start("--config", path, models=f"{one}:{two}")) == ["one", "two"]


def test_several_models_need_a_name_or_a_default(start, tmp_path):
    shutil.copy(PACKAGE, tmp_path)
    packages.write(tmp_path / "other.safetensors", K=48, name="other")
    daemon = start(models=tmp_path)
    reply = daemon.post(SCENE, window="0,0,4,4")
    assert reply.status == 400 and "demo, other" in reply.problem()["detail"]
    assert daemon.post(SCENE, model="other", window="0,0,4,4").json()["model"]["name"] == "other"
    assert start("--default-model=demo", models=tmp_path).post(SCENE, window="0,0,4,4").json()["model"]["name"] == "demo"


def test_two_packages_of_one_name_stop_the_start(tmp_path):
    for name in ("a", "b"):
        packages.write(tmp_path / f"{name}.safetensors", name="same", seed=ord(name))
    fails(tmp_path, "--models", tmp_path, status=3, words=["b.safetensors", "same"])


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("conv2.bias"), ["conv2.bias"]),
    (lambda t: t.update({"conv1x1.weight": t["conv1x1.weight"][:, :, :, :, :5]}), ["conv1x1.weight", "5", "7"]),
])
def test_a_broken_package_stops_the_start_by_file_and_tensor(tmp_path, change, words):
    shutil.copy(PACKAGE, tmp_path / "a.safetensors")
    packages.write(tmp_path / "broken.safetensors", change=change)
    said = fails(tmp_path, "--models", tmp_path, status=3, words=["broken.safetensors", *words])
    assert str(tmp_path) not in said


def test_a_package_cut_short_stops_the_start(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(PACKAGE.read_bytes()[:5000])
    fails(tmp_path, "--models", tmp_path / "cut.safetensors", status=3, words=["cut.safetensors"])


def test_a_package_named_that_is_not_there(tmp_path):
    fails(tmp_path, "--models", tmp_path / "none.safetensors", status=1, words=["none.safetensors"])


@pytest.mark.parametrize("models", [None, "empty", "missing"])
def test_without_a_package_it_starts_and_says_why_it_is_not_ready(start, tmp_path, models):
    (tmp_path / "empty").mkdir()
    daemon = start(models=models and tmp_path / models)
    ready = daemon.get("/health/ready")
    assert ready.status == 503 and ready.json()["status"] == "failed" and "package" in ready.json()["reason"]
    assert daemon.get("/health/live").status == 200 and daemon.get("/models").json() == {"models": []}
    reply = daemon.post(SCENE)
    assert reply.status == 503 and "package" in reply.problem()["detail"] and int(reply.headers["retry-after"]) > 0
    assert daemon.metric("spectrad_ready") == 0


def test_no_cuda_here(tmp_path):
    fails(tmp_path, "--device", "cuda", "--models", PACKAGE, status=4, words=["cuda"])


def test_a_spool_that_is_not_there(tmp_path):
    done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--spool", tmp_path / "none"], text=True, stderr=subprocess.PIPE)
    assert done.returncode == 1 and "spool" in done.stderr


def test_too_few_open_files(tmp_path):
    low = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    fails(tmp_path, "--models", PACKAGE, status=2, words=["200", "open files"], preexec=low)
    fails(tmp_path, "--models", PACKAGE, "--max-connections=100000", status=2, words=["100000"],
          preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))


def test_ipv6(start):
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    daemon = start(listen="[::1]:0")
    assert ":" in daemon.address[0] and daemon.post(SCENE, window="0,0,4,4").status == 200
    every = start(listen="[::]:0")
    with socket.create_connection(("127.0.0.1", every.address[1])) as s:  # IPv4 too
        s.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")


def test_systemd_is_told(start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(10)
        daemon = start(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert supervisor.recv(100) == b"READY=1"
        daemon.stop()
        assert supervisor.recv(100) == b"STOPPING=1"


def test_check_reads_settings_and_packages_and_leaves(tmp_path):
    run = lambda *o: subprocess.run([PROGRAM, "serve", "--check", *map(str, o)], text=True, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, timeout=60)
    good = run("--models", PACKAGE)
    assert good.returncode == 0 and "demo" in good.stdout
    packages.write(tmp_path / "p.safetensors", change=lambda t: t.pop("conv2.bias"))
    bad = run("--models", tmp_path)
    assert bad.returncode == 3 and "conv2.bias" in bad.stderr
    assert run("--config", config(tmp_path, "colour = red\n")).returncode == 2


@pytest.mark.parametrize("options, status, word", [
    (["--listen=nonsense"], 2, "listen"), (["--listen=no.such.host.invalid:0"], 2, "no.such.host"), (["--listen=203.0.113.7:0"], 1, "203"),
    (["--device=bogus"], 4, "bogus"), (["--isa=foo"], 2, "instruction set"), (["--precision=zz"], 2, "precision"),
    (["--spool=/nonexistent"], 1, "/nonexistent"), (["--default-model=typo"], 2, "typo"), (["--max-connections=1000000"], 2, "1000000"),
])
def test_check_finds_what_would_stop_the_start(tmp_path, options, status, word):
    done = subprocess.run([PROGRAM, "serve", "--check", "--models", PACKAGE, "--spool", tmp_path, *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == status and word in done.stderr and "in order" not in done.stdout, done
    assert list(tmp_path.iterdir()) == []


def test_check_of_a_daemon_that_serves_is_content(start, tmp_path):
    host, port = start().address
    done = subprocess.run([PROGRAM, "serve", "--check", "--models", PACKAGE, "--spool", tmp_path, "--listen", f"{host}:{port}"], timeout=60)
    assert done.returncode == 0 and list(tmp_path.iterdir()) == []


def test_a_default_model_that_is_not_there_stops_the_start(tmp_path):
    fails(tmp_path, "--models", PACKAGE, "--default-model=typo", status=2, words=["typo", "demo"])


@pytest.mark.parametrize("missing_first", [False, True])
def test_a_path_that_is_not_there_beside_a_good_one_is_said(start, tmp_path, missing_first):
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    paths = [missing, empty, PACKAGE] if missing_first else [PACKAGE, missing, empty]
    daemon = start(models=paths)
    assert daemon.get("/health/ready").status == 200
    (row,) = daemon.log("not every path of models is served")
    assert row["level"] == "warning" and "missing" in row["reason"] and "empty" in row["reason"]
    done = subprocess.run([PROGRAM, "serve", "--check", *(f"--models={p}" for p in paths)], text=True, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and "warning" in done.stdout and "missing" in done.stdout and "empty" in done.stdout


def test_help_and_the_sample_file_show_every_setting(start, tmp_path):
    text = subprocess.run([PROGRAM, "serve", "--help"], text=True, stdout=subprocess.PIPE, check=True).stdout
    for option in ("--listen", "--models", "--max-requests", "--spool-limit", "--drain-timeout", "--config"):
        assert option in text


def test_log_as_text_and_by_level(start):
    text = start("--log-format=text")
    text.get("/health/live")
    text.wait_for(lambda: " info: request " in text.stderr())
    quiet = start("--log-level=error")
    quiet.get("/health/live")
    quiet.stop()
    assert quiet.stderr() == ""


def test_a_killed_daemon_leaves_a_spool_that_the_next_start_removes(start, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "spectrad-of-somebody.txt").write_text("no folder of ours")
    (spool / "other").mkdir()
    alive = start(spool=spool)
    killed = start(spool=spool)
    with killed.connect() as s:
        s.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + SCENE.read_bytes()[:1000])
        killed.wait_for(lambda: killed.metric('spectrad_requests_held{state="uploading"}') == 1)
        killed.process.kill()
        killed.wait()
    folders = lambda: sorted(p.name for p in spool.iterdir() if p.is_dir())
    assert len(folders()) == 3
    third = start(spool=spool)
    assert len(folders()) == 3 and "other" in folders()  # the killed one's is gone, the third's is there
    assert alive.post(SCENE, window="0,0,4,4").status == third.post(SCENE, window="0,0,4,4").status == 200
    for daemon in (alive, third):
        daemon.terminate()
        assert daemon.wait() == 0
    assert folders() == ["other"]
    (spool / "other").rmdir()
    (spool / "spectrad-of-somebody.txt").unlink()
