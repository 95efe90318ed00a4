"""Finding a CPython on this machine and making a copy of it that lives at /usr/local."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from errors import BaseImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = "/usr/local"
HINT = "install it with `pyenv install {version}`, or name one with --prefix FOLDER"
QUERY = (
    "import ensurepip, json, os, sys;"
    "print(json.dumps({'version': '.'.join(map(str, sys.version_info[:3])),"
    "'stage': sys.version_info[3], 'prefix': os.path.realpath(sys.base_prefix), 'pip': ensurepip.version(),"
    "'implementation': sys.implementation.name, 'abi': getattr(sys, 'abiflags', '')}))"
)
# Folders that only CPython's own developers, and desktops, use; site-packages is whatever the host installed.
LEFT_OUT_FOLDERS = frozenset(
    {"__pycache__", "idle_test", "idlelib", "site-packages", "test", "tests", "tkinter", "turtledemo"},
)
LEFT_OUT_FILES = re.compile(
    r"(.*\.(a|o|pyc|pyo)|(_test|_ctypes_test|_xxtestfuzz|xxlimited|_tkinter|_xxsubinterp|nis).*\.so)",
)


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A CPython that can be copied: `version` in full (3.8.18), `prefix` where it is installed."""

    executable: Path
    prefix: Path
    version: str
    pip: str

    @property
    def short(self) -> str:
        return ".".join(self.version.split(".")[:2])

    @property
    def library(self) -> Path:
        return self.prefix / "lib" / f"python{self.short}"

    def digest(self) -> str:
        """SHA-256 over the names and contents of everything that is copied."""
        total = hashlib.sha256(self.version.encode())
        for source, target in _wanted(self):
            content = source.readlink().as_posix().encode() if source.is_symlink() else source.read_bytes()
            total.update(f"{target}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return total.hexdigest()


def find(version: str, *, prefix: Path | None = None) -> Interpreter:
    """The interpreter of that version (`3.8`, or in full), newest patch first.

    Looked for in `prefix` when given; else in pyenv's versions, then as pythonX.Y on PATH.
    Raises BaseImageError when there is none, or none that can be copied.
    """
    refused: list[str] = []
    for candidate in _candidates(version, prefix):
        answer = _examine(candidate)
        if isinstance(answer, str):
            refused.append(answer)
        elif answer.version == version or answer.version.startswith(version + "."):
            return answer
        else:
            refused.append(f"{candidate} is {answer.version}")
    detail = f" ({'; '.join(refused)})" if refused else ""
    raise BaseImageError(f"no CPython {version} to copy was found{detail}", hint=HINT.format(version=version))


def copy_to(interpreter: Interpreter, folder: Path) -> None:
    """Copy the interpreter into `folder`, which stands for /usr/local, with pip (and setuptools, if bundled).

    The copy's files, scripts and libraries name /usr/local where they named the host's folder, and its
    bytecode is checked against nothing when it is loaded (unchecked-hash, PEP 552), so it has no time in it.
    """
    for source, target in _wanted(interpreter):
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, path, follow_symlinks=False)
        if not path.is_symlink():
            _relocate(path, str(interpreter.prefix))
    short = interpreter.short
    for name, target in (("python3", f"python{short}"), ("python", "python3")):
        (folder / "bin" / name).symlink_to(target)
    _install_pip(interpreter, folder)
    library = folder / "lib" / f"python{short}"
    # One process and one hash seed: the order of a set's members is written into bytecode.
    subprocess.run(
        [
            interpreter.executable,
            "-s",
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-d",
            f"{HOME}/lib/python{short}",
            library,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env={"PYTHONHASHSEED": "0"},
    )


def _candidates(version: str, prefix: Path | None) -> Iterator[Path]:
    short = ".".join(version.split(".")[:2])
    if prefix is not None:
        yield prefix / "bin" / f"python{short}"
        return
    roots = [Path(os.environ["PYENV_ROOT"])] if os.environ.get("PYENV_ROOT") else []
    if shutil.which("pyenv"):
        answer = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False)
        roots += [Path(line) for line in answer.stdout.splitlines()[:1]]
    roots.append(Path.home() / ".pyenv")
    for root in dict.fromkeys(roots):
        found = [
            folder
            for folder in (root / "versions").glob(f"{short}.*")
            if re.fullmatch(r"\d+(\.\d+)+", folder.name)
        ]
        for folder in sorted(
            found, key=lambda folder: [int(n) for n in folder.name.split(".")], reverse=True
        ):
            yield folder / "bin" / f"python{short}"
    on_path = shutil.which(f"python{short}")
    if on_path:
        yield Path(on_path)


