"""What people and machines get to read of a report."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.env.values import FULL, digest, snapshots

from goldlock import environment
from goldlock.compare import ColumnResult, Extreme, Flip, Rung, TableResult, WorstRow, compare_tables
from goldlock.errors import CouldNotRunError
from goldlock.render import json as as_json
from goldlock.render import terminal
from goldlock.report import CaseReport, FailOn, Failure, Report
from goldlock.tables import Table
from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.snapshot import PackagesLayer, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.engines import Engine

WIDTHS = (60, 100)
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\nline\u202egnp.exe\x00\x7f\ud800"
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\ud800-\udfff]")


def finding(
    severity: Severity = Severity.ERROR,
    key: str = "numpy",
    *,
    layer: Layer = Layer.PACKAGES,
    status: Status = Status.CHANGED,
    expected: str | None = "1.24.3",
    actual: str | None = "1.24.4",
    note: str = "",
) -> Finding:
    return Finding(
        layer=layer,
        key=key,
        expected=expected,
        actual=actual,
        status=status,
        severity=severity,
        note=note,
    )


def column(rung: Rung, name: str = "label", **fields: object) -> ColumnResult:
    given: dict[str, object] = {"expected_type": "float64", "actual_type": "float64", "size": 150, **fields}
    return ColumnResult(name=name, rung=rung, **given)  # type: ignore[arg-type]


def table(*columns: ColumnResult, notes: tuple[str, ...] = (), actual_rows: int = 150) -> TableResult:
    rung = max((c.rung for c in columns), key=lambda r: r.rank, default=Rung.IDENTICAL)
    return TableResult(rung=rung, columns=columns, notes=notes, expected_rows=150, actual_rows=actual_rows)


def case(result: TableResult | None, name: str = "batch", failure: Failure | None = None) -> CaseReport:
    return CaseReport(
        name=name, way="command", golden=f"goldens/{name}", seconds=1.23456, table=result, failure=failure
    )


def report(*cases: CaseReport, findings: tuple[Finding, ...] = (), **fields: object) -> Report:
    given: dict[str, object] = {
        "goldlock_version": "0.1.0",
        "subject": "mini",
        "engine": "docker 27.1 (API 1.46)",
        "image": "mini:1",
        "lock_id": digest("lock"),
        **fields,
    }
    return Report(cases=cases, findings=findings, **given)  # type: ignore[arg-type]


def text(shown: Report, *, width: int = 100, colour: bool = False, verbose: bool = False) -> str:
    return terminal.render(shown, colour=colour, width=width, verbose=verbose)


DRIFTED = column(
    Rung.DRIFTED,
    "p_setosa",
    count=3,
    differing=9,
    largest_absolute=Extreme(value=0.25, index=(7, 1), expected=0.5, actual=0.75),
    largest_relative=Extreme(value=math.inf, index=(7, 1), expected=0.0, actual=0.75),
    largest_ulp=Extreme(value=12, index=(8,), expected=0.5, actual=0.5),
    worst=(
        WorstRow(row=7, index=(7, 1), expected=0.5, actual=0.75, absolute=0.25, ulp=99, margin=None),
        WorstRow(row=9, index=(9,), expected=1.0, actual=math.nan, absolute=math.inf, ulp=None, margin=None),
    ),
    would_pass="atol >= 0.25",
)
FLIPPED = column(
    Rung.FLIPPED,
    expected_type="str",
    actual_type="str",
    count=2,
    differing=2,
    worst=(
        WorstRow(
            row=3, index=(3,), expected="setosa", actual="virginica", absolute=None, ulp=None, margin=0.8
        ),
    ),
    flips=(Flip(expected="setosa", actual="virginica", count=2),),
)
MISSING = column(Rung.SCHEMA, "p_new", actual_type=None, size=0, note="looks like it was renamed to p_other")
IGNORED = column(Rung.DRIFTED, "seconds", ignored=True, note="ignored: a stopwatch")
EVERYTHING = report(
    case(table(column(Rung.IDENTICAL), column(Rung.ULP, "p_a"), column(Rung.TOLERANCE, "p_b")), "good"),
    case(
        table(DRIFTED, FLIPPED, MISSING, IGNORED, notes=("2 rows look dropped: 3, 4",), actual_rows=148),
        "bad",
    ),
    case(
        None,
        "gone",
        Failure(message="`predict.py ...` ended with exit code 1:\nboom", hint="run it by hand"),
    ),
    findings=(
        finding(note="an error's note"),
        finding(layer=Layer.PYTHON, key="version", status=Status.MISSING, actual=None),
        finding(Severity.WARNING, "left-pad", status=Status.EXTRA, expected=None, actual="1.0"),
        finding(
            Severity.INFO, "base", layer=Layer.IMAGE, expected=digest("base"), actual=digest("other base")
        ),
        finding(key="blas", layer=Layer.NUMERICS, status=Status.UNKNOWN, note="numpy does not import"),
    ),
    snapshot=FULL.to_mapping(),
    notes=("a note of the report",),
)


def test_the_verdict_comes_first() -> None:
    first = text(EVERYTHING).splitlines()[0]
    assert first == f"DRIFT  mini  (docker 27.1 (API 1.46), mini:1, lock {digest('lock')[:19]})"
    assert text(report()).startswith("MATCH  mini")
    assert text(report(failure=Failure(message="no engine"))).startswith("COULD NOT RUN  mini")


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_that_differs_is_told(width: int) -> None:
    shown = text(EVERYTHING, width=width)
    for wanted in (
        "differs from the lock: 2 error, 1 warning, 1 info; 1 unknown",
        "error    packages.numpy  expected 1.24.3, actual 1.24.4",
        "an error's note",
        "error    python.version  missing (expected 1.24.3)",
        "warning  packages.left-pad  not expected: 1.0",
        f"info     image.base  expected {digest('base')[:19]}, actual {digest('other base')[:19]}",
        "unknown  numerics.blas: numpy does not import",
        "case good  tolerance  (command, 150 rows, 3 columns, 1.2 s)",
        "case bad  schema  (command, 148 rows, expected 150, 4 columns, 1.2 s)",
        "2 rows look dropped: 3, 4",
        "p_setosa  drifted  3 of 150 values (2.00%)",
        "largest: absolute 0.25 at 7,1, relative inf at 7,1, ULP 12 at 8",
        "would pass at atol >= 0.25",
        "'setosa' became 'virginica' 2 times",
        "p_new  schema  expected float64, actual none",
        "looks like it was renamed to p_other",
        "seconds  drifted  ignored",
        "ignored: a stopwatch",
        "case gone  could not run: `predict.py ...` ended with exit code 1:",
        "    boom",
        "  -> run it by hand",
        "note: a note of the report",
    ):
        assert wanted in shown
    assert re.search(
        r"row +expected +actual +absolute\n +7,1 +0\.5 +0\.75 +0\.25\n +9 +1\.0 +nan +inf", shown
    )
    assert re.search(r"row +expected +actual +absolute +margin\n +3 +setosa +virginica +0\.8", shown)


@pytest.mark.parametrize("rung", Rung)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_rung_is_named_at_the_case(rung: Rung, width: int) -> None:
    shown = text(report(case(table(column(rung)))), width=width)
    assert f"case batch  {rung.value}  (command" in shown
    assert (f"label  {rung.value}" in shown) is (rung is not Rung.IDENTICAL)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("severity", Severity)
def test_every_finding_is_shown_with_and_without_its_values(status: Status, severity: Severity) -> None:
    for value in ("1.0", None):
        shown = text(report(findings=(finding(severity, status=status, expected=value, actual=value),)))
        assert "packages.numpy" in shown
        assert "None" not in shown


def test_a_real_comparison_is_told() -> None:
    expected = Table({"label": np.array(["a", "b"]), "p": np.array([0.5, 0.25])})
    actual = Table({"label": np.array(["a", "c"]), "p": np.array([0.5, 0.75])})
    shown = text(report(case(compare_tables(expected, actual, {}))))
    assert "label  flipped  1 of 2 values (50.00%)" in shown
    assert "'b' became 'c' 1 times" in shown
    assert "p  drifted" in shown


def test_an_environment_as_locked_says_so_and_one_that_was_not_seen_does_not() -> None:
    assert "environment  as locked" in text(report())
    assert "as locked" not in text(report(failure=Failure(message="the probe died")))
    assert "environment  could not run: the probe died" in text(
        report(failure=Failure(message="the probe died"))
    )
    assert "as locked" not in text(report(lock_id=None))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_escape_is_written_unless_colour_is_asked_for(width: int) -> None:
    assert "\x1b" not in text(EVERYTHING, width=width, verbose=True)
    coloured = text(EVERYTHING, width=width, colour=True)
    assert re.search(r"\x1b\[[0-9;]*31[0-9;]*mDRIFT\x1b\[0m", coloured)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text(EVERYTHING, width=width)


def test_text_is_neither_markup_nor_emoji() -> None:
    shown = text(report(findings=(finding(actual="[bold]1[/bold] :smile: [/]"),)))
    assert "[bold]1[/bold] :smile: [/]" in shown


def hostile(word: str) -> Report:
    """A report whose every text comes from a subject that means harm."""
    rows = (WorstRow(row=0, index=(0,), expected=word, actual=word, absolute=None, ulp=None, margin=None),)
    bad = column(
        Rung.FLIPPED,
        word,
        expected_type=word,
        actual_type=word + "x",
        count=1,
        worst=rows,
        flips=(Flip(expected=word, actual=word, count=1),),
        would_pass=word,
        note=word,
    )
    failure = Failure(message=f"it said:\n{word}", hint=word)
    return report(
        case(table(bad, notes=(word,)), "a"),
        case(None, "b", failure),
        findings=tuple(
            finding(key=word, status=status, expected=value, actual=value, note=word)
            for status in Status
            for value in (word, f"sha256:{word}")
        ),
        subject=word,
        engine=word,
        image=word,
        lock_id=word,
        failure=failure,
        notes=(word,),
        snapshot={word: [word]},
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hostile_subject_never_steers_the_terminal(width: int) -> None:
    shown = text(hostile(HOSTILE), width=width, verbose=True)
    assert not STEERING.search(shown)
    assert "\N{REPLACEMENT CHARACTER}[2J" in shown
    shown.encode("utf-8")
    coloured = re.sub(r"\x1b\[[0-9;]*m", "", text(hostile(HOSTILE), width=width, colour=True, verbose=True))
    assert not STEERING.search(coloured)


@given(st.text())
def test_no_text_steers_the_terminal_or_breaks_the_json(word: str) -> None:
    assert not STEERING.search(text(hostile(word)))
    written = as_json.render(hostile(word))
    assert written.isascii()
    assert json.loads(written)["subject"]["name"] == word


def many(severity: Severity, count: int) -> tuple[Finding, ...]:
    return tuple(finding(severity, f"package-{number:03}") for number in range(count))


@pytest.mark.parametrize(
    ("severity", "most"), [(Severity.ERROR, 60), (Severity.WARNING, 15), (Severity.INFO, 4)]
)
def test_very_many_findings_are_capped_unless_all_are_asked_for(severity: Severity, most: int) -> None:
    findings = many(severity, 200)
    shown = text(report(findings=findings))
    assert shown.count("packages.package-") == most
    assert f"and {200 - most} more of packages (--verbose shows them)" in shown
    assert f"differs from the lock: 200 {severity.value}" in shown
    assert text(report(findings=findings), verbose=True).count("packages.package-") == 200


@pytest.mark.parametrize("severity", Severity)
def test_a_line_that_says_one_more_is_never_written_for_the_one(severity: Severity) -> None:
    for count in range(70):
        assert "and 1 more" not in text(report(findings=many(severity, count)))


@pytest.mark.parametrize("width", WIDTHS)
def test_long_values_are_cut_and_tables_keep_to_the_width(width: int) -> None:
    word = "x" * 500
    rows = (WorstRow(row=0, index=(0,), expected=word, actual=word, absolute=None, ulp=None, margin=None),)
    long = column(Rung.FLIPPED, worst=rows, flips=(Flip(expected=word, actual=word, count=1),), count=1)
    shown = text(report(case(table(long)), findings=(finding(expected=word, actual=word),)), width=width)
    assert "x" * 49 not in shown
    in_table = shown[shown.index("row ") :].splitlines()
    assert max(map(len, in_table)) <= width


# -- for machines ------------------------------------------------------------------------------------


def keys(value: object, path: str = "") -> set[str]:
    """Every key of a document by its path; lists count as one."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, item in value.items():
            found |= {f"{path}{key}"} | keys(item, f"{path}{key}.")
    elif isinstance(value, list):
        for item in value:
            found |= keys(item, path)
    return found


