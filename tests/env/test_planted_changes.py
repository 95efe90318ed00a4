"""Changes planted in a really built environment, found by probe, lock and comparison together."""

from __future__ import annotations

import py_compile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.env.subjects import DEMO, Venv

from goldlock_env.difference import compare
from goldlock_env.findings import Severity, Status
from goldlock_env.lock import Lock, dumps, loads
from goldlock_env.snapshot import Snapshot

Wheels = Callable[..., Path]


def _flip(venv: Venv, path: str) -> None:
    data = bytearray((venv.site / path).read_bytes())
    data[5] ^= 1
    (venv.site / path).write_bytes(bytes(data))


def _newer(venv: Venv, wheels: Wheels) -> None:
    venv.install(wheels("demo", "1.1", DEMO))


def _older(venv: Venv, wheels: Wheels) -> None:
    venv.install(wheels("demo", "0.9", DEMO))


def _missing(venv: Venv, _: Wheels) -> None:
    venv.uninstall("other")


def _extra(venv: Venv, wheels: Wheels) -> None:
    venv.install(wheels("surplus", "4.0"))


def _source(venv: Venv, _: Wheels) -> None:
    _flip(venv, "demo/work.py")


def _native(venv: Venv, _: Wheels) -> None:
    _flip(venv, "demo/_native.so")


def _source_hidden(venv: Venv, _: Wheels) -> None:
    _flip(venv, "demo/work.py")
    venv.rewrite_record("demo", "demo/work.py")


def _native_hidden(venv: Venv, _: Wheels) -> None:
    _flip(venv, "demo/_native.so")
    venv.rewrite_record("demo", "demo/_native.so")


def _other_build(venv: Venv, wheels: Wheels) -> None:
    venv.install(wheels("demo", "1.0", {**DEMO, "demo/work.py": b"def work():\n    return 'else'\n"}))


def _gone(venv: Venv, _: Wheels) -> None:
    (venv.site / "demo/work.py").unlink()


def _bytecode(venv: Venv, _: Wheels) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(venv.site / "demo/work.py"), invalidation_mode=mode)


@pytest.mark.parametrize(
    ("plant", "key", "expected", "actual", "status", "severity"),
    [
        (_newer, "demo", "1.0", "1.1", Status.CHANGED, Severity.ERROR),
        (_older, "demo", "1.0", "0.9", Status.CHANGED, Severity.ERROR),
        (_missing, "other", "2.1", None, Status.MISSING, Severity.ERROR),
        (_extra, "surplus", None, "4.0", Status.EXTRA, Severity.WARNING),
        (_source, "demo: demo/work.py", ..., ..., Status.CHANGED, Severity.ERROR),
        (_native, "demo: demo/_native.so", ..., ..., Status.CHANGED, Severity.ERROR),
        (_source_hidden, "demo: RECORD", ..., ..., Status.CHANGED, Severity.ERROR),
        (_native_hidden, "demo: RECORD", ..., ..., Status.CHANGED, Severity.ERROR),
        (_other_build, "demo: RECORD", ..., ..., Status.CHANGED, Severity.ERROR),
        (_gone, "demo: demo/work.py", "installed", None, Status.MISSING, Severity.ERROR),
        (_bytecode, "demo: bytecode", None, ..., Status.EXTRA, Severity.ERROR),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_is_the_only_thing_that_is_blamed(
    venv: Venv,
    baseline: Snapshot,
    wheels: Wheels,
    plant: Callable[[Venv, Wheels], None],
    key: str,
    expected: object,
    actual: object,
    status: Status,
    severity: Severity,
) -> None:
    plant(venv, wheels)
    found = compare(_locked(baseline), venv.probe())
    (finding,) = [one for one in found if one.status is not Status.UNKNOWN]
    assert (finding.layer.value, finding.key) == ("packages", key)
    assert (finding.status, finding.severity) == (status, severity)
    assert expected in (..., finding.expected)
    assert actual in (..., finding.actual)


@pytest.mark.parametrize(
    ("value", "status"), [("2", Status.CHANGED), (None, Status.MISSING)], ids=["changed", "unset"]
)
def test_a_numeric_variable(venv: Venv, value: str | None, status: Status) -> None:
    locked = venv.probe(environment={"OMP_NUM_THREADS": "1"}, hash_files=False)
    now = venv.probe(environment={} if value is None else {"OMP_NUM_THREADS": value}, hash_files=False)
    (finding,) = [one for one in compare(locked, now) if one.status is not Status.UNKNOWN]
    assert (finding.name, finding.expected, finding.actual) == ("numerics.OMP_NUM_THREADS", "1", value)
    assert (finding.status, finding.severity) == (status, Severity.ERROR)
    back = [one for one in compare(now, locked) if one.status is Status.EXTRA]
    assert len(back) == (value is None)


def test_a_copy_at_another_place_matches_twenty_times(venv: Venv, baseline: Snapshot) -> None:
    locked = _locked(baseline)
    for _ in range(20):
        assert [one for one in compare(locked, venv.probe()) if one.status is not Status.UNKNOWN] == []


def _locked(snapshot: Snapshot) -> Snapshot:
    return loads(dumps(Lock.of(snapshot, subject="demo"))).snapshot
