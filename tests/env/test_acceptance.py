"""Differences that people accepted for a while: what is marked, what comes back, what cannot be accepted."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from goldlock_env.acceptance import Acceptance, accepting, notes
from goldlock_env.findings import Finding, Layer, Severity, Status

TODAY = dt.date(2026, 11, 22)
CERTIFI = Finding(
    layer=Layer.PACKAGES,
    key="certifi",
    expected="2023.1",
    actual="2026.1",
    status=Status.CHANGED,
    severity=Severity.ERROR,
)
KNOWN = Acceptance(finding="packages.certifi", reason="root certificates only", until=TODAY)


def test_an_accepted_difference_says_why_and_until_when_and_stays_a_difference() -> None:
    (found,) = accepting([CERTIFI], [KNOWN], TODAY)
    assert found == replace(CERTIFI, accepted="root certificates only (until 2026-11-22)")


def test_it_comes_back_on_the_day_after_and_says_that_it_was_accepted() -> None:
    (found,) = accepting([CERTIFI], [KNOWN], TODAY + dt.timedelta(days=1))
    assert found.accepted == ""
    assert found.note == "was accepted until 2026-11-22, which has passed"


def test_a_note_that_stood_there_before_stays() -> None:
    (found,) = accepting([replace(CERTIFI, note="why")], [KNOWN], TODAY + dt.timedelta(days=1))
    assert found.note == "why; was accepted until 2026-11-22, which has passed"


def test_the_acceptance_that_holds_longest_is_told() -> None:
    later = replace(KNOWN, reason="again", until=TODAY + dt.timedelta(days=5))
    expired = replace(KNOWN, reason="once", until=TODAY - dt.timedelta(days=5))
    (found,) = accepting([CERTIFI], [expired, later, KNOWN], TODAY)
    assert found.accepted == "again (until 2026-11-27)"


@pytest.mark.parametrize(
    "other",
    [
        replace(CERTIFI, key="certifi-extra"),
        replace(CERTIFI, layer=Layer.OS),
        replace(CERTIFI, status=Status.UNKNOWN),
    ],
    ids=["another key", "another layer", "an unknown"],
)
def test_nothing_else_is_accepted(other: Finding) -> None:
    assert accepting([other], [KNOWN], TODAY) == (other,)


def test_one_value_may_be_accepted_and_no_other() -> None:
    only = replace(KNOWN, actual="2026.1")
    newer = replace(CERTIFI, actual="2026.2")
    first, second = accepting([CERTIFI, newer], [only], TODAY)
    assert first.accepted
    assert second == newer


def _said(
    *acceptances: Acceptance, today: dt.date = TODAY, findings: tuple[Finding, ...] = (CERTIFI,)
) -> list[str]:
    return list(notes(findings, acceptances, today))


@pytest.mark.parametrize(
    ("days", "when"), [(0, "ends today"), (1, "ends in 1 day:"), (14, "ends in 14 days:"), (15, ""), (-1, "")]
)
def test_an_acceptance_that_ends_soon_is_told(days: int, when: str) -> None:
    said = _said(replace(KNOWN, until=TODAY + dt.timedelta(days=days)))
    assert len(said) == bool(when)
    assert not when or (when in said[0] and said[0].startswith("packages.certifi is accepted until 20"))


def test_an_acceptance_that_did_nothing_is_told() -> None:
    later = replace(KNOWN, until=TODAY + dt.timedelta(days=90))
    assert _said(later) == []
    assert _said(later, findings=()) == [
        "goldlock.toml accepts packages.certifi until 2027-02-20, and it does not differ: the entry did nothing"
    ]
    assert _said(replace(later, actual="2025.1")) == [
        "goldlock.toml accepts packages.certifi as 2025.1 until 2027-02-20, and it is 2026.1: the entry did nothing"
    ]


@pytest.mark.parametrize("key", ["certifi", "all"])
def test_nothing_is_said_of_what_nobody_could_look_at(key: str) -> None:
    unknown = replace(CERTIFI, key=key, status=Status.UNKNOWN)
    assert _said(KNOWN, replace(KNOWN, until=TODAY - dt.timedelta(days=9)), findings=(unknown,)) == []
