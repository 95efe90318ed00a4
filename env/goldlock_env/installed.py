"""What differs between two sets of installed packages."""

from __future__ import annotations

import re

from goldlock_env.collecting import Findings
from goldlock_env.existence import Room
from goldlock_env.findings import FOLLOWS, IMPOSSIBLE, Layer, Severity
from goldlock_env.layers import Package, PackagesLayer, Pairs

MOST_FILES = 50
"""Files of one package that are named one by one; the rest is counted."""

_LAYER = Layer.PACKAGES
_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def compare_packages(
    found: Findings, expected: PackagesLayer, actual: PackagesLayer, *, minors: tuple[str, str], room: Room
) -> None:
    """Add what differs. ``minors`` names both interpreters (``cpython 3.8``), empty when unknown.

    That a package cannot exist where the target is explains that it is missing there, or another version.
    """
    if room.impossible:
        found.add(_LAYER, IMPOSSIBLE, room.demand, room.python, _ERROR, room.told)
    weights = dict.fromkeys(room.names, (_INFO, FOLLOWS))
    plain = (_ERROR, "")
    if actual.unknown:
        found.unknown(_LAYER, "path", actual.unknown)
    if not (expected.hashed and actual.hashed):
        side = "in this run" if expected.hashed else "for what is expected"
        found.unknown(_LAYER, "files", f"the installed files were not hashed {side}")
    before = {package.name: package for package in expected.distributions}
    after = {package.name: package for package in actual.distributions}
    for name in sorted(before.keys() - after.keys() - room.excluded):
        if actual.unknown:
            found.unknown(
                _LAYER,
                name,
                "not found, and it may be where nobody could look",
                expected=_version(before[name]),
            )
        else:
            found.add(_LAYER, name, _version(before[name]), None, *weights.get(name, plain))
    for name in sorted(after.keys() - before.keys()):
        found.add(_LAYER, name, None, _version(after[name]), _WARNING)
        _files(found, Package(name=name, version=None), after[name])
    other_wheels, uncompiled = [], []
    hashed = expected.hashed and actual.hashed
    for name in sorted(before.keys() & after.keys()):
        one, other = before[name], after[name]
        same = not found.differ(_LAYER, name, _version(one), _version(other), *weights.get(name, plain))
        altered = _files(found, one if same else Package(name=name, version=None), other)
        if one.editable != other.editable:
            kinds = ("installed", "editable")
            found.add(_LAYER, f"{name}: editable", kinds[one.editable], kinds[other.editable], _INFO)
        # A cause that is told already (another version, an altered file) explains the digests.
        if not same or altered:
            continue
        if minors[0] != minors[1]:
            if (
                None not in (one.record_sha256, other.record_sha256)
                and one.record_sha256 != other.record_sha256
            ):
                other_wheels.append(name)
        elif not _record(found, one, other) and hashed and _bytecode(found, one, other):
            uncompiled.append(name)
    if other_wheels:
        note = "other files for another Python, as it has to be: " + _some(other_wheels)
        found.add(_LAYER, "RECORD", f"wheels of {minors[0]}", f"wheels of {minors[1]}", _INFO, note)
    if uncompiled:
        note = "without the locked bytecode Python compiles the verified sources: " + _some(uncompiled)
        found.add(_LAYER, "bytecode", "compiled beforehand", None, _INFO, note)
    _shadowed(found, expected, actual)
    _conda(found, expected, actual)


def _conda(found: Findings, expected: PackagesLayer, actual: PackagesLayer) -> None:
    """Conda's own packages: MKL or OpenBLAS, the compiler's runtime, CUDA. Python packages told above are not told again."""
    if expected.conda is None or actual.conda is None:
        if expected.conda != actual.conda:
            note = "conda's own packages are on one side only, and not compared one by one"
            found.add(_LAYER, "conda", _count(expected.conda), _count(actual.conda), _WARNING, note)
        return
    names, others = (
        {package.name: package.version for package in side.distributions} for side in (expected, actual)
    )
    told = {name for name in names.keys() | others.keys() if names.get(name) != others.get(name)}
    before, after = dict(expected.conda), dict(actual.conda)
    for name in sorted({*before, *after}):
        if re.sub(r"[-_.]+", "-", name).lower() not in told:
            found.differ(_LAYER, f"conda: {name}", before.get(name), after.get(name), _WARNING)


