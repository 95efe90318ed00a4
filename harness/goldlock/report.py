"""The report: one value that says what was checked, what differs and what that means.

Every renderer (terminal, JSON and those to come) reads this value and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from goldlock_env.findings import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from goldlock.results import Rung, TableResult
    from goldlock_env.findings import Finding

REPORT_VERSION = "1.0"


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

    def counts(self, finding: Finding) -> bool:
        """Whether a finding of the environment makes a drift."""
        if finding.status in {Status.SAME, Status.UNKNOWN} or self is FailOn.OUTPUTS:
            return False
        if self is FailOn.WARNING:
            return finding.severity is not Severity.INFO
        return finding.severity is Severity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a case could not be run."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
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

    @property
    def verdict(self) -> Verdict:
        """This case alone."""
        if self.table is None:
            return Verdict.COULD_NOT_RUN
        return Verdict.MATCH if self.table.passes else Verdict.DRIFT

    @property
    def rung(self) -> Rung | None:
        """How far the outputs are from the golden; None where there are none."""
        return None if self.table is None else self.table.rung


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
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
    snapshot: Mapping[str, object] = field(default_factory=dict)
    """What the probe saw, so that two saved reports can be compared later."""
    notes: tuple[str, ...] = ()
    fail_on: FailOn = FailOn.ERROR
    failure: Failure | None = None
    """Why the environment could not be looked at."""

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
        if self.failure is not None or Verdict.COULD_NOT_RUN in verdicts:
            return Verdict.COULD_NOT_RUN
        return Verdict.MATCH


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings without repetition, heaviest first, unknowns last, in the order of layers."""
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda f: (f.status is Status.UNKNOWN, f.severity.rank, f.layer.position, f.key),
        )
    )
