"""Entry points that must not be passed by, and images with users, folders and roots of their own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import cases
from tests.engine.test_without_python import found

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

# A static executable as entry point: it sets what the model needs, and becomes its arguments.
WRAPPER = b"""#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) { setenv("MODEL_WEIGHT", "0.75", 1); setenv("OMP_NUM_THREADS", "5", 1);
return count > 1 ? execvp(words[1], words + 1) : 2; }
"""
SCRIPT = b"""#!/bin/sh
export MODEL_WEIGHT=0.75 OMP_NUM_THREADS=5
exec "$@"
"""


def test_commands_go_through_an_entry_point_that_is_kept(
    static_project: Callable[..., Project],
    static_model: bytes,
    build_image: Callable[..., str],
    compiled: bytes,
) -> None:
    """In an image without a shell and without Python."""
    image = build_image(
        'FROM scratch\nCOPY model enter /\nENTRYPOINT ["/enter"]\nCMD ["/model", "serve", "8000"]\n',
        {"model": static_model, "enter": compiled},
    )
    project = static_project(f'image = "{image}"\nkeep-entrypoint = true')
    project.lock_and_record()
    outputs = (project.folder / "goldens" / "files" / "outputs.csv").read_text(encoding="utf-8")
    assert outputs == "label,score\nhigh,2.75\nlow,0.475\n", "0.75 is what the entry point sets"
    outcome = project.verify()
    assert outcome.code == 0, outcome.stdout
    # Past it the model answers otherwise, but for the service, which the image starts by it.
    project.edit("keep-entrypoint = true", "")
    outcome = project.verify()
    assert outcome.code == 1
    assert {name: case["rung"] for name, case in cases(outcome).items()} == {
        "files": "drifted", "streams": "drifted", "http": "identical",
    }  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    program = tmp_path_factory.mktemp("wrapper") / "enter"
    subprocess.run(
        ["gcc", "-x", "c", "-", "-O1", "-static", "-s", "-o", str(program)], input=WRAPPER, check=True
    )
    return program.read_bytes()


def test_the_probe_goes_through_it_too(
    recorded: Project, drifted: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a script sets is in the environment that is locked."""
    image = drifted('COPY enter.sh /enter.sh\nENTRYPOINT ["/enter.sh"]\n', {"enter.sh": SCRIPT})
    project = recorded.copy(tmp_path_factory.mktemp("entered") / "mini")
    outcome = project.verify("batch", "--image", image)
    assert "numerics.OMP_NUM_THREADS" not in found(outcome)
    project.edit('name = "mini"', 'name = "mini"\nkeep-entrypoint = true')
    outcome = project.verify("batch", "--image", image)
    assert cases(outcome)["batch"]["rung"] == "identical"
    assert found(outcome)["numerics.OMP_NUM_THREADS"][0] == "changed"
    assert outcome.report["snapshot"]["python"]["version"] == "3.8.18"  # type: ignore[index]


def test_an_entry_point_that_runs_no_arguments_is_told(
    static_project: Callable[..., Project], static_image: str
) -> None:
    project = static_project(f'image = "{static_image}"\nkeep-entrypoint = true', "files")
    outcome = project.run("record", "--engine", "docker")
    assert outcome.code == 3
    assert "subject.keep-entrypoint" in outcome.stderr


def test_a_named_user_its_folder_and_relative_words_work(
    static_project: Callable[..., Project], static_model: bytes, build_image: Callable[..., str]
) -> None:
    image = build_image(
        "FROM scratch\nCOPY passwd group /etc/\nCOPY model weight /srv/model/\nWORKDIR /srv/model\nUSER keeper\n",
        {
            "passwd": b"root:x:0:0::/:\nkeeper:x:4321:4321::/srv/model:\n",
            "group": b"root:x:0:\nkeeper:x:4321:\n",
            "model": static_model,
            "weight": b"0.25\n",
        },
    )
    project = static_project(
        f'image = "{image}"\nartifacts = ["weight"]', "files", "streams", model="./model"
    )
    project.lock_and_record()
    outcome = project.verify()
    assert outcome.code == 0, outcome.stdout


def test_a_root_that_is_writable_is_said_in_the_report(
    static_project: Callable[..., Project], static_image: str
) -> None:
    project = static_project(f'image = "{static_image}"\nwritable = true', "streams")
    project.lock_and_record()
    outcome = project.verify()
    assert outcome.code == 0
    assert any("subject.writable" in str(note) for note in outcome.report["notes"])  # type: ignore[attr-defined]
    assert "note: the subject's root was writable" in project.run("check", "--engine", "docker").stdout


def test_forms_of_a_name(
    static_project: Callable[..., Project], static_image: str, engine_client: docker.DockerClient
) -> None:
    """The id, and the beginning of it."""
    identity = engine_client.images.get(static_image).id
    assert identity is not None
    project = static_project(f'image = "{identity}"', "streams")
    project.lock_and_record()
    project.edit(identity, identity.removeprefix("sha256:")[:20])
    assert project.verify().code == 0
    project.edit(identity.removeprefix("sha256:")[:20], "sha256:" + "0" * 64)
    outcome = project.verify()
    assert outcome.code == 3
    assert "no image sha256:000" in outcome.stderr
