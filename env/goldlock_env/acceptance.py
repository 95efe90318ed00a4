"""Differences that are known and accepted for a while: with a reason, until a date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from goldlock_env.findings import Finding, Status


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
