"""Markdown for GitHub: what is in it, and that nothing a subject says becomes more than text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace
from tests.harness.reports import (
    DRIFTED,
    EVERYTHING,
    FLIPPED,
    HOSTILE,
    MARKUP,
    case,
    column,
    finding,
    hostile,
    report,
    reports,
    table,
)

from goldlock.render import markdown
from goldlock.report import Failure, Report
from goldlock.results import Flip, InputRows, Rung, WorstRow
from goldlock_env.findings import Severity, Status

OURS = {
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "pre",
    "strong",
    "em",
}
OURS |= {"details", "summary"}


@dataclass
class Page(HTMLParser):
    """What GitHub would show: tags, cells of each row, and text outside code."""

    tags: set[str] = field(default_factory=set)
    rows: list[list[str]] = field(default_factory=list)
    loose: str = ""
    """Text in which GitHub looks for mentions, references and emoji."""
    deep: int = 0
    cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert tag in {"th", "td", "pre", "code"} or not attrs
        self.deep += tag in {"code", "pre"}
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        self.deep -= tag in {"code", "pre"}
        assert self.deep >= 0
        self.cell = self.cell and tag not in {"td", "th"}

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data
        if not self.deep:
            self.loose += data


def page(written: str) -> Page:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(written)
    found = Page()
    found.feed(html)
    found.close()
    assert found.deep == 0
    return found


def cells(written: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in page(written).rows]


def test_the_verdict_comes_first() -> None:
    assert markdown.render(EVERYTHING).startswith("## goldlock: drift\n\n`mini`, `docker 27.1 (API 1.46)`")
    assert markdown.render(report()).startswith("## goldlock: match\n")
    assert markdown.render(report(failure=Failure(message="m"))).startswith("## goldlock: could not run\n")


def test_the_cases_are_a_short_table() -> None:
    assert cells(markdown.render(EVERYTHING))[:5] == [
        ["case", "verdict", "rung", "rows", "columns that do not pass", "time"],
        ["good", "match", "tolerance", "150 rows", "none of 3", "1.2 s"],
        ["bad", "drift", "schema", "148 rows, expected 150", "p_setosa, label, p_new of 5", "1.2 s"],
        ["gone", "could not run", "", "", "", "1.2 s"],
        ["wrong", "drift", "identical", "150 rows", "none of 1", "1.2 s"],
    ]
    many = table(*(column(Rung.DRIFTED, f"c{number}") for number in range(5)))
    assert cells(markdown.render(report(case(many))))[1][4] == "c0, c1, c2 and 2 more of 5"


def test_everything_that_differs_is_told() -> None:
    written = markdown.render(EVERYTHING)
    for wanted in (
        "### Environment: 3 differences",
        "| **error** | `packages.numpy` | `1.24.3` | `1.24.4` | `an error's note` |",
        "| **error** | `python.version` | `1.24.3` | missing |  |",
        "<details><summary>2 differences that do not count</summary>",
        "| warning | `packages.left-pad` | nothing | `1.0` |  |",
        "<details><summary>1 accepted difference</summary>",
        "| `packages.certifi` | `1.24.3` | `1.24.4` | `only the list of authorities, see the review of May` |",
        "<details><summary>1 unknown</summary>",
        "| `numerics.blas` | `numpy does not import` |",
        "- `compared with the golden avx512`",
        "### Case `bad`: schema",
        "- `2 rows look dropped: 3, 4`",
        "`probability, rtol 0.0001, atol 1e-06, ulp 4` | `atol >= 0.25` |",
        "- `'setosa'` became `'virginica'` 2 times",
        "<details><summary>worst rows of <code>p_setosa</code></summary>",
        "| row | expected | actual | absolute | ULP | `sepal length` | `sepal width` | `petal` |",
        "| 7,1 | `0.5` | `0.75` | 0.25 | 99 | `4.9` | `nan` | `None` |",
        "| row | expected | actual | margin | `sepal length` | `sepal width` | `petal` |",
        "**Case `gone` could not run:**",
        "```text\n`predict.py ...` ended with exit code 1:\nboom\n```\n\n`run it by hand`",
        "### Case `wrong`: known-bad",
        "- note: `a note of the report`",
    ):
        assert wanted in written
    assert "Cut:" not in written


def test_a_case_that_matches_has_its_row_only() -> None:
    written = markdown.render(report(case(table(column(Rung.ULP)))))
    assert "### Environment: as locked" in written
    assert "### Case" not in written


def test_an_environment_says_what_it_is() -> None:
    assert "Environment" not in markdown.render(report(lock_id=None))
    assert "as locked" not in markdown.render(report(failure=Failure(message="m")))
    warned = markdown.render(report(findings=(finding(Severity.WARNING),)))
    assert "### Environment: no difference that counts" in warned
    unknown = markdown.render(report(findings=(finding(status=Status.UNKNOWN),)))
    assert "### Environment: no difference that counts" in unknown
    assert "| `packages.numpy` | `nobody could look` |" in unknown


def test_long_lists_are_cut_and_say_so() -> None:
    rows = tuple(
        WorstRow(row=at, index=(at,), expected=0, actual=1, absolute=1, ulp=None, margin=None)
        for at in range(50)
    )
    inputs = InputRows(names=tuple("abcdefghij"), rows={0: (1,) * 10})
    written = markdown.render(
        report(
            case(table(replace(DRIFTED, worst=rows)), inputs=inputs),
            findings=tuple(finding(key=f"p{number}") for number in range(450)),
        )
    )
    assert "Left out here: 40 more rows, 2 more inputs." in written
    assert "And 250 more." in written


def test_an_empty_text_is_seen() -> None:
    rows = (WorstRow(row=0, index=(0,), expected="", actual="  ", absolute=None, ulp=None, margin=0.1),)
    found = cells(markdown.render(report(case(table(replace(FLIPPED, worst=rows))))))
    assert found[-1] == ["0", "''", "'  '", "0.1"]


@pytest.mark.parametrize("limit", [1_500, 10_000, markdown.COMMENT, markdown.STEP_SUMMARY])
def test_no_report_is_longer_than_it_may_be(limit: int) -> None:
    flips = (Flip(expected="\u00e9" * 40, actual="\u00e9" * 30, count=1),) * 10
    many = [column(Rung.FLIPPED, f"c{number}", flips=flips, count=1) for number in range(300)]
    written = markdown.render(report(*(case(table(*many), f"case {at}") for at in range(20))), limit=limit)
    assert limit - 16_000 < len(written.encode()) <= limit
    found = re.search(r"\*Cut: ([\d,]+) of ([\d,]+) parts \(([\d,]+) of ([\d,]+) bytes\)", written)
    assert found is not None
    left, parts, _, total = (int(number.replace(",", "")) for number in found.groups())
    assert 0 < left < parts
    assert total > markdown.STEP_SUMMARY
    page(written)


def test_what_a_subject_floods_is_cut_where_it_stands() -> None:
    flood = "\n".join(["x" * 5_000] * 5_000)
    failure = Failure(message=flood, hint=flood)
    shown = report(case(None, "a", failure), case(table(DRIFTED), "b"), notes=(flood,))
    written = markdown.render(shown)
    assert "and 4,960 more lines" in written
    assert "### Case `b`: drifted" in written
    assert len(written) < 30_000


@pytest.mark.parametrize("size", [0, 1, 49, 1000])
def test_a_report_that_fits_is_not_cut(size: int) -> None:
    shown = report(findings=tuple(finding(key=f"p{number}") for number in range(size)))
    assert "Cut:" not in markdown.render(shown)


def check_harmless(written: str, word: str) -> None:
    found = page(written)
    assert found.tags <= OURS
    # Outside code nothing of a subject's stands: what GitHub makes links, mentions and emoji of is there only.
    assert not re.search(r"[@#\\`<>\[\]{}]|https?:|www\.|:\w+:|script", found.loose)
    width = {len(row) for row in found.rows}
    assert width <= set(range(2, 9))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", written)
    written.encode()
    assert "\r" not in written


@pytest.mark.parametrize("word", [HOSTILE, MARKUP, "|", "``", "`", " ` ", "\\", "\\|", "a|b\\", "", " "])
def test_no_text_becomes_more_than_text(word: str) -> None:
    check_harmless(markdown.render(hostile(word)), word)


@given(st.text(st.characters()))
@settings(deadline=None)
def test_any_text_is_harmless(word: str) -> None:
    check_harmless(markdown.render(hostile(word)), word)


@given(st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=30))
def test_a_code_span_shows_its_text_also_in_a_table(word: str) -> None:
    shown = markdown.render(report(findings=(finding(key=word),)))
    assert cells(shown)[1][1] == f"packages.{word}"


@given(reports)
@settings(deadline=None)
def test_any_report_is_a_page_of_whole_tables(shown: Report) -> None:
    written = markdown.render(shown)
    check_harmless(written, "")
    assert len(written.encode()) <= markdown.STEP_SUMMARY
