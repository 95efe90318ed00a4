"""The published schemas: current, and saying what the readers and writers of the files say, no more and no less."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import json
import math
import subprocess
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.env.values import FULL, digest, snapshots
from tests.harness.reports import (
    EVERYTHING,
    HOSTILE,
    MARKUP,
    case,
    column,
    hostile,
    report,
    reports,
    table,
)
from tests.harness.runners import ROOT

from goldlock.cli import cli
from goldlock.config import structure
from goldlock.decoding import decode
from goldlock.render import derived
from goldlock.render import json as as_json
from goldlock.report import REPORT_VERSION, Failure
from goldlock.results import Extreme, Rung
from goldlock.schemas import Document, published
from goldlock.schemas.__main__ import render
from goldlock_env import lock as locks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from goldlock.report import Report


def validator(document: Document) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads(published(document)),
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )


PUBLISHED = published(Document.REPORT)
VALIDATOR = validator(Document.REPORT)
NEW = "run `python -m goldlock.schemas` and commit what it writes"


def closed(part: Any) -> Any:  # noqa: ANN401
    """The same schema, but no object may have a key that it does not name."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    more = {"additionalProperties": False} if "properties" in part and "title" in part else {}
    return {**{key: closed(each) for key, each in part.items()}, **more}


CLOSED = jsonschema.Draft202012Validator(closed(json.loads(PUBLISHED)))


def written(shown: Report) -> Any:  # noqa: ANN401
    return json.loads(as_json.render(shown))


@pytest.mark.parametrize("document", Document)
def test_the_published_schema_is_current_and_a_schema(document: Document) -> None:
    assert render(document) == published(document), NEW
    jsonschema.Draft202012Validator.check_schema(json.loads(published(document)))


def test_versions_are_in_the_titles() -> None:
    for document, version in ((Document.REPORT, REPORT_VERSION), (Document.LOCK, locks.LOCK_VERSION)):
        assert json.loads(published(document))["title"].endswith(f"version {version}")


@pytest.mark.parametrize("document", Document)
def test_the_command_prints_the_schema(document: Document) -> None:
    done = CliRunner().invoke(cli, ["schema", document.value])
    assert (done.exit_code, done.stdout) == (0, published(document))


@pytest.mark.parametrize("document", Document)
def test_every_part_is_told_and_used(document: Document) -> None:
    text = published(document)
    for name, part in json.loads(text)["$defs"].items():
        assert part["description"], name
        assert f'"#/$defs/{name}"' in text, name


@pytest.mark.parametrize(
    "shown",
    [EVERYTHING, report(), report(failure=Failure(message="m")), hostile(HOSTILE), hostile(MARKUP)],
    ids=["everything", "nothing", "failed", "hostile", "markup"],
)
def test_reports_fit_the_schema(shown: Report) -> None:
    VALIDATOR.validate(written(shown))
    CLOSED.validate(written(shown))


@given(reports)
@settings(deadline=None)
def test_any_report_fits_the_schema_and_has_no_key_beside_it(shown: Report) -> None:
    CLOSED.validate(written(shown))


