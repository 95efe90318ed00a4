"""Writing goldens: a first one where there is none, another one in the place of one that goes into its history."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from goldlock.files import sha256_of
from goldlock.golden import _folder, _manifest, _outputs
from goldlock.golden._load import is_there, sealed
from goldlock.golden._manifest import FileRecord, Manifest
from goldlock.golden._value import MANIFEST, ColumnRecord, Draft, HistoryEntry, Key, label, tolerance_of
from goldlock_env.errors import ConfigurationError, CouldNotRunError


def record(folder: Path, draft: Draft) -> str:
    """Write a golden where there is none, whole or not at all; return its golden-id.

    Raises ConfigurationError where one stands already, whole or half: recording never replaces.
    """
    _check(draft)
    try:
        return _folder.create(folder, lambda new: _fill(new, draft))
    except FileExistsError as error:
        is_there(folder)
        raise ConfigurationError(
            f"{folder}: there is a golden already, and recording never replaces one",
            hint=f"look at goldlock verify, then: goldlock accept {draft.case} --reason TEXT",
        ) from error


def accept(folder: Path, draft: Draft, reason: str, by: str = "") -> str:
    """Put a golden in the place of the one in `folder`, which goes into its history; return its golden-id.

    The old folder stays as it was if anything fails. Files of the folder that are not the golden's are kept.
    `by` says who accepts it. Raises ConfigurationError without a reason or where there is no golden yet,
    CouldNotRunError where the golden is not the one that the draft was made to replace, and else.
    """
    if not reason.strip():
        raise ConfigurationError("a golden is accepted without a reason", hint="say why, with --reason TEXT")
    _check(draft)
    if not is_there(folder):
        raise ConfigurationError(
            f"{folder}: there is no golden to replace", hint=f"record it first: goldlock record {draft.case}"
        )
    _folder.restore(folder)
    old, old_id, findings = sealed(folder)
    if draft.replaces and (findings or draft.replaces != old_id):
        raise _changed(folder, draft)
    former = HistoryEntry(
        golden_id=old_id,
        recorded=old.provenance.recorded,
        reason=old.provenance.reason,
        accepted_by=old.provenance.accepted_by,
        lock_id=old.provenance.lock_id,
        image_id=old.provenance.image_id,
    )
    provenance = replace(
        draft.provenance, reason=reason, accepted_by=by, history=(*old.provenance.history, former)
    )

    def fill(new: Path) -> str:
        # Nobody else writes there now; somebody may have until a moment ago.
        if _manifest.seal_of((folder / MANIFEST).read_bytes())[1] != old_id:
            raise _changed(folder, draft)
        return _fill(new, replace(draft, provenance=provenance))

    return _folder.exchange(folder, fill, _outputs.FILES | {MANIFEST, old.inputs.file})


def _changed(folder: Path, draft: Draft) -> CouldNotRunError:
    return CouldNotRunError(
        f"{folder}: the golden has changed since its outputs were received",
        hint=f"run `goldlock verify {draft.case}` again",
    )


def _check(draft: Draft) -> None:
    if not _manifest.is_plain_name(draft.inputs_name) or draft.inputs_name in _outputs.FILES:
        raise ConfigurationError(
            f"the inputs of case {draft.case!r} cannot stand in a golden folder as {draft.inputs_name!r}",
            hint=f"give the file another name than {MANIFEST} or outputs.*, without a folder",
        )
    if draft.name and not _manifest.is_variant_name(draft.name):
        raise ConfigurationError(
            f"{draft.name!r} cannot be the name of a golden",
            hint="use letters, digits, dots, dashes and underscores, a letter or digit first",
        )
    if not draft.name and (draft.bad or draft.key != Key()):
        raise ConfigurationError(
            f"the first golden of case {draft.case!r} is right, and for any lock and CPU",
            hint="give the other one a name",
        )


def _fill(new: Path, draft: Draft) -> str:
    """Write the files of a golden into an empty folder; return its golden-id."""
    inputs = _inputs(new, draft)
    path, fmt, digests = _outputs.write(draft.outputs, new)
    types = draft.outputs.types
    text, golden_id = _manifest.dumps(
        Manifest(
            case=draft.case,
            name=draft.name,
            key=draft.key,
            bad=draft.bad,
            inputs=inputs,
            outputs=_file_record(path.name, path),
            format=fmt,
            rows=draft.outputs.rows,
            columns={
                name: ColumnRecord(
                    dtype=types[name].dtype,
                    shape=types[name].shape,
                    content=digests[name],
                    tolerance=tolerance_of(draft, name, types[name].dtype),
                )
                for name in draft.outputs.names
            },
            provenance=draft.provenance,
        )
    )
    (new / MANIFEST).write_bytes(text)
    return golden_id


def _inputs(new: Path, draft: Draft) -> FileRecord:
    """Copy the inputs where they belong, and describe what was copied."""
    stands = draft.inputs
    try:
        source = draft.inputs.open("rb")
    except OSError as error:
        raise CouldNotRunError(
            f"the inputs of case {draft.case!r} can't be read: {draft.inputs}: {error.strerror or error}",
            hint="see that they are there, and run the command again",
        ) from error
    with source:
        if not draft.name:
            stands = new / draft.inputs_name
            with stands.open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    found = _file_record(draft.inputs_name, stands)
    if draft.inputs_sha256 not in {"", found.sha256}:
        raise CouldNotRunError(
            f"the inputs of case {label(draft.case, draft.name)!r} have changed since the subject was asked",
            hint="leave them as they are while goldlock runs, and run the command again",
        )
    return found


def _file_record(name: str, path: Path) -> FileRecord:
    return FileRecord(file=name, sha256=sha256_of(path).removeprefix("sha256:"), size=path.stat().st_size)
