"""Real interpreters, real virtual environments, and wheels small enough to be built in a test."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from goldlock_env.probing import probe_interpreter
from goldlock_env.snapshot import Package, Snapshot

DEMO = {
    "demo/__init__.py": b"ANSWER = 42\n",
    "demo/work.py": b"def work():\n    return 'done'\n",
    "demo/_native.so": bytes(range(256)) * 40,
    "demo/data/table.csv": b"a,b\n1,2\n",
}


def wheel_bytes(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """A wheel with a right RECORD."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},{record_hash(data)},{len(data)}\n" for path, data in contents.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return buffer.getvalue()


def record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode('ascii')}"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclasses.dataclass(frozen=True)
class Venv:
    """A virtual environment that a test may damage."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def site(self) -> Path:
        return next((self.root / "lib").glob("python*")) / "site-packages"

    def install(self, *wheels: Path) -> None:
        uv(
            *(
                "pip",
                "install",
                "--python",
                str(self.python),
                "--no-index",
                "--no-deps",
                "--offline",
                "--no-cache",
            ),
            *("--link-mode", "copy", "--reinstall", *map(str, wheels)),
        )

    def uninstall(self, name: str) -> None:
        uv("pip", "uninstall", "--python", str(self.python), name)

    def probe(self, **options: object) -> Snapshot:
        return probe_interpreter(self.python, **options)  # type: ignore[arg-type]

    def record(self, name: str) -> Path:
        return next(self.site.glob(f"{name}-*.dist-info")) / "RECORD"

    def rewrite_record(self, name: str, path: str) -> None:
        """Make RECORD fit a changed file, as somebody who hides a change would."""
        data = (self.site / path).read_bytes()
        lines = [
            f"{path},{record_hash(data)},{len(data)}" if line.startswith(f"{path},") else line
            for line in self.record(name).read_text().splitlines()
        ]
        self.record(name).write_text("\n".join(lines) + "\n")


def uv(*arguments: str) -> None:
    """Run uv, quietly."""
    subprocess.run([find_uv_bin(), "-q", *arguments], check=True, capture_output=True)


def package(snapshot: Snapshot, name: str) -> Package:
    assert snapshot.packages is not None
    return next(one for one in snapshot.packages.distributions if one.name == name)


def interpreter(version: str) -> Path:
    """The newest interpreter of this minor version that pyenv or PATH has; skips when there is none."""
    roots = [Path(os.environ["PYENV_ROOT"])] if "PYENV_ROOT" in os.environ else []
    for root in [*roots, Path.home() / ".pyenv"]:
        found = sorted(root.glob(f"versions/{version}.*/bin/python"))
        if found:
            return found[-1]
    on_path = shutil.which(f"python{version}")
    # A shim of pyenv starts nothing without PYENV_VERSION.
    if on_path is None or "shims" in on_path:
        pytest.skip(f"no Python {version} on this machine")
    return Path(on_path)