EXTREME = {"value", "index", "expected", "actual"}
STABLE = {
    "report-version",
    "goldlock-version",
    "verdict",
    "exit-code",
    "fail-on",
    "subject",
    "subject.name",
    "subject.engine",
    "subject.image",
    "lock-id",
    "failure",
    "findings",
    *(f"findings.{key}" for key in ("layer", "key", "expected", "actual", "status", "severity", "note")),
    "cases",
    *(
        f"cases.{key}"
        for key in (
            "name", "verdict", "rung", "way", "golden", "seconds", "failure", "failure.message",
            "failure.hint", "expected-rows", "actual-rows", "notes", "columns",
        )
    ),
    *(
        f"cases.columns.{key}"
        for key in (
            "name", "rung", "expected-type", "actual-type", "size", "count", "differing", "share", "passes",
            "worst", "flips", "would-pass", "ignored", "note",
            *(
                word
                for name in ("largest-absolute", "largest-relative", "largest-ulp")
                for word in (name, *(f"{name}.{key}" for key in EXTREME))
            ),
            *(
                f"worst.{key}"
                for key in ("row", "index", "expected", "actual", "absolute", "ulp", "margin")
            ),
            *(f"flips.{key}" for key in ("expected", "actual", "count")),
        )
    ),
    "notes",
    "snapshot",
}  # fmt: skip


