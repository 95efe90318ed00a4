"""Goldens: folders that hold a case's inputs, its expected outputs and golden.toml.

::

    goldens/mlp/golden.toml        columns, tolerances, digests, provenance, history; sealed
    goldens/mlp/inputs.csv         what the subject was asked (under the name it was recorded with)
    goldens/mlp/outputs.csv        what it answered; outputs.jsonl where a value has a shape or is null; where the
                                   text would be larger than `LARGEST_TEXT` outputs.parquet, or outputs.npz
    goldens/mlp@v3/golden.toml     another right answer to the same inputs, for the lock and CPU of its key;
    goldens/mlp@v3/outputs.csv     or, with ``bad = true``, an answer known to be wrong
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goldlock.golden import _folder
from goldlock.golden._load import check_sealed, files_of, is_there, load
from goldlock.golden._merge import merged
from goldlock.golden._outputs import LARGEST_TEXT
from goldlock.golden._outputs import write as write_outputs
from goldlock.golden._several import Goldens, load_all, sibling, stale
from goldlock.golden._value import MANIFEST, ColumnRecord, Draft, Golden, HistoryEntry, Key, Provenance
from goldlock.golden._write import accept, record
from goldlock.tolerance import Tolerance, effective

__all__ = [
    "LARGEST_TEXT",
    "MANIFEST",
    "ColumnRecord",
    "Draft",
    "Golden",
    "Goldens",
    "HistoryEntry",
    "Key",
    "Provenance",
    "accept",
    "check_sealed",
    "files_of",
    "is_there",
    "load",
    "load_all",
    "merged",
    "record",
    "restore",
    "sibling",
    "stale",
    "tolerances_for",
    "write_outputs",
]


def restore(folder: Path) -> bool:
    """Bring back a golden whose `accept` was cut off at the worst moment; False when there is nothing to do."""
    return _folder.restore(folder)


def tolerances_for(golden: Golden, configured: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
    """Return the tolerance of every column: configured (goldlock.toml), else recorded, else the default."""
    dtypes = {name: column.dtype for name, column in golden.columns.items()}
    return effective(dtypes, golden.tolerances, configured)
