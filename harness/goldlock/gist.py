"""What a reader has to know first: the causes among the findings that explain many of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldlock_env.findings import IMPOSSIBLE, Finding, Layer, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable


def gist(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The causes, the most basic first, a sentence each without its full stop; none where there is no such cause.

    An interpreter of another implementation or minor version, then the packages that cannot exist on it. What is
    accepted, or is no error by the policy, is no cause.
    """
    told = {
        finding.name: finding
        for finding in findings
        if finding.explains
        and finding.status is Status.CHANGED
        and finding.severity is Severity.ERROR
        and not finding.accepted
    }
    kind, version = told.get("python.implementation"), told.get("python.version")
    impossible = told.get(f"{Layer.PACKAGES}.{IMPOSSIBLE}")
    return (
        *([_interpreter(kind, version)] if kind or version else []),
        *([impossible.note] if impossible and impossible.note else []),
    )


def _interpreter(kind: Finding | None, version: Finding | None) -> str:
    actual = [each.actual or "" for each in (kind, version) if each]
    expected = [each.expected or "" for each in (kind, version) if each]
    return f"{'' if kind else 'Python '}{' '.join(actual)}, where {' '.join(expected)} is expected"
