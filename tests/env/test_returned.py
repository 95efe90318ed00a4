"""A snapshot that comes back by mail, by redirection, by hand: read however it travelled, or refused with a reason."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.env.values import FULL, snapshots

from goldlock_env import framing, returned
from goldlock_env.errors import CouldNotRunError
from goldlock_env.snapshot import Snapshot

SEEN = FULL.to_mapping()


def compact(seen: object = SEEN) -> str:
    return json.dumps(seen, separators=(",", ":"))


def framed(payload: str) -> str:
    digest = hashlib.sha256(payload.encode()).hexdigest()
    return f"\n==goldlock-probe:1 begin {len(payload)} {digest}==\n{payload}\n==goldlock-probe:1 end==\n"


def wrapped(text: str, width: int = 76) -> str:
    return "\n".join(
        line[at : at + width] for line in text.split("\n") for at in range(0, max(len(line), 1), width)
    )


BARE = json.dumps(SEEN, indent=1, sort_keys=True) + "\n"
FRAMED = framed(compact())
TRAVELS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "a UTF-8 mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "PowerShell 5": lambda text: codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "a mail around it": lambda text: f"Dear {{all}},\n\nhere it is:\n{text}\n-- \nJürgen {{x}}\n".encode(),
    "a mail in latin-1": lambda text: f"Grüße\n{text}\nGrüße, Jürgen\n".encode("latin-1"),
}


@pytest.mark.parametrize("form", [BARE, FRAMED, compact()], ids=["indented", "framed", "on one line"])
@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS)
def test_it_is_read_however_it_travelled(form: str, travel: Callable[[str], bytes]) -> None:
    assert returned.read(travel(form), where="mail.txt") == FULL


def test_a_framed_one_survives_a_mail_program_that_breaks_lines() -> None:
    begin, payload, end = FRAMED.strip("\n").split("\n")
    assert returned.read("\n".join([begin, wrapped(payload), end]).encode(), where="") == FULL


@given(snapshots)
def test_any_snapshot_comes_back_whole(snapshot: Snapshot) -> None:
    seen = snapshot.to_mapping()
    text = json.dumps(seen)
    assert returned.read(framed(compact(seen)).encode("utf-16"), where="") == snapshot
    assert returned.read(text.encode(), where="") == snapshot


@given(st.binary(max_size=300))
def test_nothing_else_is_read_and_every_refusal_is_one_of_ours(content: bytes) -> None:
    with pytest.raises(CouldNotRunError, match=r"^odd: "):
        returned.read(content, where="odd")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "holds no snapshot"),
        ("Dear all,\nthe file is attached.\n", "holds no snapshot"),
        (BARE[:500], "no whole snapshot"),
        (FRAMED[:500], "cut off: its end marker is missing"),
        (FRAMED.replace("1.24.3", "1.24.4"), "changed on its way"),
        (FRAMED.replace("probe:1 begin", "probe:2 begin"), "of a probe of version 2"),
        (FRAMED + framed(compact({**SEEN, "host": {"architecture": "x"}})), "several snapshots"),
        (framed("{}"), "snapshot-version"),
        ('{"snapshot-version": 2}', "snapshot-version: is 2"),
        ('{"snapshot-version": 1, "odd": 1}', "odd: is not a key"),
        ('{"snapshot-version": 1, "snapshot-version": 1}', "same key twice"),
        ('{"snapshot-version": 1.5}', "not whole"),
        ('{"snapshot-version": ' + "1" * 5000 + "}", "too large"),
        ('{"report-version": "2.0"}', "is a saved report"),
        ("{" * 5, "no whole snapshot"),
        ('{"a":' + "[" * 100_000, "nested too deeply"),
        ("==goldlock-probe:" * 200, "over and over"),
    ],
)
def test_what_is_no_snapshot_says_why(content: str, problem: str) -> None:
    with pytest.raises(CouldNotRunError) as caught:
        returned.read(content.encode(), where="client.json")
    assert problem in caught.value.message
    assert caught.value.message.startswith("client.json: ")
    assert "goldlock-probe.py" in caught.value.hint


def test_one_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returned, "LARGEST", 1000)
    with pytest.raises(CouldNotRunError, match="is larger than"):
        returned.read(BARE.encode(), where="x")
    monkeypatch.undo()
    monkeypatch.setattr(framing, "LARGEST_SNAPSHOT", 1000)
    for text in (BARE, FRAMED):
        with pytest.raises(CouldNotRunError, match="the snapshot has more than"):
            returned.read(text.encode(), where="x")


@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS)
def test_a_file_is_known_by_its_beginning(travel: Callable[[str], bytes]) -> None:
    assert returned.looks_like(travel(FRAMED)[: returned.HEAD])
    for other in (b"\x7fELF", b"#!/bin/sh\nrun()\n{\n", b'lock-version = "1.0"\n', b""):
        assert not returned.looks_like(other)
