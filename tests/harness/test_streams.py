"""Frames and archives of a container, none of which is trusted."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.engines.streams import STDERR, STDOUT, Capture, frames, pack, unpack
from goldlock.errors import CouldNotRunError, SubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MEBI = 1 << 20


def frame(number: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", number, len(payload)) + payload


def reader(data: bytes, most: int = 1 << 30) -> Callable[[int], bytes]:
    """Reads like a socket: never more than asked for, and never more than `most`."""
    stream = io.BytesIO(data)
    return lambda size: stream.read(min(size, most))


def joined(data: bytes, most: int = 1 << 30) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for number, piece in frames(reader(data, most)):
        found[number] = found.get(number, b"") + piece
    return found


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40)), max_size=8),
    st.integers(1, 50),
)
def test_frames_give_back_both_streams_however_the_bytes_arrive(
    sent: list[tuple[int, bytes]], most: int
) -> None:
    expected: dict[int, bytes] = {}
    for number, payload in sent:
        if payload:
            expected[number] = expected.get(number, b"") + payload
    assert joined(b"".join(frame(*each) for each in sent), most) == expected


@given(st.binary(max_size=200), st.integers(1, 20))
def test_frames_of_any_bytes_end_and_give_no_more_than_there_is(data: bytes, most: int) -> None:
    assert sum(len(piece) for _, piece in frames(reader(data, most))) <= len(data)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_stream_that_breaks_off_gives_what_came(cut: int) -> None:
    data = frame(STDOUT, b"whole") + frame(STDERR, b"half")[:-cut]
    assert joined(data)[STDOUT] == b"whole"
    assert joined(data).get(STDERR, b"") == b"half"[: max(0, 4 - cut)]


def test_a_frame_that_claims_four_gibibytes_costs_no_memory() -> None:
    pieces = list(frames(reader(struct.pack(">BxxxL", STDOUT, 0xFFFFFFFF) + b"abc")))
    assert pieces == [(STDOUT, b"abc")]


def test_a_capture_keeps_stdout_whole_and_the_tail_of_stderr() -> None:
    capture = Capture(MEBI)
    capture.add(STDOUT, b"a,b\n")
    capture.add(STDERR, b"x" * 70_000)
    capture.add(STDOUT, b"1,2\n")
    capture.add(STDERR, b"the end \xff")
    assert capture.stdout == b"a,b\n1,2\n"
    assert len(capture.stderr) == 64 << 10
    assert capture.stderr.endswith("xthe end \N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("numbers", [(STDOUT, STDOUT), (STDERR, STDERR), (STDOUT, STDERR)])
def test_a_capture_counts_both_streams_against_one_limit(numbers: tuple[int, int]) -> None:
    capture = Capture(10)
    capture.add(numbers[0], b"12345")
    capture.add(numbers[0], b"12345")
    with pytest.raises(SubjectError, match="more than 10 bytes") as caught:
        capture.add(numbers[1], b"!")
    assert "subject.limits.output" in caught.value.hint
    assert len(capture.stdout) <= 10


def archive(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            made.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def special(kind: bytes, name: str = "out/x", link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def chunks(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def unpacked(data: Iterable[bytes], *, limit: int, members: int = 1000) -> dict[str, bytes]:
    """The files as `unpack` left them in a folder, and nothing else in it or beside it."""
    with tempfile.TemporaryDirectory() as name:
        into = Path(name) / "into"
        found = unpack(data, into, limit=limit, members=members)
        assert {*Path(name).rglob("*")} >= {*found.values()}
        assert [*Path(name).iterdir()] == [into] * into.exists()
        assert sum(path.is_file() for path in into.rglob("*")) == len(found)
        return {name: path.read_bytes() for name, path in found.items()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """The archive of a folder `out` with these files."""
    with tempfile.TemporaryDirectory() as folder:
        members: list[tuple[str, Path | None]] = [("out", None)]
        for number, (name, content) in enumerate(files.items()):
            (Path(folder) / str(number)).write_bytes(content)
            members.append((f"out/{name}", Path(folder) / str(number)))
        return b"".join(pack(members))


contents = st.dictionaries(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=120),
    st.binary(max_size=2000),
    max_size=5,
)


@given(contents, st.integers(1, 5000))
def test_what_is_packed_is_unpacked_again(files: dict[str, bytes], size: int) -> None:
    assert unpacked(chunks(packed(files), size), limit=MEBI) == {f"out/{k}": v for k, v in files.items()}


def test_what_is_packed_can_be_read_and_written_by_any_user_of_the_subject() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed({"input.csv": b"a\n"}))) as made:
        modes = {member.name: (member.isdir(), member.mode) for member in made}
    assert modes == {"out": (True, 0o777), "out/input.csv": (False, 0o666)}


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (special(tarfile.SYMTYPE, link="/etc/passwd"), "is a link or a device"),
        (special(tarfile.LNKTYPE, link="../../secret"), "is a link or a device"),
        (special(tarfile.CHRTYPE), "is a link or a device"),
        (special(tarfile.BLKTYPE), "is a link or a device"),
        (special(tarfile.FIFOTYPE), "is a link or a device"),
        (("/etc/passwd", b"root"), "climbs out"),
        (("../escape", b"x"), "climbs out"),
        (("out/../../escape", b"x"), "climbs out"),
        (special(tarfile.DIRTYPE, "../folder"), "climbs out"),
    ],
    ids=["symlink", "hardlink", "character", "block", "fifo", "absolute", "dots", "inner-dots", "folder"],
)
def test_what_is_no_plain_file_in_its_place_is_refused(
    member: tarfile.TarInfo | tuple[str, bytes], said: str
) -> None:
    with pytest.raises(SubjectError, match=said):
        unpacked(chunks(archive(("out/good", b"1"), member)), limit=MEBI)


def test_too_many_members_are_refused() -> None:
    many = archive(*((f"out/{number}", b"") for number in range(11)))
    with pytest.raises(SubjectError, match="more than 10 files"):
        unpacked(chunks(many), limit=MEBI, members=10)
    assert len(unpacked(chunks(many), limit=MEBI, members=11)) == 11


def test_one_file_over_the_limit_is_refused_and_one_at_it_is_read() -> None:
    assert unpacked(chunks(archive(("x", b"12345"))), limit=5) == {"x": b"12345"}
    with pytest.raises(SubjectError, match="more than the limit of 4"):
        unpacked(chunks(archive(("x", b"12345"))), limit=4)


def test_files_together_over_the_limit_are_refused() -> None:
    with pytest.raises(SubjectError, match="more than the limit"):
        unpacked(chunks(archive(("x", b"12345"), ("y", b"12345"))), limit=8)


def test_an_archive_that_never_ends_is_given_up() -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        yield archive(("x", b"1"))[:1024]
        while True:
            given += 1 << 16
            yield archive(("x", b"1" * (1 << 15)))[: (1 << 15) + 512]

    with pytest.raises(SubjectError):
        unpacked(endless(), limit=1000, members=10_000)
    assert given < 64 * MEBI


def test_a_header_that_claims_more_than_follows_is_an_error_and_reserves_nothing() -> None:
    info = tarfile.TarInfo("x")
    info.size = 1 << 40
    with pytest.raises(SubjectError, match="more than the limit"):
        unpacked([info.tobuf()], limit=MEBI)
    info.size = MEBI
    with pytest.raises(SubjectError, match="can't be read out of the container"):
        unpacked([info.tobuf() + b"short"], limit=2 * MEBI)


@pytest.mark.parametrize("data", [b"", b"no archive at all", b"\x1f\x8b\x08\x00gzip"])
def test_what_is_no_archive_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(SubjectError, match="can't be read out of the container"):
        unpacked([data] if data else [], limit=MEBI)


def test_a_negative_size_does_not_raise_the_limit() -> None:
    info = tarfile.TarInfo("x")
    info.size = -(1 << 30)
    data = info.tobuf(tarfile.GNU_FORMAT) + archive(("y", b"1" * 5000))
    with pytest.raises(SubjectError):
        unpacked(chunks(data), limit=1000)


MODEL = archive(("out/a", b"x" * 700), special(tarfile.DIRTYPE, "out"), (f"out/{'long' * 60}", b"12"))


@given(st.data())
def test_damaged_archives_give_files_or_a_subject_error(data: st.DataObject) -> None:
    damaged = bytearray(MODEL)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        for start in range(0, len(damaged) - 511, 512):
            _mend(damaged, start)
    try:
        found = unpacked(chunks(bytes(damaged)), limit=MEBI)
    except SubjectError:
        return
    assert sum(map(len, found.values())) <= MEBI


@pytest.mark.parametrize(
    "second", ["out/x", "out/x/below", "out"], ids=["the same name", "below a file", "the folder's own name"]
)
def test_one_name_for_two_things_is_refused(second: str) -> None:
    with pytest.raises(SubjectError, match="can't be a file here"):
        unpacked(chunks(archive(("out/x", b"1"), (second, b"2"))), limit=MEBI)


def test_a_name_too_long_for_this_host_is_refused() -> None:
    with pytest.raises(SubjectError, match="can't be a file here"):
        unpacked(chunks(archive(("x" * 300, b"1"))), limit=MEBI)


def test_a_file_that_shrinks_while_it_is_packed_leaves_a_whole_archive(tmp_path: Path) -> None:
    path = tmp_path / "shrinks"
    path.write_bytes(bytes(3 * MEBI))
    pieces = pack([("in", None), ("in/file", path)])
    sent = [next(pieces), next(pieces)]
    path.write_bytes(b"")
    assert len(unpacked([*sent, *pieces], limit=4 * MEBI)["in/file"]) == 3 * MEBI


def test_a_full_disk_of_this_host_is_told_as_one() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(CouldNotRunError) as caught:
        Capture(MEBI, full).add(STDOUT, b"x")
    assert "/dev/full: could not be written: No space left" in caught.value.message
    assert "free some space" in caught.value.hint


def test_what_goes_to_a_file_is_not_kept_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb", buffering=0) as sink:
        capture = Capture(2 * MEBI, sink)
        for _ in range(16):
            capture.add(STDOUT, bytes(1 << 16))
        with pytest.raises(SubjectError, match="wrote more than"):
            capture.add(STDOUT, bytes(2 * MEBI))
    assert (tmp_path / "said").stat().st_size == MEBI
    assert len(capture.stdout) == 1 << 16


def _mend(data: bytearray, start: int) -> None:
    """Make a block's checksum right again, so that the damage is not passed over at its door."""
    if data[start + 257 : start + 262] == b"ustar":
        data[start + 148 : start + 156] = b" " * 8
        data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])


