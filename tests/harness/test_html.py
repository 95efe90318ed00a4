"""The HTML report as text: what stands on the page, what does not, and that a subject cannot write on it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.html_reports import (
    COULD_NOT_RUN,
    DRIFT,
    HOSTILE,
    MATCH,
    SAME,
    WITHIN,
    case,
    column,
    finding,
    hostile,
    many_rows,
    report,
    table,
    worst,
)

from goldlock.render import html
from goldlock.render.html import _histogram, _pairs, _rows, _text
from goldlock.render.html._allowed import Allowed
from goldlock.report import FailOn, Failure
from goldlock.results import Bucket, Histogram, InputRows, Point, Rung
from goldlock_env.findings import Layer, Severity, Status

if TYPE_CHECKING:
    from goldlock.report import Report

ROOT = Path(__file__).resolve().parents[2]
VOID = {"meta", "link", "input", "img", "br", "hr", "col"}
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


class Reader(HTMLParser):
    """The elements of a page, each with its attributes and text; fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"<{tag}> has an attribute twice"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        tag = self._open[-1] if self._open else ""
        self.texts[tag] = self.texts.get(tag, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def words(page: str) -> str:
    """What a person reads, without the style, the script and the data."""
    bare = re.sub(r"(?s)<(style|script|svg)\b.*?</\1>", " ", page)
    return " ".join(re.sub(r"<[^>]*>", " ", bare).split())


def data(page: str) -> list[dict[str, object]]:
    return [json.loads(text) for text in re.findall(r'(?s)class="data">(.*?)</script>', page)]


@pytest.mark.parametrize("shown", [DRIFT, MATCH, COULD_NOT_RUN, HOSTILE, report(lock_id=None, image=None)])
def test_the_page_is_well_formed_and_needs_nothing_else(shown: Report) -> None:
    page = html.render(shown)
    page.encode("utf-8")
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("</html>\n")
    reader = Reader(page)
    for tag, attributes in reader.found:
        for name in ("src", "srcset", "action", "data", "poster", "background"):
            assert name not in attributes
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        if attributes.get("href"):
            assert (attributes["href"] or "")[:1] == "#" or attributes["href"] == "data:,"
        assert tag not in {"iframe", "object", "embed", "base", "form", "img"}
    ids = [attributes["id"] for _, attributes in reader.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.found:
        for name in ("aria-labelledby", "href", "data-copy", "data-rows"):
            for target in (attributes.get(name) or "").removeprefix("#").split():
                assert target in ids or target == "data:,"
    style = reader.texts["style"]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    page = html.render(DRIFT)
    policy = next(
        attributes["content"] or ""
        for attributes in Reader(page).all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        text = re.search(rf"(?s)<{tag}>(.*?)</{tag}>", page)
        assert text is not None
        digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_a_drift_is_told_in_full() -> None:
    told = words(html.render(DRIFT))
    for wanted in (
        "drift mini 1 of 3 cases drifted. 1 could not be run. 2 environment differences count as drift.",
        "1 case drifted", "2 environment errors", "1 environment warning", "1 unknown", "1 accepted",
        "packages 2 errors, 1 info", "numerics 1 warning, 1 unknown", "python the same",
        "packages numpy expected 1.24.3 actual 1.24.4 an error&#39;s note",
        "packages left-pad missing expected 1.24.3",
        "packages extra not expected actual 1.24.4",
        "matches the known-bad golden swapped: two classes change places",
        "the golden of x86-64-v2 is closer", "2 rows look dropped: 3, 4",
        "command, 148 rows of 150 expected, 5 columns, 1.2 s",
        "`predict.py` ended with exit code 1: boom", "try run it by hand",
        "Judged by close, rtol 0.0001, atol 1e-06, ulp 4", "50 of 150 values outside 33.33 %",
        "Largest absolute 0.54 at 54,0: 0.5 became 1.04", "Largest ULP 9,000,000",
        "Would pass at atol &gt;= 0.54", "&#34;setosa&#34; &#34;virginica&#34; 2",
        "Type expected float32 , actual none", "looks like it was renamed to p_other",
        "1 column identical p_same", "golden goldens/near , variant x86-64-v3",
        "os libssl3 expected 1.24.3 actual 1.24.4 accepted a security update",
        "batch seconds not judged; would be drifted, 150 of 150 values ignored: a stopwatch",
        "near component equivalent close, up to sign 3 signs turned",
        "numerics blas numpy does not import", "goldlock verify --image mini:1 --html report.html",
        "CPU Xeon (x86-64-v4)", "Counts as drift outputs, and environment errors", "a note of the report",
    ):  # fmt: skip
        assert wanted in told


def test_accepted_and_unknown_stand_apart_and_count_as_nothing() -> None:
    page = html.render(DRIFT)
    environment = page[page.index('id="environment"') : page.index('id="outputs"')]
    assert "libssl3" not in environment
    assert "numpy does not import" not in environment
    quiet = words(html.render(report(case(table(SAME)), findings=(finding(accepted="known"),))))
    assert "match mini The case matches its golden. The environment is as locked." in quiet
    assert "unknown" not in words(html.render(MATCH)).lower()


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (MATCH, "All 2 cases match their goldens. The environment is as locked."),
        (COULD_NOT_RUN, "The case could not be run. The environment could not be looked at."),
        (report(case(table(column(Rung.FLIPPED)))), "The case drifted."),
        (report(case(None), case(table(SAME))), "1 of 2 cases could not be run."),
        (
            report(findings=(finding(Severity.INFO),)),
            "1 environment difference, none of which counts as drift.",
        ),
        (report(findings=(finding(),)), "1 environment difference counts as drift."),
        (
            report(findings=(finding(Severity.WARNING),), fail_on=FailOn.WARNING),
            "1 environment difference counts as drift.",
        ),
    ],
)
def test_one_sentence_says_what_was_found(shown: Report, sentence: str) -> None:
    assert sentence in words(html.render(shown))


def test_an_environment_that_was_not_seen_is_not_called_the_same() -> None:
    for shown in (
        report(failure=Failure(message="the probe died")),
        report(lock_id=None),
    ):
        told = words(html.render(shown))
        assert "as locked" not in told
        assert "the same" not in told
        assert "0 environment errors" not in told
    assert "the probe died" in words(html.render(report(failure=Failure(message="the probe died"))))


@pytest.mark.parametrize("rung", Rung)
def test_every_rung_has_its_word_and_its_place_on_the_ladder(rung: Rung) -> None:
    page = html.render(report(case(table(column(rung)))))
    assert f"rung {rung.rank + 1} of 7: {rung.value}" in page
    assert page.count("reached passes") + page.count("reached fails") == rung.rank + 1
    assert f">{rung.value}</span>" in page


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("layer", Layer)
def test_every_finding_is_shown_with_and_without_its_values(
    status: Status, severity: Severity, layer: Layer
) -> None:
    for value in ("1.0", None):
        found = finding(severity, "thing", layer=layer, status=status, expected=value, actual=value)
        told = words(html.render(report(findings=(found,))))
        assert ("thing" in told) is (status is not Status.SAME)
        assert "None" not in told


def test_hostile_text_is_only_text() -> None:
    page = html.render(HOSTILE)
    assert not CONTROLS.search(page)
    reader = Reader(page)
    scripts = reader.all("script")
    assert [script.get("type") for script in scripts].count(None) == 1
    assert "window.owned" not in reader.texts["style"]
    assert reader.all("img") == []
    assert "{{ 7*7 }}" in page
    assert "<" not in re.findall(r'(?s)class="data">(.*?)</script>', page)[0]
    # The command, and notes, may be longer than names.
    assert len(page) < 150_000


OWN_TAGS = {tag for tag, _ in Reader(html.render(hostile("x"))).found}


@given(st.text(st.characters(), max_size=40))
def test_no_text_of_a_subject_becomes_markup(word: str) -> None:
    page = html.render(hostile(word))
    page.encode("utf-8")
    assert not CONTROLS.search(page)
    assert {tag for tag, _ in Reader(page).found} == OWN_TAGS
    assert data(page)[0]["rungs"] == ["flipped"]


def test_very_many_findings_are_cut_and_counted() -> None:
    findings = tuple(finding(key=f"package-{number:05}") for number in range(10_000))
    page = html.render(report(findings=findings))
    assert page.count("<b>package-") == 300
    assert "10,000 errors" in page
    assert "9,700 more findings are not on this page" in page
    assert "1 more" not in html.render(report(findings=findings[:11]))


def test_very_many_columns_are_cut_and_counted() -> None:
    drifted = tuple(
        column(Rung.DRIFTED, f"p{number}", count=1, worst=(worst(number, 0.0, 1.0),))
        for number in range(10_000)
    )
    same = tuple(column(Rung.IDENTICAL, f"same{number}") for number in range(10_000))
    page = html.render(report(case(table(*drifted, *same))))
    assert page.count('class="column"') == 24
    assert "9,676 more columns are not on this page" in page
    assert "9,800 more identical columns are not on this page" in page
    assert len(page) < 4_000_000


def test_very_many_cases_are_cut_and_the_worst_are_kept() -> None:
    cases = [case(table(SAME), f"fine-{number}") for number in range(300)]
    page = html.render(report(*cases, case(table(column(Rung.FLIPPED)), "bad")))
    assert page.count('<article class="card') == 200
    assert "101 more cases not on this page" in page
    assert page.index(">bad</a>") < page.index(">fine-0</a>")


def test_rows_are_data_for_the_script_and_the_first_are_a_table() -> None:
    page = html.render(many_rows(120))
    (document,) = data(page)
    assert [heading for heading, _ in document["headings"]] == [
        "Row",
        "Expected",
        "Actual",
        "Absolute",
        "ULP",
        "step",
    ]  # type: ignore[attr-defined]
    assert document["cells"][0] == [str(row) for row in range(120)]  # type: ignore[index]
    assert document["cells"][-1][119] == "step-119"  # type: ignore[index]
    body = page[page.index('<table class="plain grid">') :]
    assert body[: body.index("</table>")].count("<tr>") == 51


def test_the_heaviest_rung_comes_first_among_the_rows() -> None:
    (document, *_) = data(html.render(DRIFT))
    assert document["rungs"] == ["flipped", "drifted"]
    assert document["column"] == [0, 0] + [1] * 50


def test_rows_beyond_what_a_page_holds_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "MOST_ROWS", 70)
    found = _rows.rows(many_rows(100).cases[0])
    assert found is not None
    assert (found.total, found.left_out, len(found.first)) == (70, 30, 50)


