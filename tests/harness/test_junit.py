"""JUnit XML as Jenkins checks it, and as GitLab reads it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.env.values import digest
from tests.harness.reports import (
    DRIFTED,
    EVERYTHING,
    FLIPPED,
    HOSTILE,
    IGNORED,
    MARKUP,
    case,
    column,
    finding,
    hostile,
    report,
    reports,
    table,
)

from goldlock.render import junit
from goldlock.report import FailOn, Failure, Verdict
from goldlock.results import Rung, WorstRow
from goldlock_env.findings import Layer, Severity, Status

if TYPE_CHECKING:
    from goldlock.report import Report

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "schemas" / "junit-10.xsd")


@dataclass(frozen=True)
class Seen:
    """One test as GitLab shows it."""

    status: str
    output: str
    """What stands behind "system output": the text of the failure or error, else the message of a skip."""
    time: float


def as_gitlab(written: str) -> dict[tuple[str, str, str], Seen]:
    """Read as GitLab does: by suite, class and name; failure before error before skipped, the first of each."""
    root = ET.fromstring(written)
    assert root.tag in {"testsuites", "testsuite"}
    found: dict[tuple[str, str, str], Seen] = {}
    for suite in root.iter("testsuite"):
        for test in suite.findall("testcase"):
            status, output = "success", ""
            for tag, name in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
                element = test.find(tag)
                if element is not None:
                    status, output = name, element.text or element.attrib.get("message", "")
                    break
            key = (suite.attrib["name"], test.attrib["classname"], test.attrib["name"])
            assert key not in found
            found[key] = Seen(status, output, float(test.attrib["time"]))
    return found


def statuses(shown: Report) -> dict[str, str]:
    return {
        f"{suite}/{name}": seen.status for (suite, _, name), seen in as_gitlab(junit.render(shown)).items()
    }


def check(written: str) -> ET.Element:
    """Valid by Jenkins's schema, one verdict a test, and counts that are right."""
    SCHEMA.validate(written)
    assert written.isascii()
    root = ET.fromstring(written)
    for holder in (root, *root.iter("testsuite")):
        tests = list(holder.iter("testcase"))
        assert int(holder.attrib["tests"]) == len(tests)
        for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            counted = sum(test.find(tag) is not None for test in tests)
            assert int(holder.attrib.get(attribute, counted)) == counted
    for test in root.iter("testcase"):
        assert len([each for each in test if each.tag != "system-out"]) <= 1
    return root


def test_a_report_is_a_suite_for_the_environment_and_one_for_each_case() -> None:
    root = check(junit.render(EVERYTHING))
    assert [suite.attrib["name"] for suite in root] == ["environment", "good", "bad", "gone", "wrong"]
    assert statuses(EVERYTHING) == {
        "environment/(environment)": "success",
        "environment/python": "failed",
        "environment/packages": "failed",
        "environment/os": "success",
        "environment/image": "success",
        "environment/numerics": "skipped",
        "environment/golden": "failed",
        "good/(table)": "success",
        "good/label": "success",
        "good/p_a": "success",
        "good/p_b": "success",
        "bad/(table)": "success",
        "bad/p_setosa": "failed",
        "bad/label": "failed",
        "bad/p_new": "failed",
        "bad/seconds": "skipped",
        "bad/component": "success",
        "gone/(table)": "error",
        "wrong/(table)": "failed",
        "wrong/p": "success",
    }
    classes = {name for _, name, _ in as_gitlab(junit.render(EVERYTHING))}
    assert classes == {f"goldlock.mini.{name}" for name in ("environment", "good", "bad", "gone", "wrong")}


def test_a_failure_tells_the_rung_and_every_statistic() -> None:
    seen = as_gitlab(junit.render(EVERYTHING))["bad", "goldlock.mini.bad", "p_setosa"]
    assert seen.output.splitlines() == [
        "rung: drifted",
        "outside tolerance: 3 of 150 values (2.00%)",
        "judged by: probability, rtol 0.0001, atol 1e-06, ulp 4",
        "largest: absolute 0.25 at 7,1, relative inf at 7,1, ULP 12 at 8",
        "values there: 7,1: 0.0 became 0.75, 8: 0.5 became 0.5",
        "distances: 1 |@_-____*| 128 ULP, 1 without a distance",
        "order: 1 row with another largest value, 2 rows with the others in another order",
        "would pass at: atol >= 0.25",
        "row 7,1: 0.5 became 0.75, 0.25 apart, 99 ULP; inputs: sepal length=4.9, sepal width=nan, petal=None",
        "row 9: 1.0 became nan, inf apart; inputs: sepal length=6.0, sepal width=2.2, petal='|`<b>@all`|'",
    ]
    failure = next(ET.fromstring(junit.render(report(case(table(FLIPPED))))).iter("failure"))
    assert failure.attrib == {
        "message": "flipped; 2 of 150 values (1.33%); 'setosa' became 'virginica' 2 times",
        "type": "flipped",
    }


