#!/usr/bin/env python3
"""Build the base image on a machine that reaches no image registry.

    python env/base/build.py [--python 3.8] [--tag NAME:TAG]

The image is one layer: a minimal Debian root made by mmdebstrap, with the host's CPython copied to
/usr/local, where the public python images have theirs. The same inputs give the same bytes: layer,
configuration and therefore image id. Progress goes to stderr; the last line on stdout is the image's reference.

Exit codes: 0 built (or built before, and still there), 2 usage, 3 could not build, 130 stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import interpreter as pythons
import layer
from errors import BaseImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Beside the libraries that the interpreter is linked to. usr-is-merged stands in for usrmerge, which would
# bring all of Perl (50 MB) to convert a root that is merged already.
PACKAGES = ("ca-certificates", "usr-is-merged")
MERGED_USR = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
# The day of CPython 3.8.18's tag. Any fixed day would do; it is written into every file.
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH") or 1692835200)
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)
# What mmdebstrap takes over from this machine, what an engine mounts over, and logs.
WITHOUT = (
    "dev/*",
    "run/*",
    "tmp/*",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
)
SOURCES = """\
Types: deb
URIs: http://deb.debian.org/debian
Suites: {suite} {suite}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: {suite}-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
# Extension modules that packages from an index take for granted.
ESSENTIAL = ("bz2", "ctypes", "hashlib", "lzma", "pip", "sqlite3", "ssl", "zlib")
ENVIRONMENT = ("PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="build.py", description="Build the base image without an image registry."
    )
    parser.add_argument(
        "--python", default="3.8", metavar="VERSION", help="version of CPython to copy (default: 3.8)"
    )
    parser.add_argument("--prefix", type=Path, metavar="FOLDER", help="where that CPython is installed")
    parser.add_argument(
        "--tag", metavar="NAME:TAG", help="reference of the image (default: made from its content)"
    )
    options = parser.parse_args(arguments)
    # Both end it through the `with` blocks, which remove what lies about.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        reference = build(options.python, prefix=options.prefix, tag=options.tag)
    except BaseImageError as error:
        print(f"build.py: {error.message}\n  what to do: {error.hint}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("build.py: stopped; nothing was left behind", file=sys.stderr)
        return 130
    print(reference)
    return 0


def build(version: str, *, prefix: Path | None, tag: str | None) -> str:
    """Build the image, or find it as built before; its reference."""
    _require_engine()
    suite = _suite()
    python = pythons.find(version, prefix=prefix)
    _say(f"CPython {python.version} at {python.prefix}")
    with tempfile.TemporaryDirectory(prefix="goldlock-base-") as scratch:
        key = _key(suite, python)
        known = _cache() / f"image-{key}.json"
        if known.exists():
            facts = json.loads(known.read_text(encoding="utf-8"))
            reference = tag or facts["reference"]
            if _diff_ids(reference) == [facts["diff-id"]]:
                _say(f"built before: {facts['diff-id']}")
                return str(reference)
        home = Path(scratch) / "local"
        _say("copying the interpreter and compiling its library")
        pythons.copy_to(python, home)
        packages, dropped = _libraries(home)
        for name in dropped:
            _say(f"left out, because no Debian package has a library it needs: {name}")
        root = _debian_root(suite, sorted({*PACKAGES, *packages}))
        _say("merging both into one layer")
        target = Path(scratch) / "layer.tar"
        with tarfile.open(root) as archive:
            diff_id = layer.write(target, layer.normalised(_entries(archive, home, suite), epoch=EPOCH))
        reference = tag or f"goldlock-offline-base:{python.version}-{diff_id.partition(':')[2][:12]}"
        _load(target, diff_id, reference, python.version)
        _prove(reference, python.version)
        facts = {"diff-id": diff_id, "reference": f"{reference}"}
        _write_whole(known, json.dumps(facts).encode())
    _say(f"layer {diff_id}")
    return reference


def _say(text: str) -> None:
    print(f"base: {text}", file=sys.stderr, flush=True)


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "goldlock" / "base"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing, also when two builds run at once."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(data)
    Path(part.name).replace(path)


def _require_engine() -> None:
    hint = "install Docker (Debian: apt-get install docker.io), start dockerd, and let this user reach its socket"
    if shutil.which("docker") is None:
        raise BaseImageError("there is no `docker` command", hint=hint)
    answer = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise BaseImageError(f"the Docker engine does not answer: {_tail(answer.stderr)}", hint=hint)


def _tail(text: str, lines: int = 3) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-lines:])


