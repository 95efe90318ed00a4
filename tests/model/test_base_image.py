"""env/base: the same files give the same layer, and a copied interpreter names its new home only."""

from __future__ import annotations

import io
import random
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "env" / "base"))

import interpreter
import layer
from errors import BaseImageError

EPOCH = 1_000_000_000


def archive(members: list[tarfile.TarInfo], contents: dict[str, bytes] | None = None) -> tarfile.TarFile:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as target:
        for info in members:
            data = (contents or {}).get(info.name, b"")
            if info.isreg():
                info.size = len(data)
            target.addfile(info, io.BytesIO(data) if info.isreg() else None)
    stream.seek(0)
    return tarfile.open(fileobj=stream)


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def names(path: Path) -> list[str]:
    with tarfile.open(path) as written:
        return written.getnames()


def test_order_times_and_names_of_users_make_no_difference(tmp_path: Path) -> None:
    digests = set()
    for attempt in range(3):
        members = [
            member("./usr", tarfile.DIRTYPE, mode=0o755),
            member("./usr/b", uid=0, gid=42, mode=0o2755),
            member("./usr/a-b/c"),
            member("./usr/a/c"),
            member("./usr/a", tarfile.DIRTYPE),
            member("./usr/a-b", tarfile.DIRTYPE),
        ]
        random.Random(attempt).shuffle(members)
        for info in members:
            info.mtime = EPOCH + 7 + attempt
            info.uname = info.gname = f"user{attempt}"
        with archive(members, {"./usr/b": b"b"}) as source:
            ordered = layer.normalised(layer.from_tar(source), epoch=EPOCH)
            digests.add(layer.write(tmp_path / f"{attempt}.tar", ordered))
    assert len(digests) == 1
    assert names(tmp_path / "0.tar") == ["usr", "usr/a", "usr/a/c", "usr/a-b", "usr/a-b/c", "usr/b"]
    with tarfile.open(tmp_path / "0.tar") as written:
        info = written.getmember("usr/b")
        assert (info.mtime, info.gid, info.mode, info.uname) == (EPOCH, 42, 0o2755, "")


def test_hard_links_point_to_the_first_of_their_names(tmp_path: Path) -> None:
    members = [
        member("./bin/perl5.36", mode=0o755),
        member("./bin/perl", tarfile.LNKTYPE, linkname="./bin/perl5.36"),
        member("./bin/zperl", tarfile.LNKTYPE, linkname="./bin/perl"),
    ]
    with archive(members, {"./bin/perl5.36": b"perl"}) as source:
        layer.write(tmp_path / "l.tar", layer.normalised(layer.from_tar(source), epoch=EPOCH))
    with tarfile.open(tmp_path / "l.tar") as written:
        kinds = {info.name: (info.isreg(), info.linkname) for info in written}
        content = written.extractfile("bin/zperl")
        assert content is not None
        assert content.read() == b"perl"
    assert kinds == {
        "bin/perl": (True, ""),
        "bin/perl5.36": (False, "bin/perl"),
        "bin/zperl": (False, "bin/perl"),
    }


def test_a_hard_link_to_nothing_is_an_error() -> None:
    with (
        archive([member("a", tarfile.LNKTYPE, linkname="gone")]) as source,
        pytest.raises(BaseImageError, match="points to gone"),
    ):
        layer.normalised(layer.from_tar(source), epoch=EPOCH)


def test_a_name_that_leads_out_is_an_error() -> None:
    with pytest.raises(BaseImageError, match="leads out"):
        layer.clean_name("usr/../../etc/passwd")


def test_left_out_names_are_left_out_and_a_later_file_replaces_an_earlier_one(tmp_path: Path) -> None:
    with archive([member("./etc/hostname"), member("./etc/apt/x"), member("./etc/apt/y")]) as source:
        entries = [*layer.from_tar(source, without=("etc/hostname",)), layer.from_text("etc/apt/x", "new\n")]
        layer.write(tmp_path / "l.tar", layer.normalised(entries, epoch=EPOCH))
    assert names(tmp_path / "l.tar") == ["etc/apt/x", "etc/apt/y"]
    with tarfile.open(tmp_path / "l.tar") as written:
        assert written.getmember("etc/apt/x").size == 4


def test_a_folders_umask_and_owner_make_no_difference(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tool").write_bytes(b"x")
    (folder / "bin" / "link").symlink_to("tool")
    digests = set()
    for mode in (0o700, 0o755, 0o775):
        (folder / "bin" / "tool").chmod(mode)
        entries = layer.normalised(layer.from_folder(folder, at="usr/local"), epoch=EPOCH)
        digests.add(layer.write(tmp_path / f"{mode}.tar", entries))
    assert len(digests) == 1
    assert names(tmp_path / f"{0o700}.tar") == ["usr/local/bin", "usr/local/bin/link", "usr/local/bin/tool"]


def test_a_library_names_the_new_home_and_keeps_the_end_of_the_old_text(tmp_path: Path) -> None:
    old = b"/home/someone/.pyenv/versions/3.8.18"
    binary = b"\x7fELF" + old + b"\0" + b"-L" + old + b"/lib\0" + b"rest\0"
    path = tmp_path / "libpython.so"
    path.write_bytes(binary)
    interpreter._relocate(path, old.decode())
    moved = path.read_bytes()
    assert len(moved) == len(binary)
    assert old not in moved
    assert b"\x7fELF/usr/local\0" in moved
    assert b"-L/usr/local/lib\0" in moved
    # What a linker lets share its bytes, as CPython's own version number does, is still there.
    assert moved[4 + len(old) - 6 : 4 + len(old) + 1] == b"3.8.18\0"
    assert moved.endswith(b"/lib\0rest\0")


def test_a_script_names_the_new_home(tmp_path: Path) -> None:
    path = tmp_path / "_sysconfigdata.py"
    path.write_text("'LIBDIR': '/home/x/py/lib', 'BINDIR': '/home/x/py/bin'", encoding="utf-8")
    interpreter._relocate(path, "/home/x/py")
    assert path.read_text(encoding="utf-8") == "'LIBDIR': '/usr/local/lib', 'BINDIR': '/usr/local/bin'"


def test_a_library_whose_text_has_no_room_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(b"\x7fELF/opt/py/lib\0")
    with pytest.raises(BaseImageError, match="shorter than /usr/local"):
        interpreter._relocate(path, "/opt/py")


def test_an_absent_interpreter_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BaseImageError, match=r"no CPython 3\.8 to copy") as failed:
        interpreter.find("3.8", prefix=tmp_path)
    assert "pyenv install 3.8" in failed.value.hint
