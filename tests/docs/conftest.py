"""Projects in which the documentation's commands are typed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.docs.blocks import typed

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ".".join(map(str, sys.version_info[:2]))
PREDICT = """\
import csv, sys
with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
    answers = csv.writer(target)
    answers.writerow(["label", "score"])
    for row in csv.DictReader(source):
        score = float(row["a"]) * float(open("factor").read())
        answers.writerow(["high" if score > 12 else "low", score])
"""
CONFIG = f"""\
[subject]
name = "scores"
image = "goldlock-test-absent:1"

[subject.local]
python = "{PYTHON}"
requirements = ["requirements.txt"]

[[case]]
name = "batch"
inputs = "inputs.csv"

[case.command]
run = ["python", "predict.py", "{{input}}", "{{output}}"]
"""
SCORES = """\
def test_scores(golden):
    golden.check([1.0, float(open("factor").read())])
"""


@pytest.fixture(scope="session")
def user() -> dict[str, str]:
    """A user's variables: not CI's, with this interpreter's commands first on PATH."""
    dropped = {"CI", "COLUMNS", "FORCE_COLOR"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    kept = {name: value for name, value in kept.items() if not name.startswith(("PYTEST_", "COV_", "NOX_"))}
    return {**kept, "NO_COLOR": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def without_engine(user: dict[str, str]) -> dict[str, str]:
    return {**user, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that runs without an engine; nothing is locked or recorded."""
    folder = tmp_path_factory.mktemp("described")
    for name, text in {
        "goldlock.toml": CONFIG,
        "predict.py": PREDICT,
        "requirements.txt": "",
        "factor": "1",
        "inputs.csv": "a\n" + "".join(f"{number}\n" for number in range(25)),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def locked(described: Path, without_engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, locked and recorded, with a virtual environment and a saved report beside it."""
    folder = tmp_path_factory.mktemp("locked") / "project"
    shutil.copytree(described, folder)
    for command in (
        "goldlock lock",
        "goldlock record",
        f"uv venv --quiet --python {sys.executable} venv",
        "goldlock verify --json report.json",
    ):
        code, said = typed(command, folder, without_engine)
        assert code == 0, said
    return folder


@pytest.fixture(scope="session")
def drifted(locked: Path, without_engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with answers that differ and were kept: of the case, and of a check in a test."""
    folder = tmp_path_factory.mktemp("drifted") / "project"
    shutil.copytree(locked, folder)
    (folder / "test_model.py").write_text(SCORES, encoding="utf-8")
    test = "python -m pytest -q -p no:cacheprovider test_model.py"
    assert typed(test, folder, without_engine)[0] == 1  # created, and not compared with anything
    (folder / "factor").write_text("1.5", encoding="utf-8")
    for command in (test, "goldlock verify"):
        code, said = typed(command, folder, without_engine)
        assert code == 1, said
    return folder


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An own copy of the project that the test names."""
    folder = tmp_path / "project"
    if request.param:
        shutil.copytree(request.getfixturevalue(request.param), folder)
    else:
        folder.mkdir()
    return folder