def test_inputs_beyond_what_a_table_holds_are_counted() -> None:
    names = tuple(f"i{number}" for number in range(30))
    given_rows = {1: tuple(range(30)), 2: ("text", *range(29))}
    found = _rows.rows(case(table(WITHIN), inputs=InputRows(names=names, rows=given_rows)))
    assert found is not None
    assert found.hidden_inputs == 6
    inputs = [heading for heading in found.headings if heading.input]
    assert (len(inputs), inputs[0].number, inputs[1].number) == (24, False, True)


def test_no_rows_no_table() -> None:
    assert _rows.rows(case(table(SAME))) is None
    assert 'class="scroller"' not in html.render(report(case(table(SAME))))


# -- plots -------------------------------------------------------------------------------------------


def svg(markup: str) -> ET.Element:
    return ET.fromstring(re.search(r"(?s)<svg.*</svg>", markup)[0])  # type: ignore[index]


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=20), st.booleans(), st.integers(0, 2**63))
def test_bars_count_every_pair_and_stay_in_the_picture(counts: list[int], lost: bool, ulp: int) -> None:
    buckets = [
        Bucket(
            low=0 if place == 0 else 2 ** (place - 2) + 1 if place > 1 else 1,
            high=0 if place == 0 else 2 ** (place - 1),
            count=count,
        )
        for place, count in enumerate(counts)
    ]
    if lost:
        buckets.append(Bucket(low=0, high=None, count=3))
    shown = column(
        Rung.DRIFTED,
        differing=1,
        tolerance=f"close, ulp {ulp}",
        distances=Histogram(unit="ulp", buckets=tuple(buckets)),
    )
    picture = svg(_histogram.distances(shown, "x"))
    bars = list(picture.iter("rect"))
    assert len(bars) == len(buckets)
    for bar in bars:
        assert 0 <= float(bar.get("x", "")) <= float(bar.get("x", "")) + float(bar.get("width", "")) <= 360
        assert float(bar.get("y", "")) >= 15.8
        assert float(bar.get("height", "")) >= 2.9
    titles = [bar.findtext("title", "") for bar in bars]
    assert [int(title.split()[0].replace(",", "")) for title in titles] == [
        bucket.count for bucket in buckets
    ]


