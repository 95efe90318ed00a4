"""Building the image: what is wrong with base, wheels or steps is named; nothing stays."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import ROOT, Project
from tests.engine.traces import Traces, wait_for

from goldlock import wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    import docker

pytestmark = pytest.mark.engine

OFFLINE = json.dumps([sys.executable, str(ROOT / "env/base/build.py")])
UNREACHABLE = "goldlock-test.invalid/nothing:1"


@pytest.fixture
def traces(engine_client: docker.DockerClient, mini: Project, tmp_path: Path) -> Traces:
    return Traces.of(engine_client, mini, tmp_path / "temporary")


def dockerfile(traces: Traces, old: str, new: str) -> None:
    path = traces.project.folder / "Dockerfile"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_unchanged_tree_is_not_built_again(traces: Traces) -> None:
    outcome = traces.run("verify", "--engine", "docker", "--no-hash", "batch")
    assert outcome.code == 0
    assert "building" not in outcome.stderr


def test_a_base_that_cannot_be_pulled_says_what_would_help(traces: Traces) -> None:
    dockerfile(traces, "ARG BASE\n", f"ARG BASE={UNREACHABLE}\n")
    traces.project.edit(f"[subject.build.base]\noffline = {OFFLINE}", "[subject.build.base]")
    outcome = traces.run("build")
    assert outcome.code == 3
    assert f"base image {UNREACHABLE} can't be pulled" in outcome.stderr
    assert "docker load" in outcome.stderr


def test_without_the_public_base_the_offline_one_is_built_and_said(
    traces: Traces, engine_client: docker.DockerClient
) -> None:
    before = engine_client.images.get("goldlock-test-mini:latest").attrs["RootFS"]
    dockerfile(traces, "ARG BASE\n", f"ARG BASE={UNREACHABLE}\n")
    outcome = traces.run("build", timeout=300)
    assert outcome.code == 0, outcome.stderr
    assert "building the offline base instead" in outcome.stderr
    assert (
        engine_client.images.get("goldlock-test-mini:latest").attrs["RootFS"]["Layers"][0]
        == before["Layers"][0]
    )


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import sys; sys.exit('no mirror answers')", 3, "ended with 1"),
        ("pass", 3, "could not be built"),
        ("print('goldlock-test-absent:1')", 3, "goldlock-test-absent:1"),
    ],
)
def test_an_offline_base_that_fails_is_named(traces: Traces, program: str, code: int, said: str) -> None:
    traces.project.edit(OFFLINE, json.dumps([sys.executable, "-c", program]))
    outcome = traces.run("build")
    assert outcome.code == code, outcome.stderr
    assert said in outcome.stderr
    assert "-> " in outcome.stderr


def test_an_offline_command_that_is_not_there_is_a_configuration_error(traces: Traces) -> None:
    traces.project.edit(OFFLINE, '["no-such-program"]')
    outcome = traces.run("build")
    assert outcome.code == 2
    assert "subject.build.base.offline" in outcome.stderr


def test_a_failing_step_is_named_with_the_end_of_its_output(
    traces: Traces, engine_client: docker.DockerClient
) -> None:
    mark = "echo one; echo the-compiler-is-missing; exit 9"
    dockerfile(traces, "EXPOSE 8080", f"USER root\nRUN {mark}\nEXPOSE 8080")
    outcome = traces.run("build")
    assert outcome.code == 3
    assert f"RUN {mark}" in outcome.stderr
    assert "the-compiler-is-missing" in outcome.stderr
    # Docker's words, and Podman's.
    assert "returned a non-zero code: 9" in outcome.stderr or "exit status 9" in outcome.stderr
    wait_for(
        lambda: not any(mark in c["Command"] for c in engine_client.api.containers(all=True, trunc=False)),
        "removal of the failed step's container",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("WORKDIR /app", "WROKDIR /app", "WROKDIR"),
        ("COPY model.py", "COPY absent.py", "absent.py"),
        ("ARG BASE", "ARG OTHER", "ARG BASE"),
    ],
)
def test_a_wrong_dockerfile_says_where(traces: Traces, old: str, new: str, said: str) -> None:
    dockerfile(traces, old, new)
    outcome = traces.run("build")
    assert outcome.code in (2, 3), outcome.stderr
    assert said in outcome.stderr
    assert "Dockerfile" in outcome.stderr


def test_a_build_has_no_network(traces: Traces) -> None:
    probe = (
        "python3 -c 'import socket, sys; names = [name for _, name in socket.if_nameindex()];"
        " print(names); sys.exit(len(names) == 1)'"
    )
    dockerfile(traces, "EXPOSE 8080", f"RUN {probe}\nEXPOSE 8080")
    outcome = traces.run("build")
    assert outcome.code == 3
    assert "['lo'" in outcome.stderr


@pytest.fixture
def cache(traces: Traces, tmp_path: Path) -> Path:
    """A cache of wheels of its own, complete, for as long as a test."""
    requirements = [traces.project.folder / "requirements.txt"]
    wheels = wheelhouse.ensure(requirements, "3.8", lambda _: None)
    place = tmp_path / "cache" / "goldlock" / "wheelhouse"
    place.mkdir(parents=True)
    for wheel in wheels:
        shutil.copytree(wheel.parent, place / wheel.parent.name)
    return place


def test_a_wheel_with_other_bytes_is_refused_by_name(traces: Traces, cache: Path) -> None:
    (wheel,) = cache.glob("*/numpy-*.whl")
    with wheel.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    traces.project.edit(OFFLINE, json.dumps([sys.executable, "-c", "print('goldlock-test-mini:latest')"]))
    for arguments in (("build",), ("verify", "--engine", "local", "batch")):
        outcome = traces.run(*arguments, env={"XDG_CACHE_HOME": str(cache.parent.parent)})
        assert outcome.code == 3, outcome.stderr
        assert f"wheel {wheel.name} does not match its locked hash" in outcome.stderr
        assert f"delete {wheel.parent}" in outcome.stderr


def test_wheels_that_no_index_serves_are_named(traces: Traces, tmp_path: Path) -> None:
    """Nothing is left in the cache, nor by pip in the temporary folder."""
    place = tmp_path / "empty"
    variables = {"XDG_CACHE_HOME": str(place), "PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "0"}
    traces.project.edit(OFFLINE, json.dumps([sys.executable, "-c", "print('goldlock-test-mini:latest')"]))
    outcome = traces.run("build", env=variables)
    assert outcome.code == 3, outcome.stderr
    assert "could not be downloaded" in outcome.stderr
    assert "numpy" in outcome.stderr
    assert list((place / "goldlock" / "wheelhouse").iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('requirements = ["requirements.txt"]\n\n[subject.build.base]', 'requirements = ["r.txt"]\n\n[subject.build.base]', "r.txt"),
        ("[subject.build]\n", '[subject.build]\ncontext = "absent"\n', "Dockerfile"),
        ("[subject.build]\n", '[subject.build]\ndockerfle = "Dockerfile"\n', "dockerfile"),
    ],
)  # fmt: skip
def test_a_wrong_build_table_is_a_configuration_error(traces: Traces, old: str, new: str, said: str) -> None:
    traces.project.edit(old, new)
    outcome = traces.run("build")
    assert outcome.code == 2, outcome.stderr
    assert said in outcome.stderr
