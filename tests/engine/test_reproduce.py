"""Training again: twice in fresh containers, compared with each other and with what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[2]
TRAINING = """
[[training]]
name = "tiny"
image = "goldlock-test-mini:latest"
recorded = "recorded"
inputs = {{ table = "inputs.csv" }}
run = ["python", "-c", '''{code}''', "{{table}}", "{{output}}"]
"""
SEEDED = "import sys; open(sys.argv[2] + '/model.txt', 'w').write(str(len(open(sys.argv[1]).read())))"
UNSEEDED = "import sys, uuid; open(sys.argv[2] + '/model.txt', 'w').write(str(uuid.uuid4()))"


def with_training(mini: Project, code: str) -> Project:
    path = mini.folder / "goldlock.toml"
    path.write_text(path.read_text(encoding="utf-8") + TRAINING.format(code=code), encoding="utf-8")
    (mini.folder / "recorded").mkdir()
    size = len((mini.folder / "inputs.csv").read_text(encoding="utf-8"))
    (mini.folder / "recorded" / "model.txt").write_text(str(size), encoding="utf-8")
    return mini


def findings(report: Mapping[str, object]) -> list[tuple[str, str, str]]:
    found = report["findings"]
    assert isinstance(found, list)
    return [(f["layer"], f["key"], f["note"]) for f in found]


def test_a_seeded_training_matches_what_is_recorded(mini: Project) -> None:
    outcome = with_training(mini, SEEDED).run("reproduce", "--format", "json")
    assert (outcome.code, findings(outcome.report)) == (0, []), outcome.stderr


def test_an_unseeded_training_is_told_apart_from_one_that_moved(mini: Project) -> None:
    outcome = with_training(mini, UNSEEDED).run("reproduce", "--format", "json")
    assert outcome.code == 1
    notes = sorted(
        note
        for layer, key, note in findings(outcome.report)
        if (layer, key) == ("artifacts", "tiny: model.txt")
    )
    assert len(notes) == 2
    assert "not deterministic" in notes[0]
    assert "not the recorded artifact" in notes[1]


def test_a_moved_artifact_is_named_with_both_digests(mini: Project) -> None:
    project = with_training(mini, SEEDED)
    (project.folder / "recorded" / "model.txt").write_text("another", encoding="utf-8")
    outcome = project.run("reproduce", "--format", "json")
    assert outcome.code == 1
    found = outcome.report["findings"]
    assert isinstance(found, list)
    assert [(f["layer"], f["key"], f["status"]) for f in found] == [
        ("artifacts", "tiny: model.txt", "changed")
    ]
    assert found[0]["expected"] != found[0]["actual"]


def test_a_failing_training_says_what_it_said(mini: Project) -> None:
    outcome = with_training(mini, "import sys; sys.exit('no such data')").run("reproduce")
    assert outcome.code == 3
    assert "no such data" in outcome.stderr


@pytest.mark.parametrize("configuration", ["goldlock.toml", "model/pipeline/goldlock.toml"])
def test_two_trainings_of_a_reference_model_give_identical_artifacts(configuration: str) -> None:
    outcome = Project(ROOT).run("reproduce", "-c", configuration, "--format", "json")
    assert outcome.code in {0, 1}, outcome.stderr
    # On another CPU than the recorded one's the result may be another; twice on one machine it may not.
    assert not [note for _, _, note in findings(outcome.report) if "not deterministic" in note]
