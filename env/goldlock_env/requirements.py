"""pip's requirements files, and wheels' names, read for a target's interpreter and not for ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from goldlock_env.errors import ConfigurationError, CouldNotRunError
from goldlock_env.snapshot import Snapshot

_HASH = re.compile(r"(sha256):([0-9a-f]{64})|(sha384):([0-9a-f]{96})|(sha512):([0-9a-f]{128})")
_COMMENT = re.compile(r"(^|\s)#.*$")
# The oldest glibc that a manylinux tag names, by architecture (PEP 600).
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One line of a requirements file."""

    name: str
    """Normalised as in PEP 503."""
    version: str | None
    """The pinned version; None when it is not pinned with ``==`` or ``===``."""
    hashes: tuple[str, ...] = ()
    """Sorted: ``sha256:...``."""
    marker: str = ""
    """The environment marker; empty when there is none."""
    specifier: str = ""
    """All of the version's specifier: ``==1.24.3``, ``>=2,<3``."""
    line: int = 0
    """Where it begins in its file, from 1."""

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Whether the marker holds in a target's environment (``target_environment``)."""
        return not self.marker or Marker(self.marker).evaluate(dict(environment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The interpreter and the machine that wheels are chosen for."""

    version: str
    """3.8 or 3.8.18."""
    implementation: str = "cpython"
    abi: str | None = None
    """SOABI where it is known: it tells Python 3.6's cp36m from cp36."""
    platform: str = "linux"
    machine: str = "x86_64"
    kernel: str = ""
    libc: str | None = "glibc 2.36"
    """As in ``OsLayer.libc``; by default that of Debian 12."""


def parse(text: str, *, where: str = "requirements.txt") -> tuple[Requirement, ...]:
    """Requirements of a file in its order. Options (``--index-url``, ``-c``) are passed over.

    Format: pip's documentation, "Requirements File Format". Raises ConfigurationError with the line.
    """
    found = []
    for number, line in _logical_lines(text):
        if line.startswith("-"):
            if re.match(r"(-r|--requirement|-e|--editable)\b", line):
                raise ConfigurationError(
                    f"{where}, line {number}: {line.split()[0]} is not supported: a lock holds pinned wheels only",
                    hint="Write one complete file with `pip-compile --generate-hashes`.",
                )
            continue
        found.append(_requirement(line, number, where))
    return tuple(found)


def target_of(snapshot: Snapshot) -> Target:
    """The examined interpreter as a target.

    Raises CouldNotRunError when the interpreter or the machine is unknown.
    """
    python, host = snapshot.python, snapshot.host
    if python is None or host is None:
        raise CouldNotRunError(
            "the target of markers and wheels cannot be told: the interpreter or the machine is unknown",
            hint="Probe the subject first.",
        )
    return Target(
        version=python.version,
        implementation=python.implementation,
        abi=python.abi,
        platform=python.platform,
        machine=host.architecture,
        kernel=host.kernel or "",
        libc=snapshot.os.libc if snapshot.os else None,
    )


def target_environment(target: Target | str) -> dict[str, str]:
    """All variables of PEP 508's markers, as the target's interpreter would give them.

    A string is a version of CPython on the default target.
    """
    if isinstance(target, str):
        target = Target(version=target)
    names = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    systems = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
    return {
        "implementation_name": target.implementation,
        "implementation_version": target.version,
        "os_name": "nt" if target.platform == "win32" else "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": names.get(target.implementation, target.implementation),
        "platform_release": target.kernel,
        "platform_system": systems.get(target.platform, target.platform.capitalize()),
        "platform_version": "",
        "python_full_version": target.version,
        "python_version": ".".join(target.version.split(".")[:2]),
        "sys_platform": target.platform,
        "extra": "",
    }


def target_tags(target: Target | str) -> tuple[Tag, ...]:
    """The wheel tags that a CPython target accepts, the best first.

    Told by the target alone: ``packaging.tags.sys_tags`` would look at our own interpreter and libc.
    """
    if isinstance(target, str):
        target = Target(version=target)
    version = [int(part) for part in re.findall(r"\d+", target.version)[:2]]
    platforms = _platforms(target.machine, target.libc)
    tags = list(cpython_tags(version, _abis(version, target.abi or ""), platforms))
    tags += compatible_tags(version, f"cp{version[0]}{version[1]}", platforms)
    return tuple(tags)


def release_of(wheel: str) -> tuple[str, str]:
    """Normalised name and version that a wheel's file name tells. Raises ValueError for another name."""
    name, version, _, _ = parse_wheel_filename(wheel)
    return str(name), str(version)


def fits(wheel: str, tags: Iterable[Tag]) -> bool:
    """Whether a wheel of this file name can be installed where ``tags`` are accepted."""
    try:
        return not parse_wheel_filename(wheel)[3].isdisjoint(tags)
    except (InvalidWheelFilename, InvalidVersion):
        return False


def _abis(version: list[int], soabi: str) -> list[str]:
    """The interpreter's own ABI tag, from SOABI (``cpython-36m-x86_64-linux-gnu``) or Python 2's cp27mu."""
    found = re.match(r"(?:cpython-|cp)(\d+[a-z]*)", soabi)
    return [f"cp{found[1]}" if found else f"cp{version[0]}{version[1]}"]


def _platforms(machine: str, libc: str | None) -> list[str]:
    found: list[str] = []
    kind, _, version = (libc or "").partition(" ")
    parts = re.match(r"(\d+)\.(\d+)", version)
    if kind == "glibc" and parts and parts[1] == "2":
        for minor in range(int(parts[2]), _OLDEST_GLIBC.get(machine, 17) - 1, -1):
            found.append(f"manylinux_2_{minor}_{machine}")
            if minor in _LEGACY_MANYLINUX:
                found.append(f"{_LEGACY_MANYLINUX[minor]}_{machine}")
    elif kind == "musl" and parts:
        found += [f"musllinux_{parts[1]}_{minor}_{machine}" for minor in range(int(parts[2]), -1, -1)]
    return [*found, f"linux_{machine}"]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, line) with continuations joined and comments gone."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        comment = line.lstrip().startswith("#")
        if not joined:
            first = number
        if line.endswith("\\") and not comment:
            joined += line[:-1].rstrip() + " "
            continue
        # pip: a comment line inside a continuation ends it with nothing of its own.
        whole = _COMMENT.sub("", joined + ("" if comment else line)).strip()
        joined = ""
        if whole:
            yield first, whole
    if joined.strip():
        yield first, joined.strip()


def _requirement(line: str, number: int, where: str) -> Requirement:
    body, *options = re.split(r"\s+(?=--)", line)
    try:
        parsed = Parsed(body)
    except InvalidRequirement as error:
        problem = str(error).split("\n", 1)[0]
        raise ConfigurationError(
            f"{where}, line {number}: {body!r} is not a requirement: {problem}",
            hint="Write it as name==version, or write the file with `pip-compile --generate-hashes`.",
        ) from None
    pins = [
        one.version for one in parsed.specifier if one.operator in ("==", "===") and "*" not in one.version
    ]
    return Requirement(
        name=canonicalize_name(parsed.name),
        version=_normal_version(pins[0]) if pins else None,
        hashes=tuple(sorted(_hashes(options, number, where))),
        marker=str(parsed.marker) if parsed.marker else "",
        specifier=str(parsed.specifier),
        line=number,
    )


def _normal_version(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def _hashes(options: list[str], number: int, where: str) -> Iterator[str]:
    for option in options:
        try:
            words = shlex.split(option)
        except ValueError:
            words = [option]
        name, _, value = " ".join(words).replace("=", " ", 1).partition(" ")
        if name != "--hash":
            continue
        if not _HASH.fullmatch(value.strip()):
            raise ConfigurationError(
                f"{where}, line {number}: {value.strip()[:80]!r} is not a digest pip accepts",
                hint="Write it as --hash=sha256:<64 hexadecimal digits>.",
            )
        yield value.strip()
