"""golden.toml: its canonical text, its seal, and reading it back.

Canonical: fixed order, LF, one spelling for every value, so that the same golden gives the same bytes. The
``golden-id`` line holds the SHA-256 of all other bytes of the file, which in turn name the SHA-256 of the
inputs and outputs: one digest stands for the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from goldlock.golden._value import MANIFEST, ColumnRecord, HistoryEntry, Key, Provenance
from goldlock.tables import Format
from goldlock.tolerance import Kind, Loose, Tolerance, UpTo
from goldlock_env.errors import ConfigurationError, CouldNotRunError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VERSION = 2
LARGEST = 16 * 1024 * 1024
"""Bytes of a golden.toml that is read."""
RESTORE = "restore the golden folder from version control, or remove it and run goldlock record"
_VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONTENT = re.compile(r"sha256:[0-9a-f]{64}")
_ID_LINE = re.compile(rb'^golden-id = "([^"\n]*)"\r?\n', re.MULTILINE)
_HEADER = """\
# Written by goldlock record and goldlock accept. A change by hand is reported: golden-id seals this file,
# and with it the files it names. To change a tolerance, write it under the case in goldlock.toml.
"""

Toml = str | bool | int | float | list[int] | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file of the golden folder."""

    file: str
    """A plain name, without a folder."""
    sha256: str
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What golden.toml says."""

    case: str
    name: str
    key: Key
    bad: bool
    inputs: FileRecord
    """Beside golden.toml for a case's first golden; another one's are those of the first."""
    outputs: FileRecord
    format: Format
    rows: int
    columns: Mapping[str, ColumnRecord]
    provenance: Provenance


def sha256(data: bytes) -> str:
    """Return the digest as it is written everywhere: in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def dumps(manifest: Manifest) -> tuple[bytes, str]:
    """Return the sealed text and its golden-id; raises ConfigurationError for what is not valid Unicode."""
    text = "".join(_lines(manifest))
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"golden.toml cannot hold {text[error.start : error.end]!r}, which is not valid Unicode",
            hint="write the reason, or what else holds it, in UTF-8",
        ) from error
    golden_id = f"sha256:{sha256(_HEADER.encode() + body)}"
    return b"".join([_HEADER.encode(), f'golden-id = "{golden_id}"\n'.encode(), body]), golden_id


def seal_of(data: bytes) -> tuple[str | None, str]:
    """Return the golden-id that a text claims (None: it has no such line) and the one it should have."""
    claimed = _ID_LINE.search(data)
    rest = data if claimed is None else data[: claimed.start()] + data[claimed.end() :]
    return None if claimed is None else claimed[1].decode("utf-8", "replace"), f"sha256:{sha256(rest)}"


def _lines(manifest: Manifest) -> Iterator[str]:
    yield from _pairs({"golden-version": VERSION, "case": manifest.case})
    if manifest.name:
        yield from _pairs({"name": manifest.name})
    if manifest.bad:
        yield from _pairs({"bad": True})
    if manifest.key != Key():
        yield "\n[key]\n"
        yield from _pairs({"lock-id": manifest.key.lock_id, "cpu-level": manifest.key.cpu_level})
    yield "\n[inputs]\n"
    yield from _file(manifest.inputs)
    yield "\n[outputs]\n"
    yield from _file(manifest.outputs)
    yield from _pairs({"format": manifest.format.value, "rows": manifest.rows})
    for name, record in manifest.columns.items():
        yield "\n[[columns]]\n"
        yield from _pairs(
            {"name": name, "dtype": record.dtype, "shape": list(record.shape), "content": record.content}
        )
        yield from _tolerance(record.tolerance)
    provenance = manifest.provenance
    yield "\n[provenance]\n"
    yield from _pairs(
        {
            "lock-id": provenance.lock_id,
            "image-id": provenance.image_id,
            "cpu-level": provenance.cpu_level,
            "goldlock-version": provenance.goldlock_version,
            "recorded": provenance.recorded,
            "reason": provenance.reason,
        }
    )
    if provenance.accepted_by:
        yield from _pairs({"accepted-by": provenance.accepted_by})
    for entry in provenance.history:
        yield "\n[[history]]\n"
        yield from _pairs(
            {
                "golden-id": entry.golden_id,
                "recorded": entry.recorded,
                "reason": entry.reason,
                "accepted-by": entry.accepted_by,
                "lock-id": entry.lock_id,
                "image-id": entry.image_id,
            }
        )


def _file(record: FileRecord) -> Iterator[str]:
    yield from _pairs({"file": record.file, "sha256": record.sha256, "size": record.size})


def _tolerance(tolerance: Tolerance) -> Iterator[str]:
    yield from _pairs({"kind": tolerance.kind.value})
    if tolerance.kind.numeric:
        yield from _pairs({"rtol": tolerance.rtol, "atol": tolerance.atol, "ulp": tolerance.ulp})
    if tolerance.reason:
        yield from _pairs({"reason": tolerance.reason})
    if tolerance.scores:
        yield from _pairs({"scores": list(tolerance.scores)})
    if tolerance.up_to is not UpTo.NOTHING:
        yield from _pairs({"up-to": tolerance.up_to.value})
    if tolerance.loose:
        yield from _pairs({"loose": [loose.value for loose in tolerance.loose]})


def _pairs(pairs: Mapping[str, Toml]) -> Iterator[str]:
    for key, value in pairs.items():
        yield f"{key} = {_spelled(value)}\n"


