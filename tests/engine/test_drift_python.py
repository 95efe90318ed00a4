"""Another interpreter in the image, nothing else changed: another minor version, another patch release."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import BATCH, HTTP, Blame, blamed, cases, rungs, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

OTHER = "3.11"
OTHER_IMAGE = "goldlock-test-mini-311:latest"
# Beside the standard library: what the distribution's executable is linked to and a minimal image may lack.
LIBRARIES = ("libexpat.so.1", "libz.so.1")


@pytest.fixture(scope="session")
def on_another_minor(recorded: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The miniature subject, its lock and goldens made on Python 3.11, from the same requirements."""
    project = recorded.copy(tmp_path_factory.mktemp("minor") / "mini")
    project.edit("goldlock-test-mini:latest", OTHER_IMAGE)
    project.edit('python = "3.8"', f'python = "{OTHER}"')
    project.edit('build.py"]', f'build.py", "--python", "{OTHER}"]')
    built = project.run("build")
    if "no CPython" in built.stderr:
        pytest.skip(f"no CPython {OTHER} on this machine to make a base image of")
    assert built.code == 0, built.stderr
    assert project.run("lock", "--engine", "docker", "--replace").code == 0
    return project


def _version(project: Project) -> str:
    lock = (project.folder / "goldlock.lock").read_text(encoding="utf-8")
    found = re.search(r'^version = "(\d+\.\d+\.\d+)"$', lock, re.MULTILINE)
    assert found
    return found[1]


def test_another_minor_version_is_the_one_cause_that_is_named(
    mini: Project, on_another_minor: Project
) -> None:
    outcome = mini.verify("--fail-on", "warning", "--image", OTHER_IMAGE)
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("python", "version", _version(mini), _version(on_another_minor))}
    assert unknown(outcome) == set()
    assert (rungs(outcome), rungs(outcome, "http")) == (BATCH, HTTP)


def test_another_minor_version_is_a_drift_by_default_and_back_again(on_another_minor: Project) -> None:
    """The lock of 3.11 against the image of 3.8; an error needs no --fail-on."""
    outcome = on_another_minor.verify("batch", "--no-hash", "--image", "goldlock-test-mini:latest")
    assert outcome.code == 1
    assert {(b.layer, b.key, b.expected) for b in blamed(outcome)} == {
        ("python", "version", _version(on_another_minor))
    }
    assert cases(outcome)["batch"]["verdict"] == "match"


@pytest.fixture(scope="session")
def distribution_python() -> tuple[Path, str]:
    """The distribution's CPython of that minor version and its full version."""
    executable = Path(f"/usr/bin/python{OTHER}")
    if not executable.exists():
        pytest.skip(f"no {executable}: this machine has one patch release of {OTHER} only")
    done = subprocess.run(
        [executable, "-I", "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=True,
    )
    return executable, done.stdout.strip()


def _packed(executable: Path) -> bytes:
    """The executable, its libraries and its standard library, as they lie under /."""
    buffer = io.BytesIO()
    linked = subprocess.run(["ldd", executable], capture_output=True, text=True, check=True).stdout
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(executable, arcname=str(executable))
        for name in LIBRARIES:
            found = re.search(rf"{re.escape(name)} => (\S+)", linked)
            if found:
                archive.add(os.path.realpath(found[1]), arcname=f"/usr/lib/x86_64-linux-gnu/{name}")
        library = Path(f"/usr/lib/python{OTHER}")
        for path in sorted(library.rglob("*")):
            parts = set(path.relative_to(library).parts)
            if path.is_file() and not parts & {"test", "__pycache__", "idlelib", "tkinter", "dist-packages"}:
                archive.add(path.resolve(), arcname=str(path))
    return buffer.getvalue()


def test_another_patch_release_is_the_one_cause_that_is_named(
    on_another_minor: Project, distribution_python: tuple[Path, str], build_image: Callable[..., str]
) -> None:
    executable, version = distribution_python
    locked = _version(on_another_minor)
    if version == locked:
        pytest.skip(f"this machine's two CPython {OTHER} are the same patch release, {version}")
    image = build_image(
        f"FROM {OTHER_IMAGE}\nUSER root\nADD python.tar /\n"
        f"RUN ln -sf {executable} /opt/env/bin/python3 && sed -i 's|^home = .*|home = /usr/bin|' /opt/env/pyvenv.cfg\n"
        "USER 65532:65532\n",
        {"python.tar": _packed(executable)},
    )
    outcome = on_another_minor.verify("--fail-on", "warning", "--image", image)
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("python", "version", locked, version, "warning")}
    assert unknown(outcome) == set()
    assert (rungs(outcome), rungs(outcome, "http")) == (BATCH, HTTP)
    # By default a patch release is told and does not fail.
    told = on_another_minor.verify("batch", "--no-hash", "--image", image)
    assert told.code == 0
    assert blamed(told) == blamed(outcome)
