"""A compose service as a subject: its image is built and run as goldlock's own, isolated container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import cases

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

COMPOSE = """
services:
  api:
    build: {context: app, args: [WEIGHT]}
    image: goldlock-test-compose:1
    command: /model serve ${PORT:-9123}
    entrypoint: []
    environment: {MODEL_WEIGHT: "${WEIGHT:?the weight}"}
    user: "4321:4321"
    ports: ["8080:${PORT:-9123}"]
    volumes: ["./data:/data"]
    depends_on: [db]
  db: {image: postgres}
"""


def test_a_service_is_built_asked_and_verified(
    static_project: Callable[..., Project], static_model: bytes, engine_client: docker.DockerClient
) -> None:
    project = static_project('compose = { file = "deploy/compose.yaml", service = "api" }')
    (app := project.folder / "deploy" / "app").mkdir(parents=True)
    (app / "Dockerfile").write_text(
        'FROM scratch\nCOPY model /\nENTRYPOINT ["/absent"]\nCMD ["nothing"]\n', encoding="utf-8"
    )
    (app / "model").write_bytes(static_model)
    (app / "model").chmod(0o755)
    (project.folder / "deploy" / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    outcome = project.run("lock", "--engine", "docker")
    assert outcome.code == 2
    assert (
        "deploy/compose.yaml: service api can't be read: variable WEIGHT must be set: the weight"
        in outcome.stderr
    )
    (project.folder / "deploy" / ".env").write_text("WEIGHT=0.75\n", encoding="utf-8")
    try:
        project.lock_and_record()
        outputs = (project.folder / "goldens" / "http" / "outputs.csv").read_text(encoding="utf-8")
        assert outputs == "label,score\nhigh,2.75\nlow,0.475\n"
        outcome = project.verify()
        assert outcome.code == 0, outcome.stdout
        assert outcome.report["notes"] == [
            "compose service api: depends_on, volumes not honoured; goldlock runs it alone and isolated"
        ]
        assert outcome.report["image"] == "goldlock-test-compose:1"
        # Another value is another answer.
        drifted = project.run("verify", "--engine", "docker", "--format", "json", env={"WEIGHT": "0.5"})
        assert {case["rung"] for case in cases(drifted).values()} == {"drifted"}
    finally:
        engine_client.images.remove("goldlock-test-compose:1", force=True)
