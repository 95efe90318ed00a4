"""Answers that differ from their golden, kept in `.goldlock/received/` until they are accepted or match again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock.formats import Format
from goldlock.golden import MANIFEST, write_outputs
from goldlock.tables import ColumnType, open_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from goldlock.config import Config
    from goldlock.golden import Golden
    from goldlock.tables import Batches

_ABOUT = "received.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One case's last differing answer."""

    outputs: Batches
    golden_id: str
    """The golden that it was set beside."""
    lock_id: str
    image_id: str
    cpu_level: str
    blamed: tuple[str, ...] = ()
    """Errors of the environment that gave it: what was not as locked."""


def folder(config: Config, case: str) -> Path:
    """Where a case's answer is kept."""
    return config.folder / ".goldlock" / "received" / case


def settle(
    config: Config,
    case: str,
    expected: Golden,
    outputs: Batches,
    *,
    passes: bool,
    lock_id: str,
    image_id: str,
    cpu_level: str,
    blamed: Sequence[str] = (),
    digests: Mapping[str, str] | None = None,
) -> str:
    """Keep an answer that differs; forget the one before it where they agree again.

    A disk on which it can't be kept costs `accept`, not the report: that is written all the same.

    Args:
        config: says where.
        case: the case's name.
        expected: the golden that it was set beside.
        outputs: the answer.
        passes: whether it matches.
        lock_id: the lock that was checked against.
        image_id: what gave the answer; empty where no image is involved.
        cpu_level: feature level of the CPU that gave it; empty where it is not known.
        blamed: errors of the environment that gave it.
        digests: the content of `outputs`, where it is known already.

    Returns:
        Why it could not be kept; empty where it was, or where there was nothing to keep.
    """
    if passes:
        forget(config, case)
        return ""
    about: dict[str, object] = {
        "golden-id": expected.id,
        "lock-id": lock_id,
        "image-id": image_id,
        "cpu-level": cpu_level,
        "blamed": list(blamed),
    }
    try:
        _keep(config, case, outputs, about, digests)
    except (OSError, GoldlockError) as error:
        forget(config, case)
        return error.message if isinstance(error, GoldlockError) else error.strerror or str(error)
    return ""


def _keep(
    config: Config, case: str, outputs: Batches, about: dict[str, object], digests: Mapping[str, str] | None
) -> None:
    place = folder(config, case)
    _check(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    _hide(config.folder / ".goldlock")
    scratch = Path(tempfile.mkdtemp(prefix=f".{case}-", dir=place.parent))
    try:
        path, fmt, _ = write_outputs(outputs, scratch, digests)
        about = {
            **about,
            "file": path.name,
            "format": fmt.value,
            "columns": [
                {"name": name, "dtype": each.dtype, "shape": list(each.shape)}
                for name, each in outputs.types.items()
            ],
        }
        (scratch / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        os.replace(scratch, place)  # noqa: PTH105  # Path.replace says the same; here on folders
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _hide(working: Path) -> None:
    """Keep goldlock's own folder out of version control."""
    ignore = working / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _check(place: Path) -> None:
    if (place / MANIFEST).exists():
        raise ConfigurationError(
            f"{place}: a golden stands where received outputs are kept",
            hint="move it, and name its new folder with golden = in goldlock.toml",
        )


def forget(config: Config, case: str) -> None:
    """Remove a case's kept answer."""
    place = folder(config, case)
    if not (place / MANIFEST).exists():
        shutil.rmtree(place, ignore_errors=True)


def load(config: Config, case: str) -> Received:
    """Open a kept answer; its outputs are read when they are asked for.

    Raises:
        CouldNotRunError: there is none, or it is damaged.
    """
    place = folder(config, case)
    try:
        about = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
        path, fmt = place / Path(about["file"]).name, Format(about["format"])
        types = {
            column["name"]: ColumnType(dtype=column["dtype"], shape=tuple(column["shape"]))
            for column in about["columns"]
        }
        received = Received(
            outputs=open_table(path, fmt, where=str(path), types=types),
            golden_id=str(about["golden-id"]),
            lock_id=str(about["lock-id"]),
            image_id=str(about["image-id"]),
            cpu_level=str(about["cpu-level"]),
            blamed=tuple(map(str, about["blamed"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise CouldNotRunError(
            f"case {case!r} has no received outputs",
            hint=f"run `goldlock verify {case}` first: it keeps what differs from the golden",
        ) from None
    return received


def rebase(config: Config, case: str, golden_id: str) -> None:
    """Say that a kept answer now stands beside another golden, of which a part was accepted.

    Raises OSError.
    """
    place = folder(config, case) / _ABOUT
    about = json.loads(place.read_text(encoding="utf-8"))
    fresh = place.with_name(f".{_ABOUT}")
    fresh.write_text(json.dumps({**about, "golden-id": golden_id}, indent=2) + "\n", encoding="utf-8")
    fresh.replace(place)
