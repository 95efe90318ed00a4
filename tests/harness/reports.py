"""Reports made up for tests: by hand, hostile, and arbitrary ones for Hypothesis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from tests.env.values import FULL, digest

from goldlock.report import CaseReport, FailOn, Failure, Report
from goldlock.results import (
    Bucket,
    ColumnResult,
    Extreme,
    Flip,
    Histogram,
    InputRows,
    Point,
    Rung,
    TableResult,
    WorstRow,
)
from goldlock_env.findings import Finding, Layer, Severity, Status

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\nline\u202egnp.exe\x00\x7f\ud800"
MARKUP = (
    "</code></details><script>alert(1)</script><!-- ]]> & | a | `` ` ``` @octocat #1 [l](https://e.example) "
    "**b** __u__ {0} {{1}} :smile: www.e.example \\| \\` ![i](x) ~~~ \uffff"
)


def finding(
    severity: Severity = Severity.ERROR,
    key: str = "numpy",
    *,
    layer: Layer = Layer.PACKAGES,
    status: Status = Status.CHANGED,
    expected: str | None = "1.24.3",
    actual: str | None = "1.24.4",
    note: str = "",
    accepted: str = "",
) -> Finding:
    return Finding(
        layer=layer,
        key=key,
        expected=expected,
        actual=actual,
        status=status,
        severity=severity,
        note=note,
        accepted=accepted,
    )


def column(rung: Rung, name: str = "label", **fields: object) -> ColumnResult:
    given: dict[str, object] = {"expected_type": "float64", "actual_type": "float64", "size": 150, **fields}
    return ColumnResult(name=name, rung=rung, **given)  # type: ignore[arg-type]


def table(*columns: ColumnResult, notes: tuple[str, ...] = (), actual_rows: int = 150) -> TableResult:
    judged = [c.rung for c in columns if not c.ignored or c.rung is Rung.SCHEMA]
    rung = max(judged, key=lambda r: r.rank, default=Rung.IDENTICAL)
    return TableResult(rung=rung, columns=columns, notes=notes, expected_rows=150, actual_rows=actual_rows)


def case(
    result: TableResult | None, name: str = "batch", failure: Failure | None = None, **fields: object
) -> CaseReport:
    given: dict[str, object] = {"way": "command", "golden": f"goldens/{name}", "seconds": 1.23456, **fields}
    return CaseReport(name=name, table=result, failure=failure, **given)  # type: ignore[arg-type]


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
    tolerance="probability, rtol 0.0001, atol 1e-06, ulp 4",
    tops_moved=1,
    ranks_moved=2,
    distances=Histogram(
        unit="ulp",
        buckets=(
            Bucket(low=0, high=0, count=141),
            Bucket(low=1, high=1, count=4),
            Bucket(low=3, high=4, count=1),
            Bucket(low=65, high=128, count=3),
            Bucket(low=0, high=None, count=1),
        ),
    ),
    points=(Point(row=7, expected=0.5, actual=0.75), Point(row=9, expected=1.0, actual=math.nan)),
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
    tolerance="label",
)
MISSING = column(Rung.SCHEMA, "p_new", actual_type=None, size=0, note="looks like it was renamed to p_other")
IGNORED = column(Rung.DRIFTED, "seconds", ignored=True, note="ignored: a stopwatch", differing=150)
EQUIVALENT = column(
    Rung.EQUIVALENT,
    "component",
    differing=150,
    note="the same up to sign",
    tolerance="close, rtol 1e-09, up to sign",
)
INPUTS = InputRows(
    names=("sepal length", "sepal width", "petal"),
    rows={3: (5.1, 3.5, "round"), 7: (4.9, math.nan, None), 9: (6.0, 2.2, "|`<b>@all`|")},
)
EVERYTHING = report(
    case(
        table(column(Rung.IDENTICAL), column(Rung.ULP, "p_a", differing=4), column(Rung.TOLERANCE, "p_b")),
        "good",
        variant="avx512",
    ),
    case(
        table(
            DRIFTED,
            FLIPPED,
            MISSING,
            IGNORED,
            EQUIVALENT,
            notes=("2 rows look dropped: 3, 4",),
            actual_rows=148,
        ),
        "bad",
        inputs=INPUTS,
        notes=("the golden for avx2 was further off",),
    ),
    case(
        None,
        "gone",
        Failure(message="`predict.py ...` ended with exit code 1:\nboom", hint="run it by hand"),
    ),
    case(
        table(column(Rung.IDENTICAL, "p")), "wrong", known_bad="swapped: the classes stand in another order"
    ),
    findings=(
        finding(note="an error's note"),
        finding(layer=Layer.PYTHON, key="version", status=Status.MISSING, actual=None),
        finding(layer=Layer.GOLDEN, key="bad/golden.toml", expected=digest("seal"), actual=digest("other")),
        finding(Severity.WARNING, "left-pad", status=Status.EXTRA, expected=None, actual="1.0"),
        finding(Severity.WARNING, "certifi", accepted="only the list of authorities, see the review of May"),
        finding(
            Severity.INFO, "base", layer=Layer.IMAGE, expected=digest("base"), actual=digest("other base")
        ),
        finding(key="blas", layer=Layer.NUMERICS, status=Status.UNKNOWN, note="numpy does not import"),
    ),
    snapshot=FULL.to_mapping(),
    notes=("a note of the report",),
    created="2026-11-22T03:00:00Z",
    command="goldlock verify --json report.json",
    layers=(Layer.PYTHON, Layer.PACKAGES, Layer.OS, Layer.IMAGE, Layer.NUMERICS),
)


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
        tolerance=word,
    )
    ignored = column(Rung.DRIFTED, word, ignored=True, note=word, tolerance=word)
    failure = Failure(message=f"it said:\n{word}", hint=word)
    return report(
        case(
            table(bad, ignored, notes=(word,)),
            word,
            variant=word,
            known_bad=word,
            notes=(word,),
            golden=word,
            inputs=InputRows(names=(word,), rows={0: (word,)}),
        ),
        case(None, "b", failure),
        findings=tuple(
            finding(key=word, status=status, expected=value, actual=value, note=word, accepted=accepted)
            for status in Status
            for value in (word, f"sha256:{word}")
            for accepted in ("", word)
        ),
        subject=word,
        engine=word,
        image=word,
        lock_id=word,
        failure=failure,
        notes=(word,),
        snapshot={word: [word]},
        created=word,
        command=word,
    )


# -- arbitrary ones ---------------------------------------------------------------------------------

words = st.text(st.characters(), max_size=12)
floats = st.floats(allow_nan=True, allow_infinity=True)
wholes = st.integers(min_value=0, max_value=2**64)
indices = st.lists(wholes, min_size=1, max_size=3).map(tuple)
numbers = st.integers(-(2**63), 2**64 - 1) | floats
types = st.sampled_from(["float64", "float32[3]", "bfloat16", "float16"])
others = st.sampled_from(["int64", "uint64[2,2]"])
cells = {
    "float": floats,
    "int": st.integers(-(2**63), 2**64 - 1),
    "bool": st.booleans(),
    "str": words | st.none() | st.sampled_from(["nan", "inf", "-inf", "null", "1", "true"]),
    "date": st.dates().map(str),
}


@st.composite
def columns(draw: st.DrawFn) -> ColumnResult:
    """A column whose cells are of its types, as those of a comparison are."""
    kind = draw(st.sampled_from(sorted(cells)))
    described = draw(types if kind == "float" else others if kind == "int" else st.just(kind))
    cell, none = cells[kind], st.none()
    extremes = none | st.builds(Extreme, value=numbers, index=indices, expected=wholes, actual=wholes)
    worst = st.builds(
        WorstRow,
        row=wholes,
        index=indices,
        expected=cell,
        actual=cell,
        absolute=none | numbers,
        ulp=none | wholes,
        margin=none | floats,
    )
    return draw(
        st.builds(
            ColumnResult,
            name=words,
            rung=st.sampled_from(Rung),
            expected_type=st.just(described),
            actual_type=st.just(described),
            size=wholes,
            count=wholes,
            differing=wholes,
            largest_absolute=extremes,
            largest_relative=extremes,
            largest_ulp=extremes,
            worst=st.lists(worst, max_size=3).map(tuple),
            flips=st.lists(st.builds(Flip, expected=cell, actual=cell, count=wholes), max_size=3).map(tuple),
            would_pass=words,
            ignored=st.booleans(),
            note=words,
            tolerance=words,
            tops_moved=wholes,
            ranks_moved=wholes,
            distances=none
            | st.builds(
                Histogram,
                unit=st.sampled_from(["ulp", "absolute"]),
                buckets=st.lists(
                    st.builds(Bucket, low=wholes, high=none | wholes, count=wholes), max_size=5
                ).map(tuple),
            ),
            points=st.lists(st.builds(Point, row=wholes, expected=floats, actual=floats), max_size=2).map(
                tuple
            ),
        )
    )


texts = st.lists(words, max_size=2).map(tuple)
failures = st.builds(Failure, message=words, hint=words)
tables = st.builds(
    TableResult,
    rung=st.sampled_from(Rung),
    columns=st.lists(columns(), max_size=3).map(tuple),
    notes=texts,
    expected_rows=wholes,
    actual_rows=wholes,
)
inputs = st.builds(
    InputRows,
    names=texts,
    # No NaN or infinity: the types of inputs are not told, and these come back as the text that they are written as.
    rows=st.dictionaries(
        wholes,
        st.lists(words | st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=2).map(
            tuple
        ),
    ),
)
cases: SearchStrategy[CaseReport] = st.one_of(
    *(
        st.builds(
            CaseReport,
            name=words,
            way=st.sampled_from(["command", "http"]),
            golden=words,
            seconds=st.floats(0, 1e6),
            table=tabled,
            failure=failed,
            inputs=st.none() | inputs,
            variant=words,
            known_bad=words,
            notes=texts,
        )
        for tabled, failed in ((tables, st.none()), (st.none(), failures))
    )
)
findings = st.builds(
    Finding,
    layer=st.sampled_from(Layer),
    key=words,
    expected=st.none() | words,
    actual=st.none() | words,
    status=st.sampled_from(Status),
    severity=st.sampled_from(Severity),
    note=words,
    accepted=words,
)
reports: SearchStrategy[Report] = st.builds(
    Report,
    goldlock_version=words,
    subject=words,
    engine=words,
    image=st.none() | words,
    lock_id=st.none() | words,
    findings=st.lists(findings, max_size=4).map(tuple),
    cases=st.lists(cases, max_size=3).map(tuple),
    snapshot=st.dictionaries(words, words, max_size=2),
    notes=texts,
    fail_on=st.sampled_from(FailOn),
    failure=st.none() | failures,
    created=words,
    command=words,
    layers=st.lists(st.sampled_from(Layer), unique=True).map(tuple),
)
