"""Containers that somebody else runs: asked as they are, told as what they are, and left as they were."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest
from tests.engine.blame import cases
from tests.engine.traces import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker.models.containers import Container
    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

NOTE = "ran already: goldlock neither isolated nor limited it"
NAME = "somebodys-model"


@contextlib.contextmanager
def somebodys(client: docker.DockerClient, image: str, **options: object) -> Iterator[Container]:
    """A container that a user has started, with a network."""
    network = client.networks.create(f"{NAME}-net", driver="bridge", internal=True)
    container = None
    try:
        container = client.containers.create(image, name=NAME, network=network.name, **options)  # type: ignore[call-overload]
        container.start()
        yield container
    finally:
        if container is not None:
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True)
        network.remove()


def changed(container: Container) -> list[object]:
    """What in the container's root is not as the image has it."""
    return [each["Path"] for each in container.diff() or []]


def commands(container: Container) -> list[str]:
    """What runs in a container, as this machine sees it: Podman answers `top` otherwise than the SDK reads it."""
    container.reload()
    inside = Path(f"/proc/{container.attrs['State']['Pid']}/ns/pid").readlink()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns" / "pid").readlink() == inside:
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_a_static_service_is_asked_both_ways_and_left_as_it_was(
    static_project: Callable[..., Project], static_image: str, engine_client: docker.DockerClient
) -> None:
    project = static_project(f'container = "{NAME}"\nartifacts = ["/weight"]')
    with somebodys(engine_client, static_image, user="1000:1000") as container:
        since, before = container.attrs["State"], changed(container)
        project.lock_and_record()
        outcome = project.verify()
        assert outcome.code == 0, outcome.stdout
        assert {name: case["rung"] for name, case in cases(outcome).items()} == dict.fromkeys(
            ("files", "streams", "http"), "identical"
        )
        assert any(NOTE in str(note) for note in outcome.report["notes"])  # type: ignore[attr-defined]
        assert outcome.report["image"] == static_image
        snapshot = outcome.report["snapshot"]
        assert isinstance(snapshot, dict)
        assert snapshot["image"]["reference"] == static_image
        container.reload()
        assert container.status == "running", since
        # Podman itself writes the container's user into its /etc/passwd.
        assert changed(container) == before


def test_one_with_python_and_a_read_only_root_is_asked_through_memory(
    mini: Project, engine_client: docker.DockerClient
) -> None:
    """It was locked as an image; the same image, running, is as locked."""
    mini.edit('image = "goldlock-test-mini:latest"', f'container = "{NAME}"')
    text = (mini.folder / "goldlock.toml").read_text(encoding="utf-8")
    begin, end = text.index("[subject.build]"), text.index("[subject.local]")
    (mini.folder / "goldlock.toml").write_text(text[:begin] + text[end:], encoding="utf-8")
    with somebodys(
        engine_client, "goldlock-test-mini:latest", command=["python", "service.py", "8080"], read_only=True
    ) as container:
        outcome = mini.verify()
        assert outcome.code == 0, outcome.stdout
        assert {name: case["rung"] for name, case in cases(outcome).items()} == dict.fromkeys(
            ("batch", "http"), "identical"
        )
        left = container.exec_run(["ls", "-A", "/dev/shm"])
        assert (left.exit_code, left.output) == (0, b"")


def test_a_read_only_root_without_tools_says_what_still_works(
    static_project: Callable[..., Project], static_image: str, engine_client: docker.DockerClient
) -> None:
    project = static_project(f'container = "{NAME}"', "files", "streams")
    with somebodys(engine_client, static_image, read_only=True):
        outcome = project.run("record", "--engine", "docker")
        assert outcome.code == 3
        assert "recorded: streams" in outcome.stderr
        assert "its root is read-only" in outcome.stderr
        assert "let the command read stdin and write stdout" in outcome.stderr


def test_a_command_that_hangs_is_ended_and_the_container_is_not(
    mini: Project, engine_client: docker.DockerClient
) -> None:
    mini.edit('image = "goldlock-test-mini:latest"', f'container = "{NAME}"')
    text = (mini.folder / "goldlock.toml").read_text(encoding="utf-8")
    begin, end = text.index("[subject.build]"), text.index("[subject.local]")
    text = text[:begin] + text[end:]
    text = text.replace(
        'run = ["python", "predict.py", "{input}", "{output}"]', 'run = ["sleep", "600"]\ntimeout = 1'
    )
    (mini.folder / "goldlock.toml").write_text(text, encoding="utf-8")
    with somebodys(engine_client, "goldlock-test-mini:latest", command=["sleep", "1000"]) as container:
        outcome = mini.verify("batch", "--no-hash")
        assert outcome.code == 3
        container.reload()
        assert container.status == "running"
        assert not [each for each in commands(container) if "sleep 600" in each]


def test_one_that_stops_meanwhile_is_a_finding(
    static_project: Callable[..., Project], static_image: str, engine_client: docker.DockerClient
) -> None:
    project = static_project(f'container = "{NAME}"', "http", "streams")
    with somebodys(engine_client, static_image) as container:
        project.lock_and_record()
        project.edit('["/model", "-", "-"]', '["/model", "serve", "8001"]')
        with project.start("verify", "--engine", "docker", "--format", "json") as process:
            wait_for(lambda: any("8001" in each for each in commands(container)), "command")
            container.kill()
            stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 3, stdout + stderr
        assert "Traceback" not in stderr
        assert "ended with exit code 137" in stdout


def test_one_that_does_not_run_or_is_not_there_is_named(
    static_project: Callable[..., Project], static_image: str, engine_client: docker.DockerClient
) -> None:
    project = static_project(f'container = "{NAME}"', "streams")
    outcome = project.run("lock", "--engine", "docker")
    assert outcome.code == 3
    assert f"the engine has no container {NAME}" in outcome.stderr
    with somebodys(engine_client, static_image) as container:
        container.kill()
        outcome = project.run("lock", "--engine", "docker")
    assert outcome.code == 3
    assert f"container {NAME} does not run (exited)" in outcome.stderr
    assert f"docker start {NAME}" in outcome.stderr
