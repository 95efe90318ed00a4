"""A golden as a value: inputs, expected outputs, tolerances, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldlock.tables import ColumnType, Table
from goldlock.tolerance import Tolerance, default_for
from goldlock_env.errors import CouldNotRunError
from goldlock_env.findings import Finding

MANIFEST = "golden.toml"
"""The file that describes a golden folder and seals what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRecord:
    """What is recorded of one column."""

    dtype: str
    shape: tuple[int, ...] = ()
    """Of one row's value; empty for a single one."""
    tolerance: Tolerance

    @property
    def type(self) -> ColumnType:
        return ColumnType(dtype=self.dtype, shape=self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A golden that stood here before, replaced by `goldlock accept`."""

    golden_id: str
    recorded: str
    reason: str
    """Why that one had been recorded or accepted; empty for a first recording."""
    lock_id: str
    image_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made these outputs. An empty string is "not known"."""

    lock_id: str
    image_id: str
    cpu_level: str
    """Such as ``x86-64-v4``."""
    goldlock_version: str
    recorded: str
    """Date of recording, ISO 8601."""
    reason: str = ""
    """Why these outputs were accepted; empty for a first recording."""
    history: tuple[HistoryEntry, ...] = ()
    """The oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One case's golden. Raises CouldNotRunError where `columns` does not describe `outputs`."""

    case: str
    inputs_name: str
    """File name of the inputs in the golden folder."""
    inputs: bytes
    outputs: Table
    columns: Mapping[str, ColumnRecord]
    provenance: Provenance
    integrity: tuple[Finding, ...] = ()
    """Of a loaded golden: what does not match its seal. Empty when nothing was changed by hand."""

    def __post_init__(self) -> None:
        described = {name: record.type for name, record in self.columns.items()}
        if described != self.outputs.types or tuple(described) != self.outputs.names:
            raise CouldNotRunError(
                f"golden of case {self.case!r}: the columns described are not those of the outputs",
                hint="restore the golden folder from version control",
            )

    @property
    def tolerances(self) -> dict[str, Tolerance]:
        """The recorded tolerance of every column."""
        return {name: record.tolerance for name, record in self.columns.items()}


def describe(outputs: Table, tolerances: Mapping[str, Tolerance]) -> dict[str, ColumnRecord]:
    """Return the record of each column of `outputs`, with `default_for` its dtype where none is given."""
    return {
        name: ColumnRecord(
            dtype=found.dtype, shape=found.shape, tolerance=tolerances.get(name) or default_for(found.dtype)
        )
        for name, found in outputs.types.items()
    }
