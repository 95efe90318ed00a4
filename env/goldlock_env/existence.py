"""Which locked packages another interpreter has no room for, by what they say of themselves.

A package cannot exist on an interpreter that its Requires-Python leaves out: pip installs another version there or
none. One whose requirement has a marker that does not hold there is not expected there at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from goldlock_env.errors import CouldNotRunError
from goldlock_env.layers import Package, PackagesLayer
from goldlock_env.requirements import target_environment, target_of
from goldlock_env.snapshot import Snapshot

MOST_NAMED = 100
"""Packages that the sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What of the locked packages has no place on a target."""

    python: str = ""
    """The target's whole version."""
    impossible: tuple[Package, ...] = ()
    """Locked packages whose Requires-Python leaves the target out, the most demanding first."""
    excluded: frozenset[str] = frozenset()
    """Names of locked packages whose marker does not hold there."""
    locked: int = 0
    """How many packages are locked."""
    names: frozenset[str] = field(init=False)
    """Of those that are impossible."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(package.name for package in self.impossible))

    @property
    def demand(self) -> str:
        """What the impossible ones need that the target is not: ``>=3.8``."""
        version = Version(self.python)
        missed: set[Specifier] = set()
        for package in self.impossible:
            specifiers = SpecifierSet(package.requires_python or "")
            missed |= {each for each in specifiers if not each.contains(version, prereleases=True)}
        lowest = max((each for each in missed if each.operator == ">="), key=_bound, default=None)
        others = sorted(str(each) for each in missed if each.operator != ">=")
        return ", ".join([*([str(lowest)] if lowest else []), *others])

    @property
    def told(self) -> str:
        """The whole sentence, with what they need: ``2 of 3 ... on Python 3.6: a 1, b 2 (need >=3.8)``."""
        minor = ".".join(self.python.split(".")[:2])
        named = self.impossible[:MOST_NAMED]
        groups = []
        for need, alike in itertools.groupby(named, key=lambda package: package.requires_python):
            names = [f"{package.name} {package.version}" for package in alike]
            groups.append(f"{', '.join(names)} (need{'s' if len(names) == 1 else ''} {need})")
        more = len(self.impossible) - len(named)
        shown = "; ".join(groups) + (f"; and {more} more" if more else "")
        return (
            f"{len(self.impossible)} of {self.locked} locked packages cannot exist on Python {minor}: {shown}"
        )


def room(expected: PackagesLayer, actual: PackagesLayer, target: Snapshot) -> Room:
    """Judge the locked packages of which the target does not have the very version.

    What cannot be read (a specifier that is none, an interpreter nobody knows) leaves nothing out.
    """
    if target.python is None:
        return Room()
    try:
        version = Version(target.python.version)
    except InvalidVersion:
        return Room()
    installed = {package.name: package.version for package in actual.distributions}
    absent = [each for each in expected.distributions if installed.get(each.name, "") != each.version]
    excluded = _excluded(absent, target)
    impossible = [each for each in absent if each.name not in excluded and _leaves_out(each, version)]
    impossible.sort(key=lambda each: (_demand(each), each.requires_python or "", each.name))
    return Room(
        python=target.python.version,
        impossible=tuple(impossible),
        excluded=excluded,
        locked=len(expected.distributions),
    )


def _leaves_out(package: Package, version: Version) -> bool:
    try:
        specifiers = SpecifierSet(package.requires_python or "")
    except InvalidSpecifier:
        return False
    return not specifiers.contains(version, prereleases=True)


def _demand(package: Package) -> tuple[int, ...]:
    """Sorts the highest lower bound first."""
    bounds = [_bound(each) for each in SpecifierSet(package.requires_python or "") if each.operator == ">="]
    return tuple(-part for part in max(bounds).release) if bounds else ()


def _bound(specifier: Specifier) -> Version:
    return Version(specifier.version)


def _excluded(packages: list[Package], target: Snapshot) -> frozenset[str]:
    marked = [package for package in packages if package.marker]
    if not marked:
        return frozenset()
    try:
        environment = target_environment(target_of(target))
    except CouldNotRunError:
        return frozenset()
    return frozenset(package.name for package in marked if not _holds(package.marker, environment))


def _holds(marker: str, environment: Mapping[str, str]) -> bool:
    try:
        return Marker(marker).evaluate(dict(environment))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return True
