"""Gathering findings: each with the severity that the policy gives it."""

from __future__ import annotations

from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.policy import Policy


class Findings:
    """Findings so far. What the policy ignores never comes in."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._found: list[Finding] = []

    def add(
        self,
        layer: Layer,
        key: str,
        expected: str | None,
        actual: str | None,
        default: Severity,
        note: str = "",
    ) -> None:
        """A difference; its status follows from which of the values is there."""
        severity = self._policy.severity(layer, key, default)
        if severity is None:
            return
        if expected is None:
            status = Status.EXTRA
        elif actual is None:
            status = Status.MISSING
        else:
            status = Status.CHANGED
        self._found.append(
            Finding(
                layer=layer,
                key=key,
                expected=expected,
                actual=actual,
                status=status,
                severity=severity,
                note=note,
            )
        )

    def differ(
        self,
        layer: Layer,
        key: str,
        expected: str | None,
        actual: str | None,
        default: Severity,
        note: str = "",
    ) -> bool:
        """Add a difference if the values differ; whether they do."""
        if expected == actual:
            return False
        self.add(layer, key, expected, actual, default, note)
        return True

    def unknown(
        self, layer: Layer, key: str, note: str, *, expected: str | None = None, actual: str | None = None
    ) -> None:
        """Something nobody could look at. Always info: an unknown is neither a difference nor a match."""
        if self._policy.ignores(layer, key):
            return
        self._found.append(
            Finding(
                layer=layer,
                key=key,
                expected=expected,
                actual=actual,
                status=Status.UNKNOWN,
                severity=Severity.INFO,
                note=note,
            )
        )

    def ignores(self, layer: Layer, key: str) -> bool:
        """Whether the policy leaves such a finding out altogether."""
        return self._policy.ignores(layer, key)

    def sorted(self) -> tuple[Finding, ...]:
        """Errors first, differences before unknowns, then by layer and key."""
        return tuple(
            sorted(
                self._found,
                key=lambda one: (
                    one.severity.rank,
                    one.status is Status.UNKNOWN,
                    one.layer.position,
                    not one.explains,
                    one.key,
                    one.expected or "",
                    one.actual or "",
                ),
            )
        )