def test_of_very_many_worst_rows_the_first_are_told() -> None:
    rows = tuple(
        WorstRow(row=at, index=(at,), expected=0, actual=1, absolute=1, ulp=None, margin=None)
        for at in range(50)
    )
    shown = report(case(table(replace(DRIFTED, worst=rows))))
    output = as_gitlab(junit.render(shown))["batch", "goldlock.mini.batch", "p_setosa"].output
    assert output.splitlines()[-1] == "and 30 rows more, in the JSON and HTML reports"


def test_times_are_those_of_the_answers() -> None:
    root = check(junit.render(EVERYTHING))
    assert root.attrib["time"] == "4.938"
    assert [suite.attrib["time"] for suite in root] == ["0.000", "1.235", "1.235", "1.235", "1.235"]
    assert {suite.attrib["timestamp"] for suite in root} == {"2026-11-22T03:00:00Z"}
    assert time.strptime("2026-11-22T03:00:00Z", "%Y-%m-%dT%H:%M:%SZ")
    untimed = ET.fromstring(junit.render(report()))
    assert all("timestamp" not in suite.attrib for suite in untimed)


def test_what_was_run_stands_in_the_properties() -> None:
    root = check(junit.render(EVERYTHING))
    told = {each.attrib["name"]: each.attrib["value"] for each in root.iter("property")}
    assert told == {
        "goldlock-version": "0.1.0",
        "verdict": "drift",
        "fail-on": "error",
        "subject": "mini",
        "engine": "docker 27.1 (API 1.46)",
        "image": "mini:1",
        "lock-id": digest("lock"),
        "command": "goldlock verify --json report.json",
    }


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("fail_on", FailOn)
def test_a_layer_fails_where_its_findings_count(severity: Severity, fail_on: FailOn) -> None:
    found = finding(severity)
    shown = report(findings=(found,), fail_on=fail_on, layers=(Layer.PACKAGES,))
    test = next(
        t for t in ET.fromstring(junit.render(shown)).iter("testcase") if t.attrib["name"] == "packages"
    )
    assert (test.find("failure") is not None) is fail_on.counts(found)
    if not fail_on.counts(found):
        assert f"{severity}: packages.numpy: expected 1.24.3" in (test.findtext("system-out") or "")


def test_an_accepted_difference_is_told_and_does_not_fail() -> None:
    shown = report(findings=(finding(accepted="the list only"),))
    assert statuses(shown)["environment/packages"] == "success"
    assert "accepted error: packages.numpy: expected 1.24.3, actual 1.24.4: the list only" in junit.render(
        shown
    )


def test_a_layer_that_differs_and_is_unknown_fails_and_tells_both() -> None:
    unknown = finding(key="scipy", status=Status.UNKNOWN, note="it does not import")
    both = as_gitlab(junit.render(report(findings=(finding(), unknown))))
    seen = both["environment", "goldlock.mini.environment", "packages"]
    assert (seen.status, seen.output) == ("failed", "error: packages.numpy: expected 1.24.3, actual 1.24.4")
    assert "unknown: packages.scipy: it does not import" in junit.render(
        report(findings=(finding(), unknown))
    )
    assert statuses(report(findings=(unknown,)))["environment/packages"] == "skipped"


def test_an_environment_that_could_not_be_looked_at_is_an_error() -> None:
    shown = report(failure=Failure(message="the probe died\nwith 3", hint="look"))
    seen = as_gitlab(junit.render(shown))["environment", "goldlock.mini.environment", "(environment)"]
    assert (seen.status, seen.output) == ("error", "the probe died\nwith 3\n-> look")


def test_a_table_that_fails_in_none_of_its_columns_still_fails() -> None:
    one = table(column(Rung.IDENTICAL), notes=("2 rows are missing",), actual_rows=148)
    shown = report(case(replace(one, rung=Rung.SCHEMA)))
    seen = as_gitlab(junit.render(shown))["batch", "goldlock.mini.batch", "(table)"]
    assert (seen.status, seen.output) == ("failed", "2 rows are missing")


def test_an_ignored_column_whose_schema_changed_fails() -> None:
    assert statuses(report(case(table(IGNORED))))["batch/seconds"] == "skipped"
    gone = replace(IGNORED, rung=Rung.SCHEMA, actual_type=None)
    assert statuses(report(case(table(gone))))["batch/seconds"] == "failed"


@pytest.mark.parametrize("word", [HOSTILE, MARKUP, "", "\ufffe\uffff\U0001f600", "]]>"])
def test_no_text_breaks_the_xml(word: str) -> None:
    root = check(junit.render(hostile(word)))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "".join(root.itertext()))


@given(st.text(st.characters()))
@settings(deadline=None)
def test_any_text_is_valid_xml(word: str) -> None:
    check(junit.render(hostile(word)))


@given(reports)
@settings(deadline=None)
def test_any_report_is_valid_and_says_so_where_it_is_no_match(shown: Report) -> None:
    root = check(junit.render(shown))
    bad = {tag for tag in ("failure", "error") if root.find(f".//{tag}") is not None}
    if shown.verdict is not Verdict.MATCH:
        assert bad