def _suite() -> str:
    """This machine's Debian release: the interpreter was built against its libraries.

    Source of the format: os-release(5).
    """
    hint = "build on Debian, or give `docker pull` a way to the public python image and use that"
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError as error:
        raise BaseImageError("this machine has no /etc/os-release", hint=hint) from error
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    codename = facts.get("VERSION_CODENAME", "").strip('"')
    if facts.get("ID", "").strip('"') != "debian" or not codename:
        raise BaseImageError(
            f"this machine runs {facts.get('PRETTY_NAME', 'no Debian')}, not a Debian release", hint=hint
        )
    if shutil.which("mmdebstrap") is None:
        raise BaseImageError("there is no `mmdebstrap` command", hint="as root: apt-get install mmdebstrap")
    return codename


def _own_digest() -> str:
    total = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


def _key(suite: str, python: pythons.Interpreter) -> str:
    inputs = [_own_digest(), suite, str(EPOCH), python.digest()]
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _libraries(home: Path) -> tuple[set[str], list[str]]:
    """The Debian packages of the libraries that the copy in `home` is linked to; extension modules removed.

    A module whose library belongs to no package is removed from the copy. Raises BaseImageError when
    that library is needed by the interpreter itself.
    """
    needed: dict[str, set[Path]] = {}
    for path in sorted(home.rglob("*")):
        if not path.is_symlink() and path.is_file() and _is_elf(path):
            for library in _linked(path, home / "lib"):
                if not library.startswith(str(home)):
                    needed.setdefault(library, set()).add(path)
    owners = _owners(needed)
    dropped: set[Path] = set()
    for library, users in needed.items():
        if library in owners:
            continue
        for path in users:
            if path.parent.name != "lib-dynload":
                raise BaseImageError(
                    f"{path.name} needs {library}, which belongs to no Debian package",
                    hint="use an interpreter built against Debian's libraries, such as one of pyenv's",
                )
            dropped.add(path)
    for path in dropped:
        path.unlink()
    kept = {owners[library] for library, users in needed.items() if users - dropped}
    return kept, sorted(path.name for path in dropped)


def _linked(path: Path, own: Path) -> Iterator[str]:
    """Paths of the libraries the loader takes for `path`; the bare name where it finds none."""
    answer = subprocess.run(
        ["ldd", path],
        capture_output=True,
        text=True,
        check=False,
        env={"LD_LIBRARY_PATH": str(own), "PATH": os.environ.get("PATH", "")},
    )
    for line in answer.stdout.splitlines():
        name, arrow, found = (part.strip() for part in line.partition("=>"))
        if arrow:
            yield name if found == "not found" else found.rpartition(" (")[0]


def _owners(libraries: Iterable[str]) -> dict[str, str]:
    """Each library that a Debian package owns, with the package's name."""
    # dpkg knows a file by the name in its package, with or without the /usr that /lib now points into.
    spellings: dict[str, str] = {}
    for library in libraries:
        for path in (library, os.path.realpath(library)):
            for spelling in (path, f"/usr{path}", path.removeprefix("/usr")):
                spellings[spelling] = library
    answer = subprocess.run(
        ["dpkg-query", "--search", *sorted(spellings)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
    )
    owners: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        packages, _, path = line.partition(": ")
        if path in spellings and not packages.startswith("diversion "):
            owners[spellings[path]] = packages.split(",")[0].partition(":")[0]
    return owners


def _debian_root(suite: str, packages: Sequence[str]) -> Path:
    """A tar of a minimal Debian with these packages; taken from the cache when it was made before."""
    places = (f"/etc/apt/sources.list.d/{name}" for name in ("debian.sources", "debian.list"))
    # A mirror that this machine uses is used here too.
    sources = next((path for path in (*places, "/etc/apt/sources.list") if Path(path).is_file()), None)
    options = [
        "--variant=minbase",
        "--format=tar",
        MERGED_USR,
        f"--include={','.join(packages)}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
    ]
    inputs = "\n".join([suite, str(EPOCH), *options])
    path = _cache() / f"debian-{suite}-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.tar"
    if path.exists():
        _say(f"Debian {suite} from the cache")
        return path
    _say(f"Debian {suite} with {', '.join(packages)} (about 30 s)")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="part-") as folder:
        part = Path(folder) / "root.tar"
        code, said = _mmdebstrap([*options, suite, str(part), *([sources] if sources else [])])
        if code:
            raise BaseImageError(
                f"mmdebstrap failed: {_tail(said, 5)}",
                hint="run as root (or allow user namespaces), with a Debian mirror that apt-get update reaches",
            )
        part.replace(path)
    return path


