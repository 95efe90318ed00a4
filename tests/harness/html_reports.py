"""Reports made by hand, for the tests of the HTML page."""

from __future__ import annotations

import hashlib
import math

from goldlock.report import CaseReport, Failure, Report
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
    Value,
    WorstRow,
)
from goldlock_env.findings import Finding, Layer, Severity, Status


def digest(word: str) -> str:
    return f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"


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


def worst(
    row: int, expected: Value, actual: Value, *, margin: float | None = None, index: tuple[int, ...] = ()
) -> WorstRow:
    numbers = isinstance(expected, float) and isinstance(actual, float)
    apart = abs(actual - expected) if numbers else None  # type: ignore[operator]
    if apart is not None and math.isnan(apart):
        apart = math.inf
    return WorstRow(
        row=row,
        index=(row, *index),
        expected=expected,
        actual=actual,
        absolute=apart,
        ulp=None if apart is None or math.isinf(apart) else row * 3 + 1,
        margin=margin,
    )


def column(rung: Rung, name: str = "label", **fields: object) -> ColumnResult:
    given: dict[str, object] = {"expected_type": "float32", "actual_type": "float32", "size": 150, **fields}
    return ColumnResult(name=name, rung=rung, **given)  # type: ignore[arg-type]


def table(*columns: ColumnResult, notes: tuple[str, ...] = (), actual_rows: int = 150) -> TableResult:
    counted = (column.rung for column in columns if not column.ignored)
    rung = max(counted, key=lambda rung: rung.rank, default=Rung.IDENTICAL)
    return TableResult(rung=rung, columns=columns, notes=notes, expected_rows=150, actual_rows=actual_rows)


def case(result: TableResult | None, name: str = "batch", **fields: object) -> CaseReport:
    return CaseReport(
        name=name,
        way="command",
        golden=f"goldens/{name}",
        seconds=1.23456,
        table=result,
        **fields,  # type: ignore[arg-type]
    )


def report(*cases: CaseReport, **fields: object) -> Report:
    given: dict[str, object] = {
        "goldlock_version": "0.1.0",
        "subject": "mini",
        "engine": "docker 27.1 (API 1.46)",
        "image": "mini:1",
        "lock_id": digest("lock"),
        "created": "2026-11-22T03:00:00Z",
        "command": "goldlock verify --image mini:1 --html report.html",
        "layers": (Layer.PYTHON, Layer.PACKAGES, Layer.NUMERICS),
        "snapshot": {
            "host": {"cpu-model": "Xeon", "cpu-level": "x86-64-v4"},
            "image": {"config-id": digest("c")},
        },
        **fields,
    }
    return Report(cases=cases, **given)  # type: ignore[arg-type]


FLIPPED = column(
    Rung.FLIPPED,
    expected_type="str",
    actual_type="str",
    count=2,
    differing=2,
    tolerance="label",
    worst=(worst(12, "setosa", "virginica", margin=0.01), worst(4, "setosa", "virginica", margin=0.4)),
    flips=(Flip(expected="setosa", actual="virginica", count=2),),
)
DRIFTED = column(
    Rung.DRIFTED,
    "p_setosa",
    count=50,
    differing=90,
    tolerance="close, rtol 0.0001, atol 1e-06, ulp 4",
    worst=(
        *(worst(row, 0.5, 0.5 + row / 100, index=(row % 3,)) for row in range(7, 55)),
        worst(3, math.nan, 1.0),
        worst(2, 1.0, -math.inf),
    ),
    largest_absolute=Extreme(value=0.54, index=(54, 0), expected=0.5, actual=1.04),
    largest_relative=Extreme(value=1.08, index=(54, 0), expected=0.5, actual=1.04),
    largest_ulp=Extreme(value=9_000_000, index=(54, 0), expected=0.5, actual=1.04),
    distances=Histogram(
        unit="ulp",
        buckets=(
            Bucket(low=0, high=0, count=60),
            Bucket(low=1, high=1, count=30),
            Bucket(low=3, high=4, count=10),
            Bucket(low=4097, high=8192, count=48),
            Bucket(low=0, high=None, count=2),
        ),
    ),
    points=(
        *(Point(row=row, expected=0.5, actual=0.5 + row / 100) for row in range(55)),
        Point(row=60, expected=math.nan, actual=1.0),
    ),
    would_pass="atol >= 0.54",
)
IGNORED = column(Rung.DRIFTED, "seconds", ignored=True, count=150, note="ignored: a stopwatch")
EQUIVALENT = column(Rung.EQUIVALENT, "component", tolerance="close, up to sign", note="3 signs turned")
WITHIN = column(
    Rung.ULP,
    "p_within",
    differing=2,
    tolerance="close, ulp 4",
    worst=(worst(1, 0.25, 0.5), worst(2, 0.25, 0.75)),
    distances=Histogram(
        unit="ulp", buckets=(Bucket(low=0, high=0, count=148), Bucket(low=2, high=2, count=2))
    ),
)
GONE = column(Rung.SCHEMA, "p_gone", actual_type=None, note="looks like it was renamed to p_other")
SAME = column(Rung.IDENTICAL, "p_same")

