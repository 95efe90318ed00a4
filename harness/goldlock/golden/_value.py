"""Goldens as values: what is expected of a case, where it comes from, and what is to be written as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from goldlock.tables import Batches, ColumnType, Format
from goldlock.tolerance import Tolerance, default_for
from goldlock_env.findings import Finding

MANIFEST = "golden.toml"
"""The file that describes a golden folder and seals what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What made one of several right answers. An empty field holds for any."""

    lock_id: str = ""
    cpu_level: str = ""
    """Such as ``x86-64-v4``."""

    def fits(self, lock_id: str, cpu_level: str) -> bool:
        """Whether a golden of this key holds for that lock and CPU."""
        return self.lock_id in {"", lock_id} and self.cpu_level in {"", cpu_level}

    @property
    def specific(self) -> int:
        """How much it says, 0 to 3: a lock says more than a CPU."""
        return 2 * bool(self.lock_id) + bool(self.cpu_level)

    def __str__(self) -> str:
        lock = f"lock {self.lock_id[:19]}" if self.lock_id else "any lock"
        return f"{lock}, {self.cpu_level or 'any CPU'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRecord:
    """What is recorded of one column."""

    dtype: str
    shape: tuple[int, ...] = ()
    """Of one row's value; empty for a single one."""
    content: str
    """Digest of its values; see `goldlock.tables.content`."""
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
    accepted_by: str
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
    accepted_by: str = ""
    """Who accepted them: a name, and an address where git knows one; empty for a first recording."""
    history: tuple[HistoryEntry, ...] = ()
    """The oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One golden as it stands in its folder. What it holds is on disk; nothing is read until it is asked for."""

    case: str
    name: str
    """Which of the case's goldens: empty for the first, else what stands behind the ``@`` of its folder."""
    key: Key
    bad: bool
    """Whether this is an answer known to be wrong."""
    folder: Path
    id: str
    """The golden-id: ``sha256:...`` of golden.toml, which names the digests of everything else."""
    inputs: Path
    """They stand in the folder of the case's first golden."""
    inputs_name: str
    inputs_sha256: str
    """In hexadecimal."""
    outputs: Batches
    columns: Mapping[str, ColumnRecord]
    provenance: Provenance
    integrity: tuple[Finding, ...] = ()
    """What does not match its seal. Empty when nothing was changed by hand."""

    @property
    def inputs_format(self) -> Format:
        """The format that the name of the inputs says."""
        return Format(self.inputs_name.rpartition(".")[2].lower())

    @property
    def tolerances(self) -> dict[str, Tolerance]:
        """The recorded tolerance of every column."""
        return {name: record.tolerance for name, record in self.columns.items()}

    @property
    def types(self) -> dict[str, ColumnType]:
        return {name: record.type for name, record in self.columns.items()}

    @property
    def content(self) -> dict[str, str]:
        """The digest of every column's values."""
        return {name: record.content for name, record in self.columns.items()}

    @property
    def reason(self) -> str:
        """Why it was accepted."""
        return self.provenance.reason

    @property
    def label(self) -> str:
        """The case's name, and which of its goldens this is: ``mlp``, ``mlp@v3``."""
        return label(self.case, self.name)


def label(case: str, name: str) -> str:
    """Return what a golden is called in messages: ``mlp``, ``mlp@v3``."""
    return f"{case}@{name}" if name else case


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be written as a golden."""

    case: str
    inputs: Path
    """Copied into the folder of a case's first golden; another golden only names its digest."""
    inputs_name: str
    """The file's name in the golden folder."""
    inputs_sha256: str = ""
    """In hexadecimal: what the outputs answer. A file that is another one by now is refused; empty: any."""
    outputs: Batches
    tolerances: Mapping[str, Tolerance]
    """By column; `default_for` its dtype where none is given."""
    provenance: Provenance
    name: str = ""
    key: Key = Key()
    bad: bool = False
    replaces: str = ""
    """The golden-id of the one that it was made to replace; where another stands by now, it is refused. Empty: any."""


def tolerance_of(draft: Draft, column: str, dtype: str) -> Tolerance:
    """Return what a column of a draft is recorded with."""
    return draft.tolerances.get(column) or default_for(dtype)