def strict(written: str) -> dict[str, object]:
    """Parse as RFC 8259 has it: NaN and the infinities are no numbers."""

    def refuse(name: str) -> object:
        raise AssertionError(name)

    document = json.loads(written, parse_constant=refuse)
    assert isinstance(document, dict)
    return document


def test_the_keys_of_a_report_are_exactly_these() -> None:
    document = strict(as_json.render(EVERYTHING))
    assert document["report-version"] == "1.0"
    assert {key for key in keys(document) if not key.startswith("snapshot.")} == STABLE
    assert list(document)[:3] == ["report-version", "goldlock-version", "verdict"]


def test_a_report_has_the_same_top_keys_however_little_there_is_to_say() -> None:
    empty = strict(as_json.render(report(image=None, lock_id=None)))
    assert list(empty) == list(strict(as_json.render(EVERYTHING)))
    assert (empty["findings"], empty["cases"], empty["failure"], empty["lock-id"]) == ([], [], None, None)
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
    }
    good, bad, gone = document["cases"]  # type: ignore[misc]
    assert (good["verdict"], good["rung"], good["seconds"]) == ("match", "tolerance", 1.235)
    assert (gone["verdict"], gone["rung"], gone["columns"]) == ("could not run", None, [])
    drifted = bad["columns"][0]
    assert (drifted["share"], drifted["passes"]) == (0.02, False)
    assert drifted["largest-relative"]["value"] == "inf"
    assert drifted["worst"][1]["actual"] == "nan"
    assert drifted["worst"][1]["absolute"] == "inf"


def test_numbers_that_json_has_no_word_for_are_strings() -> None:
    extreme = Extreme(value=-math.inf, index=(0,), expected=math.nan, actual=math.inf)
    document = strict(as_json.render(report(case(table(column(Rung.DRIFTED, largest_absolute=extreme))))))
    found = document["cases"][0]["columns"][0]["largest-absolute"]  # type: ignore[index]
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
    assert [each["name"] for each in document["cases"][0]["columns"]] == list(columns)  # type: ignore[index]


@given(snapshots)
def test_any_snapshot_comes_back_from_a_saved_report(seen: Snapshot) -> None:
    document = strict(as_json.render(report(snapshot=seen.to_mapping())))
    found = document["snapshot"]
    assert isinstance(found, dict)
    assert Snapshot.from_mapping(found) == seen


def test_a_saved_report_can_be_compared_with_another(tmp_path: Path) -> None:
    other = replace(FULL, packages=PackagesLayer(hashed=True, distributions=FULL.packages.distributions[:1]))  # type: ignore[union-attr]
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
