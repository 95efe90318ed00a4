"""Locked wheels on the host: downloaded once with their hashes checked, then built from offline."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from goldlock import processes
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock_env import requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from packaging.tags import Tag


def folder() -> Path:
    """The cache, shared by all projects: a folder for each SHA-256 that holds the one wheel that has it."""
    return platformdirs.user_cache_path("goldlock") / "wheelhouse"


def ensure(files: Sequence[Path], python: str, progress: Callable[[str], None]) -> tuple[Path, ...]:
    """Return the wheels that requirements files lock for a Python, downloading those not yet here.

    Args:
        files: requirements files by pip-tools, each with every hash.
        python: the target's version, `3.8`.
        progress: told what is downloaded.

    Returns:
        Paths in the cache, sorted by file name, each with a locked hash.

    Raises:
        ConfigurationError: a requirements file is absent or holds an entry without a hash.
        CouldNotRunError: the bytes of a wheel do not match the lock, or it can't be downloaded.
    """
    wanted = _locked(files, python)
    cache = folder()
    cache.mkdir(parents=True, exist_ok=True)
    tags = requirements.target_tags(python)
    found, missing = _look(cache, wanted, tags)
    if missing:
        progress(
            f"downloading {len(missing)} wheels: {', '.join(r.name for r in missing[:6])}"
            f"{', ...' if len(missing) > 6 else ''}"
        )
        _download(missing, python, tags, cache)
        found, missing = _look(cache, wanted, tags)
    if missing:
        raise CouldNotRunError(
            f"no wheel for Python {python} was found for {', '.join(r.name for r in missing)}",
            hint="run `nox -s lock`, or check that the index can be reached",
        )
    return tuple(sorted(found, key=lambda wheel: wheel.name))


def _locked(files: Sequence[Path], python: str) -> tuple[requirements.Requirement, ...]:
    target = requirements.target_environment(python)
    merged: dict[str, requirements.Requirement] = {}
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"requirements file {file} can't be read: {getattr(error, 'strerror', None) or error}",
                hint="name the file that pip-tools wrote in goldlock.toml, or make it with `nox -s lock`",
            ) from error
        for entry in requirements.parse(text, where=str(file)):
            if not entry.applies(target):
                continue
            if entry.version is None:
                raise ConfigurationError(
                    f"{file}: {entry.name} is not pinned to one version",
                    hint="compile it with `pip-compile --generate-hashes`",
                )
            if not entry.hashes:
                raise ConfigurationError(
                    f"{file}: {entry.name}=={entry.version} has no hash",
                    hint="compile it with `pip-compile --generate-hashes`",
                )
            known = merged.setdefault(entry.name, entry)
            if known.version != entry.version:
                raise ConfigurationError(
                    f"{file}: {entry.name} is locked as {entry.version} here and as {known.version} elsewhere",
                    hint="compile the files with a common constraint (`-c requirements.txt`)",
                )
            merged[entry.name] = replace(known, hashes=tuple(sorted({*known.hashes, *entry.hashes})))
    return tuple(merged.values())


def _look(
    cache: Path, wanted: Sequence[requirements.Requirement], tags: tuple[Tag, ...]
) -> tuple[list[Path], list[requirements.Requirement]]:
    """Sort the wanted into wheels that are here, hashes checked, and requirements that are not."""
    here: dict[str, Path] = {}
    missing: list[requirements.Requirement] = []
    for entry in wanted:
        kept = [wheel for value in entry.hashes for wheel in _place(cache, value).glob("*.whl")]
        fitting = [wheel for wheel in kept if requirements.fits(wheel.name, tags)]
        if fitting:
            here[f"sha256:{fitting[0].parent.name}"] = fitting[0]
        else:
            missing.append(entry)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        digests = pool.map(_digest, here.values())
    for (locked, wheel), digest in zip(here.items(), digests, strict=True):
        if digest != locked:
            raise CouldNotRunError(
                f"wheel {wheel.name} does not match its locked hash: it has {digest}, locked is {locked}",
                hint=f"delete {wheel.parent} and run again: the wheel was changed after it had been downloaded",
            )
    return list(here.values()), missing


def _place(cache: Path, digest: str) -> Path:
    return cache / digest.partition(":")[2]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _download(
    entries: Iterable[requirements.Requirement], python: str, tags: tuple[Tag, ...], cache: Path
) -> None:
    """Let pip download wheels for the target, with hash checking, into the cache; whole files only."""
    flags = [f"--platform={name}" for name in dict.fromkeys(tag.platform for tag in tags)]
    flags += [f"--abi={abi}" for abi in dict.fromkeys(tag.abi for tag in tags)]
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as scratch:
        listed = Path(scratch, "requirements.txt")
        # Markers were evaluated for the target already; pip would evaluate them for this interpreter.
        listed.write_text(
            "".join(
                f"{e.name}=={e.version} {' '.join(f'--hash={value}' for value in sorted(e.hashes))}\n"
                for e in entries
            ),
            encoding="utf-8",
        )
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            f"--python-version={python}",
            "--implementation=cp",
            *flags,
            f"--requirement={listed}",
            f"--dest={scratch}",
        ]
        # pip's own temporary files go with ours, also where it is killed.
        done = processes.run(command, env={**os.environ, "TMPDIR": scratch})
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING: Location")]
            raise CouldNotRunError(
                "the locked wheels could not be downloaded:\n" + "\n".join(said[-12:]),
                hint="check that the package index can be reached; the wheels are kept once they are here",
            )
        for wheel in Path(scratch).glob("*.whl"):
            place = _place(cache, _digest(wheel))
            place.mkdir(exist_ok=True)
            wheel.replace(place / wheel.name)