def _examine(executable: Path) -> Interpreter | str:
    """The interpreter, or the reason why it cannot be copied."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", QUERY],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except OSError as error:
        return f"{executable} does not run: {error.strerror}"
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        return f"{executable} does not say what it is: {reason[0]}"
    except subprocess.TimeoutExpired:
        return f"{executable} does not answer within a minute"
    facts = json.loads(answer.stdout)
    prefix = Path(facts["prefix"])
    if facts["implementation"] != "cpython" or facts["stage"] != "final":
        return f"{executable} is not a released CPython"
    if prefix in {Path("/usr"), Path("/")}:
        return f"{executable} belongs to the distribution, which lays it out its own way"
    return Interpreter(
        executable=executable.resolve(),
        prefix=prefix,
        version=facts["version"],
        pip=facts["pip"],
    )


def _wanted(interpreter: Interpreter) -> Iterator[tuple[Path, str]]:
    """Each file to be copied with its place under /usr/local, sorted."""
    prefix, short = interpreter.prefix, interpreter.short
    yield prefix / "bin" / f"python{short}", f"bin/python{short}"
    for header in sorted((prefix / "include").glob(f"python{short}*/pyconfig.h")):
        yield header, header.relative_to(prefix).as_posix()
    for library in sorted((prefix / "lib").glob("libpython*.so*")):
        if library.name == "libpython3.so" or f"python{short}" in library.name:
            yield library, f"lib/{library.name}"
    for folder, folders, files in os.walk(interpreter.library):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT_FOLDERS)
        # Of the folder for those who embed Python, the Makefile is what sysconfig may read.
        keep = {"Makefile"} if here.name.startswith("config-") else set(files)
        for name in sorted(keep.intersection(files)):
            if not LEFT_OUT_FILES.fullmatch(name):
                yield here / name, (here / name).relative_to(prefix).as_posix()


def _relocate(path: Path, prefix: str) -> None:
    """Let `path` name /usr/local where it names `prefix`."""
    data = path.read_bytes()
    old, new = prefix.encode(), HOME.encode()
    if old == new or old not in data:
        return
    if not data.startswith(b"\x7fELF"):
        path.write_bytes(data.replace(old, new))
        return
    if len(new) > len(old):
        raise BaseImageError(
            f"{path.name} is built for {prefix}, which is shorter than {HOME} and cannot be replaced in it",
            hint="use an interpreter built into a folder with a longer name, such as one of pyenv's",
        )

    def shortened(match: re.Match[bytes]) -> bytes:
        # The new text ends with a zero byte of its own and the old one's end stays where it was: linkers let
        # a text that is the end of another share its bytes, as "3.8.18" does with ".../versions/3.8.18".
        text = match[0].rstrip(b"\0").replace(old, new) + b"\0"
        return text + match[0][len(text) :]

    path.write_bytes(re.sub(re.escape(old) + rb"[^\0]*\0", shortened, data))


def _install_pip(interpreter: Interpreter, folder: Path) -> None:
    """Unpack the wheels that CPython bundles, which no index and no host setting has a part in."""
    bundled = interpreter.library / "ensurepip" / "_bundled"
    wheels = [*bundled.glob(f"pip-{interpreter.pip}-*.whl"), *sorted(bundled.glob("setuptools-*.whl"))[-1:]]
    if not wheels:
        raise BaseImageError(f"{bundled} has no pip", hint=HINT.format(version=interpreter.version))
    site = folder / "lib" / f"python{interpreter.short}" / "site-packages"
    site.mkdir(parents=True)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    for name in ("pip", "pip3", f"pip{interpreter.short}"):
        script = folder / "bin" / name
        script.write_text(
            f"#!{HOME}/bin/python{interpreter.short}\n"
            "import sys\n\nfrom pip._internal.cli.main import main\n\nsys.exit(main())\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