def _count(conda: Pairs | None) -> str:
    return "not conda's" if conda is None else f"{len(conda)} packages of conda"


def _files(found: Findings, expected: Package, actual: Package) -> bool:
    """Installed files that are not as they were; whether there are any."""
    name = actual.name
    locked = {file.path: file.actual for file in expected.altered}
    now = {file.path: file for file in actual.altered}
    told = 0
    for path in sorted({*locked, *now}):
        file = now.get(path)
        if file is None:
            # Locked as altered: as RECORD promises it, it is not as it was locked.
            promised = next(one.expected for one in expected.altered if one.path == path)
            if path not in actual.missing and actual.files is not None:
                told += _file(found, name, path, locked[path], promised, told)
        elif locked.get(path) != file.actual:
            told += _file(found, name, path, locked.get(path, file.expected), file.actual, told)
    for path in sorted(set(actual.missing) - set(expected.missing)):
        told += _file(found, name, path, "installed", None, told)
    if actual.files is not None:
        for path in sorted(set(expected.missing) - set(actual.missing)):
            told += _file(found, name, path, None, "installed", told)
    if told > MOST_FILES:
        more = f"{told - MOST_FILES} more files"
        found.add(
            _LAYER, f"{name}: files", "as installed", more, _ERROR, "altered or missing; not named one by one"
        )
    if actual.unknown:
        found.unknown(_LAYER, f"{name}: files", actual.unknown)
    return told > 0


def _file(found: Findings, name: str, path: str, expected: str | None, actual: str | None, told: int) -> int:
    if told < MOST_FILES:
        note = "an installed file that RECORD promises is not there" if actual is None else ""
        found.add(_LAYER, f"{name}: {path}", expected, actual, _ERROR, note)
    return 1


def _record(found: Findings, expected: Package, actual: Package) -> bool:
    """RECORD against the locked one; whether it differs or is unknown."""
    one, other = expected.record_sha256, actual.record_sha256
    key = f"{actual.name}: RECORD"
    if one is not None and other is not None:
        note = "the same version with other contents: another wheel, or files changed and RECORD rewritten"
        return found.differ(_LAYER, key, one, other, _ERROR, note)
    if one == other:
        return False
    found.unknown(_LAYER, key, actual.unknown or expected.unknown or "no RECORD", expected=one, actual=other)
    return True


def _bytecode(found: Findings, expected: Package, actual: Package) -> bool:
    """Unchecked bytecode against the locked; True when there is none any more, which harms nothing."""
    one, other = expected.bytecode_sha256, actual.bytecode_sha256
    if one is not None and other is None:
        return True
    note = "Python runs this bytecode without looking at its source"
    found.differ(_LAYER, f"{actual.name}: bytecode", one, other, _ERROR, note)
    return False


def _shadowed(found: Findings, expected: PackagesLayer, actual: PackagesLayer) -> None:
    one = {(shadowed.name, shadowed.version) for shadowed in expected.shadowed}
    other = {(shadowed.name, shadowed.version) for shadowed in actual.shadowed}
    for name, version in sorted(other - one, key=str):
        note = "installed twice: another one comes first on sys.path and is the one that is imported"
        found.add(_LAYER, f"{name}: shadowed", None, version or "unknown version", _INFO, note)
    for name, version in sorted(one - other, key=str):
        found.add(_LAYER, f"{name}: shadowed", version or "unknown version", None, _INFO)


def _version(package: Package) -> str:
    return package.version or "unknown version"


def _some(names: list[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")
