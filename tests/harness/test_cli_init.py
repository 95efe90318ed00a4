"""`goldlock init` where no engine is needed, or none answers: what it asks, what it refuses, what it writes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from goldlock import config

DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /srv
COPY model.joblib app.py ./
EXPOSE 5000
CMD ["flask", "run", "--host", "0.0.0.0"]
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


def init(*arguments: str, cwd: Path) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "goldlock", "init", *arguments],
        cwd=cwd,
        env={**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    (tmp_path / "inputs.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return tmp_path


def test_a_dockerfile_is_enough_where_nothing_is_to_be_started(project: Path) -> None:
    outcome = init("--no-start", "--yes", "--name", "Iris", cwd=project)
    assert outcome.code == 0, outcome.stderr
    found = config.load(project / "goldlock.toml")
    assert (found.subject.name, found.subject.artifacts) == ("Iris", ("/srv/model.joblib",))
    assert found.subject.build is not None
    (case,) = found.case
    assert case.http is not None
    assert (case.inputs, case.http.port, case.http.path) == ("inputs.csv", 5000, "/predict")
    assert "not proven" in (project / "goldlock.toml").read_text(encoding="utf-8")
    assert "warning: the service was not started" in outcome.stderr
    assert [line.split()[:2] for line in outcome.stdout.splitlines()[-3:]] == [
        ["goldlock", "lock"],
        ["goldlock", "record"],
        ["goldlock", "verify"],
    ]


def test_locked_requirements_go_into_the_build(project: Path) -> None:
    lines = "FROM python:3.11-slim\nCOPY requirements.txt .\nCOPY wheelhouse/ /wheelhouse/\n"
    lines += "RUN pip install --no-index --find-links /wheelhouse -r requirements.txt\nCMD flask run"
    (project / "service").mkdir()
    (project / "service" / "Dockerfile").write_text(lines, encoding="utf-8")
    (project / "service" / "requirements.txt").write_text("flask==3.0.3 --hash=sha256:00\n", encoding="utf-8")
    outcome = init("service", "--no-start", "--yes", cwd=project)
    assert outcome.code == 0, outcome.stderr
    build = config.load(project / "goldlock.toml").subject.build
    assert build is not None
    assert (build.context, build.requirements, build.python) == (
        "service",
        ("service/requirements.txt",),
        "3.11",
    )


def test_what_the_user_says_goes_before_what_is_seen(project: Path) -> None:
    options = ["--no-start", "--inputs", "inputs.csv", "--port", "7", "--path", "/score", "-c", "other.toml"]
    assert init(*options, cwd=project).code == 0
    http = config.load(project / "other.toml").case[0].http
    assert http is not None
    assert (http.port, http.path) == (7, "/score")


def test_a_command_is_taken_as_it_is_given(project: Path) -> None:
    options = ["--no-start", "--inputs", "inputs.csv", "--run", "python 'my model.py' {input} {output}"]
    assert init(*options, cwd=project).code == 0
    command = config.load(project / "goldlock.toml").case[0].command
    assert command is not None
    assert command.run == ("python", "my model.py", "{input}", "{output}")


def test_without_a_terminal_what_would_be_asked_is_an_error_that_names_the_option(project: Path) -> None:
    outcome = init("--no-start", cwd=project)
    assert outcome.code == 2
    assert "which file holds inputs? (proposed: inputs.csv)" in outcome.stderr
    assert "--inputs FILE; or take what is proposed: --yes" in outcome.stderr
    assert not (project / "goldlock.toml").exists()


def test_with_yes_what_nothing_is_proposed_for_is_an_error(project: Path) -> None:
    (project / "inputs.csv").unlink()
    outcome = init("--no-start", "--yes", cwd=project)
    assert outcome.code == 2
    assert outcome.stderr.splitlines()[-1].strip() == "-> say it with --inputs FILE"


def test_on_a_terminal_it_asks_with_what_it_proposes(project: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "goldlock", "init", "--no-start"],
        cwd=project,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(theirs)
        os.write(ours, b"\n")
        _, stderr = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, stderr
    assert "Which file holds inputs? [inputs.csv]" in stderr
    assert config.load(project / "goldlock.toml").case[0].inputs == "inputs.csv"


def test_a_file_that_is_there_is_kept_unless_it_is_to_be_replaced(project: Path) -> None:
    (project / "goldlock.toml").write_text("mine", encoding="utf-8")
    outcome = init("--no-start", "--yes", cwd=project)
    assert outcome.code == 2
    assert "is there already and was not touched" in outcome.stderr
    assert (project / "goldlock.toml").read_text(encoding="utf-8") == "mine"
    assert init("--no-start", "--yes", "--replace", cwd=project).code == 0
    assert config.load(project / "goldlock.toml").subject.name


def test_an_example_of_an_mlflow_model_becomes_the_inputs(project: Path) -> None:
    (project / "inputs.csv").unlink()
    (project / "model").mkdir()
    example = '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2.5]]}}'
    (project / "model" / "serving_input_example.json").write_text(example, encoding="utf-8")
    outcome = init("--no-start", "--yes", cwd=project)
    assert outcome.code == 0, outcome.stderr
    assert config.load(project / "goldlock.toml").case[0].inputs == "inputs.json"
    assert (project / "inputs.json").read_text(encoding="utf-8") == '[\n  {"a": 1, "b": 2.5}\n]\n'


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing-here:1"], 3, "no Docker engine answers"),
        (["empty"], 2, "empty is a folder without a Dockerfile"),
        (["services.yaml"], 2, "goldlock init services.yaml:SERVICE"),
        (["services.yaml"], 2, "which service of services.yaml? It has model, proxy"),
        (["absent.yaml:model"], 2, "there is no compose file absent.yaml"),
        (["--inputs", "absent.csv", "--no-start"], 2, "there is no file of inputs"),
        (["--inputs", "Dockerfile", "--no-start"], 2, "in no format that goldlock knows"),
        (["--inputs", "empty.csv", "--no-start"], 2, "have no rows"),
        (["--run", "python 'x", "--no-start"], 2, "--run can't be split into words"),
        (["--config", "absent/goldlock.toml"], 2, "there is no folder absent"),
        (["base/Dockerfile", "--no-start"], 2, "--build-arg BASE=IMAGE"),
        (["--target", "train", "--no-start"], 2, "no stage 'train'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_can_not_be_looked_at_is_refused_with_what_to_do(
    arguments: list[str], code: int, said: str, project: Path
) -> None:
    (project / "empty").mkdir()
    (project / "base").mkdir()
    (project / "base" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n", encoding="utf-8")
    (project / "services.yaml").write_text("services: {model: {}, proxy: {}}\n", encoding="utf-8")
    (project / "empty.csv").write_text("a,b\n", encoding="utf-8")
    outcome = init(*arguments, cwd=project)
    assert outcome.code == code, outcome.stderr
    assert said in outcome.stderr
    assert not (project / "goldlock.toml").exists()
