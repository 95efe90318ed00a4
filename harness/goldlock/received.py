"""Answers that differ from their golden, kept in `.goldlock/received/` until they are accepted or match again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.errors import CouldNotRunError, GoldlockError
from goldlock.golden import golden_id
from goldlock.tables import Format, decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.config import Config
    from goldlock.golden import Golden
    from goldlock.results import TableResult
    from goldlock.tables import Table
    from goldlock.verify import Answers
    from goldlock_env.lock import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One case's last differing answer."""

    outputs: Table
    golden_id: str
    """The golden that it differed from."""
    lock_id: str
    image_id: str
    cpu_level: str
    blamed: tuple[str, ...] = ()
    """Errors of the environment that gave it: what was not as locked."""


def folder(config: Config, case: str) -> Path:
    """Where a case's answer is kept."""
    return config.folder / ".goldlock" / "received" / case


def keep(
    config: Config,
    case: str,
    expected: Golden,
    table: Table,
    result: TableResult,
    answers: Answers,
    lock: Lock,
    blamed: Sequence[str],
) -> None:
    """Keep an answer that differs; forget the one before it where they agree again.

    A disk on which it can't be kept costs `accept`, not the report: that is written all the same.
    """
    place = folder(config, case)
    if result.passes:
        forget(config, case)
        return
    about = {
        "golden-id": golden_id(expected),
        "lock-id": lock.id,
        "image-id": answers.image_id or "",
        "blamed": list(blamed),
        "cpu-level": answers.cpu_level,
    }
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{case}-", dir=place.parent))
        try:
            (scratch / "outputs.npz").write_bytes(encode(table, Format.NPZ))
            (scratch / "received.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            os.replace(scratch, place)  # noqa: PTH105  # Path.replace says the same; here on folders
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except (OSError, GoldlockError):
        shutil.rmtree(place, ignore_errors=True)


def forget(config: Config, case: str) -> None:
    """Remove a case's kept answer."""
    shutil.rmtree(folder(config, case), ignore_errors=True)


def load(config: Config, case: str) -> Received:
    """Read a kept answer.

    Raises:
        CouldNotRunError: there is none.
    """
    place = folder(config, case)
    try:
        about = json.loads((place / "received.json").read_text(encoding="utf-8"))
        outputs = decode((place / "outputs.npz").read_bytes(), Format.NPZ, where=str(place))
    except (OSError, ValueError):
        raise CouldNotRunError(
            f"case {case!r} has no received outputs",
            hint=f"run `goldlock verify {case}` first: it keeps what differs from the golden",
        ) from None
    return Received(
        outputs=outputs,
        golden_id=str(about.get("golden-id")),
        lock_id=str(about.get("lock-id", "")),
        image_id=str(about.get("image-id", "")),
        cpu_level=str(about.get("cpu-level", "")),
        blamed=tuple(map(str, about.get("blamed", ()))),
    )
