"""One golden folder: whether it is whole and as it was sealed, and what it holds."""

from __future__ import annotations

import os
from pathlib import Path

from goldlock.files import sha256_of
from goldlock.golden import _folder, _manifest
from goldlock.golden._manifest import RESTORE, FileRecord, Manifest
from goldlock.golden._value import MANIFEST, Golden, label
from goldlock.tables import open_table
from goldlock_env.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock_env.findings import Finding, Layer, Severity, Status

_SNIFFED = 1 << 16


def load(folder: Path) -> Golden:
    """Return the golden in `folder`, with what does not match its seal in `integrity`.

    Files are hashed; the outputs are read when they are asked for. Findings (layer golden, severity error):
    ``<file>`` with the sealed and the found SHA-256, and ``golden.toml`` with the sealed and the computed
    golden-id. Raises CouldNotRunError for a folder that is not there, holds half a golden, was cut off while
    being replaced, or cannot be read at all, ConfigurationError where its format needs what is not installed.
    """
    manifest, golden_id, findings = sealed(folder)
    outputs_path = folder / manifest.outputs.file
    try:
        outputs = open_table(
            outputs_path,
            manifest.format,
            where=str(outputs_path),
            types={name: column.type for name, column in manifest.columns.items()},
        )
        if outputs.rows != manifest.rows:
            raise CouldNotRunError(
                f"{outputs_path}: holds {outputs.rows} rows, not the {manifest.rows} recorded"
            )
    except CouldNotRunError as error:
        changed = "; the file was changed after it was recorded" if findings else ""
        raise CouldNotRunError(f"{error.message}{changed}", hint=RESTORE) from error
    return Golden(
        case=manifest.case,
        name=manifest.name,
        key=manifest.key,
        bad=manifest.bad,
        folder=folder,
        id=golden_id,
        inputs=_first_of(folder, manifest) / manifest.inputs.file,
        inputs_name=manifest.inputs.file,
        inputs_sha256=manifest.inputs.sha256,
        outputs=outputs,
        columns=manifest.columns,
        provenance=manifest.provenance,
        integrity=findings,
    )


def files_of(folder: Path) -> tuple[str, ...]:
    """Return the names of a golden's own files: another one than the first has no inputs of its own.

    Raises CouldNotRunError as `load`.
    """
    manifest = _manifest.loads(_manifest_text(folder), str(folder / MANIFEST))
    own = () if manifest.name else (manifest.inputs.file,)
    return (MANIFEST, *own, manifest.outputs.file)


def check_sealed(path: Path) -> tuple[Finding, ...]:
    """Return what is not as it was sealed of one golden.toml and the files that it names.

    Raises CouldNotRunError where it cannot be read, or a file is missing.
    """
    return sealed(path.parent)[2]


def sealed(folder: Path) -> tuple[Manifest, str, tuple[Finding, ...]]:
    """Return what golden.toml says, the golden-id that its text has, and what does not match its seal.

    The outputs are hashed, not read. Raises CouldNotRunError as `load`.
    """
    data = _manifest_text(folder)
    manifest = _manifest.loads(data, str(folder / MANIFEST))
    name = label(manifest.case, manifest.name)
    claimed, computed = _manifest.seal_of(data)
    findings = []
    if claimed != computed:
        findings.append(_altered(f"{name}/{MANIFEST}", claimed, computed, crlf=b"\r\n" in data))
    first = _first_of(folder, manifest)
    if first == folder:
        findings += _file(folder, manifest.inputs, name)
    else:
        asked = _manifest.loads(_manifest_text(first), str(first / MANIFEST)).inputs
        if (asked.file, asked.sha256) != (manifest.inputs.file, manifest.inputs.sha256):
            findings.append(_other_inputs(name, manifest.inputs, asked))
    findings += _file(folder, manifest.outputs, name)
    return manifest, computed, tuple(findings)


def _manifest_text(folder: Path) -> bytes:
    try:
        with (folder / MANIFEST).open("rb") as stream:
            data = stream.read(_manifest.LARGEST + 1)
    except OSError as error:
        raise _unreadable(folder, MANIFEST, error) from error
    if len(data) > _manifest.LARGEST:
        raise CouldNotRunError(f"{folder / MANIFEST}: larger than {_manifest.LARGEST} bytes", hint=RESTORE)
    return data


def _first_of(folder: Path, manifest: Manifest) -> Path:
    """Return the folder of the case's first golden, where the inputs stand."""
    if not manifest.name:
        return folder
    if not folder.name.endswith(f"@{manifest.name}"):
        raise CouldNotRunError(
            f"{folder}: golden.toml says that this is golden {manifest.name!r} of its case, and the folder's name"
            " says another one",
            hint=RESTORE,
        )
    return folder.with_name(folder.name.removesuffix(f"@{manifest.name}"))


def _file(folder: Path, entry: FileRecord, name: str) -> list[Finding]:
    path = folder / entry.file
    try:
        digest = sha256_of(path)
        if digest == f"sha256:{entry.sha256}":
            return []
        with path.open("rb") as stream:
            crlf = b"\r\n" in stream.read(_SNIFFED)
    except OSError as error:
        raise _unreadable(folder, entry.file, error) from error
    return [_altered(f"{name}/{entry.file}", f"sha256:{entry.sha256}", digest, crlf=crlf)]


def _unreadable(folder: Path, name: str, error: OSError) -> GoldlockError:
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
    if isinstance(error, FileNotFoundError):
        return _half(CouldNotRunError, folder, name)
    return CouldNotRunError(f"{folder / name}: could not be read: {error.strerror or error}", hint=RESTORE)


def _half(kind: type[GoldlockError], folder: Path, missing: str) -> GoldlockError:
    return kind(
        f"{folder}: half a golden stands there: {missing} is missing",
        hint="take the folder from version control again; if it was never committed, remove it"
        f" (rm -r {folder}) and run goldlock record",
    )


def is_there(folder: Path) -> bool:
    """Whether a golden stands in `folder`; one whose accept was cut off counts, as it can be brought back.

    Raises ConfigurationError for half a golden: files without golden.toml, or golden.toml without its files.
    """
    if not os.path.lexists(folder):
        return _folder.backup_of(folder).is_dir()
    if not (folder / MANIFEST).exists():
        raise _half(ConfigurationError, folder, MANIFEST)
    try:
        manifest = _manifest.loads(_manifest_text(folder), str(folder / MANIFEST))
        needed = (_first_of(folder, manifest) / manifest.inputs.file, folder / manifest.outputs.file)
    except CouldNotRunError:
        # Something stands there, and whoever reads it will say what is wrong with it.
        return True
    for path in needed:
        if not path.exists():
            raise _half(ConfigurationError, folder, path.name)
    return True


def _altered(key: str, expected: str | None, actual: str, *, crlf: bool) -> Finding:
    note = "changed by hand, or damaged, after it was recorded"
    if crlf:
        note += (
            '; its lines end in CRLF: if git converts line ends, put "goldens/** -text" into .gitattributes'
        )
    return _error(key, expected, actual, note)


def _other_inputs(name: str, own: FileRecord, first: FileRecord) -> Finding:
    return _error(
        f"{name}/{own.file}",
        f"sha256:{own.sha256}",
        f"sha256:{first.sha256}",
        "the case's inputs are not those that this golden answers; remove its folder, or accept it again",
    )


def _error(key: str, expected: str | None, actual: str, note: str) -> Finding:
    return Finding(
        layer=Layer.GOLDEN,
        key=key,
        expected=expected,
        actual=actual,
        status=Status.CHANGED,
        severity=Severity.ERROR,
        note=note,
    )
