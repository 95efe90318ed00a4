"""Cached virtual environments of locked requirements, in which the local engine runs its subjects."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import python_discovery
import uv

from goldlock import processes, wheelhouse
from goldlock.config import fill
from goldlock.errors import CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from goldlock.config import Local


def environment(local: Local, folder: Path, progress: Callable[[str], None]) -> Path:
    """The cached virtual environment of the locked requirements, made where there is none.

    Two processes that want the same one wait for each other; an interrupted one is made anew.

    Raises:
        CouldNotRunError: no matching interpreter, or an installation that fails.
    """
    files = [folder / name for name in local.requirements]
    wheels = wheelhouse.ensure(files, local.python, progress)
    digest = hashlib.sha256("\n".join([local.python, *(wheel.name for wheel in wheels)]).encode())
    for wheel in wheels:
        digest.update(str(wheel.stat().st_size).encode())
    prepared_by = [folder / word for word in local.prepare if (folder / word).is_file()]
    digest.update("\0".join(local.prepare).encode())
    for file in [*files, *prepared_by]:
        digest.update(file.read_bytes())
    place = platformdirs.user_cache_path("goldlock") / "environments" / digest.hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    complete = place / "goldlock-complete"
    with place.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if complete.exists():
            return place
        shutil.rmtree(place, ignore_errors=True)
        python = interpreter(local.python, progress)
        progress(f"installing {len(wheels)} locked wheels for {python}")
        binary = uv.find_uv_bin()
        _uv([binary, "venv", "--quiet", "--offline", "--no-config", "--python", python, str(place)])
        listed = [f"--requirement={file}" for file in files]
        _uv(
            [
                binary,
                "pip",
                "install",
                "--quiet",
                "--offline",
                "--no-config",
                "--no-index",
                "--no-deps",
                "--require-hashes",
                f"--python={place / 'bin' / 'python'}",
                *(f"--find-links={wheel.parent}" for wheel in wheels),
                *listed,
            ]
        )
        if local.prepare:
            _prepare(local.prepare, place, folder)
        complete.touch()
    return place


def _prepare(command: Sequence[str], place: Path, folder: Path) -> None:
    site = next((place / "lib").glob("python*/site-packages"))
    argv = fill(command, {"site": str(site)})
    variables = {**os.environ, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        done = processes.run(argv, cwd=folder, env=variables)
        said = (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""
    except OSError as error:
        said = str(error)
    if said:
        raise CouldNotRunError(
            f"subject.local.prepare failed: {said[-1500:]}", hint="mend that command in goldlock.toml"
        )


def _uv(command: Sequence[str]) -> None:
    done = processes.run(command)
    if done.returncode:
        raise CouldNotRunError(
            f"the local environment could not be made: {done.stderr.strip()[-1500:]}",
            hint="check subject.local in goldlock.toml, or use the docker engine",
        )


def interpreter(version: str, progress: Callable[[str], None]) -> str:
    """Path of a Python of that version: one found here, else one that uv installs.

    Raises:
        CouldNotRunError: none is here and none can be installed.
    """
    found = python_discovery.get_interpreter(f"cpython{version}")
    if found is not None:
        return str(found.executable)
    root = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    for candidate in sorted(glob.glob(f"{root}/versions/{version}.*/bin/python{version}")):  # noqa: PTH207
        return candidate
    progress(f"no Python {version} found; asking uv to install one")
    binary = uv.find_uv_bin()
    done = processes.run([binary, "python", "install", "--quiet", "--no-config", version])
    if done.returncode == 0:
        where = processes.run([binary, "python", "find", "--no-config", version])
        if where.returncode == 0 and where.stdout.strip():
            return where.stdout.strip()
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise CouldNotRunError(
        f"no Python {version} is here and uv could not install one: {last}",
        hint=f"install Python {version} (pyenv, your distribution) or a Docker engine, then run again",
    )
