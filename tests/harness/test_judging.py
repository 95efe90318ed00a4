"""An answer against all goldens of its case: the right one for this lock and CPU, or one that is known to be bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from goldlock import golden
from goldlock.config import Case, Column, Command
from goldlock.errors import ConfigurationError
from goldlock.judging import judge, tolerances
from goldlock.results import Rung
from goldlock.tables import Table
from goldlock.tolerance import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from goldlock.judging import Judgement

LOCK, OTHER_LOCK = "sha256:" + "1" * 64, "sha256:" + "2" * 64
CASE = Case(name="batch", inputs="inputs.csv", command=Command(run=("predict",)))


def table(*values: float, labels: str = "abc") -> Table:
    return Table({"label": np.array(list(labels[: len(values)]), dtype=object), "p": np.array(values)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A golden of three rows, and its inputs."""
    (tmp_path / "inputs.csv").write_text("x,name\n1.5,one\n2.5,two\n3.5,three\n", encoding="utf-8")
    write(tmp_path / "batch", table(0.1, 0.2, 0.3))
    return tmp_path / "batch"


def write(
    folder: Path, outputs: Table, *, name: str = "", lock_id: str = "", cpu_level: str = "", bad: bool = False
) -> None:
    place = golden.sibling(folder, name) if name else folder
    draft = golden.Draft(
        case="batch",
        inputs=folder.parent / "inputs.csv",
        inputs_name="inputs.csv",
        outputs=outputs,
        tolerances={},
        provenance=golden.Provenance(
            lock_id=LOCK,
            image_id="",
            cpu_level="x86-64-v4",
            goldlock_version="0",
            recorded="2026-11-22",
            reason="for a reason" if name else "",
        ),
        name=name,
        key=golden.Key(lock_id=lock_id, cpu_level=cpu_level),
        bad=bad,
    )
    golden.record(place, draft)


def judged(
    folder: Path,
    answer: Table,
    *,
    case: Case = CASE,
    lock_id: str = LOCK,
    cpu_level: str = "x86-64-v4",
    worst: int = 10,
) -> Judgement:
    return judge(case, golden.load_all(folder), answer, lock_id=lock_id, cpu_level=cpu_level, worst=worst)


def names(found: Judgement) -> Sequence[str]:
    assert found.golden is not None
    assert found.table is not None
    return found.golden.name, found.table.rung.value, found.known_bad


def test_the_same_content_is_identical_without_a_look_at_the_golden(folder: Path) -> None:
    found = judged(folder, table(0.1, 0.2, 0.3))
    assert names(found) == ("", "identical", "")
    assert found.passes
    assert found.inputs is None


def test_outputs_that_cannot_be_read_are_not_read_where_the_content_is_the_same(folder: Path) -> None:
    goldens = golden.load_all(folder)
    (folder / "outputs.csv").unlink()
    found = judge(CASE, goldens, table(0.1, 0.2, 0.3), lock_id=LOCK, cpu_level="", worst=10)
    assert found.passes


def test_a_drift_shows_the_inputs_of_its_rows(folder: Path) -> None:
    found = judged(folder, table(0.1, 0.2, 0.9))
    assert names(found) == ("", "drifted", "")
    assert found.inputs is not None
    assert (found.inputs.names, found.inputs.rows) == (("x", "name"), {2: (3.5, "three")})


def test_inputs_of_another_number_of_rows_are_not_shown(folder: Path) -> None:
    assert judged(folder, table(0.1, 0.9)).inputs is None


def test_another_right_golden_holds_for_its_cpu_only(folder: Path) -> None:
    write(folder, table(0.5, 0.2, 0.3), name="v3", cpu_level="x86-64-v3")
    assert names(judged(folder, table(0.5, 0.2, 0.3), cpu_level="x86-64-v3")) == ("v3", "identical", "")
    elsewhere = judged(folder, table(0.5, 0.2, 0.3), cpu_level="x86-64-v4")
    assert names(elsewhere) == ("", "drifted", "")
    assert elsewhere.notes == ("right goldens of this case that are keyed to another lock or CPU: v3",)


def test_the_first_golden_is_right_everywhere(folder: Path) -> None:
    write(folder, table(0.5, 0.2, 0.3), name="v3", cpu_level="x86-64-v3")
    assert names(judged(folder, table(0.1, 0.2, 0.3), cpu_level="x86-64-v3")) == ("", "identical", "")


def test_the_most_specific_key_is_tried_first_and_the_nearest_golden_is_told(folder: Path) -> None:
    write(folder, table(0.5, 0.2, 0.3), name="cpu", cpu_level="x86-64-v4")
    write(folder, table(0.5, 0.2, 0.3, labels="xbc"), name="lock", lock_id=LOCK)
    assert names(judged(folder, table(0.5, 0.2, 0.3))) == ("cpu", "identical", "")
    assert names(judged(folder, table(0.6, 0.2, 0.3, labels="xbc"))) == ("lock", "drifted", "")
    assert names(judged(folder, table(0.6, 0.2, 0.3), lock_id=OTHER_LOCK)) == ("cpu", "drifted", "")


def test_a_match_with_a_known_bad_golden_names_it(folder: Path) -> None:
    write(folder, table(0.1, 0.2, 9.9), name="overflow", bad=True)
    found = judged(folder, table(0.1, 0.2, 9.9))
    assert names(found) == ("", "drifted", "overflow: for a reason")
    assert not found.passes
    assert names(judged(folder, table(0.1, 0.2, 9.0))) == ("", "drifted", "")
    assert names(judged(folder, table(0.1, 0.2, 0.3))) == ("", "identical", "")


def test_the_configured_tolerance_goes_before_the_recorded_one(folder: Path) -> None:
    loose = Case(
        name="batch",
        inputs="inputs.csv",
        command=Command(run=("predict",)),
        columns={"p": Column(atol=1.0)},
    )
    found = judged(folder, table(0.1, 0.2, 0.9), case=loose)
    assert names(found) == ("", "tolerance", "")
    stated = tolerances(golden.load(folder), loose)
    assert (stated["p"].kind, stated["p"].atol, stated["label"].kind) == (Kind.CLOSE, 1.0, Kind.LABEL)


def test_a_tolerance_for_a_column_that_is_not_there_is_an_error(folder: Path) -> None:
    wrong = Case(
        name="batch",
        inputs="inputs.csv",
        command=Command(run=("predict",)),
        columns={"q": Column(atol=1.0)},
    )
    with pytest.raises(ConfigurationError, match="'q'"):
        judged(folder, table(0.1, 0.2, 0.3), case=wrong)


def test_rows_in_another_order_are_equivalent_where_the_case_names_a_key(folder: Path) -> None:
    keyed = Case(name="batch", inputs="inputs.csv", command=Command(run=("predict",)), rows_by=("label",))
    turned = Table({"label": np.array(["c", "a", "b"], dtype=object), "p": np.array([0.3, 0.1, 0.2])})
    found = judged(folder, turned, case=keyed)
    assert found.table is not None
    assert found.table.rung is Rung.EQUIVALENT
    assert found.passes
    assert not judged(folder, turned).passes
