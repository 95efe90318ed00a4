"""What people get to read of a report on a terminal."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.env.values import digest
from tests.harness.reports import (
    DRIFTED,
    EVERYTHING,
    HOSTILE,
    INPUTS,
    case,
    column,
    finding,
    hostile,
    report,
    reports,
    table,
)

from goldlock.compare import compare_tables
from goldlock.render import ReportFormat, _words, rendered, terminal
from goldlock.render import json as as_json
from goldlock.report import Failure
from goldlock.results import Bucket, Flip, Histogram, InputRows, Rung, WorstRow
from goldlock.tables import Table
from goldlock_env.findings import Severity, Status

if TYPE_CHECKING:
    from goldlock.report import Report
    from goldlock_env.findings import Finding

WIDTHS = (60, 100, 160)
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\ud800-\udfff]")


def text(shown: Report, *, width: int = 100, colour: bool = False, verbose: bool = False) -> str:
    return terminal.render(shown, colour=colour, width=width, verbose=verbose)


def joined(shown: str) -> str:
    """What wrapped on one line again."""
    return re.sub(r"\s+", " ", shown)


def test_the_verdict_comes_first() -> None:
    first = text(EVERYTHING).splitlines()[0]
    assert first == f"DRIFT  mini  (docker 27.1 (API 1.46), mini:1, lock {digest('lock')[:19]})"
    assert text(report()).startswith("MATCH  mini")
    assert text(report(failure=Failure(message="no engine"))).startswith("COULD NOT RUN  mini")


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_that_differs_is_told(width: int) -> None:
    shown = text(EVERYTHING, width=width)
    for wanted in (
        "differs from the lock: 2 error, 1 warning, 1 info; 1 accepted; 1 unknown",
        "error packages.numpy expected 1.24.3, actual 1.24.4 an error's note",
        "error python.version missing (expected 1.24.3)",
        "warning packages.left-pad not expected: 1.0",
        f"info image.base expected {digest('base')[:19]}, actual {digest('other base')[:19]}",
        "unknown numerics.blas: numpy does not import",
        (
            "accepted 1 known difference, not counted packages.certifi expected 1.24.3, actual 1.24.4 "
            "because: only the list of authorities, see the review of May"
        ),
        "records lock, goldens or inputs are not as recorded error golden.bad/golden.toml",
        "case good tolerance (command, 150 rows, 3 columns, 1.2 s) compared with the golden avx512",
        "p_a ulp 4 of 150 values differ within tolerance",
        "case bad schema (command, 148 rows, expected 150, 5 columns, 1.2 s) the golden for avx2 was further off",
        "2 rows look dropped: 3, 4",
        "p_setosa drifted 3 of 150 values (2.00%)",
        "judged by probability, rtol 0.0001, atol 1e-06, ulp 4",
        "largest: absolute 0.25 at 7,1, relative inf at 7,1, ULP 12 at 8",
        "distances: 1 |\u2588_\u2583____\u2586| 128 ULP, 1 without a distance",
        "order: 1 row with another largest value, 2 rows with the others in another order",
        "would pass at atol >= 0.25",
        "'setosa' became 'virginica' 2 times",
        "p_new schema expected float64, actual none looks like it was renamed to p_other",
        "seconds drifted ignored 150 of 150 values differ ignored: a stopwatch",
        "component equivalent 150 of 150 values differ and are equivalent the same up to sign",
        "case gone could not run: `predict.py ...` ended with exit code 1: boom -> run it by hand",
        (
            "case wrong identical (command, 150 rows, 1 column, 1.2 s) "
            "matches the known-bad golden swapped: the classes stand in another order"
        ),
        "note: a note of the report",
    ):
        assert wanted in joined(shown)
    assert re.search(
        r"row +expected +actual +absolute +ULP\n +7,1 +0\.5 +0\.75 +0\.25 +99\n +9 +1\.0 +nan +inf", shown
    )
    assert re.search(r"row +expected +actual +margin\n +3 +setosa +virginica +0\.8", shown)
    assert re.search(
        r"inputs of these rows\n +row +sepal length +sepal width +petal\n +3 +5\.1 +3\.5 +round\n"
        r" +7 +4\.9 +nan +None\n +9 +6\.0 +2\.2 +\|`<b>@all`\|\n",
        shown,
    )


@pytest.mark.parametrize("width", [40, *WIDTHS])
def test_lines_keep_to_the_width_and_hang_under_their_beginning(width: int) -> None:
    shown = text(EVERYTHING, width=width, verbose=True)
    assert max(map(len, shown.splitlines())) <= width
    wide = text(EVERYTHING, width=1000, verbose=True)
    for part in (0, 2):  # how many inputs stand beside each other depends on the width
        assert (
            joined(shown.partition("inputs of")[part])[-300:]
            == joined(wide.partition("inputs of")[part])[-300:]
        )
    numpy = shown[shown.index("error    packages.numpy") :].splitlines()
    assert width > 60 or re.match(r" {11}\S", numpy[1])


def test_a_word_that_is_longer_than_the_line_stays_whole() -> None:
    image = "registry.example/" + "x" * 90
    assert image in text(report(image=image), width=60)


def test_an_image_that_is_only_an_id_is_named_by_its_first_digits() -> None:
    shown = report(image=f"sha256:{'0123456789abcdef' * 4}")
    assert "sha256:0123456789ab, " in text(shown)
    assert "image `sha256:0123456789ab`, " in rendered(shown, ReportFormat.MARKDOWN)


def test_without_a_terminal_lines_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    long = " ".join(["word"] * 60)
    # Under pytest there is no terminal: the width is not known.
    shown = terminal.render(report(findings=(finding(note=long),)), colour=False)
    assert f"           {long}\n" in shown


def test_what_made_the_report_is_told_on_request() -> None:
    assert "made at" not in text(EVERYTHING)
    assert text(EVERYTHING, verbose=True).endswith(
        "made at 2026-11-22T03:00:00Z by goldlock 0.1.0 with goldlock verify --json report.json\n"
    )
    assert "looked at python, packages, os, image, numerics\n" in text(EVERYTHING, verbose=True)


def test_a_report_can_be_drawn_in_ascii() -> None:
    long = report(case(table(DRIFTED)), findings=(finding(expected="x" * 90, actual="\x1b"),))
    shown = terminal.render(long, colour=False, width=100, ascii_only=True)
    assert shown.isascii()
    assert "1 |@_-____*| 128 ULP" in shown
    assert "xxx~, actual ?\n" in shown
    for encoding, drawn in (("utf-8", False), ("ascii", True), ("latin-1", True), ("no-such", True)):
        stream = type("Stream", (), {"encoding": encoding})()
        assert terminal.ascii_only(stream) is drawn
    assert terminal.ascii_only(object())


def test_only_accepted_differences_leave_an_environment_as_locked() -> None:
    shown = text(report(findings=(finding(accepted="known"),)))
    assert shown.startswith("MATCH")
    assert "environment  as locked, but for 1 accepted\n" in shown
    assert "error" not in shown


def test_as_many_inputs_are_shown_as_fit() -> None:
    names = tuple(f"feature_{number:02}" for number in range(40))
    inputs = InputRows(
        names=names, rows={7: tuple(float(number) for number in range(40)), 8: ("unasked",) * 40}
    )
    for width in (60, 100, 2000):
        shown = text(report(case(table(DRIFTED), inputs=inputs)), width=width)
        lines = shown[shown.index("inputs of these rows") :].splitlines()
        fitting = len(lines[1].split()) - 1
        assert max(map(len, lines)) <= width
        assert lines[2].split() == ["7", *(f"{float(number)}" for number in range(fitting))]
        assert len(lines) == 3
        assert (f", and {40 - fitting} more inputs not shown here" in lines[0]) is (fitting < 40)
        assert fitting > 3
    unknown = InputRows(names=names, rows={99: (0.0,) * 40})
    assert "inputs of" not in text(report(case(table(DRIFTED), inputs=unknown)))
    assert "inputs of" not in text(report(case(table(column(Rung.IDENTICAL)), inputs=INPUTS)))


def test_a_preview_has_the_columns_of_a_report() -> None:
    console = Console(file=io.StringIO(), width=100, highlight=False, markup=False)
    terminal.print_table_result(console, table(DRIFTED, column(Rung.IDENTICAL, "same")))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.startswith("  p_setosa  drifted  3 of 150 values (2.00%)\n")
    assert "same" not in shown


FLOATS = [
    ("float64", 0.1 + 0.2, "0.30000000000000004", "0.3"),
    ("float32[2]", float(np.float32(0.1)), "0.100000001", "0.1"),
    ("float16", float(np.float16(0.1)), "0.099976", "0.099976"),
    ("bfloat16", 0.10009765625, "0.1001", "0.1001"),
    ("int64", 2**60, "1152921504606846976", "1152921504606846976"),
]


@pytest.mark.parametrize(("kind", "cell", "whole", "few"), FLOATS)
def test_floats_are_shown_by_the_digits_of_their_type_and_fewer_on_a_narrow_page(
    kind: str, cell: float, whole: str, few: str
) -> None:
    assert _words.value(cell, kind) == whole
    assert _words.value(cell, kind, digits=5) == few


def test_a_narrow_page_never_makes_two_numbers_look_the_same() -> None:
    rows = tuple(
        WorstRow(
            row=at, index=(at,), expected=0.12345678901234, actual=actual, absolute=0.1, ulp=10**9, margin=0.1
        )
        for at, actual in enumerate((0.5678901234567, 0.12345678901235))
    )
    shown = text(report(case(table(column(Rung.DRIFTED, worst=rows)))), width=60)
    lines = shown[shown.index("    row ") :].splitlines()
    assert lines[1].split()[:3] == ["0", "0.123457", "0.56789"]
    assert joined(shown).count("0.123456789") >= 1
    wide = text(report(case(table(column(Rung.DRIFTED, worst=rows)))), width=100)
    assert "0.12345678901234   0.5678901234567" in wide


def test_flips_of_a_probability_column_are_told_as_places() -> None:
    flipped = column(Rung.FLIPPED, "p", tops_moved=3, flips=(Flip(expected=1, actual=2, count=3),), count=3)
    assert "the largest at 1 is now at 2: 3 times" in text(report(case(table(flipped))))


@pytest.mark.parametrize(("columns", "brief"), [(24, 0), (25, 0), (26, 2), (1000, 976)])
def test_of_very_many_columns_the_last_get_a_line_each(columns: int, brief: int) -> None:
    drifted = [column(Rung.DRIFTED, f"c{n}", count=1, size=9, would_pass="atol >= 1") for n in range(columns)]
    shown = text(report(case(table(*drifted))))
    assert all(re.search(rf"(?m)^  c{n}  drifted  1 of 9", shown) for n in range(columns))
    assert shown.count("would pass at") == columns - brief
    assert (f"  {brief} more columns, a line each:\n  c24  drifted" in shown) is bool(brief)
    whole = terminal.render(report(case(table(*drifted))), colour=False, verbose=True)
    assert whole.count("would pass at") == columns


def test_of_very_many_columns_the_heaviest_are_told_in_full() -> None:
    within = [column(Rung.TOLERANCE, f"c{n}", differing=1, size=9) for n in range(30)]
    far = column(Rung.FLIPPED, "last", count=1, size=9, would_pass="ulp >= 9")
    shown = text(report(case(table(*within, far))))
    assert shown.index("  last  flipped") < shown.index("ulp >= 9") < shown.index("  c0  tolerance")


@pytest.mark.parametrize("more", [0, 1, 25])
def test_flips_that_are_not_listed_are_counted(more: int) -> None:
    flips = tuple(Flip(expected=f"a{n}", actual="b", count=2) for n in range(10))
    flipped = column(Rung.FLIPPED, "label", flips=flips, count=20 + more, size=100)
    assert f", and {14 + more} others" in text(report(case(table(flipped))))
    page = rendered(report(case(table(flipped))), ReportFormat.HTML)
    listed = rendered(report(case(table(flipped))), ReportFormat.MARKDOWN)
    said = {0: "", 1: "1 other", 25: "25 others"}[more]
    assert (f"most frequent first; {said} not listed<" if said else "most frequent first<") in page
    assert (f"\n- and {said}\n" in listed) is bool(said)


def bars(*buckets: tuple[int, int | None, int], unit: str = "ulp") -> str:
    made = tuple(Bucket(low=low, high=high, count=count) for low, high, count in buckets)
    return _words.histogram(Histogram(unit=unit, buckets=made), ascii_only=True)


def test_a_histogram_is_one_line() -> None:
    assert bars((0, 0, 99)) == ""
    assert _words.histogram(None) == ""
    assert bars((1, 1, 1)) == "1 |@| 1 ULP"
    assert bars((0, 0, 5), (2, 2, 1), (5, 8, 255), (0, None, 2)) == "2 |._@| 8 ULP, 2 without a distance"
    assert bars((0, None, 2000)) == "2,000 without a distance"
    assert bars((3, 4, 3), unit="absolute") == "3 |@| 4 apart"


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 63), st.integers(1, 2**40), min_size=1))
def test_a_histogram_has_a_bar_for_every_count_and_the_highest_for_the_most(counts: dict[int, int]) -> None:
    buckets = [(2 ** (at - 1) + 1 if at else 1, 2**at, count) for at, count in sorted(counts.items())]
    drawn = bars(*buckets).partition("|")[2].partition("|")[0]
    assert len(drawn) <= 32
    span = max(counts) - min(counts) + 1
    if span <= 32:
        assert len(drawn) == span
        for at, bar in enumerate(drawn, start=min(counts)):
            assert (bar == "_") is (at not in counts)
        assert drawn[max(counts, key=lambda at: counts[at]) - min(counts)] == "@"
    assert drawn[0] != "_"
    assert "@" in drawn


@given(reports)
@settings(deadline=None)
def test_any_report_can_be_shown_and_shown_again_from_its_json(shown: Report) -> None:
    for width in (40, 100):
        first = text(shown, width=width)
        assert not STEERING.search(first)
        again = as_json.parse(as_json.render(shown).encode(), where="again")
        assert text(again, width=width) == first


@pytest.mark.parametrize("kind", [kind for kind in ReportFormat if kind is not ReportFormat.HTML])
def test_every_format_is_rendered_by_its_name(kind: ReportFormat) -> None:
    written = rendered(EVERYTHING, kind)
    assert "p_setosa" in written
    assert written.endswith("\n")


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
    assert "'b' became 'c' 1 time\n" in shown
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


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hostile_subject_never_steers_the_terminal(width: int) -> None:
    shown = text(hostile(HOSTILE), width=width, verbose=True)
    assert not STEERING.search(shown)
    assert "\N{REPLACEMENT CHARACTER}[2J" in shown
    shown.encode("utf-8")
    coloured = re.sub(r"\x1b\[[0-9;]*m", "", text(hostile(HOSTILE), width=width, colour=True, verbose=True))
    assert not STEERING.search(coloured)


@given(st.text())
@settings(deadline=None)
def test_no_text_steers_the_terminal_or_breaks_the_json(word: str) -> None:
    assert not STEERING.search(text(hostile(word)))
    written = as_json.render(hostile(word))
    assert written.isascii()
    assert json.loads(written)["subject"] == word


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