def _spelled(value: Toml | str | int) -> str:
    match value:
        case str():
            return _text(value)
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(map(_spelled, value))}]"
        case _:
            return repr(value)


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def loads(data: bytes, where: str) -> Manifest:
    """Return what the text says, whether its seal holds or not; raises CouldNotRunError naming the key."""
    try:
        document: dict[str, object] = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CouldNotRunError(f"{where}: is not readable TOML: {error}", hint=RESTORE) from error
    root = _Reader(document, where)
    version = root.whole("golden-version")
    if version != VERSION:
        raise CouldNotRunError(
            f"{where}: golden-version is {version}, and this goldlock reads {VERSION}",
            hint="install a newer goldlock"
            if version > VERSION
            else "remove the golden's folder and record it again with goldlock record",
        )
    inputs, outputs, provenance = root.table("inputs"), root.table("outputs"), root.table("provenance")
    name, key = root.text("name", ""), root.table("key", optional=True)
    if name and not is_variant_name(name):
        raise root.fault("name", f"is {name!r}, which cannot be the name of a golden")
    columns = {entry.text("name"): _column(entry) for entry in root.tables("columns")}
    if len(columns) != len(root.tables("columns")):
        raise root.fault("columns", "names one column twice")
    try:
        output_format = Format(outputs.text("format"))
    except ValueError as error:
        raise outputs.fault("format", str(error)) from error
    return Manifest(
        case=root.text("case"),
        name=name,
        key=Key(lock_id=key.text("lock-id", ""), cpu_level=key.text("cpu-level", "")),
        bad=root.flag("bad"),
        inputs=_file_record(inputs),
        outputs=_file_record(outputs),
        format=output_format,
        rows=outputs.whole("rows"),
        columns=columns,
        provenance=Provenance(
            lock_id=provenance.text("lock-id"),
            image_id=provenance.text("image-id"),
            cpu_level=provenance.text("cpu-level"),
            goldlock_version=provenance.text("goldlock-version"),
            recorded=provenance.text("recorded"),
            reason=provenance.text("reason"),
            accepted_by=provenance.text("accepted-by", ""),
            history=tuple(
                HistoryEntry(
                    golden_id=entry.text("golden-id"),
                    recorded=entry.text("recorded"),
                    reason=entry.text("reason"),
                    accepted_by=entry.text("accepted-by", ""),
                    lock_id=entry.text("lock-id"),
                    image_id=entry.text("image-id"),
                )
                for entry in root.tables("history")
            ),
        ),
    )


def _file_record(reader: _Reader) -> FileRecord:
    name = reader.text("file")
    if not is_plain_name(name):
        raise reader.fault("file", f"is {name!r}, not the name of a file beside {MANIFEST}")
    return FileRecord(file=name, sha256=reader.text("sha256"), size=reader.whole("size"))


def is_plain_name(name: str) -> bool:
    """Whether `name` can only be a file directly in the golden folder, and not its manifest."""
    return bool(name) and not set(name) & set("/\\\0") and name not in {".", "..", MANIFEST}


def is_variant_name(name: str) -> bool:
    """Whether `name` can stand behind the ``@`` of a golden's folder."""
    return _VARIANT.fullmatch(name) is not None


def _column(reader: _Reader) -> ColumnRecord:
    if not _CONTENT.fullmatch(reader.text("content")):
        raise reader.fault("content", "is not sha256: and 64 hexadecimal digits")
    try:
        tolerance = Tolerance(
            kind=Kind(reader.text("kind")),
            rtol=reader.number("rtol"),
            atol=reader.number("atol"),
            ulp=reader.whole("ulp", 0),
            reason=reader.text("reason", ""),
            scores=reader.texts("scores"),
            up_to=UpTo(reader.text("up-to", UpTo.NOTHING.value)),
            loose=tuple(map(Loose, reader.texts("loose"))),
        )
        record = ColumnRecord(
            dtype=reader.text("dtype"),
            shape=reader.lengths("shape"),
            content=reader.text("content"),
            tolerance=tolerance,
        )
        _ = record.type
    except (ValueError, ConfigurationError) as error:
        raise reader.fault("kind", str(error)) from error
    return record


class _Reader:
    """A table of the document, its values narrowed one by one."""

    def __init__(self, values: Mapping[str, object], where: str, path: str = "") -> None:
        self.values = values
        self._where = where
        self._path = path

    def fault(self, key: str, what: str) -> CouldNotRunError:
        return CouldNotRunError(f"{self._where}: {self._path}{key} {what}", hint=RESTORE)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self.fault(key, "is missing, or not text")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(key, "is missing, or not a whole number")
        return value

    def number(self, key: str) -> float:
        value = self.values.get(key, 0.0)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.fault(key, "is not a number")
        return float(value)

    def lengths(self, key: str) -> tuple[int, ...]:
        value = self.values.get(key)
        if not isinstance(value, list) or not all(type(length) is int for length in value):
            raise self.fault(key, "is missing, or not a list of whole numbers")
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.fault(key, "is not true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self.fault(key, "is not a list of texts")
        return tuple(value)

    def table(self, key: str, *, optional: bool = False) -> _Reader:
        value = self.values.get(key, {} if optional else None)
        if not isinstance(value, dict):
            raise self.fault(key, "is missing, or not a table")
        return _Reader(value, self._where, f"{self._path}{key}.")

    def tables(self, key: str) -> Sequence[_Reader]:
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.fault(key, "is not a list of tables")
        return [
            _Reader(value, self._where, f"{self._path}{key}[{place}].") for place, value in enumerate(values)
        ]
