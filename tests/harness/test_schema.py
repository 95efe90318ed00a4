"""The published schema: it is current, every report fits it, and it says no more than what is written."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
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

from goldlock.render import derived, schema
from goldlock.render import json as as_json
from goldlock.report import REPORT_VERSION, Failure
from goldlock.results import Extreme, Rung

if TYPE_CHECKING:
    from goldlock.report import Report

PUBLISHED = (resources.files("goldlock.render") / schema.FILE).read_text(encoding="utf-8")
VALIDATOR = jsonschema.Draft202012Validator(json.loads(PUBLISHED))
NEW = "run `python -m goldlock.render.schema` and commit what it prints as report.schema.json"


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


def test_the_published_schema_is_current_and_a_schema() -> None:
    assert schema.render() == PUBLISHED, NEW
    jsonschema.Draft202012Validator.check_schema(json.loads(PUBLISHED))
    assert json.loads(PUBLISHED)["title"].endswith(f"version {REPORT_VERSION}")


def test_the_module_prints_the_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "goldlock.render.schema"], capture_output=True, text=True, check=True
    )
    assert done.stdout == PUBLISHED


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
