"""The report: one value that says what was checked, what differs and what that means.

Every renderer (terminal, JSON and those to come) reads this value and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

import msgspec

from goldlock.gist import gist
from goldlock.results import InputRows, Record, Rung, TableResult
from goldlock_env.findings import Finding, Layer, Severity, Status

REPORT_VERSION = "2.0"


class Verdict(str, Enum):
    """What a run found."""

    MATCH = "match"
    DRIFT = "drift"
    COULD_NOT_RUN = "could not run"

    @property
    def exit_code(self) -> int:
        """The process's exit code: 0, 1 or 3."""
        return {Verdict.MATCH: 0, Verdict.DRIFT: 1, Verdict.COULD_NOT_RUN: 3}[self]


class FailOn(str, Enum):
    """Which findings make a drift."""

    ERROR = "error"
    """Outputs, and findings of severity error."""
    WARNING = "warning"
    """Outputs, and findings of severity error or warning."""
    OUTPUTS = "outputs"
    """Outputs only: the environment is told, not judged."""
    STRICT = "strict"
    """Outputs, findings of severity error or warning whether accepted or not, and what could not be looked at."""

    def counts(self, finding: Finding) -> bool:
        """Whether a finding of the environment makes a drift."""
        if finding.status in {Status.SAME, Status.UNKNOWN} or self is FailOn.OUTPUTS:
            return False
        if self is FailOn.STRICT:
            return finding.severity is not Severity.INFO
        if finding.accepted:
            return False
        if self is FailOn.WARNING:
            return finding.severity is not Severity.INFO
        return finding.severity is Severity.ERROR

    def misses(self, finding: Finding) -> bool:
        """Whether it is an unknown that may not be one: no difference, and no match either."""
        return self is FailOn.STRICT and finding.status is Status.UNKNOWN


class Failure(Record, frozen=True, kw_only=True):
    """Why a case could not be run."""

    message: str
    hint: str = ""


class CaseReport(Record, frozen=True, kw_only=True):
    """One case: its comparison, or why there is none."""

    name: str
    way: str
    """`command` or `http`."""
    golden: str
    """The golden's folder, relative to goldlock.toml."""
    seconds: float
    """From the question to the answer; starting the subject is not in it."""
    table: TableResult | None = None
    failure: Failure | None = None
    inputs: InputRows | None = None
    """Of the rows that `table` shows; None where none is shown or the inputs are no table of as many rows."""
    variant: str = ""
    """Which of several right goldens was compared with; empty for the only or first one."""
    known_bad: str = ""
    """The known-bad golden that the answer matches: its name and reason. A case that matches one has drifted."""
    notes: tuple[str, ...] = ()
    """About the case: a golden that could not be used, another one that was closer."""

    @property
    def verdict(self) -> Verdict:
        """This case alone."""
        if self.table is None:
            return Verdict.COULD_NOT_RUN
        return Verdict.MATCH if self.table.passes and not self.known_bad else Verdict.DRIFT

    @property
    def rung(self) -> Rung | None:
        """How far the outputs are from the golden; None where there are none."""
        return None if self.table is None else self.table.rung


class Report(Record, frozen=True, kw_only=True):
    """Everything one run found."""

    goldlock_version: str
    subject: str
    engine: str
    """Name and version of what ran the subject."""
    image: str | None = None
    """Reference of the image, None where none is involved."""
    lock_id: str | None = None
    """Id of the lock that was compared with, None where there is none."""
    findings: tuple[Finding, ...] = ()
    """Of the environment, lock and goldens: differences and unknowns, errors first."""
    cases: tuple[CaseReport, ...] = ()
    snapshot: dict[str, Any] = msgspec.field(default_factory=dict)
    """What the probe saw, so that two saved reports can be compared later."""
    notes: tuple[str, ...] = ()
    fail_on: FailOn = FailOn.ERROR
    failure: Failure | None = None
    """Why the environment could not be looked at."""
    created: str = ""
    """When, ISO 8601 in UTC, to the second; empty where nobody said."""
    command: str = ""
    """The command line that made this report, for whoever wants to see it again."""
    layers: tuple[Layer, ...] = ()
    """The layers of the environment that were looked at, whether they differ or not."""

    @property
    def gist(self) -> tuple[str, ...]:
        """What a reader has to know first: the causes that explain many of the findings."""
        return gist(self.findings)

    @property
    def verdict(self) -> Verdict:
        """Drift where one is proven, else could not run where something was not answered, else match.

        A proven drift comes first: that a case can't be run is then its consequence, not a doubt.
        """
        if any(self.fail_on.counts(finding) for finding in self.findings):
            return Verdict.DRIFT
        verdicts = {case.verdict for case in self.cases}
        if Verdict.DRIFT in verdicts:
            return Verdict.DRIFT
        if (
            self.failure is not None
            or Verdict.COULD_NOT_RUN in verdicts
            or any(self.fail_on.misses(finding) for finding in self.findings)
        ):
            return Verdict.COULD_NOT_RUN
        return Verdict.MATCH


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings without repetition, heaviest first, unknowns last, in the order of layers."""
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda f: (
                f.status is Status.UNKNOWN,
                f.severity.rank,
                f.layer.position,
                not f.explains,
                f.key,
            ),
        )
    )
