"""A table in a folder, in the format that suits it best and gives it back exactly.

Text while it is small, because it reads well in a diff; then Parquet where pyarrow is installed, else npz; JSON
Lines where neither holds it. Whatever was written is read again, and taken only if every column's content is
that of the table.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from goldlock.tables import Batches, Format, content, open_table, write_table
from goldlock_env.errors import CouldNotRunError, GoldlockError

LARGEST_TEXT = 4 * 1024 * 1024
"""Bytes of outputs up to which a text that reads well in a diff is worth its size."""

FILES = frozenset(f"outputs.{fmt.value}" for fmt in Format)
"""What a golden's outputs can be called."""


def write(
    outputs: Batches, folder: Path, digests: Mapping[str, str] | None = None
) -> tuple[Path, Format, dict[str, str]]:
    """Write `outputs` into `folder`; return the file, its format, and the digest of each column's content.

    `digests`: the content of `outputs` where it is known already. Raises OSError where the disk is full or
    refuses, CouldNotRunError where the table cannot be read, or no format holds it.
    """
    wanted = dict(content(outputs) if digests is None else digests)
    refusals = []
    for fmt, largest in _candidates(outputs):
        path = folder / f"outputs.{fmt.value}"
        try:
            write_table(outputs, path, fmt)
            if path.stat().st_size < largest:
                written = open_table(path, fmt, where=str(path), types=outputs.types)
                if written.rows == outputs.rows and content(written) == wanted:
                    return path, fmt, wanted
                refusals.append(f"{fmt.value}: gives other values back")
        except GoldlockError as error:
            refusals.append(f"{fmt.value}: {error.message}")
        path.unlink(missing_ok=True)
    raise CouldNotRunError(
        f"no format holds these outputs exactly ({'; '.join(refusals)})",
        hint="report this with the outputs, or convert the column that is named",
    )


def _candidates(outputs: Batches) -> Iterator[tuple[Format, float]]:
    """Yield formats, the best first, each with the size from which another is better."""
    values = outputs.rows * sum(math.prod(each.shape) for each in outputs.types.values())
    # A value takes two characters at least: what is surely too large is not written as text first.
    if values * 2 < LARGEST_TEXT:
        yield Format.CSV, LARGEST_TEXT
        yield Format.JSONL, LARGEST_TEXT
    if importlib.util.find_spec("pyarrow") is not None:
        yield Format.PARQUET, math.inf
    yield Format.NPZ, math.inf
    yield Format.JSONL, math.inf
