"""A snapshot that comes back from elsewhere: the stand-alone probe's answer, however it travelled.

It is JSON, or JSON between the probe's markers. On its way it may have got other line ends, a byte order mark,
UTF-16 (PowerShell's redirection), broken lines, and a mail's words around it. Nothing else is read.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re

from goldlock_env import framing
from goldlock_env.decoding import MalformedError, parse_json
from goldlock_env.errors import CouldNotRunError
from goldlock_env.snapshot import Snapshot

LARGEST = framing.LARGEST_OUTPUT
"""Bytes of a file that is read."""
HEAD = 4096
"""Bytes of a file that tell what it is."""

_MARKS = (
    # UTF-32's little-endian mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_FRAMED = re.compile(
    r"==goldlock-probe:(\d{1,4}) begin (\d{1,12}) ([0-9a-f]{64})==(.*?)==goldlock-probe:1 end==", re.DOTALL
)
# A script, and the programs of Linux and Windows.
_PROGRAMS = (b"#!", b"\x7fELF", b"MZ")
_MARKER = "==goldlock-probe:"
_MOST_MARKERS = 100
_OBJECT = re.compile(r"^\{", re.MULTILINE)
_HINT = "Let it be written again by `python goldlock-probe.py --output FILE`, and sent as an attachment."


def looks_like(head: bytes) -> bool:
    """Whether a file that begins so may be a snapshot (or a saved report): JSON, or the probe's markers."""
    text = _text(head)
    return not head.startswith(_PROGRAMS) and (_MARKER in text or _OBJECT.search(text) is not None)


def read(content: bytes, *, where: str) -> Snapshot:
    """The one snapshot in a file's content; ``where`` names the file in messages.

    Raises CouldNotRunError: there is none, half of one, several that differ, or a malformed one.
    """
    try:
        if len(content) > LARGEST:
            raise MalformedError("", f"is larger than {LARGEST // 2**20} MiB")
        text = _text(content)
        document = _framed(text) if _MARKER in text else _bare(text)
        return Snapshot.from_mapping(document)
    except MalformedError as error:
        raise CouldNotRunError(f"{where}: {error}", hint=_HINT) from None


def _text(content: bytes) -> str:
    """What a file says; bytes that are no text are of the words around a snapshot, which is ASCII."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding:
        # ASCII in UTF-16 has every other byte 0.
        zeros = content[:200].count(0), content[:200:2].count(0)
        encoding = "utf-8" if zeros[0] < 20 else "utf-16-be" if zeros[1] else "utf-16-le"
    return content.decode(encoding, "replace")


def _framed(text: str) -> object:
    found: set[str] = set()
    problem = "the snapshot is cut off: its end marker is missing"
    if text.count(_MARKER) > _MOST_MARKERS:
        raise MalformedError("", "it holds the probe's markers over and over")
    for marker in _FRAMED.finditer(text):
        # The probe writes its JSON on one line: line ends in it are the mail's.
        payload = re.sub(r"[\r\n]", "", marker[4])
        if marker[1] != "1":
            problem = f"it is of a probe of version {marker[1]}, and this goldlock reads version 1"
        elif len(payload) > framing.LARGEST_SNAPSHOT:
            problem = f"the snapshot has more than {framing.LARGEST_SNAPSHOT // 2**20} MiB"
        elif len(payload) != int(marker[2]) or _digest(payload) != marker[3]:
            problem = "the snapshot was changed on its way: its length or digest is another"
        else:
            found.add(payload)
    if len(found) > 1:
        raise MalformedError("", "it holds several snapshots, and they differ")
    if not found:
        raise MalformedError("", problem)
    return parse_json(found.pop())


def _bare(text: str) -> object:
    start = _OBJECT.search(text)
    if start is None:
        raise MalformedError("", "holds no snapshot")
    try:
        # How far it goes; what it says is read strictly below.
        _, end = json.JSONDecoder().raw_decode(text, start.start())
    except json.JSONDecodeError as error:
        raise MalformedError("", f"is no whole snapshot: {error}") from None
    except (RecursionError, ValueError):
        raise MalformedError("", "is nested too deeply, or has a number that is too large") from None
    if end - start.start() > framing.LARGEST_SNAPSHOT:
        raise MalformedError("", f"the snapshot has more than {framing.LARGEST_SNAPSHOT // 2**20} MiB")
    document = parse_json(text[start.start() : end])
    if isinstance(document, dict) and "report-version" in document:
        raise MalformedError("", "is a saved report, and not a snapshot; `goldlock diff` compares those")
    return document


def _digest(payload: str) -> str:
    return hashlib.sha256(payload.encode("utf-8")).hexdigest()
