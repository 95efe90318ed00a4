"""Goldens: folders that hold a case's inputs, its expected outputs and golden.toml.

::

    goldens/mlp/golden.toml     columns, tolerances, hashes, provenance; sealed
    goldens/mlp/inputs.csv      what the subject was asked (under the name it was recorded with)
    goldens/mlp/outputs.csv     what it answered; outputs.jsonl where a value has a shape or is null,
                                outputs.npz where the text would be larger than `LARGEST_TEXT`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from goldlock.golden import _folder, _manifest
from goldlock.golden._manifest import FileRecord, Manifest
from goldlock.golden._value import MANIFEST, ColumnRecord, Golden, HistoryEntry, Provenance, describe
from goldlock.tables import Format, Table, decode, encode, fits_csv, fits_npz
from goldlock.tolerance import Tolerance, effective
from goldlock_env.errors import ConfigurationError, CouldNotRunError
from goldlock_env.findings import Finding, Layer, Severity, Status

__all__ = [
    "LARGEST_TEXT",
    "MANIFEST",
    "ColumnRecord",
    "Golden",
    "HistoryEntry",
    "Provenance",
    "accept",
    "describe",
    "documents",
    "golden_id",
    "load",
    "record",
    "restore",
    "tolerances_for",
]

LARGEST_TEXT = 4 * 1024 * 1024
"""Bytes of outputs up to which a text that reads well in a diff is worth its size."""

_LARGEST_MANIFEST = 16 * 1024 * 1024
_OUTPUTS = frozenset(f"outputs.{fmt.value}" for fmt in Format)
_RESTORE = "restore the golden folder from version control, or remove it and run goldlock record"


def documents(golden: Golden) -> dict[str, bytes]:
    """Return the files of a golden's folder by name; the same golden gives the same bytes."""
    if not _manifest.is_plain_name(golden.inputs_name) or golden.inputs_name in _OUTPUTS:
        raise ConfigurationError(
            f"the inputs of case {golden.case!r} cannot stand in a golden folder as {golden.inputs_name!r}",
            hint=f"give the file another name than {MANIFEST} or outputs.*, without a folder",
        )
    output_format, outputs = _written(golden.outputs)
    outputs_name = f"outputs.{output_format.value}"
    manifest, _ = _manifest.dumps(
        Manifest(
            case=golden.case,
            inputs=_file_record(golden.inputs_name, golden.inputs),
            outputs=_file_record(outputs_name, outputs),
            format=output_format,
            rows=golden.outputs.rows,
            columns=golden.columns,
            provenance=golden.provenance,
        )
    )
    return {golden.inputs_name: golden.inputs, outputs_name: outputs, MANIFEST: manifest}


def golden_id(golden: Golden) -> str:
    """Return the digest that stands for a golden: that of its golden.toml, which names those of its files."""
    return _manifest.seal_of(documents(golden)[MANIFEST])[1]


def _file_record(name: str, data: bytes) -> FileRecord:
    return FileRecord(file=name, sha256=_manifest.sha256(data), size=len(data))


def _written(outputs: Table) -> tuple[Format, bytes]:
    text_format = Format.CSV if fits_csv(outputs) else Format.JSONL
    # A value takes two characters at least: what is surely too large is not written twice.
    if sum(array.size for array in outputs.columns.values()) * 2 < LARGEST_TEXT or not fits_npz(outputs):
        text = encode(outputs, text_format)
        if len(text) < LARGEST_TEXT or not fits_npz(outputs):
            return text_format, text
    return Format.NPZ, encode(outputs, Format.NPZ)


def load(folder: Path) -> Golden:
    """Return the golden in `folder`, with what does not match its seal in `integrity`.

    Findings (layer golden, severity error): ``<file>`` with the sealed and the found SHA-256, and
    ``golden.toml`` with the sealed and the computed golden-id. Raises CouldNotRunError for a folder that is
    not there, was cut off while being replaced, or cannot be read at all.
    """
    data = _read(folder, MANIFEST, _LARGEST_MANIFEST)
    manifest = _manifest.loads(data, str(folder / MANIFEST))
    key = f"{manifest.case}/{MANIFEST}"
    claimed, computed = _manifest.seal_of(data)
    findings = []
    if claimed != computed:
        findings.append(_altered(key, claimed, computed, data))
    files = {}
    for entry in (manifest.inputs, manifest.outputs):
        files[entry.file] = found = _read(folder, entry.file)
        digest = _manifest.sha256(found)
        if digest != entry.sha256:
            which = f"{manifest.case}/{entry.file}"
            findings.append(_altered(which, f"sha256:{entry.sha256}", f"sha256:{digest}", found))
    try:
        outputs = decode(
            files[manifest.outputs.file],
            manifest.format,
            where=str(folder / manifest.outputs.file),
            types={name: column.type for name, column in manifest.columns.items()},
        )
    except CouldNotRunError as error:
        changed = "; the file was changed after it was recorded" if findings else ""
        raise CouldNotRunError(f"{error.message}{changed}", hint=_RESTORE) from error
    return Golden(
        case=manifest.case,
        inputs_name=manifest.inputs.file,
        inputs=files[manifest.inputs.file],
        outputs=outputs,
        columns=manifest.columns,
        provenance=manifest.provenance,
        integrity=tuple(findings),
    )


