"""What a report's parts add up to: verdicts, exit codes, the order of findings."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goldlock.compare import Rung, TableResult
from goldlock.report import CaseReport, FailOn, Failure, Report, Verdict, sorted_findings
from goldlock_env.findings import Finding, Layer, Severity, Status

FAILURE = Failure(message="it died")
LENIENT = [each for each in FailOn if each is not FailOn.STRICT]


def finding(
    severity: Severity = Severity.ERROR,
    *,
    status: Status = Status.CHANGED,
    layer: Layer = Layer.PACKAGES,
    key: str = "numpy",
) -> Finding:
    return Finding(layer=layer, key=key, expected="1", actual="2", status=status, severity=severity)


def case(rung: Rung | None) -> CaseReport:
    table = None
    if rung is not None:
        table = TableResult(rung=rung, columns=(), notes=(), expected_rows=1, actual_rows=1)
    return CaseReport(
        name="batch",
        way="command",
        golden="goldens/batch",
        seconds=0.1,
        table=table,
        failure=None if table else FAILURE,
    )


def report(
    *cases: CaseReport,
    findings: tuple[Finding, ...] = (),
    fail_on: FailOn = FailOn.ERROR,
    failure: Failure | None = None,
) -> Report:
    return Report(
        goldlock_version="1",
        subject="mini",
        engine="docker",
        cases=cases,
        findings=findings,
        fail_on=fail_on,
        failure=failure,
    )


@pytest.mark.parametrize("rung", Rung)
def test_each_rung_gives_its_verdict(rung: Rung) -> None:
    passing = {Rung.IDENTICAL, Rung.ULP, Rung.TOLERANCE, Rung.EQUIVALENT}
    expected = Verdict.MATCH if rung in passing else Verdict.DRIFT
    assert case(rung).verdict is expected
    assert report(case(rung)).verdict is expected


def test_a_case_that_matches_a_known_bad_golden_has_drifted() -> None:
    bad = replace(case(Rung.IDENTICAL), known_bad="swapped: the classes stand in another order")
    assert bad.verdict is Verdict.DRIFT
    assert report(bad).verdict is Verdict.DRIFT


@pytest.mark.parametrize("fail_on", LENIENT)
@pytest.mark.parametrize("severity", Severity)
def test_an_accepted_difference_is_no_drift(severity: Severity, fail_on: FailOn) -> None:
    accepted = dataclasses.replace(finding(severity), accepted="the list of authorities only")
    assert not fail_on.counts(accepted)
    assert report(findings=(accepted,), fail_on=fail_on).verdict is Verdict.MATCH


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {verdict: verdict.exit_code for verdict in Verdict} == {
        Verdict.MATCH: 0,
        Verdict.DRIFT: 1,
        Verdict.COULD_NOT_RUN: 3,
    }


def test_a_case_without_an_answer_could_not_run() -> None:
    assert case(None).verdict is Verdict.COULD_NOT_RUN
    assert case(None).rung is None
    assert report(case(Rung.IDENTICAL), case(None)).verdict is Verdict.COULD_NOT_RUN


def test_an_environment_that_could_not_be_looked_at_is_no_match() -> None:
    assert report(case(Rung.IDENTICAL), failure=FAILURE).verdict is Verdict.COULD_NOT_RUN


def test_a_proven_drift_comes_before_what_could_not_run() -> None:
    assert report(case(None), case(Rung.FLIPPED)).verdict is Verdict.DRIFT
    assert report(case(Rung.DRIFTED), failure=FAILURE).verdict is Verdict.DRIFT
    assert report(case(None), findings=(finding(),)).verdict is Verdict.DRIFT


def test_nothing_to_complain_of_is_a_match() -> None:
    assert report().verdict is Verdict.MATCH


@pytest.mark.parametrize(
    ("fail_on", "counted"),
    [
        (FailOn.ERROR, {Severity.ERROR}),
        (FailOn.WARNING, {Severity.ERROR, Severity.WARNING}),
        (FailOn.OUTPUTS, set()),
        (FailOn.STRICT, {Severity.ERROR, Severity.WARNING}),
    ],
)
def test_fail_on_says_which_findings_make_a_drift(fail_on: FailOn, counted: set[Severity]) -> None:
    for severity in Severity:
        found = report(case(Rung.IDENTICAL), findings=(finding(severity),), fail_on=fail_on)
        assert found.verdict is (Verdict.DRIFT if severity in counted else Verdict.MATCH)


@pytest.mark.parametrize("fail_on", LENIENT)
def test_outputs_always_count_and_unknowns_never_do(fail_on: FailOn) -> None:
    assert report(case(Rung.DRIFTED), fail_on=fail_on).verdict is Verdict.DRIFT
    unknown = finding(status=Status.UNKNOWN)
    assert report(case(Rung.IDENTICAL), findings=(unknown,), fail_on=fail_on).verdict is Verdict.MATCH


@pytest.mark.parametrize("severity", Severity)
def test_strictly_what_is_accepted_counts_as_if_it_were_not(severity: Severity) -> None:
    accepted = dataclasses.replace(finding(severity), accepted="the list of authorities only")
    assert FailOn.STRICT.counts(accepted) is (severity is not Severity.INFO)


def test_strictly_an_unknown_is_no_match_and_no_drift_either() -> None:
    unknown = finding(status=Status.UNKNOWN)
    found = report(case(Rung.IDENTICAL), findings=(unknown,), fail_on=FailOn.STRICT)
    assert found.verdict is Verdict.COULD_NOT_RUN
    assert not FailOn.STRICT.counts(unknown)
    assert report(case(Rung.DRIFTED), findings=(unknown,), fail_on=FailOn.STRICT).verdict is Verdict.DRIFT


PYTHON = dataclasses.replace(finding(layer=Layer.PYTHON, key="version"), expected="3.8.18", actual="3.6.15")
KIND = dataclasses.replace(PYTHON, key="implementation", expected="cpython", actual="pypy")
NONE = dataclasses.replace(finding(key="requires-python"), note="1 of 2 locked packages cannot exist: a")


def test_the_gist_is_the_interpreter_and_what_cannot_exist_on_it() -> None:
    told = ("Python 3.6.15, where 3.8.18 is expected", "1 of 2 locked packages cannot exist: a")
    for order in itertools.permutations([NONE, finding(), PYTHON]):
        assert report(findings=order).gist == told
    assert report(findings=(KIND,)).gist == ("pypy, where cpython is expected",)
    assert report(findings=(KIND, PYTHON)).gist == ("pypy 3.6.15, where cpython 3.8.18 is expected",)
    assert report(findings=(finding(),)).gist == ()


@pytest.mark.parametrize(
    "change",
    [{"severity": Severity.WARNING}, {"accepted": "known"}, {"status": Status.UNKNOWN}],
    ids=["a patch version", "accepted", "unknown"],
)
def test_the_gist_leaves_out_what_makes_no_error(change: dict[str, object]) -> None:
    assert report(findings=(dataclasses.replace(PYTHON, **change),)).gist == ()  # type: ignore[arg-type]


def test_a_cause_stands_before_what_it_explains() -> None:
    before = finding(key="absl-py")
    assert sorted_findings([before, NONE]) == (NONE, before)


def test_findings_are_told_heaviest_first_in_the_order_of_layers_and_unknowns_last() -> None:
    expected = (
        finding(layer=Layer.PYTHON, key="version"),
        finding(layer=Layer.PACKAGES, key="absl"),
        finding(layer=Layer.PACKAGES, key="numpy"),
        finding(Severity.WARNING, layer=Layer.PYTHON, key="build"),
        finding(Severity.INFO, layer=Layer.OS, key="libc"),
        finding(layer=Layer.PYTHON, key="abi", status=Status.UNKNOWN),
    )
    for order in itertools.permutations(expected):
        assert sorted_findings(order) == expected


def test_one_finding_seen_in_two_sessions_is_told_once() -> None:
    assert sorted_findings([finding(), finding()]) == (finding(),)


verdicts = st.sampled_from([*Rung, None])


@given(st.lists(verdicts), st.booleans())
def test_the_verdict_does_not_depend_on_the_order_of_cases(rungs: list[Rung | None], broken: bool) -> None:
    failure = FAILURE if broken else None
    forward = report(*map(case, rungs), failure=failure)
    backward = report(*map(case, reversed(rungs)), failure=failure)
    assert forward.verdict is backward.verdict
