"""Recording: what answered is kept, what did not is told, and nothing is recorded in CI or over anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from tests.harness.drafts import INPUTS, OUTPUTS, configured, everything_in

from goldlock import record as recording
from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock.golden import load
from goldlock.report import Failure
from goldlock.tables import Table, whole
from goldlock.verify import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from goldlock.config import Case, Config
    from goldlock.engines import Engine
    from goldlock.verify import Question

EMPTY = Table({"x": np.zeros(0)})


@pytest.fixture(autouse=True)
def _on_a_workstation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path, "one", "two", "three")


class Subject:
    """Answers as it is told to, in the place of `ask_all`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = Answers(image_id="sha256:44")
        self.asked: list[str] = []
        self.notes: list[str] = []
        monkeypatch.setattr(recording, "ask_all", self.ask)

    def ask(
        self,
        _: object,
        __: object,
        ___: object,
        cases: Sequence[Case],
        load: Callable[[Case], Question],
        *more: object,
        **named: object,
    ) -> Answers:
        for case in cases:
            assert load(case).inputs.read_bytes() == INPUTS
            self.asked.append(case.name)
        return self.answers

    def record(self, config: Config, *names: str) -> tuple[str, ...]:
        cases = config.select(names)
        return recording.record(cast("Engine", None), config, "mini", None, cases, self.notes.append)


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    return Subject(monkeypatch)


def test_all_that_answered(config: Config, subject: Subject) -> None:
    subject.answers.tables = dict.fromkeys(("one", "two", "three"), OUTPUTS)
    assert subject.record(config) == ("one", "two", "three")
    found = load(config.resolve("goldens/two"))
    assert whole(found.outputs) == OUTPUTS
    assert found.inputs.read_bytes() == INPUTS
    assert (found.provenance.image_id, found.provenance.lock_id, found.reason) == ("sha256:44", "", "")
    assert subject.notes == []


def test_those_that_answered_are_recorded_and_the_failed_ones_told(config: Config, subject: Subject) -> None:
    subject.answers.tables = {"one": OUTPUTS, "three": EMPTY}
    subject.answers.failures = {"two": Failure(message="it died", hint="look at its log")}
    with pytest.raises(CouldNotRunError) as caught:
        subject.record(config)
    assert caught.value.message == (
        "case 'two' was not recorded: it died\n"
        "case 'three' was not recorded: its answer to 2 rows has no rows, and would match anything as empty\n"
        "recorded: one"
    )
    assert caught.value.hint.startswith("look at its log\n")
    assert sorted(path.name for path in config.resolve("goldens").iterdir()) == ["one"]
    assert load(config.resolve("goldens/one")).integrity == ()


def test_a_configuration_that_does_not_fit_is_told_as_such(tmp_path: Path, subject: Subject) -> None:
    config = configured(tmp_path, "one", columns='[case.columns]\ny = { kind = "exact" }\n')
    subject.answers.tables = {"one": OUTPUTS}
    with pytest.raises(ConfigurationError, match="columns that its output does not have: y"):
        subject.record(config)
    assert not config.resolve("goldens").exists()


def test_configured_tolerances_are_recorded(tmp_path: Path, subject: Subject) -> None:
    config = configured(tmp_path, "one", columns="[case.columns]\np = { atol = 0.25 }\n")
    subject.answers.tables = {"one": OUTPUTS}
    subject.record(config)
    assert load(config.resolve("goldens/one")).tolerances["p"].atol == 0.25


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ('[case.columns.label]\nkind = "label"\nscores = "q"\n', "'q'"),
        ('[case.columns.label]\nkind = "close"\n', "which is for numbers"),
    ],
)
def test_a_tolerance_that_cannot_be_applied_is_told_before_anything_is_recorded(
    tmp_path: Path, subject: Subject, columns: str, said: str
) -> None:
    config = configured(tmp_path, "one", columns=columns)
    subject.answers.tables = {"one": OUTPUTS}
    with pytest.raises(ConfigurationError, match=said):
        subject.record(config)
    assert not config.resolve("goldens").exists()


def test_another_number_of_rows_is_told(config: Config, subject: Subject) -> None:
    subject.answers.tables = {"one": Table({"x": np.zeros(5)})}
    subject.record(config, "one")
    assert subject.notes == ["note: case 'one' answered 2 rows with 5"]


def test_not_in_ci(config: Config, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    before = everything_in(config.folder)
    with pytest.raises(ConfigurationError, match="a first record in CI is an error") as caught:
        subject.record(config)
    assert "on a workstation" in caught.value.hint
    assert (subject.asked, everything_in(config.folder)) == ([], before)


def test_half_a_golden_is_told_before_anybody_is_asked(config: Config, subject: Subject) -> None:
    config.resolve("goldens/two").mkdir(parents=True)
    (config.resolve("goldens/two") / "outputs.csv").write_text("x\n1\n")
    with pytest.raises(ConfigurationError, match=r"half a golden stands there: golden.toml is missing"):
        subject.record(config)
    assert subject.asked == []


def test_one_that_is_there_stays_and_the_others_are_recorded(config: Config, subject: Subject) -> None:
    subject.answers.tables = dict.fromkeys(("one", "two", "three"), OUTPUTS)
    subject.record(config, "two")
    before = everything_in(config.resolve("goldens/two"))
    subject.answers.tables["two"] = Table({"x": np.zeros(2)})
    with pytest.raises(GoldlockError, match="recorded: one, three"):
        subject.record(config)
    assert everything_in(config.resolve("goldens/two")) == before


def test_inputs_that_change_while_the_subject_is_asked(
    config: Config, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.answers.tables = {"one": OUTPUTS}

    def ask(*arguments: Any, **named: object) -> Answers:  # noqa: ANN401 - hands on what it is given
        answers = subject.ask(*arguments, **named)
        (config.folder / "inputs.csv").write_bytes(b"a,b\n1,2\n3,5\n")
        return answers

    monkeypatch.setattr(recording, "ask_all", ask)
    with pytest.raises(CouldNotRunError, match="have changed since the subject was asked"):
        subject.record(config, "one")
    assert not config.resolve("goldens").exists()


def test_inputs_that_are_not_there(config: Config, subject: Subject) -> None:
    (config.folder / "inputs.csv").unlink()
    with pytest.raises(ConfigurationError, match="inputs of case 'one' can't be read"):
        subject.record(config)
    assert subject.asked == []


def test_an_environment_that_could_not_be_looked_at(config: Config, subject: Subject) -> None:
    subject.answers.tables = {"one": OUTPUTS}
    subject.answers.environment_failure = Failure(message="the probe hung")
    with pytest.raises(CouldNotRunError, match="the probe hung"):
        subject.record(config, "one")
    assert not config.resolve("goldens").exists()
