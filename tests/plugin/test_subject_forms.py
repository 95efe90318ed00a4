"""Subjects that are no ordinary image, under pytest: one static binary, and a container that somebody runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.engine.test_running_containers import NAME, changed, somebodys
from tests.plugin.conftest import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

ASKING = """
    def test_asks(subject):
        assert subject.ask("files", {"x": [4.0], "y": [0.5]})["label"].tolist() == ["high"]
        assert subject.ask("http", {"x": [1.0], "y": [0.5]})["score"].tolist() == [0.75]
        assert subject.run(["/model"]).exit_code == 2
        assert subject.snapshot.python is None
"""


@pytest.mark.parametrize("source", ["image", "container"])
def test_its_cases_and_the_fixture_work(
    static_project: Callable[..., Project],
    static_image: str,
    engine_client: docker.DockerClient,
    source: str,
) -> None:
    with somebodys(engine_client, static_image) as container:
        named = static_image if source == "image" else NAME
        project = static_project(f'{source} = "{named}"', "files", "http")
        project.lock_and_record()
        elsewhere = Elsewhere(project.folder)
        elsewhere.write("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--strict-markers"\n')
        elsewhere.write("test_subject.py", ASKING)
        ran = elsewhere.pytest("-rA", "--goldlock-engine", "docker")
        assert ran.code == 0, ran.stdout
        outcomes = ran.outcomes()
        assert outcomes["test_subject.py::test_asks"] == "PASSED"
        assert outcomes["goldlock.toml::files::label"] == "PASSED"
        # Nobody could look: that is no failure, and no pass.
        assert outcomes.get("goldlock.toml::environment::python") != "PASSED"
        container.reload()
        assert container.status == "running"
        assert changed(container) == []
