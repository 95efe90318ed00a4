"""SARIF 2.1.0: valid by the standard's schema, and with what GitHub code scanning needs beyond it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.harness.reports import (
    DRIFTED,
    EVERYTHING,
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

from goldlock.render import sarif
from goldlock.report import FailOn, Failure, Report
from goldlock.results import Rung
from goldlock_env.findings import Layer, Severity, Status

OFFICIAL = json.loads(
    (Path(__file__).parent / "schemas" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft4Validator(OFFICIAL, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def log(shown: Report) -> Any:  # noqa: ANN401
    written = sarif.render(shown)
    assert written.isascii()
    document = json.loads(written)
    VALIDATOR.validate(document)
    return document


def run(shown: Report) -> Any:  # noqa: ANN401
    (found,) = log(shown)["runs"]
    return found


def results(shown: Report) -> list[Any]:
    whole = run(shown)
    found, rules = whole["results"], whole["tool"]["driver"]["rules"]
    for each in found:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
        (location,) = each["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert not urlsplit(uri).scheme
        # GitHub shows no result without a line.
        assert location["physicalLocation"]["region"] == {"startLine": 1}
        assert each["message"]["text"]
    return list(found)


def told(result: Any) -> tuple[str, str, str]:  # noqa: ANN401
    """Rule, level and file."""
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    return result["ruleId"], result["level"], uri


def test_what_counts_is_a_result_at_the_file_that_recorded_it() -> None:
    found = results(EVERYTHING)
    assert [told(each) for each in found] == [
        ("environment/packages", "error", "goldlock.lock"),
        ("environment/python", "error", "goldlock.lock"),
        ("environment/golden", "error", "goldens/bad/golden.toml"),
        ("environment/packages", "warning", "goldlock.lock"),
        ("output/drifted", "error", "goldens/bad/golden.toml"),
        ("output/flipped", "error", "goldens/bad/golden.toml"),
        ("output/schema", "error", "goldens/bad/golden.toml"),
        ("output/known-bad", "error", "goldens/wrong/golden.toml"),
    ]
    assert [each["message"]["text"].splitlines()[0] for each in found[4:]] == [
        (
            "case bad, column p_setosa: drifted; 3 of 150 values (2.00%); 1 row with another largest value, "
            "2 rows with the others in another order; would pass at atol >= 0.25"
        ),
        "case bad, column label: flipped; 2 of 150 values (1.33%); 'setosa' became 'virginica' 2 times",
        "case bad, column p_new: schema; expected float64, actual none",
        "case wrong: the outputs match the known-bad golden swapped: the classes stand in another order",
    ]
    assert found[4]["properties"] == {
        "count": 3,
        "size": 150,
        "differing": 9,
        "tolerance": "probability, rtol 0.0001, atol 1e-06, ulp 4",
        "wouldPassAt": "atol >= 0.25",
    }


def test_an_accepted_difference_is_suppressed_with_its_reason() -> None:
    found = [each for each in results(EVERYTHING) if "suppressions" in each]
    assert [each["suppressions"] for each in found] == [
        [
            {
                "kind": "external",
                "status": "accepted",
                "justification": "only the list of authorities, see the review of May",
            }
        ]
    ]


def test_unknowns_and_what_does_not_count_are_notifications() -> None:
    (invocation,) = run(EVERYTHING)["invocations"]
    notices = invocation["toolExecutionNotifications"]
    assert [(each["descriptor"]["id"], each["level"], each["message"]["text"]) for each in notices] == [
        (
            "notice/could-not-run",
            "error",
            "case gone: `predict.py ...` ended with exit code 1:\nboom\n-> run it by hand",
        ),
        ("notice/not-counted", "warning", "packages.left-pad: not expected: 1.0"),
        (
            "notice/not-counted",
            "note",
            "image.base: expected sha256:cae662172fd4, actual sha256:e84525a9aea4",
        ),
        ("notice/unknown", "warning", "numerics.blas is unknown: numpy does not import"),
    ]
    described = run(EVERYTHING)["tool"]["driver"]["notifications"]
    assert all(described[each["descriptor"]["index"]]["id"] == each["descriptor"]["id"] for each in notices)


@pytest.mark.parametrize(
    ("shown", "successful", "code", "description"),
    [
        (report(), True, 0, "match"),
        (report(case(table(DRIFTED))), True, 1, "drift"),
        (report(failure=Failure(message="m")), False, 3, "could not run"),
        (report(case(None, failure=Failure(message="m"))), False, 3, "could not run"),
        (EVERYTHING, False, 1, "drift"),
    ],
    ids=["match", "drift", "environment", "case", "both"],
)
def test_the_invocation_says_how_the_run_ended(
    shown: Report, successful: bool, code: int, description: str
) -> None:
    (invocation,) = run(shown)["invocations"]
    assert invocation["executionSuccessful"] is successful
    assert (invocation["exitCode"], invocation["exitCodeDescription"]) == (code, description)


def test_the_run_says_what_made_it() -> None:
    (invocation,) = run(EVERYTHING)["invocations"]
    assert invocation["commandLine"] == "goldlock verify --json report.json"
    assert invocation["endTimeUtc"] == "2026-11-22T03:00:00Z"
    assert run(EVERYTHING)["automationDetails"] == {"id": "goldlock/mini/"}
    assert log(EVERYTHING)["$schema"] == OFFICIAL["id"]
    assert run(EVERYTHING)["tool"]["driver"]["version"] == "0.1.0"


def test_a_time_in_utc_ends_with_z() -> None:
    (invocation,) = run(replace(EVERYTHING, created="2026-11-22T03:00:00+00:00"))["invocations"]
    assert invocation["endTimeUtc"] == "2026-11-22T03:00:00Z"


def test_there_is_a_rule_with_help_for_every_layer_and_failing_rung() -> None:
    rules = run(report())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [
        *(f"environment/{layer}" for layer in Layer),
        *(f"output/{rung.value}" for rung in Rung if not rung.passes),
        "output/known-bad",
    ]
    for rule in rules:
        assert rule["help"]["text"]
        assert "goldlock" in rule["help"]["markdown"]
        assert rule["shortDescription"]["text"]
        assert rule["name"].isalnum()
    assert {rule["name"] for rule in rules} >= {"EnvironmentOs", "OutputKnownBad"}


@pytest.mark.parametrize("fail_on", FailOn)
@pytest.mark.parametrize("severity", Severity)
def test_the_level_is_the_severity_of_what_counts(severity: Severity, fail_on: FailOn) -> None:
    found = results(report(findings=(finding(severity),), fail_on=fail_on))
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    expected = [levels[severity]] if fail_on.counts(finding(severity)) else []
    assert [each["level"] for each in found] == expected
    accepted = results(report(findings=(finding(severity, accepted="why"),), fail_on=fail_on))
    assert [each["level"] for each in accepted] == [levels[severity]]


def marks(shown: Report) -> list[str]:
    return [each["partialFingerprints"]["primaryLocationLineHash"] for each in results(shown)]


def test_an_alert_is_known_again_however_far_it_is_off() -> None:
    later = report(
        case(table(replace(DRIFTED, count=77, would_pass="atol >= 3"))),
        findings=(finding(actual="1.25.0"),),
        image="mini:2",
        engine="another",
        created="2027-01-01T00:00:00Z",
        lock_id=None,
    )
    assert marks(later) == marks(report(case(table(DRIFTED)), findings=(finding(),)))


def test_different_alerts_are_told_apart() -> None:
    shown = [
        EVERYTHING,
        report(case(table(DRIFTED), "bad", variant="avx2")),
        report(case(table(DRIFTED), "bad"), subject="other"),
        report(case(replace(table(column(Rung.IDENTICAL)), rung=Rung.SCHEMA), "bad")),
    ]
    counted = Counter(mark for each in shown for mark in marks(each))
    assert set(counted.values()) == {1}
    assert all(mark.endswith(":1") and len(mark) == 18 for mark in counted)


def test_a_variant_s_result_stands_at_its_own_golden() -> None:
    assert (
        told(results(report(case(table(DRIFTED), variant="avx2")))[0])[2] == "goldens/batch@avx2/golden.toml"
    )


def test_findings_about_goldens_stand_at_them_and_others_at_the_configuration() -> None:
    def place(key: str, layer: Layer = Layer.GOLDEN) -> str:
        shown = report(case(table(), "a"), case(table(), "ab"), findings=(finding(key=key, layer=layer),))
        return told(results(shown)[0])[2]

    assert place("a/golden.toml") == "goldens/a/golden.toml"
    assert place("ab: inputs.csv") == "goldens/ab/golden.toml"
    assert place("goldens/ab/outputs.csv") == "goldens/ab/golden.toml"
    assert place("nobody's") == "goldlock.toml"
    assert place("integrity", Layer.LOCK) == "goldlock.lock"


def test_a_path_is_a_relative_uri() -> None:
    shown = report(case(table(DRIFTED), golden="a b/c#d?e%f/\u00e9"))
    uri = told(results(shown)[0])[2]
    assert uri == "a%20b/c%23d%3Fe%25f/%C3%A9/golden.toml"
    assert unquote(uri) == "a b/c#d?e%f/\u00e9/golden.toml"


def test_a_message_has_neither_placeholders_nor_links() -> None:
    shown = report(findings=(finding(actual="{0} [click](https://e.example)"),))
    (found,) = results(shown)
    assert "{{0}} [click] (https://e.example)" in found["message"]["text"]


@pytest.mark.parametrize("word", [HOSTILE, MARKUP, "", "a/b"])
def test_no_text_breaks_the_log(word: str) -> None:
    results(hostile(word))


@given(st.text(st.characters()))
@settings(deadline=None)
def test_any_text_is_a_valid_log(word: str) -> None:
    results(hostile(word))


@given(reports)
@settings(deadline=None)
def test_any_report_is_a_valid_log_with_a_result_for_every_drift(shown: Report) -> None:
    found = results(shown)
    counted = [each for each in shown.findings if shown.fail_on.counts(each) or each.accepted]
    counted = [each for each in counted if each.status not in {Status.UNKNOWN, Status.SAME}]
    of_layers = [each for each in found if each["ruleId"].startswith("environment/")]
    assert len(of_layers) >= len(counted)
    for each in shown.cases:
        if each.table is not None and not each.table.passes:
            assert any(result["ruleId"].startswith("output/") for result in found)