def record(text: str) -> bytes:
    """A record of a pax header: its own length first (POSIX pax, "pax Extended Header")."""
    length = len(text) + 3
    length += len(str(length)) - 1
    return f"{length} {text}\n".encode()


@pytest.mark.parametrize(
    "records",
    [
        record("GNU.sparse.map=no,number"),
        record("GNU.sparse.major=1") + record("GNU.sparse.minor=0"),
        record("GNU.sparse.major=1")
        + record("GNU.sparse.minor=0")
        + record("GNU.sparse.realsize=99999999999"),
        record("size=-1000"),
        record("size=99999999999999999999"),
        record("mtime=1e999999"),
        record("path=../../escape"),
        b"xx path=y\n",
        b"9999 path=y\n",
    ],
)
def test_extended_headers_that_lie_give_a_subject_error_or_what_is_within_the_limit(records: bytes) -> None:
    extended = special(tarfile.XHDTYPE, "PaxHeader")
    extended.size = len(records)
    data = extended.tobuf() + records.ljust(512, b"\0") + archive(("x", b"1\n2\n3" * 200))
    try:
        found = unpacked(chunks(data), limit=5000)
    except SubjectError:
        return
    assert not any(name.startswith("/") or ".." in name for name in found)
    assert sum(map(len, found.values())) <= 5000


def test_headers_that_only_announce_headers_do_not_exhaust_the_stack() -> None:
    content = record("path=y")
    extended = special(tarfile.XHDTYPE, "PaxHeader")
    extended.size = len(content)
    with pytest.raises(SubjectError, match="can't be read out of the container"):
        unpacked([(extended.tobuf() + content.ljust(512, b"\0")) * 1200], limit=5000)
