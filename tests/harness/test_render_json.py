"""The JSON report: plain values, and reading it back."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace as dataclass_replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from tests.env.values import FULL, snapshots
from tests.harness.reports import EVERYTHING, case, column, report, reports, table

from goldlock import environment
from goldlock.compare import compare_tables
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.render import json as as_json
from goldlock.report import FailOn, Failure, Report
from goldlock.results import Extreme, Flip, Rung, WorstRow
from goldlock.tables import Table
from goldlock_env.snapshot import PackagesLayer, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.engines import Engine


def strict(written: str) -> dict[str, object]:
    """Parse as RFC 8259 has it: NaN and the infinities are no numbers."""

    def refuse(name: str) -> object:
        raise AssertionError(name)

    document = json.loads(written, parse_constant=refuse)
    assert isinstance(document, dict)
    return document


def test_a_report_begins_with_what_it_is_and_found() -> None:
    document = strict(as_json.render(EVERYTHING))
    assert document["report-version"] == "2.0"
    assert list(document)[:3] == ["report-version", "verdict", "exit-code"]


def test_a_report_has_the_same_top_keys_however_little_there_is_to_say() -> None:
    empty = strict(as_json.render(report(image=None, lock_id=None)))
    assert list(empty) == list(strict(as_json.render(EVERYTHING)))
    assert (empty["findings"], empty["cases"], empty["failure"], empty["lock-id"]) == ([], [], None, None)
    assert (empty["subject"], empty["engine"], empty["image"]) == ("mini", "docker 27.1 (API 1.46)", None)
    failed = strict(as_json.render(report(failure=Failure(message="m", hint="h"))))
    assert failed["failure"] == {"message": "m", "hint": "h"}
    assert (failed["verdict"], failed["exit-code"]) == ("could not run", 3)


def test_the_values_are_plain() -> None:
    document = strict(as_json.render(replace(EVERYTHING, fail_on=FailOn.WARNING)))
    assert (document["verdict"], document["exit-code"], document["fail-on"]) == ("drift", 1, "warning")
    assert document["findings"][0] == {  # type: ignore[index]
        "layer": "packages",
        "key": "numpy",
        "expected": "1.24.3",
        "actual": "1.24.4",
        "status": "changed",
        "severity": "error",
        "note": "an error's note",
        "accepted": "",
    }
    good, bad, gone, wrong = document["cases"]  # type: ignore[misc]
    assert (good["verdict"], good["rung"], good["seconds"]) == ("match", "tolerance", 1.23456)
    assert (gone["verdict"], gone["rung"], gone["table"]) == ("could not run", None, None)
    assert (wrong["verdict"], wrong["rung"]) == ("drift", "identical")
    assert bad["inputs"]["rows"]["7"] == [4.9, "nan", None]
    drifted = bad["table"]["columns"][0]
    assert (drifted["share"], drifted["passes"]) == (0.02, False)
    assert drifted["largest-relative"]["value"] == "inf"
    assert drifted["worst"][1]["actual"] == "nan"
    assert drifted["worst"][1]["absolute"] == "inf"


def test_numbers_that_json_has_no_word_for_are_strings() -> None:
    extreme = Extreme(value=-math.inf, index=(0,), expected=math.nan, actual=math.inf)
    document = strict(as_json.render(report(case(table(column(Rung.DRIFTED, largest_absolute=extreme))))))
    found = document["cases"][0]["table"]["columns"][0]["largest-absolute"]  # type: ignore[index]
    assert found == {"value": "-inf", "index": [0], "expected": "nan", "actual": "inf"}


def test_a_real_comparison_of_every_dtype_is_json() -> None:
    columns = {
        "i": np.array([1, 2]),
        "f": np.array([1.0, np.nan], np.float32),
        "b": np.array([True, False]),
        "s": np.array(["a", "b"]),
        "m": np.array([[1.0, np.inf], [0.0, 1.0]]),
    }
    moved = {name: values[::-1] for name, values in columns.items()}
    result = compare_tables(Table(columns), Table(moved), {})
    document = strict(as_json.render(report(case(result))))
    assert [each["name"] for each in document["cases"][0]["table"]["columns"]] == list(columns)  # type: ignore[index]


def told(value: object) -> object:
    """A value to compare by: NaN is NaN, 1 is not 1.0, True is not 1."""
    if isinstance(value, (tuple, list)):
        return [told(each) for each in value]
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items()}
    if isinstance(value, msgspec.Struct):
        return type(value), [told(getattr(value, name)) for name in value.__struct_fields__]
    return type(value), repr(value)


@given(reports)
@settings(deadline=None)
def test_what_is_written_is_read_back(shown: Report) -> None:
    written = as_json.render(shown)
    assert told(as_json.parse(written.encode(), where="it")) == told(shown)
    assert as_json.render(as_json.parse(written.encode(), where="it")) == written


def test_a_cell_that_is_no_number_is_told_from_a_text_that_spells_one() -> None:
    def worst(cell: float | str) -> WorstRow:
        return WorstRow(row=0, index=(0,), expected=cell, actual=cell, absolute=None, ulp=None, margin=None)

    for kind, cell in (("float32", math.nan), ("bfloat16[2]", -math.inf), ("str", "nan"), ("str", "inf")):
        flip = Flip(expected=cell, actual=cell, count=1)
        one = column(Rung.FLIPPED, expected_type=kind, actual_type=kind, worst=(worst(cell),), flips=(flip,))
        read = as_json.parse(as_json.render(report(case(table(one)))).encode(), where="it")
        assert told(read.cases[0].table) == told(table(one))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"3", "is not a report of version 2"),
        (b"{}", "is not a report of version 2"),
        (b'{"report-version": "1.0"}', "is not a report of version 2, but of 1.0"),
        (b'{"report-version": 2}', "is not a report of version 2"),
        (b'{"report-version": "2.0"}', "missing required field `goldlock-version`"),
        (b'{"report-version": "2.9", "goldlock-version": "1", "subject": 3, "engine": ""}', r"\$\.subject"),
    ],
)
def test_what_is_no_report_is_refused_with_its_name(data: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        as_json.parse(data, where="old.json")
    assert caught.value.message.startswith("old.json: ")
    assert caught.value.hint


def test_a_later_report_of_the_same_format_is_read() -> None:
    document = {**json.loads(as_json.render(EVERYTHING)), "report-version": "2.7", "new-key": [1]}
    assert told(as_json.parse(json.dumps(document).encode(), where="it").findings) == told(
        EVERYTHING.findings
    )


@given(snapshots)
def test_any_snapshot_comes_back_from_a_saved_report(seen: Snapshot) -> None:
    document = strict(as_json.render(report(snapshot=seen.to_mapping())))
    found = document["snapshot"]
    assert isinstance(found, dict)
    assert Snapshot.from_mapping(found) == seen


def test_a_saved_report_can_be_compared_with_another(tmp_path: Path) -> None:
    other = dataclass_replace(
        FULL, packages=PackagesLayer(hashed=True, distributions=FULL.packages.distributions[:1])
    )  # type: ignore[union-attr]
    for name, snapshot in (("old.json", FULL), ("new.json", other)):
        (tmp_path / name).write_text(as_json.render(report(snapshot=snapshot.to_mapping())), encoding="utf-8")

    def diff(*words: str) -> tuple[int, dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "goldlock", "diff", *words, "--format", "json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        return done.returncode, strict(done.stdout)

    code, same = diff("old.json", "old.json")
    assert (code, same["findings"]) == (0, [])
    code, document = diff("old.json", "new.json")
    assert code == 1
    assert [(f["layer"], f["key"], f["status"]) for f in document["findings"]] == [  # type: ignore[attr-defined]
        ("packages", "numpy", "missing")
    ]
    assert Snapshot.from_mapping(document["snapshot"]) == other  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "3", '{"snapshot": 3}', "{", "\x00", "[" * 100_000, '{"snapshot": {"python": []}}'],
)
def test_what_is_no_saved_report_is_said_to_be_none(content: str, tmp_path: Path) -> None:
    def no_engine() -> Engine:
        raise AssertionError

    (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    with pytest.raises(CouldNotRunError, match=r"bad\.json is not a report saved by goldlock"):
        environment.resolve(str(tmp_path / "bad.json"), no_engine)
