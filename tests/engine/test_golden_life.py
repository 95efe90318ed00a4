"""The life of a golden from end to end: recorded, drifted from, accepted in parts, added to, killed at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import MINI
from tests.harness.drafts import everything_in

from goldlock import golden
from goldlock.tables import whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

MOMENTS = 6


@pytest.fixture
def drifting(drifted: Callable[..., str]) -> str:
    """An image whose code moves all probabilities; the environment is as locked."""
    model = (MINI / "model.py").read_bytes()
    moved = model.replace(b'weights["offset"]', b'weights["offset"] - np.array([0, 0, 0.01])')
    assert moved != model
    return drifted("COPY model.py /app/", {"model.py": moved})


@pytest.fixture
def received(mini: Project, drifting: str) -> Path:
    """Folder of the golden whose case has drifted."""
    outcome = mini.verify("batch", "--no-hash", "--image", drifting)
    assert outcome.code == 1, outcome.stderr
    return mini.folder / "goldens" / "batch"


def test_a_column_at_a_time(mini: Project, received: Path, drifting: str) -> None:
    before = golden.load(received)
    changed = [
        name for name, digest in golden.load(received).content.items() if digest != _received(mini)[name]
    ]
    assert changed
    for name in changed:
        outcome = mini.run("accept", "batch", "--column", name, "--reason", f"{name} was wrong", "--yes")
        assert outcome.code == 0, outcome.stderr
    now = golden.load(received)
    assert now.content == _received(mini)
    assert now.reason == f"{changed[-1]} was wrong"
    assert now.provenance.history[0].golden_id == before.id
    assert len(now.provenance.history) == len(changed)
    assert mini.verify("batch", "--no-hash", "--image", drifting).code == 0


def _received(mini: Project) -> dict[str, str]:
    from goldlock import received as kept
    from goldlock.config import load
    from goldlock.tables import content

    return content(kept.load(load(mini.folder / "goldlock.toml"), "batch").outputs)


def test_another_right_answer_for_this_machine(mini: Project, received: Path, drifting: str) -> None:
    before = everything_in(received)
    outcome = mini.run("accept", "batch", "--as", "here", "--reason", "this CPU rounds otherwise", "--yes")
    assert outcome.code == 0, outcome.stderr
    assert everything_in(received) == before
    # Both answers are right now.
    assert mini.verify("batch", "--no-hash", "--image", drifting).code == 0
    assert mini.verify("batch", "--no-hash").code == 0


def test_a_known_bad_answer_is_named(mini: Project, received: Path, drifting: str) -> None:
    outcome = mini.run("accept", "batch", "--bad", "old-weights", "--reason", "the weights of May", "--yes")
    assert outcome.code == 0, outcome.stderr
    again = mini.verify("batch", "--no-hash", "--image", drifting)
    assert again.code == 1
    (case,) = again.report["cases"]
    assert case["known-bad"] == "old-weights: the weights of May"
    assert mini.verify("batch", "--no-hash").code == 0


def test_a_golden_that_no_case_uses_is_told(mini: Project) -> None:
    (mini.folder / "goldens" / "http").rename(mini.folder / "goldens" / "retired")
    outcome = mini.verify("batch", "--no-hash")
    assert outcome.code == 0
    assert "goldens/retired" in {finding["key"] for finding in outcome.report["findings"]}


def test_a_first_record_in_ci_is_an_error(mini: Project) -> None:
    subprocess.run(["rm", "-r", str(mini.folder / "goldens" / "batch")], check=True)
    outcome = mini.run("record", "batch", env={"CI": "true"})
    assert outcome.code == 2
    assert "a first record in CI is an error" in outcome.stderr
    assert not (mini.folder / "goldens" / "batch").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_accept_ended_at_any_moment_leaves_a_whole_golden(
    mini: Project, received: Path, number: signal.Signals
) -> None:
    old, new = golden.load(received).content, _received(mini)
    began = time.monotonic()
    assert mini.run("accept", "batch", "--column", "nothing", "--reason", "x", "--yes").code == 2
    whole_time = time.monotonic() - began
    moments = random.Random(int(number))
    for _ in range(MOMENTS):
        with mini.start("accept", "batch", "--reason", "x", "--yes") as process:
            try:
                process.communicate(timeout=whole_time * moments.uniform(0.5, 1.5))
            except subprocess.TimeoutExpired:
                process.send_signal(number)
                process.communicate()
        golden.restore(received)
        found = golden.load(received)
        assert found.integrity == ()
        assert found.content in (old, new)
        assert whole(found.outputs).rows
        if found.content == new:
            break
