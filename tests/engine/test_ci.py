"""The GitHub Action and the GitLab job, run on a real project with a real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from tests.harness.runners import ROOT, run_action, run_gitlab

from goldlock.schemas import Document, published

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

SCHEMAS = ROOT / "tests" / "harness" / "schemas"
SUFFIXES = {".json", ".html", ".xml", ".sarif", ".md"}
UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02"


def check_reports(folder: Path, verdict: str) -> None:
    """All of them are there, valid, and say the same."""
    assert {path.suffix for path in folder.iterdir()} == SUFFIXES
    report = json.loads((folder / "goldlock.json").read_bytes())
    assert report["verdict"] == verdict
    jsonschema.Draft202012Validator(json.loads(published(Document.REPORT))).validate(report)
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(folder / "goldlock.xml")
    sarif = json.loads((folder / "goldlock.sarif").read_bytes())
    official = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_bytes())
    jsonschema.Draft4Validator(official).validate(sarif)
    (run,) = sarif["runs"]
    assert run["invocations"][0]["exitCode"] == report["exit-code"]
    assert "<html" in (folder / "goldlock.html").read_text(encoding="utf-8")


@pytest.mark.timeout(600)
def test_the_action_installs_goldlock_and_verifies(mini: Project, tmp_path: Path) -> None:
    done = run_action(
        tmp_path, tmp_path / "runner", working_directory="mini", cases="batch http", args="--engine docker"
    )
    assert done.code == 0, done.stderr
    assert (tmp_path / "runner" / "goldlock-venv" / "bin" / "goldlock").exists()
    reports = mini.folder / "goldlock-reports"
    assert done.outputs == {"verdict": "match", "exit-code": "0", "reports": str(reports)}
    check_reports(reports, "match")
    assert done.summary == (reports / "goldlock.md").read_text(encoding="utf-8")
    assert done.summary.startswith("## goldlock: match\n")
    assert done.used == {
        UPLOAD: {"name": "goldlock-reports", "path": str(reports), "if-no-files-found": "warn"}
    }


def test_a_drift_fails_the_action_and_is_told_all_the_same(
    mini: Project, drifted: Callable[..., str], tmp_path: Path
) -> None:
    image = drifted("RUN sed -i 's/0\\.5/0.75/' /app/weights.json")
    done = run_action(
        tmp_path,
        tmp_path / "runner",
        version="installed",
        working_directory="mini",
        cases="batch",
        fail_on="outputs",
        reports="out/reports",
        artifact="mine",
        args=f"--engine docker --image {image}",
    )
    reports = mini.folder / "out" / "reports"
    assert done.outputs == {"verdict": "drift", "exit-code": "1", "reports": str(reports)}, done.stderr
    assert done.code == 1
    check_reports(reports, "drift")
    assert done.summary.startswith("## goldlock: drift\n")
    assert "### Case `batch`" in done.summary
    assert done.used[UPLOAD]["name"] == "mine"


def test_what_the_run_before_left_is_not_told_again(mini: Project, tmp_path: Path) -> None:
    reports = mini.folder / "goldlock-reports"
    reports.mkdir()
    for suffix in SUFFIXES:
        (reports / f"goldlock{suffix}").write_text("old", encoding="utf-8")
    done = run_action(
        tmp_path, tmp_path / "runner", version="installed", working_directory="mini", args="--engine nonsense"
    )
    assert (done.code, done.outputs["verdict"]) == (2, "error")
    assert list(reports.iterdir()) == []


@pytest.mark.timeout(600)
def test_the_gitlab_job_installs_goldlock_and_verifies(mini: Project) -> None:
    done = run_gitlab(
        mini.folder, GOLDLOCK_INSTALL=str(ROOT), GOLDLOCK_CASES="batch http", GOLDLOCK_ARGS="--engine docker"
    )
    assert done.returncode == 0, done.stderr
    assert (mini.folder / ".goldlock-venv" / "bin" / "goldlock").exists()
    assert done.stdout.startswith("MATCH  mini")
    check_reports(mini.folder / "goldlock-reports", "match")


def test_a_drift_fails_the_gitlab_job(mini: Project, drifted: Callable[..., str]) -> None:
    image = drifted("RUN sed -i 's/0\\.5/0.75/' /app/weights.json")
    done = run_gitlab(
        mini.folder,
        GOLDLOCK_INSTALL="",
        GOLDLOCK_FAIL_ON="outputs",
        GOLDLOCK_ARGS=f"--engine docker --image {image}",
    )
    assert done.returncode == 1, done.stderr
    check_reports(mini.folder / "goldlock-reports", "drift")
    failures = ET.parse(mini.folder / "goldlock-reports" / "goldlock.xml").getroot().iter("failure")
    assert any(failure.attrib["type"] in {"drifted", "flipped"} for failure in failures)