def test_numbers_may_be_spelled_and_only_so() -> None:
    extreme = Extreme(value=-math.inf, index=(0,), expected=math.nan, actual=math.inf)
    document = written(report(case(table(column(Rung.DRIFTED, largest_absolute=extreme)))))
    VALIDATOR.validate(document)
    document["cases"][0]["table"]["columns"][0]["largest-absolute"]["value"] = "much"
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    "change",
    [
        {"report-version": "1.0"},
        {"report-version": 2},
        {"verdict": "maybe"},
        {"exit-code": "1"},
        {"cases": [{}]},
        {"layers": ["weather"]},
        {"fail-on": None},
    ],
)
def test_what_is_no_report_does_not_fit(change: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid({**written(EVERYTHING), **change})


@pytest.mark.parametrize("key", sorted(written(report())))
def test_every_key_is_required(key: str) -> None:
    document = written(report())
    del document[key]
    assert not VALIDATOR.is_valid(document)


def test_derived_keys_are_told_and_mean_something() -> None:
    definitions = json.loads(PUBLISHED)["$defs"]
    for owner, keys in derived.DERIVED.items():
        for each in keys:
            assert definitions[owner.__name__]["properties"][each.key]["description"] == each.meaning


# -- goldlock.toml ----------------------------------------------------------------------------------

CONFIG = validator(Document.CONFIG)
CONFIGS = sorted(
    path for path in ROOT.rglob("goldlock.toml") if not {".nox", ".venv", ".goldlock"} & set(path.parts)
)
WHOLE: dict[str, Any] = {
    "lock": "other.lock",
    "policy": {"os": "info", "packages.certifi": "ignore"},
    "subject": {
        "name": "s",
        "image": "s:1",
        "python": ["python3"],
        "artifacts": ["/m"],
        "environment": {"A": "1"},
        "user": "1:1",
        "writable": True,
        "limits": {"memory": "1g", "cpus": 1.5, "processes": 9, "output": "1m", "scratch": "1m"},
        "build": {"context": ".", "arguments": {"A": "1"}, "requirements": ["r"], "base": {"offline": ["x"]}},
        "local": {"python": "3.8", "requirements": ["r"], "prepare": ["x"], "artifacts": ["m"]},
    },
    "case": [
        {"name": "a", "inputs": "a.csv", "command": {"run": ["x"], "input": "json", "timeout": 5}},
        {
            "name": "b",
            "inputs": "b.csv",
            "rows-by": ["id"],
            "http": {
                "path": "/",
                "request": "rows",
                "response": {"y": "y"},
                "port": 1,
                "batch": 1,
                "local-start": ["x"],
                "ready": {"path": "/p", "status": 204, "timeout": 0.5},
            },
            "columns": {
                "y": {"kind": "label", "scores": "p", "up-to": "names", "loose": ["dtype"]},
                "p": {"kind": "close", "rtol": 1e-6, "atol": 1, "ulp": 4, "scores": ["a", "b"]},
            },
        },
    ],
    "training": [{"name": "t", "image": "t", "run": ["x"], "recorded": "r", "inputs": {"d": "d.csv"}}],
    "accepted": [{"finding": "packages.a", "reason": "r", "until": dt.date(2027, 1, 31), "actual": "1"}],
}


def plain(value: Any) -> Any:  # noqa: ANN401
    """TOML as JSON Schema sees it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401
    """Every key and list position of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_configurations_fit(path: Path) -> None:
    CONFIG.validate(plain(tomllib.loads(path.read_text(encoding="utf-8"))))


@given(
    place=st.sampled_from(list(places(WHOLE))),
    put=st.sampled_from(
        [..., 1, 1.5, True, "x", "label", [], {}, ["x"], [1], {"a": "x"}, {"a": 1}, dt.date(2027, 1, 1)]
    ),
)
@settings(deadline=None, max_examples=400)
def test_a_document_fits_where_its_types_do(place: tuple[str | int, ...], put: object) -> None:
    changed = copy.deepcopy(WHOLE)
    above: Any = changed
    for key in place[:-1]:
        above = above[key]
    if put is ...:
        del above[place[-1]]
    else:
        above[place[-1]] = put
    if isinstance(put, dt.date) and place[-1] != "until":
        return  # JSON has dates as text
    fits = isinstance(decode(changed, structure.Document), structure.Document)
    assert CONFIG.is_valid(plain(changed)) == fits


def tables(kind: Any, found: dict[str, type[msgspec.Struct]]) -> dict[str, type[msgspec.Struct]]:  # noqa: ANN401
    for each in typing.get_args(kind):
        tables(each, found)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found[kind.__name__] = kind
        for field in typing.get_type_hints(kind).values():
            tables(field, found)
    return found


@pytest.mark.parametrize(("name", "table"), tables(structure.Document, {}).items())
def test_every_rule_of_the_types_is_in_the_schema(name: str, table: type[msgspec.Struct]) -> None:
    part = json.loads(published(Document.CONFIG))["$defs"][name]
    fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
    assert part["properties"].keys() == fields.keys()
    assert set(part["required"]) == {key for key, field in fields.items() if field.required}
    assert part["additionalProperties"] is False
    for key, field in fields.items():
        told = part["properties"][key]
        if isinstance(field.default, enum.Enum):
            assert told["default"] == field.default.value
        elif isinstance(field.default, (str, int, float)):
            assert told["default"] == field.default, key


def test_words_are_those_of_the_types() -> None:
    parts = json.loads(published(Document.CONFIG))["$defs"]
    for kind in (structure.Kind, structure.UpTo, structure.Loose, structure.Format):
        assert set(parts[kind.__name__]["enum"]) == {each.value for each in kind}
        assert all(f"`{each.value}`" in str(parts[kind.__name__]) for each in kind)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_taplo_uses_the_schema(path: Path, tmp_path: Path) -> None:
    schema = tmp_path / "goldlock.schema.json"
    schema.write_text(published(Document.CONFIG), encoding="utf-8")
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    text = "#:schema ./goldlock.schema.json\n" + path.read_text(encoding="utf-8")
    good.write_text(text, encoding="utf-8")
    bad.write_text(text.replace("\nimage =", "\nimgae =", 1), encoding="utf-8")
    for file, code, said in ((good, 0, ""), (bad, 1, "'imgae' was unexpected")):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "taplo"), "check", str(file)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        assert said in done.stderr


# -- goldlock.lock ----------------------------------------------------------------------------------

LOCK = validator(Document.LOCK)
LOCKS = sorted(
    path for path in ROOT.rglob("goldlock.lock") if not {".nox", ".venv", ".goldlock"} & set(path.parts)
)


def written_lock(lock: locks.Lock) -> Any:  # noqa: ANN401
    return tomllib.loads(locks.dumps(lock))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_locks_fit(path: Path) -> None:
    LOCK.validate(tomllib.loads(path.read_text(encoding="utf-8")))


@given(snapshots)
@settings(deadline=None)
def test_any_lock_fits(snapshot: Any) -> None:  # noqa: ANN401
    LOCK.validate(written_lock(locks.Lock.of(snapshot, subject="s", requirements_files={"r": digest("r")})))


LOCKED = written_lock(locks.Lock.of(FULL, subject="s", requirements_files={"r.txt": digest("r")}))


@given(
    place=st.sampled_from(list(places(LOCKED))),
    put=st.sampled_from([..., 1, -1, 2**60, True, "x", "x" * 5000, [], {}, ["x"], [1], {"a": "x"}, {"a": 1}]),
)
@settings(deadline=None, max_examples=400)
def test_a_lock_fits_where_its_reader_takes_it(place: tuple[str | int, ...], put: object) -> None:
    changed = copy.deepcopy(LOCKED)
    above: Any = changed
    for key in place[:-1]:
        above = above[key]
    if put is ...:
        del above[place[-1]]
    else:
        above[place[-1]] = put
    try:
        reader = locks.Reader(changed)
        locks.read_document(reader)
        reader.finish()
        fits = changed["lock-version"] == locks.LOCK_VERSION
    except (locks.MalformedError, KeyError) as error:
        # What depends on other keys no schema of ours says.
        if "integrity: is missing" in str(error) or "is not a layer" in str(error) or "twice" in str(error):
            return
        fits = False
    assert LOCK.is_valid(changed) == fits
