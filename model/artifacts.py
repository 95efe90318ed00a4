"""A trained model's files and the manifest of their SHA-256 digests.

A predictor loads nothing that the manifest beside it does not vouch for. The manifest itself is vouched
for by goldlock.lock, whose artifacts layer holds its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Dict, Mapping, Sequence

MANIFEST = "manifest.json"


class ArtifactError(Exception):
    """An artifact is absent, or is not the one that was recorded."""


def digest(data: bytes) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def write(folder: Path, artifacts: Mapping[str, bytes], provenance: Mapping[str, object]) -> None:
    """Write the artifacts and their manifest into `folder`, which is made when absent.

    The manifest is removed first and written last: a half-written folder is refused, not used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    if manifest.exists():
        manifest.unlink()
    for name, data in artifacts.items():
        (folder / name).write_bytes(data)
    content = {
        "artifacts": {name: digest(data) for name, data in artifacts.items()},
        "provenance": dict(provenance),
    }
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def provenance(packages: Sequence[str], variables: Sequence[str]) -> Dict[str, object]:
    """What made the artifacts. It holds no time and no place, so that two trainings write the same."""
    return {
        "environment": {name: os.environ[name] for name in sorted(variables) if name in os.environ},
        "packages": {name: version(name) for name in packages},
        "python": platform.python_version(),
    }


def digests(folder: Path) -> Dict[str, str]:
    """The manifest's entries, file name to SHA-256. Raises ArtifactError when it cannot be read."""
    path = folder / MANIFEST
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["artifacts"]
        if not all(isinstance(name, str) and isinstance(value, str) for name, value in entries.items()):
            raise ValueError("a digest is no text")
    except OSError as error:
        raise ArtifactError(
            f"{path}: no manifest to check the artifacts against: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: not a manifest of artifacts: {error}") from error
    return dict(entries)


def read(path: Path) -> bytes:
    """The artifact's bytes, once they match the manifest in its folder.

    What is checked is what is handed over: the file is read once. Raises ArtifactError when the file is
    absent, is not in the manifest or is another one.
    """
    expected = digests(path.parent).get(path.name)
    if expected is None:
        raise ArtifactError(f"{path}: not in {MANIFEST}; refused")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    actual = digest(data)
    if actual != expected:
        raise ArtifactError(f"{path}: its SHA-256 is {actual}, {MANIFEST} has {expected}; refused")
    return data
