"""Locked wheels: merged from several files, chosen for the target, downloaded once, checked every time."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import sys
import zipfile
from pathlib import Path

import pytest

from goldlock import wheelhouse
from goldlock.errors import ConfigurationError, CouldNotRunError


def wheel(name: str, version: str = "1.0", tag: str = "py3-none-any", text: str = "") -> tuple[str, bytes]:
    """File name and bytes of a real wheel with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"# {text}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = ""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\n"
            archive.writestr(zipfile.ZipInfo(path), content)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), f"{record}{info}/RECORD,,\n")
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Place:
    """An index (a folder, which is all that pip may look at), a cache, and requirements files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, folder / "index"
        self.index.mkdir()
        self.said: list[str] = []

    @property
    def cache(self) -> Path:
        return wheelhouse.folder()

    def publish(self, name: str, version: str = "1.0", tag: str = "py3-none-any", text: str = "") -> str:
        """Put a wheel into the index; returns the line that locks it."""
        file, content = wheel(name, version, tag, text)
        (self.index / file).write_bytes(content)
        return f"{name}=={version} --hash={sha256(content)}"

    def file(self, *lines: str, name: str = "requirements.txt") -> Path:
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def ensure(self, *files: Path, python: str = "3.8") -> list[str]:
        return [path.name for path in wheelhouse.ensure(files, python, self.said.append)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place.index))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return place


def test_wheels_are_downloaded_once_and_then_taken_from_the_cache(place: Place) -> None:
    locked = place.file(place.publish("beta"), place.publish("alpha"))
    expected = ["alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"]
    assert place.ensure(locked) == expected
    assert place.said == ["downloading 2 wheels: beta, alpha"]
    for file in place.index.iterdir():
        file.unlink()
    assert place.ensure(locked) == expected
    assert len(place.said) == 1
    assert sorted(path.name for path in place.cache.glob("*/*")) == expected


def test_wheels_are_chosen_for_the_target_and_not_for_this_python(place: Place) -> None:
    right = place.publish("gamma", tag="cp38-cp38-manylinux_2_17_x86_64")
    (_, wrong) = place.publish("gamma", tag="cp39-cp39-manylinux_2_17_x86_64", text="other").split(" ")
    locked = place.file(f"{right} {wrong}")
    assert sys.version_info[:2] not in {(3, 8), (3, 9)}
    assert place.ensure(locked, python="3.8") == ["gamma-1.0-cp38-cp38-manylinux_2_17_x86_64.whl"]
    assert place.ensure(locked, python="3.9") == ["gamma-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"]


def test_markers_are_those_of_the_target(place: Place) -> None:
    old, new = place.publish("old"), place.publish("new")
    windows = f"win=={1}.0 ; sys_platform == 'win32' --hash=sha256:{'0' * 64}"
    locked = place.file(
        old.replace(" --", " ; python_version < '3.9' --"),
        new.replace(" --", " ; python_version >= '3.9' --"),
        windows,
    )
    assert place.ensure(locked, python="3.8") == ["old-1.0-py3-none-any.whl"]
    assert place.ensure(locked, python="3.12") == ["new-1.0-py3-none-any.whl"]


def test_several_files_are_one_set(place: Place) -> None:
    both, first, second = place.publish("both"), place.publish("first"), place.publish("second")
    files = place.file(both, first), place.file(second, both.replace("both", "Both"), name="train.txt")
    assert place.ensure(*files) == [f"{name}-1.0-py3-none-any.whl" for name in ("both", "first", "second")]


def test_files_that_lock_different_versions_are_an_error_that_names_both(place: Place) -> None:
    files = (
        place.file(place.publish("both", "1.0")),
        place.file(place.publish("both", "2.0"), name="train.txt"),
    )
    with pytest.raises(
        ConfigurationError, match=r"train\.txt: both is locked as 2\.0 here and as 1\.0"
    ) as caught:
        place.ensure(*files)
    assert "constraint" in caught.value.hint


def test_a_requirement_without_a_hash_is_an_error(place: Place) -> None:
    with pytest.raises(ConfigurationError, match=r"requirements\.txt: demo==1\.0 has no hash") as caught:
        place.ensure(place.file("demo==1.0"))
    assert "--generate-hashes" in caught.value.hint


@pytest.mark.parametrize("line", ["demo", "demo>=1.0", "demo==1.*"])
@pytest.mark.parametrize("hashed", [True, False])
def test_a_requirement_that_is_not_pinned_is_an_error(place: Place, line: str, hashed: bool) -> None:
    line += f" --hash=sha256:{'0' * 64}" if hashed else ""
    with pytest.raises(ConfigurationError, match="demo is not pinned to one version"):
        place.ensure(place.file(line))


def test_a_file_that_is_not_there_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.txt can't be read: No such file"):
        place.ensure(place.folder / "absent.txt")


def test_a_file_that_is_no_text_is_an_error_that_names_it(place: Place) -> None:
    (place.folder / "binary.txt").write_bytes(b"\xff\xfe\x00d")
    with pytest.raises(ConfigurationError, match=r"binary\.txt"):
        place.ensure(place.folder / "binary.txt")


def test_a_corrupted_cached_wheel_is_named_and_not_used(place: Place) -> None:
    locked = place.file(place.publish("demo"))
    place.ensure(locked)
    (cached,) = place.cache.glob("*/demo-1.0-py3-none-any.whl")
    cached.write_bytes(cached.read_bytes()[:-1])
    with pytest.raises(CouldNotRunError, match=r"wheel demo-1\.0-py3-none-any\.whl does not match") as caught:
        place.ensure(locked)
    assert f"delete {cached.parent}" in caught.value.hint
    cached.unlink()
    assert place.ensure(locked) == [cached.name]


def test_other_bytes_than_were_locked_are_refused_and_not_kept(place: Place) -> None:
    locked = place.file(place.publish("demo"))
    place.publish("demo", text="somebody else's")
    with pytest.raises(CouldNotRunError, match="could not be downloaded") as caught:
        place.ensure(locked)
    assert "hash" in caught.value.message.lower()
    assert list(place.cache.iterdir()) == []


def test_a_wheel_that_nobody_serves_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(CouldNotRunError, match="could not be downloaded") as caught:
        place.ensure(place.file(f"absent==1.0 --hash=sha256:{'0' * 64}"))
    assert "absent==1.0" in caught.value.message


def test_source_distributions_are_never_built(place: Place) -> None:
    content = b"anything"
    (place.index / "demo-1.0.tar.gz").write_bytes(content)
    with pytest.raises(CouldNotRunError, match="could not be downloaded"):
        place.ensure(place.file(f"demo==1.0 --hash={sha256(content)}"))


def test_one_of_several_locked_hashes_is_enough(place: Place) -> None:
    locked = place.publish("demo")
    assert place.ensure(place.file(f"{locked} --hash=sha256:{'0' * 64}")) == ["demo-1.0-py3-none-any.whl"]


def test_two_projects_may_lock_different_wheels_of_one_release(place: Place) -> None:
    one = place.file(place.publish("demo"), name="one.txt")
    place.ensure(one)
    other = place.file(place.publish("demo", text="built again"), name="other.txt")
    for locked in (other, one):
        (wheel,) = wheelhouse.ensure([locked], "3.8", place.said.append)
        assert wheel.parent.name in locked.read_text(encoding="utf-8")


def test_hashes_of_all_files_count(place: Place) -> None:
    right = place.publish("demo")
    wrong = place.file(f"demo==1.0 --hash=sha256:{'0' * 64}", name="wrong.txt")
    assert place.ensure(wrong, place.file(right, name="right.txt")) == ["demo-1.0-py3-none-any.whl"]


def test_an_unfinished_download_of_another_process_is_not_taken(place: Place) -> None:
    locked = place.file(place.publish("demo"))
    unfinished = place.cache / ".download-other"
    unfinished.mkdir(parents=True)
    (unfinished / "demo-1.0-py3-none-any.whl").write_bytes(b"half")
    (place.cache / "not a wheel.whl").write_bytes(b"x")
    assert place.ensure(locked) == ["demo-1.0-py3-none-any.whl"]


def test_nothing_wanted_asks_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert place.ensure(place.file("# nothing")) == []
    assert place.ensure() == []
    assert place.said == []