DRIFT = report(
    case(
        table(SAME, FLIPPED, DRIFTED, IGNORED, GONE, notes=("2 rows look dropped: 3, 4",), actual_rows=148),
        inputs=InputRows(
            names=("petal", "sepal"), rows={row: (f"petal-{row}", row / 10) for row in range(2, 60)}
        ),
        known_bad="swapped: two classes change places",
        notes=("the golden of x86-64-v2 is closer",),
    ),
    case(table(SAME, WITHIN, EQUIVALENT), "near", variant="x86-64-v3"),
    case(
        None,
        "gone",
        failure=Failure(message="`predict.py` ended with exit code 1:\nboom", hint="run it by hand"),
    ),
    findings=(
        finding(note="an error's note"),
        finding(key="left-pad", status=Status.MISSING, actual=None),
        finding(Severity.WARNING, "kernel", layer=Layer.NUMERICS, expected="SkylakeX", actual="Haswell"),
        finding(Severity.INFO, "config-id", layer=Layer.IMAGE, expected=digest("a"), actual=digest("b")),
        finding(Severity.INFO, "extra", status=Status.EXTRA, expected=None),
        finding(key="libssl3", layer=Layer.OS, accepted="a security update"),
        finding(key="blas", layer=Layer.NUMERICS, status=Status.UNKNOWN, note="numpy does not import"),
    ),
    notes=("a note of the report",),
)
MATCH = report(case(table(SAME, WITHIN)), case(table(SAME), "http"))
COULD_NOT_RUN = report(
    case(None, failure=Failure(message="the container ended before it answered", hint="see its log")),
    failure=Failure(message="the probe died:\n  no interpreter", hint="name one with --python"),
)


def many_rows(count: int) -> Report:
    """As many differing rows; row N is N apart, and its input says so too."""
    rows = tuple(
        WorstRow(
            row=row, index=(row,), expected=0.0, actual=float(row), absolute=float(row), ulp=row, margin=None
        )
        for row in range(count)
    )
    drifted = column(Rung.DRIFTED, "p", count=count, differing=count, size=count, worst=rows)
    inputs = InputRows(names=("step",), rows={row: (f"step-{row}",) for row in range(count)})
    return report(case(table(drifted), inputs=inputs))


EVIL = (
    "</script><script>window.owned=1</script><img src=x onerror=alert(1)>\"'><svg onload=alert(2)>"
    "{{ 7*7 }}\x1b[2J\u202egnp.exe\u2066\x00\ud800<!-- javascript:alert(3)" + "x" * 3000
)


def hostile(word: str) -> Report:
    """A report whose every text comes from a subject that means harm."""
    bad = column(
        Rung.FLIPPED,
        word,
        expected_type=word,
        actual_type=word + "x",
        count=1,
        differing=1,
        worst=(worst(0, word, word),),
        flips=(Flip(expected=word, actual=word, count=1),),
        largest_absolute=Extreme(value=1.0, index=(0,), expected=word, actual=word),
        would_pass=word,
        note=word,
        tolerance=word,
        distances=Histogram(unit=word, buckets=(Bucket(low=1, high=1, count=1),)),
        points=(Point(row=0, expected=1.0, actual=2.0),),
    )
    quiet = (
        column(Rung.IDENTICAL, word),
        column(Rung.DRIFTED, word, ignored=True, note=word),
        column(Rung.EQUIVALENT, word, note=word),
    )
    failure = Failure(message=f"it said:\n{word}", hint=word)
    return report(
        case(
            table(bad, *quiet, notes=(word,)),
            word,
            variant=word,
            known_bad=word,
            notes=(word,),
            inputs=InputRows(names=(word,), rows={0: (word,)}),
        ),
        case(None, word, failure=failure),
        findings=tuple(
            finding(severity, word, status=status, expected=value, actual=value, note=word, accepted=accepted)
            for status in Status
            for severity in Severity
            for value in (word, f"sha256:{word}")
            for accepted in ("", word)
        ),
        subject=word,
        engine=word,
        image=word,
        lock_id=word,
        notes=(word,),
        command=word,
        created=word,
        goldlock_version=word,
        snapshot={"host": {"cpu-model": word}, "image": word, word: [word]},
    )


HOSTILE = hostile(EVIL)