def _mmdebstrap(arguments: Sequence[str]) -> tuple[int, str]:
    """Run it; its exit code and what it said."""
    with subprocess.Popen(
        ["mmdebstrap", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
    ) as process:
        try:
            said = process.communicate()[1]
        except KeyboardInterrupt:
            # It removes its half-made root itself, which takes it a while.
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    return process.returncode, said


def _entries(archive: tarfile.TarFile, home: Path, suite: str) -> Iterator[layer.Entry]:
    yield from layer.from_tar(archive, without=WITHOUT)
    yield layer.from_text("etc/apt/sources.list.d/debian.sources", SOURCES.format(suite=suite))
    yield from layer.from_folder(home, at=pythons.HOME.lstrip("/"))


def _load(target: Path, diff_id: str, reference: str, version: str) -> None:
    """Hand the layer to the engine with a configuration that holds no time of today.

    Unlike `docker import`, which writes one, this gives the same image id each time.
    Source of the format: OCI image specification, "Image Configuration", and Docker's image tar, version 1.2.
    """
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    answer = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Arch}}"], capture_output=True, text=True, check=False
    )
    config = {
        "architecture": answer.stdout.strip(),
        "config": {"Cmd": ["python3"], "Env": [*ENVIRONMENT, f"PYTHON_VERSION={version}"]},
        "created": created,
        "history": [
            {
                "created": created,
                "created_by": "env/base/build.py",
                "comment": f"Debian and CPython {version}",
            }
        ],
        "os": "linux",
        "rootfs": {"diff_ids": [diff_id], "type": "layers"},
    }
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "Layers": ["layer.tar"], "RepoTags": [reference]}]
    _say(f"loading {reference}")
    with subprocess.Popen(
        ["docker", "load", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        said = ""
        try:
            with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
                for member, data in ((name, text), ("manifest.json", json.dumps(manifest).encode())):
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
                archive.add(target, "layer.tar")
        except BrokenPipeError:
            said = "it stopped reading"
        output = process.communicate()[0].decode(errors="replace")
    if process.returncode or said:
        raise BaseImageError(
            f"the engine did not take the image: {_tail(output) or said}",
            hint="look at the space left on the engine's disk, and at its log",
        )


def _diff_ids(reference: str) -> list[str]:
    """The image's layers; none when the engine has no such image."""
    answer = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", reference],
        capture_output=True,
        text=True,
        check=False,
    )
    return [str(layer_id) for layer_id in json.loads(answer.stdout)] if answer.returncode == 0 else []


def _prove(reference: str, version: str) -> None:
    """Start the image once: the interpreter must be what it says and find its libraries."""
    _say(f"trying it: import {', '.join(ESSENTIAL)}")
    code = f"import platform, sys, {', '.join(ESSENTIAL)}; print(platform.python_version(), sys.prefix)"
    answer = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", reference, "python3", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.stdout.split() != [version, pythons.HOME]:
        subprocess.run(["docker", "image", "rm", reference], capture_output=True, check=False)
        raise BaseImageError(
            f"the interpreter does not work in the image: {_tail(answer.stderr) or answer.stdout.strip()}",
            hint="the host's interpreter lacks these modules too, or was built for another system: install it anew",
        )


if __name__ == "__main__":
    sys.exit(main())
