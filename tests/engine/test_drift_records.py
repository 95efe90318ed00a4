"""What was recorded, changed by hand: found even where the outputs agree. And what is clean stays clean."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, cast

import pytest
from tests.engine.blame import BATCH, HTTP, Blame, blamed, cases, findings, rungs
from tests.engine.conftest import MINI

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.blame import Drifted
    from tests.engine.conftest import Outcome, Project

pytestmark = pytest.mark.engine

CLEAN_RUNS = 20


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _replace(path: Path, old: str, new: str) -> tuple[str, str]:
    """Change a file by hand; its digests before and after."""
    before = path.read_bytes()
    after = before.replace(old.encode(), new.encode(), 1)
    assert after != before
    path.write_bytes(after)
    return _sha256(before), _sha256(after)


def _files(project: Project) -> dict[str, bytes]:
    """The lock and all files of all goldens."""
    paths = [project.folder / "goldlock.lock", *sorted((project.folder / "goldens").rglob("*"))]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize(
    ("case", "file", "old", "new"),
    [
        ("batch", "outputs.csv", "0.5035108131870234", "0.5135108131870234"),
        ("http", "inputs.csv", "0.5,1.5,-0.25,2.0", "0.5,1.5,-0.25,2.5"),
    ],
    ids=["outputs", "inputs"],
)
def test_a_golden_whose_file_was_edited_is_named_and_judges_nothing(
    mini: Project, case: str, file: str, old: str, new: str
) -> None:
    digests = _replace(mini.folder / "goldens" / case / file, old, new)
    outcome = mini.verify("--fail-on", "warning", "--no-hash")
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("golden", f"{case}/{file}", *digests)}
    _only_that_case_was_not_compared(outcome, case)


def test_a_golden_whose_tolerance_was_edited_is_named_though_it_would_pass(mini: Project) -> None:
    path = mini.folder / "goldens/batch/golden.toml"
    sealed = re.search(r'golden-id = "(.*)"', path.read_text(encoding="utf-8"))
    assert sealed
    _replace(path, "rtol = 1e-09", "rtol = 0.5")
    outcome = mini.verify("--fail-on", "warning", "--no-hash")
    assert outcome.code == 1
    (blame,) = blamed(outcome)
    assert (blame.layer, blame.key, blame.expected) == ("golden", "batch/golden.toml", sealed[1])
    assert blame.actual not in {None, sealed[1]}
    _only_that_case_was_not_compared(outcome, "batch")


def _only_that_case_was_not_compared(outcome: Outcome, case: str) -> None:
    reports = cases(outcome)
    other = "http" if case == "batch" else "batch"
    assert (reports[other]["verdict"], reports[other]["rung"]) == ("match", "identical")
    assert (reports[case]["verdict"], reports[case]["table"]) == ("could not run", None)
    failure = cast("dict[str, str]", reports[case]["failure"])
    assert "edited by hand" in failure["message"]
    assert f"goldlock record {case}" in failure["hint"]


def test_a_lock_that_was_edited_is_named(mini: Project) -> None:
    """The lock's own edit, and what the subject then differs in from the lock as it stands."""
    path = mini.folder / "goldlock.lock"
    sealed = re.search(r'lock-id = "(.*)"', path.read_text(encoding="utf-8"))
    assert sealed
    _replace(path, 'name = "numpy"\nversion = "1.24.3"', 'name = "numpy"\nversion = "1.24.2"')
    outcome = mini.verify("--fail-on", "warning")
    assert outcome.code == 1
    by_layer = {blame.layer: blame for blame in blamed(outcome)}
    assert by_layer.keys() == {"lock", "packages"}
    assert by_layer["packages"] == Blame("packages", "numpy", "1.24.2", "1.24.3")
    assert by_layer["lock"][:3] == ("lock", "goldlock.lock", sealed[1])
    assert by_layer["lock"].severity == "error"
    assert by_layer["lock"].actual not in {None, sealed[1]}
    assert (rungs(outcome), rungs(outcome, "http")) == (BATCH, HTTP)


def test_a_lock_that_was_edited_to_hide_a_variable_is_named(mini: Project) -> None:
    """An edit that makes lock and subject agree is still an edit."""
    mini.edit("[subject.build]", '[subject.environment]\nOMP_NUM_THREADS = "2"\n\n[subject.build]')
    _replace(mini.folder / "goldlock.lock", 'OMP_NUM_THREADS = "1"', 'OMP_NUM_THREADS = "2"')
    outcome = mini.run("check", "--engine", "docker", "--no-hash", "--format", "json")
    assert outcome.code == 1
    assert {(blame.layer, blame.key) for blame in blamed(outcome)} == {("lock", "goldlock.lock")}


def test_twenty_clean_runs_are_twenty_matches_and_change_nothing(mini: Project) -> None:
    before = _files(mini)
    assert len(before) == 7
    for _ in range(CLEAN_RUNS):
        outcome = mini.verify("--fail-on", "warning")
        assert (outcome.code, outcome.report["verdict"], findings(outcome)) == (0, "match", [])
        assert {name: case["rung"] for name, case in cases(outcome).items()} == {
            "batch": "identical",
            "http": "identical",
        }
    assert _files(mini) == before
    assert not (mini.folder / ".goldlock" / "received" / "batch").exists()


def test_a_drift_changes_no_golden_and_no_lock(mini: Project, drifted: Drifted) -> None:
    before = _files(mini)
    image = drifted(
        "COPY weights.json /app/",
        {"weights.json": (MINI / "weights.json").read_bytes().replace(b"0.9", b"0.8")},
    )
    assert mini.verify("--no-hash", "--image", image).code == 1
    assert mini.run("check", "--engine", "docker", "--no-hash", "--image", image).code == 1
    assert _files(mini) == before
