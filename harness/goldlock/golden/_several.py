"""All goldens of one case: the first, other right ones in ``FOLDER@NAME``, and answers known to be wrong."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from goldlock.golden._load import load
from goldlock.golden._manifest import is_variant_name
from goldlock.golden._value import MANIFEST, Golden, label
from goldlock_env.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock_env.findings import Finding, Layer, Severity, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Goldens:
    """The goldens of one case."""

    first: Golden
    """It holds the inputs, and is right for every lock and CPU, also where another one is keyed to them."""
    others: tuple[Golden, ...] = ()
    """Right ones for a certain lock or CPU; sorted by name."""
    bad: tuple[Golden, ...] = ()
    """Known to be wrong; sorted by name."""
    integrity: tuple[Finding, ...] = ()
    """What does not match its seal, of all of them. Another golden that is damaged is not in `others` or `bad`."""

    @property
    def right(self) -> tuple[Golden, ...]:
        return (self.first, *self.others)

    def for_environment(self, lock_id: str, cpu_level: str) -> tuple[Golden, ...]:
        """Return the right goldens for this lock and CPU, the most specific key first, the first golden last."""
        fitting = [golden for golden in self.others if golden.key.fits(lock_id, cpu_level)]
        return (*sorted(fitting, key=lambda golden: -golden.key.specific), self.first)

    def by_name(self, name: str) -> Golden | None:
        """Return the golden of that name, right or bad; the empty name is the first's."""
        return next((each for each in (*self.right, *self.bad) if each.name == name), None)


def sibling(folder: Path, name: str) -> Path:
    """Return the folder of a case's golden `name`, beside that of its first.

    Raises ConfigurationError for what cannot be such a name.
    """
    if not is_variant_name(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of a golden",
            hint="use letters, digits, dots, dashes and underscores, a letter or digit first",
        )
    return folder.with_name(f"{folder.name}@{name}")


def load_all(folder: Path) -> Goldens:
    """Return all goldens of the case whose first one is in `folder`; raises as `load` for the first one.

    Another one that is damaged, cannot be read, or answers other inputs is told in `integrity` and not used.
    """
    first = load(folder)
    findings, others = list(first.integrity), []
    for path in _siblings(folder):
        name = path.name.removeprefix(f"{folder.name}@")
        try:
            other = load(path)
            if (other.case, other.name) != (first.case, name):
                raise CouldNotRunError(
                    f"{path}: golden.toml calls this {label(other.case, other.name)!r}",
                    hint="take the folder from version control again, or remove it",
                )
        except GoldlockError as error:
            findings.append(_unusable(label(first.case, name), error))
            continue
        findings += other.integrity
        if not other.integrity:
            others.append(other)
    return Goldens(
        first=first,
        others=tuple(other for other in others if not other.bad),
        bad=tuple(other for other in others if other.bad),
        integrity=tuple(findings),
    )


def _siblings(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.parent.iterdir() if path.name.startswith(f"{folder.name}@") and path.is_dir()
    )


def _unusable(key: str, error: GoldlockError) -> Finding:
    return Finding(
        layer=Layer.GOLDEN,
        key=key,
        expected="a golden",
        actual=error.message,
        status=Status.CHANGED,
        severity=Severity.ERROR,
        note=f"it was not used; {error.hint}",
    )


def stale(folders: Collection[Path]) -> tuple[Finding, ...]:
    """Return the goldens that stand beside the given ones and belong to none of them.

    Findings: layer golden, status extra, severity warning; the key is the folder and the one it is in.
    """
    used = {folder.resolve() for folder in folders}
    findings = []
    for parent in sorted({folder.parent for folder in used}):
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            first = path.with_name(path.name.partition("@")[0])
            if path.name.startswith(".") or used & {path, first} or not (path / MANIFEST).is_file():
                continue
            findings.append(
                Finding(
                    layer=Layer.GOLDEN,
                    key=f"{parent.name}/{path.name}",
                    expected=None,
                    actual="a golden",
                    status=Status.EXTRA,
                    severity=Severity.WARNING,
                    note="no case uses it: remove the folder, or name it with golden = in goldlock.toml",
                )
            )
    return tuple(findings)
