"""`goldlock init` on a real engine: awkward images, containers that run, and that nothing is written where it fails."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import MINI, Project

from goldlock import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from goldlock.config import Config

pytestmark = pytest.mark.engine

SERVER = b"""\
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(404, {})
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/score" or "table" not in rows:
            return self.reply(404 if self.path != "/score" else 400, {})
        self.reply(200, {"sums": [sum(row) for row in rows["table"]]})
    def reply(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
PREPARE
HTTPServer((HOST, 9000), Handler).serve_forever()
# Where a reader of the source finds the path: @app.route("/score", methods=["POST"])
"""


@pytest.fixture
def user(tmp_path: Path) -> Project:
    """A folder with inputs and nothing else."""
    shutil.copy(MINI / "inputs.csv", tmp_path)
    return Project(tmp_path)


def _written(project: Project) -> Config:
    return config.load(project.folder / "goldlock.toml")


def _server(*, host: str = "0.0.0.0", prepare: str = "") -> bytes:
    return SERVER.replace(b"HOST", repr(host).encode()).replace(b"PREPARE", prepare.encode())


def test_an_image_is_looked_at_and_what_is_written_verifies(recorded: Project, user: Project) -> None:
    outcome = user.run("init", "goldlock-test-mini:latest", "--yes")
    assert outcome.code == 0, outcome.stderr
    subject, (case,) = _written(user).subject, _written(user).case
    assert subject.artifacts == ("/app/weights.json",)
    assert case.http is not None
    assert (case.http.port, case.http.path, case.http.request) == (8080, "/predict", "{features: rows}")
    assert case.http.response == {"predicted_labels": "predicted_labels", "probabilities": "probabilities"}
    for command in ("lock", "record", "verify"):
        outcome = user.run(command)
        assert outcome.code == 0, outcome.stderr


def test_a_program_is_told_how_it_is_called(recorded: Project, user: Project) -> None:
    run = "python predict.py {input} {output}"
    outcome = user.run("init", "goldlock-test-mini:latest", "--yes", "--run", run)
    assert outcome.code == 0, outcome.stderr
    command = _written(user).case[0].command
    assert command is not None
    assert command.run == tuple(run.split())


def test_what_fails_leaves_no_file(recorded: Project, user: Project) -> None:
    outcome = user.run("init", "goldlock-test-mini:latest", "--yes", "--run", "python absent.py {input}")
    assert outcome.code == 3
    assert "No such file or directory" in outcome.stderr
    assert '--run "python predict.py {input} {output}"' in outcome.stderr
    assert [each.name for each in user.folder.iterdir()] == ["inputs.csv"]


def test_a_port_that_nobody_names_is_found_and_so_is_the_request(
    drifted: Callable[..., str], user: Project
) -> None:
    files = {"other.py": _server()}
    image = drifted('COPY other.py /app/\nENTRYPOINT ["python", "/app/other.py"]\nCMD []', files)
    outcome = user.run("init", image, "--yes", "--http")
    assert outcome.code == 0, outcome.stderr
    http = _written(user).case[0].http
    assert http is not None
    assert (http.port, http.path, http.request) == (9000, "/score", "{table: rows}")
    assert (http.ready.path, http.ready.status) == ("/", 404)


def test_a_service_that_writes_beside_itself_is_allowed_to_and_the_file_says_so(
    drifted: Callable[..., str], user: Project
) -> None:
    files = {"other.py": _server(prepare='open("/var/written", "w").close()')}
    lines = 'RUN chmod 1777 /var\nCOPY other.py /app/\nCMD ["python", "/app/other.py"]\nEXPOSE 9000'
    outcome = user.run("init", drifted(lines, files), "--yes", "--port", "9000")
    assert outcome.code == 0, outcome.stderr
    assert _written(user).subject.writable
    assert "# seen: it does not run without writable" in (user.folder / "goldlock.toml").read_text()


def test_a_service_that_only_its_own_machine_can_reach_is_told(
    drifted: Callable[..., str], user: Project
) -> None:
    files = {"other.py": _server(host="127.0.0.1")}
    image = drifted('COPY other.py /app/\nCMD ["python", "/app/other.py"]', files)
    outcome = user.run("init", image, "--yes", "--http")
    assert outcome.code == 3
    assert "it listens on 127.0.0.1:9000 only" in outcome.stderr
    assert "let it listen on 0.0.0.0" in outcome.stderr


def test_a_model_that_brings_an_example_of_its_input_needs_no_other(
    drifted: Callable[..., str], user: Project
) -> None:
    (user.folder / "inputs.csv").unlink()
    files = {
        "MLmodel": b"flavors: {}\n",
        "input_example.json": b'{"columns": ["a", "b", "c", "d"], "data": [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]}',
    }
    outcome = user.run("init", drifted("COPY MLmodel input_example.json /opt/ml/model/", files), "--yes")
    assert outcome.code == 0, outcome.stderr
    assert "/opt/ml/model" in _written(user).subject.artifacts
    assert _written(user).case[0].inputs == "inputs.json"
    assert "2 rows asked, 2 answered" in (user.folder / "goldlock.toml").read_text()


@pytest.fixture
def running(recorded: Project, engine_client: docker.DockerClient) -> Iterator[str]:
    """A container of somebody else, which runs a service."""
    name = f"somebody-{uuid.uuid4().hex[:8]}"
    network = engine_client.networks.create(name, internal=True)
    try:
        container = engine_client.containers.run(
            "goldlock-test-mini:latest", detach=True, name=name, network=name
        )
        with contextlib.ExitStack() as stack:
            stack.callback(container.remove, force=True)
            yield name
    finally:
        network.remove()


def test_a_container_that_runs_is_asked_and_left_as_it_is(
    running: str, user: Project, engine_client: docker.DockerClient
) -> None:
    outcome = user.run("init", running, "--yes")
    assert outcome.code == 0, outcome.stderr
    assert _written(user).subject.container == running
    assert engine_client.containers.get(running).status == "running"


def test_a_compose_service_is_looked_at(recorded: Project, user: Project) -> None:
    text = 'services:\n  model:\n    image: goldlock-test-mini:latest\n    ports: ["80:8080"]\n'
    (user.folder / "compose.yaml").write_text(text, encoding="utf-8")
    outcome = user.run("init", "compose.yaml:model", "--yes")
    assert outcome.code == 0, outcome.stderr
    assert _written(user).subject.name == "model"
    assert 'compose = { file = "compose.yaml", service = "model" }' in outcome.stdout


def test_a_dockerfile_is_built_first(recorded: Project, user: Project) -> None:
    text = "ARG BASE\nFROM ${BASE}\nCOPY weights.json /app/\n"
    (user.folder / "Dockerfile").write_text(text, encoding="utf-8")
    shutil.copy(MINI / "weights.json", user.folder)
    outcome = user.run(
        "init", "--yes", "--build-arg", "BASE=goldlock-test-mini:latest", "--name", "init-test"
    )
    assert outcome.code == 0, outcome.stderr
    build = _written(user).subject.build
    assert build is not None
    assert build.arguments == {"BASE": "goldlock-test-mini:latest"}
    assert user.run("lock").code == 0


def test_an_absent_image_is_told(user: Project, engine_client: docker.DockerClient) -> None:
    outcome = user.run("init", "goldlock-test-nobody-made-this:1", "--yes")
    assert outcome.code == 2
    assert "there is no file, image or container goldlock-test-nobody-made-this:1" in outcome.stderr