def _read(folder: Path, name: str, limit: int | None = None) -> bytes:
    try:
        with (folder / name).open("rb") as stream:
            data = stream.read() if limit is None else stream.read(limit + 1)
    except OSError as error:
        raise _unreadable(folder, name, error) from error
    if limit is not None and len(data) > limit:
        raise CouldNotRunError(f"{folder / name}: larger than {limit} bytes", hint=_RESTORE)
    return data


def _unreadable(folder: Path, name: str, error: OSError) -> CouldNotRunError:
    backup = _folder.backup_of(folder)
    if not folder.exists() and backup.is_dir():
        return CouldNotRunError(
            f"{folder}: accepting a new golden was cut off; the old one stands in {backup}",
            hint=f"bring it back with: mv {backup} {folder} (goldlock accept does it by itself)",
        )
    if not folder.exists():
        return CouldNotRunError(
            f"{folder}: there is no golden", hint="record it with goldlock record, and commit the folder"
        )
    return CouldNotRunError(f"{folder / name}: could not be read: {error.strerror or error}", hint=_RESTORE)


def _altered(key: str, expected: str | None, actual: str, data: bytes) -> Finding:
    note = "changed by hand, or damaged, after it was recorded"
    if b"\r\n" in data:
        note += (
            '; its lines end in CRLF: if git converts line ends, put "goldens/** -text" into .gitattributes'
        )
    return Finding(
        layer=Layer.GOLDEN,
        key=key,
        expected=expected,
        actual=actual,
        status=Status.CHANGED,
        severity=Severity.ERROR,
        note=note,
    )


def record(folder: Path, golden: Golden) -> str:
    """Write a golden where there is none, whole or not at all; return its golden-id.

    Raises ConfigurationError where one stands already: recording never replaces.
    """
    files = documents(golden)
    backup = _folder.backup_of(folder)
    if backup.is_dir():
        raise ConfigurationError(
            f"{folder}: an accept was cut off here or is running; the old golden stands in {backup}",
            hint=f"wait for the other run, or bring it back with: mv {backup} {folder}",
        )
    try:
        _folder.create(folder, files)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{folder}: there is a golden already, and recording never replaces one",
            hint=f"look at goldlock verify, then: goldlock accept {golden.case} --reason TEXT",
        ) from error
    return _manifest.seal_of(files[MANIFEST])[1]


def accept(folder: Path, golden: Golden, reason: str) -> str:
    """Put `golden` in the place of the one in `folder`, which goes into its history; return its golden-id.

    The old folder stays as it was if anything fails. Files of the folder that are not the golden's are kept.
    Raises ConfigurationError without a reason or where there is no golden yet, CouldNotRunError else.
    """
    if not reason.strip():
        raise ConfigurationError("a golden is accepted without a reason", hint="say why, with --reason TEXT")
    _folder.restore(folder)
    if not folder.exists():
        raise ConfigurationError(
            f"{folder}: there is no golden to replace", hint=f"record it first: goldlock record {golden.case}"
        )
    old = load(folder)
    former = HistoryEntry(
        golden_id=_manifest.seal_of(_read(folder, MANIFEST))[0] or "",
        recorded=old.provenance.recorded,
        reason=old.provenance.reason,
        lock_id=old.provenance.lock_id,
        image_id=old.provenance.image_id,
    )
    provenance = replace(golden.provenance, reason=reason, history=(*old.provenance.history, former))
    files = documents(replace(golden, provenance=provenance))
    _folder.exchange(folder, files, _OUTPUTS | {MANIFEST, old.inputs_name})
    return _manifest.seal_of(files[MANIFEST])[1]


def restore(folder: Path) -> bool:
    """Bring back a golden whose `accept` was cut off at the worst moment; False when there is nothing to do."""
    return _folder.restore(folder)


def tolerances_for(golden: Golden, configured: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
    """Return the tolerance of every column: configured (goldlock.toml), else recorded, else the default."""
    dtypes = {name: column.dtype for name, column in golden.columns.items()}
    return effective(dtypes, golden.tolerances, configured)
