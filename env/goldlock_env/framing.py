"""Finding the probe's answer in a stream that others write to as well.

Format: a line ``==goldlock-probe:1 begin LENGTH SHA256==``, LENGTH bytes of JSON in ASCII, a line feed,
a line ``==goldlock-probe:1 end==``. The length and the digest make a half answer, or one that is mixed
with other output, tell itself apart from a whole one.
"""

from __future__ import annotations

import hashlib
import re

from goldlock_env.decoding import MalformedError

LARGEST_OUTPUT = 64 * 1024 * 1024
"""Bytes of a stream that is looked at."""
LARGEST_SNAPSHOT = 32 * 1024 * 1024
"""Bytes of JSON in it."""
END = b"\n==goldlock-probe:1 end=="

_BEGIN = re.compile(rb"==goldlock-probe:(\d{1,4}) begin (\d{1,12}) ([0-9a-f]{64})==\r?\n")
_MOST_MARKERS = 100


def unframe(output: bytes) -> str:
    """The JSON between the markers. Raises MalformedError."""
    if len(output) > LARGEST_OUTPUT:
        raise MalformedError("", f"more than {LARGEST_OUTPUT // 2**20} MiB of output")
    found: set[bytes] = set()
    problem = "it holds no snapshot"
    for number, marker in enumerate(_BEGIN.finditer(output)):
        if number >= _MOST_MARKERS:
            raise MalformedError("", "it holds the probe's markers over and over")
        version, length, digest = int(marker[1]), int(marker[2]), marker[3].decode("ascii")
        payload = output[marker.end() : marker.end() + min(length, LARGEST_SNAPSHOT)]
        if version != 1:
            problem = f"it is of a probe of version {version}, and this goldlock reads version 1"
        elif length > LARGEST_SNAPSHOT:
            problem = f"the snapshot has more than {LARGEST_SNAPSHOT // 2**20} MiB"
        elif len(payload) < length:
            problem = "the snapshot is cut off"
        elif hashlib.sha256(payload).hexdigest() != digest:
            problem = "other output stands inside the snapshot"
        elif not output.startswith(END, marker.end() + length):
            problem = "the snapshot has no end marker"
        else:
            found.add(payload)
    if not found:
        raise MalformedError("", problem)
    if len(found) > 1:
        raise MalformedError("", "it holds several snapshots, and they differ")
    try:
        return found.pop().decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("", "the snapshot is not ASCII") from None
