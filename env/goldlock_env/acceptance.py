"""Differences that are known and accepted for a while: with a reason, until a date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from goldlock_env.findings import Finding, Status

SOON = 14
"""Days before its end from which on an acceptance is told to end."""
ALL = "all"
"""Key of the finding on a layer that is unknown as a whole; difference.py has it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One accepted difference."""

    finding: str
    """Name of the finding, layer and key: ``packages.certifi``."""
    reason: str
    until: dt.date
    """The last day on which it holds."""
    actual: str | None = None
    """The value that is accepted; None: any."""

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding, expired or not."""
        return self.finding == finding.name and self.actual in {None, finding.actual}


def accepting(
    findings: Iterable[Finding], acceptances: Sequence[Acceptance], today: dt.date
) -> tuple[Finding, ...]:
    """Return the findings, those that are accepted today marked so, those whose acceptance expired told so.

    An unknown is nothing that can be accepted.
    """
    return tuple(_marked(finding, acceptances, today) for finding in findings)


def notes(findings: Sequence[Finding], acceptances: Iterable[Acceptance], today: dt.date) -> tuple[str, ...]:
    """What is to be said of the acceptances themselves: that one ends soon, or that nothing is left of its reason.

    ``findings`` are all of a run. Nothing is said of one whose finding, or whole layer, nobody could look at.
    """
    unseen = {finding.name for finding in findings if finding.status is Status.UNKNOWN}
    said = []
    for each in sorted(acceptances, key=lambda each: (each.until, each.finding)):
        there = [finding for finding in findings if finding.name == each.finding]
        if any(each.covers(finding) and finding.name not in unseen for finding in there):
            left = (each.until - today).days
            if 0 <= left <= SOON:
                when = "today" if not left else f"in {left} day{'s' if left > 1 else ''}"
                said.append(
                    f"{each.finding} is accepted until {each.until.isoformat()} only, which ends {when}: {each.reason}"
                )
        elif not unseen & {each.finding, f"{each.finding.partition('.')[0]}.{ALL}"}:
            other = f", and it is {there[0].actual or 'missing'}" if there else ", and it does not differ"
            said.append(
                f"goldlock.toml accepts {each.finding}"
                + (f" as {each.actual}" if each.actual is not None else "")
                + f" until {each.until.isoformat()}{other}: the entry did nothing"
            )
    return tuple(said)


def _marked(finding: Finding, acceptances: Sequence[Acceptance], today: dt.date) -> Finding:
    if finding.status in {Status.SAME, Status.UNKNOWN}:
        return finding
    covering = [each for each in acceptances if each.covers(finding)]
    holding = [each for each in covering if today <= each.until]
    if holding:
        latest = max(holding, key=lambda each: each.until)
        return replace(finding, accepted=f"{latest.reason} (until {latest.until.isoformat()})")
    if covering:
        expired = max(each.until for each in covering)
        note = f"was accepted until {expired.isoformat()}, which has passed"
        return replace(finding, note=f"{finding.note}; {note}" if finding.note else note)
    return finding