@pytest.mark.parametrize(
    ("tolerance", "said"),
    [
        ("close, ulp 4", "4 ULP allowed"),
        ("close, rtol 1e-09, ulp 4", "4 ULP always pass"),
        ("close, atol 1e-09, ulp 4", "4 ULP always pass"),
        ("close, rtol 1e-09", ""),
    ],
)
def test_a_limit_is_called_so_only_where_it_is_one(tolerance: str, said: str) -> None:
    far = Histogram(unit="ulp", buckets=(Bucket(low=513, high=1024, count=1),))
    shown = column(Rung.DRIFTED, differing=1, tolerance=tolerance, distances=far)
    picture = svg(_histogram.distances(shown, "x"))
    labels = [text.text for text in picture.iter("text")]
    assert [label for label in labels if label and ("allowed" in label or "pass" in label)] == [said] * bool(
        said
    )
    assert [bar.get("class") for bar in picture.iter("rect")] == [
        "bar outside" if said == "4 ULP allowed" else "bar inside"
    ]


@given(
    st.lists(st.tuples(st.floats(width=64), st.floats(width=64)), max_size=12),
    st.sampled_from(["", "close, rtol 0.1, atol 1e-06", "close, ulp 4", "close, rtol 1e+300"]),
)
def test_points_stay_in_the_picture_whatever_they_are(
    pairs: list[tuple[float, float]], tolerance: str
) -> None:
    points = tuple(Point(row=row, expected=one, actual=other) for row, (one, other) in enumerate(pairs))
    shown = column(Rung.DRIFTED, tolerance=tolerance, points=points, expected_type="float64")
    markup = _pairs.pairs(shown, "x")
    finite = [pair for pair in pairs if all(map(math.isfinite, pair))]
    assert bool(markup) is bool(finite)
    if not finite:
        return
    paths = [path for path in svg(markup).iter("path") if path.get("class") in {"inside", "outside"}]
    drawn = [
        tuple(map(float, mark))
        for path in paths
        for mark in re.findall(r"M(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
    ]
    # Once in the plot of both values, once in that of their difference.
    assert len(drawn) == 2 * len(finite)
    assert all(52 <= x <= 350 and 16 <= y <= 228 for x, y in drawn)
    assert len([y for _, y in drawn if y <= 156]) == len(finite)
    assert "nan" not in markup
    assert "inf" not in markup.replace("not finite", "")


def test_points_outside_the_tolerance_are_crosses() -> None:
    shown = column(
        Rung.DRIFTED,
        tolerance="close, atol 0.5",
        points=tuple(
            Point(row=row, expected=float(row), actual=row + (2.0 if row == 3 else 0.25)) for row in range(6)
        ),
    )
    markup = _pairs.pairs(shown, "x")
    paths: dict[str | None, str] = {}
    for path in svg(markup).iter("path"):
        paths[path.get("class")] = paths.get(path.get("class"), "") + path.get("d", "")
    assert (paths["inside"].count("M"), paths["outside"].count("l6 6")) == (10, 2)
    assert "1 outside the tolerance" in markup
    assert 'class="limit"' in markup


@pytest.mark.parametrize(
    ("stated", "allowed"),
    [
        ("probability, rtol 0.0001, atol 1e-06, ulp 4", Allowed(rtol=1e-4, atol=1e-6, ulp=4)),
        ("exact", Allowed()),
        ("close, ulp 40x, xatol 3", Allowed()),
        ("", Allowed()),
    ],
)
def test_the_numbers_of_a_stated_tolerance_are_read(stated: str, allowed: Allowed) -> None:
    assert Allowed.read(stated) == allowed


# -- text --------------------------------------------------------------------------------------------


@given(st.floats(width=32), st.floats(width=16), st.floats())
def test_a_float_is_as_short_as_its_dtype_allows_and_exact(single: float, half: float, double: float) -> None:
    for number, dtype, same in (
        (single, "float32", np.float32),
        (half, "float16", np.float16),
        (double, "float64", np.float64),
    ):
        text = _text.value(number, dtype)
        assert np.array_equal(same(float(text)), same(number), equal_nan=True)
        assert len(text) <= len(repr(number))
    assert _text.value(float(np.float32(0.1)), "float32") == "0.1"
    assert _text.value(0.10009765625, "bfloat16") == "0.1"


def test_bfloat16_is_exact() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    every = np.arange(2**16, dtype=np.uint16).view(ml_dtypes.bfloat16)
    for number in every[::7]:
        if np.isfinite(float(number)):
            assert ml_dtypes.bfloat16(float(_text.value(float(number), "bfloat16"))) == number


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "none"), (True, "true"), (False, "false"), (12345678901234567890, "12345678901234567890"),
        ("a", "a"), ("", '""'), (" a", '" a"'), (math.nan, "nan"), (-math.inf, "-inf"), (-0.0, "-0.0"),
        ("a\nb", "a\N{REPLACEMENT CHARACTER}b"), ("y" * 301, "y" * 300 + "\N{HORIZONTAL ELLIPSIS} (1 more characters)"),
    ],
)  # fmt: skip
def test_cells_are_plain_and_visible(cell: object, text: str) -> None:
    assert _text.value(cell) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0 %"), (1e-9, "< 0.01 %"), (0.0123, "1.23 %"), (1, "100 %"), (0.99999, "> 99.99 %")],
)
def test_a_share_never_reads_as_none_or_all_when_it_is_not(part: float, text: str) -> None:
    assert _text.share(part) == text


def test_the_end_of_a_long_message_is_kept() -> None:
    shown = _text.lines("\n".join(map(str, range(1000)))).splitlines()
    assert (shown[0], shown[-1], len(shown)) == (
        "\N{HORIZONTAL ELLIPSIS} (800 earlier lines are not shown)",
        "999",
        201,
    )


# -- packaging ---------------------------------------------------------------------------------------


def test_templates_style_and_script_are_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])",
            str(tmp_path),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if "/render/html/" in name}
    folder = ROOT / "harness" / "goldlock" / "render" / "html"
    assert {path.name for kind in ("assets", "templates") for path in (folder / kind).iterdir()} <= names
