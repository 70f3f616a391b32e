"""The pages in docs/ and proto/openapi.yaml say what the program does; what a program can check of that is checked here."""
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import packages
from conftest import DEMO, PROGRAM, ROOT, SCENE

DOCS = ROOT / "docs"


def spectrad(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(page, *heads):
    """The cells of every table of a page that begins with these columns, without the marks of code."""
    found, inside = [], False
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells[:len(heads)] == list(heads):
            inside = True
        elif not cells:
            inside = False
        elif inside and not set(cells[0]) <= {"-"}:
            found.append(cells)
    assert found, f"{page} has no table of {heads}"
    return found


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_metric_of_a_running_daemon_is_in_the_page_and_no_other(daemon):
    assert daemon.post(SCENE, window="0,0,8,8").status == 200
    served = dict(re.findall(r"^# TYPE (\S+) (\S+)$", daemon.get("/metrics").body.decode(), re.M))
    assert {names(row[0])[0]: row[1] for row in rows("metrics.md", "metric", "type")} == served


def test_the_labels_that_the_page_names_are_served(daemon):
    assert daemon.post(SCENE, window="0,0,8,8").status == 200
    served = {}
    for name, labels in re.findall(r"^(\w+)\{(.*)\} ", daemon.get("/metrics").body.decode(), re.M):
        if not name.endswith("_bucket"):
            served.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    told = {}
    for row in rows("metrics.md", "metric", "type"):
        label = re.search(r"labels? ([^;]*?)(?=:|;|$)", row[2])
        if label:
            told[names(row[0])[0]] = set(names(label[1]))
    assert told == served


def told_tensors(**sizes):
    """Every tensor that packages.md asks for, in the published form: name and shape."""
    def shape(text):
        return tuple(sizes[part] if part in sizes else int(part) for part in re.findall(r"\w+", text))

    out = {}
    for cells in rows("packages.md", "layer", "weight"):
        for name in names(cells[0]):
            out[name + ".weight"], out[name + ".bias"] = shape(cells[1]), shape(cells[1])[:1]
    for cells in rows("packages.md", "normalisation", "length"):
        out.update({f"{name}.{part}": shape(cells[1]) for name in names(cells[0])
                    for part in ("weight", "bias", "running_mean", "running_var")})
    for cells in rows("packages.md", "tensor", "shape"):
        out.update({name: shape(cells[1]) for name in names(cells[0])})
    return out


def made_by_the_page(parts, K, C, N, B):
    """Puts what the page says in the place of what the test's own writer would."""
    rng = np.random.default_rng(3)
    parts.clear()
    for name, shape in told_tensors(K=K, C=C, N=N, B=B, D=(K - 5) // 2).items():
        parts[name] = np.asarray(rng.uniform(0.1, 1, shape) / 8, "<f4")


@pytest.mark.parametrize("K, C, N, B", [(12, 4, 3, 12), (15, 6, 2, 40)])
def test_a_package_written_by_the_page_alone_is_taken(tmp_path, K, C, N, B):
    path = packages.write(tmp_path / "p.safetensors", K=K, C=C, N=N, B=B, change=lambda parts: made_by_the_page(parts, K, C, N, B))
    done = spectrad("inspect", path, "--json")
    assert done.returncode == 0, done.stderr


def test_nothing_that_the_page_calls_needed_may_be_left_out(tmp_path):
    for name in told_tensors(K=12, C=4, N=3, B=12, D=3):
        path = packages.write(tmp_path / "p.safetensors", change=lambda parts: parts.pop(name, None))
        done = spectrad("inspect", path)
        optional = name.startswith("preprocess.")
        assert done.returncode == (0 if optional else 3) and (optional or name in done.stderr), name


def test_the_keys_that_the_page_calls_required_are(tmp_path):
    for cells in rows("packages.md", "key", ""):
        for key in names(cells[0]):
            done = spectrad("inspect", packages.write(tmp_path / "p.safetensors", C=24, **{key: None}))
            required = cells[1] == "required"
            assert done.returncode == (3 if required else 0) and (not required or key in done.stderr), (key, done.stderr)


def test_the_example_of_a_package_is_taken(tmp_path):
    for library in ("torch", "safetensors"):
        pytest.importorskip(library, reason=f"{library} is not installed (tools/requirements.txt)")
    code = re.search(r"```python\n(.*?)```", (DOCS / "packages.md").read_text(), re.S)[1]
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    done = spectrad("inspect", tmp_path / "mine.safetensors", "--json")
    assert done.returncode == 0, done.stderr
    done = spectrad("classify", "--model", tmp_path / "mine.safetensors", SCENE, "--bands", "index", "--window", "0,0,8,8", "-o", "-", "-q")
    assert done.returncode == 0 and [c["name"] for c in json.loads(done.stdout)["classes"]] == ["water", "land"]


STATUSES = {
    0: ["version"],
    1: ["classify", "--model", DEMO, "/absent.tif", "-o", "OUT"],
    2: ["classify", "--mistyped"],
    3: ["classify", "--model", SCENE, SCENE, "-o", "OUT"],
    4: ["classify", "--model", DEMO, "--device", "abacus", SCENE, "-o", "OUT"],
}


def test_the_page_has_every_exit_status():
    assert [int(row[0]) for row in rows("cli.md", "status", "what")] == sorted(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_the_program_ends_with_the_status_that_the_page_tells(status, tmp_path):
    out = tmp_path / "out.tif"
    out.write_text("kept")
    assert spectrad(*[out if word == "OUT" else word for word in STATUSES[status]]).returncode == status
    assert out.read_text() == "kept" and len(os.listdir(tmp_path)) == 1


def test_the_page_has_every_subcommand():
    listed = re.findall(r"^  (\w+) ", spectrad("--help").stdout, re.M)
    assert [names(row[0])[0] for row in rows("cli.md", "subcommand", "what")] == listed


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_readme_leads_to_every_page():
    assert {path.name for path in DOCS.glob("*.md")} <= set(re.findall(r"\(docs/(\w+\.md)\)", (ROOT / "README.md").read_text()))


@pytest.fixture(scope="module")
def openapi():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (Debian: python3-yaml)")
    return yaml.safe_load((ROOT / "proto" / "openapi.yaml").read_text())


def test_openapi_is_valid(openapi):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed (pip)")
    validator.validate(openapi)


def resolved(openapi, node):
    while "$ref" in node:
        found = openapi
        for step in node["$ref"].lstrip("#/").split("/"):
            found = found[step]
        node = found
    return node


def test_the_headers_of_a_map_are_listed(openapi, daemon):
    listed = openapi["paths"]["/classify"]["post"]["responses"]["200"]["headers"]
    reply = daemon.post(SCENE, window="0,0,8,8", format="geotiff")
    common = {"content-type", "content-length", "date", "connection", "vary", "cache-control", "traceparent"}
    assert {name.lower() for name in listed} == set(reply.headers) - common
    for name, header in listed.items():
        pattern = resolved(openapi, header)["schema"].get("pattern", "")
        assert re.search(pattern, reply.headers[name.lower()]), name


def test_retry_after_is_listed_where_it_is_sent(openapi, start, tmp_path):
    """A daemon without a model sends it."""
    reply = start(models=tmp_path).post(SCENE)
    assert reply.status == 503 and "retry-after" in reply.headers
    problem = resolved(openapi, openapi["paths"]["/classify"]["post"]["responses"]["default"])
    assert problem["headers"].keys() >= {"Retry-After", "X-Request-Id"}
    assert "Retry-After" in openapi["paths"]["/health/ready"]["get"]["responses"]["503"]["headers"]


def test_the_truth_report_is_as_listed(openapi):
    done = spectrad("classify", "--model", DEMO, SCENE, "--truth", ROOT / "demo" / "truth.tif", "--window", "40,40,8,8", "-o", "-", "-q")
    assert done.returncode == 0, done.stderr
    schema, truth = openapi["components"]["schemas"]["Truth"], json.loads(done.stdout)["truth"]
    assert set(schema["required"]) == set(schema["properties"]) == set(truth)
    assert set(schema["properties"]["classes"]["items"]["required"]) == set(truth["classes"][0])
    assert set(json.loads(done.stdout)) == set(openapi["components"]["schemas"]["Result"]["properties"])
