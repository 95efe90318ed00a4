"""Making a pack: the same bytes each time, whole or not at all, and only of what is as it was recorded."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.env.values import FULL
from tests.harness.drafts import configured, names_in
from tests.harness.packs import (
    LAYERS,
    REFERENCE,
    StandIn,
    config_of,
    digest,
    docker_save,
    packed,
    project,
    silent,
    tar,
)

from goldlock import golden, ustar
from goldlock.cli import _delivering
from goldlock.config import loads
from goldlock.delivery import configuration, packing, receiving, sbom, signing, spooling
from goldlock.engines.docker import DockerEngine
from goldlock.environment import read_lock
from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock_env.lock import Lock


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, _ = packed(tmp_path)
    content = first.read_bytes()
    second, _ = packed(tmp_path, replace=True)
    assert second.read_bytes() == content


def test_it_holds_everything_in_its_order(tmp_path: Path) -> None:
    _, manifest = packed(tmp_path)
    names = [member.name for member in manifest.members]
    assert names[:11] == [
        "goldlock.toml",
        "goldlock.lock",
        "goldens/mlp/golden.toml",
        "goldens/mlp/inputs.csv",
        "goldens/mlp/outputs.csv",
        "goldens/mlp@worse/golden.toml",
        "goldens/mlp@worse/outputs.csv",
        "sbom.cdx.json",
        "image/oci-layout",
        "image/index.json",
        names[10],
    ]
    assert names[10].startswith("image/blobs/sha256/")
    assert {f"image/blobs/sha256/{digest(layer)[7:]}" for layer in LAYERS} < set(names)


def test_a_common_tar_reads_it_and_its_image_is_an_oci_layout(tmp_path: Path) -> None:
    target, manifest = packed(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", target, "-C", out], check=True)
    index = json.loads((out / "image/index.json").read_bytes())
    described = index["manifests"][0]
    content = (out / "image/blobs/sha256" / described["digest"][7:]).read_bytes()
    assert digest(content) == described["digest"]
    assert json.loads(content)["config"]["digest"] == manifest.image.config_id
    assert [layer["digest"] for layer in json.loads(content)["layers"]] == [digest(each) for each in LAYERS]


def test_a_layer_that_stands_twice_is_packed_once(tmp_path: Path) -> None:
    engine = StandIn([LAYERS[0], LAYERS[1], LAYERS[0]])
    target, manifest = packed(tmp_path, engine=engine)
    blobs = [member for member in manifest.members if member.name.startswith("image/blobs")]
    assert len(blobs) == 4
    absent = StandIn(engine.layers)
    absent.image = lambda _reference: None  # type: ignore[method-assign]
    with receiving.opened(target, None, silent) as received, pytest.raises(CouldNotRunError):
        # It has no image even after loading.
        receiving.load(cast("DockerEngine", absent), received, silent)
    assert absent.loaded[0].endswith(ustar.END)
    assert absent.loaded[0].count(LAYERS[0]) == 1


def test_never_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "mini.goldlock").write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        packed(tmp_path)
    assert (tmp_path / "mini.goldlock").read_text() == "mine"


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("nameless", [True, False])
def test_a_failure_leaves_nothing(
    replace: bool, nameless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file system has no nameless files."""
    if not nameless:
        monkeypatch.setattr(os, "O_TMPFILE", 0)
    engine = StandIn()
    config = project(tmp_path, engine)
    before = names_in(tmp_path)

    def breaks(reference: str) -> Iterator[bytes]:
        yield b"\0" * 100
        raise CouldNotRunError("the engine is gone")

    engine.save = breaks  # type: ignore[method-assign]
    with pytest.raises(CouldNotRunError, match="the engine is gone"):
        packing.pack(
            cast("DockerEngine", engine),
            config,
            read_lock(config),
            REFERENCE,
            tmp_path / "mini.goldlock",
            key=None,
            replace=replace,
            meter=silent,
        )
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_gets_its_name_when_it_is_whole(
    nameless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not nameless:
        monkeypatch.setattr(os, "O_TMPFILE", 0)
    target = tmp_path / "a.goldlock"
    # As a killed process leaves it where files need names.
    (tmp_path / ".a.goldlock.new").write_text("half of something longer")
    for replace, text in ((False, b"one"), (True, b"two")):
        with spooling.published(target, replace=replace) as file:
            file.write(text)
            assert target.exists() is replace
        assert target.read_bytes() == text
    if not nameless:
        assert names_in(tmp_path) == ["a.goldlock"]
    with pytest.raises(ConfigurationError), spooling.published(target, replace=False):
        pass


def late(target: Path) -> None:
    with spooling.published(target, replace=False) as file:
        file.write(b"late")
        target.write_text("early")


def test_of_two_that_write_at_once_one_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.goldlock"
    with pytest.raises(ConfigurationError, match="is there already"):
        late(target)
    assert target.read_text() == "early"


def refused(folder: Path, lock: Lock | None = None, engine: StandIn | None = None) -> GoldlockError:
    config = configured(folder)
    with pytest.raises(GoldlockError) as caught:
        packing.pack(
            cast("DockerEngine", engine or StandIn()),
            config,
            lock or read_lock(config),
            REFERENCE,
            folder / "mini.goldlock",
            key=None,
            replace=False,
            meter=silent,
        )
    assert not (folder / "mini.goldlock").exists()
    return caught.value


def test_what_is_not_as_recorded_is_not_packed(tmp_path: Path) -> None:
    config = project(tmp_path, StandIn())
    outputs = config.resolve("goldens/mlp/outputs.csv")
    right = outputs.read_bytes()
    outputs.write_bytes(right.replace(b"Setosa", b"setosa"))
    assert "the golden of mlp is not as it was recorded" in refused(tmp_path).message
    outputs.write_bytes(right)
    assert "is not the image that was locked" in refused(tmp_path, engine=StandIn([b"other"])).message
    (lock := config.resolve("goldlock.lock")).write_text(lock.read_text().replace("3.8.18", "3.8.19"))
    assert "the lock was edited" in refused(tmp_path).message


def test_an_image_that_would_have_another_id_elsewhere_is_not_packed(tmp_path: Path) -> None:
    """As with containerd's image store: the receiver would refuse it."""
    engine = StandIn()
    project(tmp_path, engine)
    content = tar(docker_save(config=config_of(LAYERS, author="another")))
    engine.save = lambda _reference: iter([content])  # type: ignore[method-assign]
    error = refused(tmp_path, engine=engine)
    assert "and a receiver's would call it sha256:" in error.message
    assert "containerd's image store" in error.hint


def test_a_lock_without_an_image_is_not_packed(tmp_path: Path) -> None:
    from dataclasses import replace

    project(tmp_path, StandIn())
    error = refused(tmp_path, Lock.of(replace(FULL, image=None), subject="mini"))
    assert "the lock names no image" in error.message
    assert "goldlock lock --engine docker" in error.hint


def test_a_golden_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = project(tmp_path, StandIn())
    assert golden.files_of(config.resolve("goldens/mlp")) == ("golden.toml", "inputs.csv", "outputs.csv")
    config.resolve("goldens/mlp/outputs.csv").unlink()
    assert "half a golden" in refused(tmp_path).message


def test_the_configuration_keeps_what_the_receiver_needs(tmp_path: Path) -> None:
    text = """\
[subject]
name = "mini"
image = "mini:latest"
writable = true
[subject.limits]
memory = "1g"
[subject.build]
target = "serve"
[subject.local]
python = "3.8"
requirements = ["requirements.txt"]
[[case]]
name = "batch"
inputs = "data/in.csv"
golden = "elsewhere/golden"
rows-by = ["id"]
[case.command]
run = ["predict", "{input}", "{output}"]
[case.columns]
p = { kind = "close", rtol = 1e-4 }
[[training]]
name = "again"
image = "mini:train"
run = ["train", "{output}"]
recorded = "model"
[policy]
"python.build" = "warning"
[[accepted]]
finding = "packages.certifi"
reason = "newer roots"
until = 2030-01-02
"""
    config = loads(text, path=tmp_path / "goldlock.toml")
    image = digest(b"image")
    made = loads(configuration.packed(config, image, {"batch": "in.csv"}), path=tmp_path / "goldlock.toml")
    assert (made.subject.image, made.subject.build, made.subject.local) == (image, None, None)
    assert (made.training, made.policy, made.accepted) == ((), config.policy, config.accepted)
    assert (made.subject.writable, made.subject.limits) == (True, config.subject.limits)
    (case,) = made.case
    assert (case.inputs, case.golden) == ("goldens/batch/in.csv", "goldens/batch")
    assert (case.columns, case.rows_by, case.command) == (
        config.case[0].columns,
        ("id",),
        config.case[0].command,
    )


def test_the_bill_of_materials_is_valid_and_the_same_each_time() -> None:
    lock = Lock.of(FULL, subject="mini")
    content = sbom.render(lock, "mini", "1.0")
    assert sbom.render(lock, "mini", "1.0") == content
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode()) is None
    document = json.loads(content)
    assert "timestamp" not in document["metadata"]
    purls = {each.get("purl") for each in document["components"]}
    assert {"pkg:pypi/flask@3.0.3", "pkg:pypi/numpy@1.24.3", "pkg:generic/cpython@3.8.18"} <= purls
    assert any(purl and purl.startswith("pkg:deb/debian/") for purl in purls)
    numpy = next(each for each in document["components"] if each["name"] == "numpy")
    assert [each["alg"] for each in numpy["externalReferences"][0]["hashes"]] == ["SHA-256", "SHA-256"]


@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_keys(passphrase: bytes | None, tmp_path: Path) -> None:
    private, public, key_id = signing.generate(tmp_path / "me", passphrase)
    assert private.stat().st_mode & 0o777 == 0o600
    assert signing.public_key(public).keyid == key_id
    key = signing.private_key(private, passphrase)
    envelope = signing.sign(b"payload", key)
    assert signing.sign(b"payload", key) == envelope
    assert signing.verify(envelope, signing.public_key(public), "x", "me.pub").payload == b"payload"
    with pytest.raises(ConfigurationError, match="is there already"):
        signing.generate(tmp_path / "me", None)
    if passphrase:
        with pytest.raises(ConfigurationError, match="locked with a passphrase"):
            signing.private_key(private, None)
        with pytest.raises(ConfigurationError, match="does not open it"):
            signing.private_key(private, b"wrong")


def test_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    signing.generate(tmp_path / "me", None)
    for read, name in (
        (signing.public_key, "me.key"),
        (lambda path: signing.private_key(path, None), "me.pub"),
    ):
        with pytest.raises(ConfigurationError, match="key in PEM"):
            read(tmp_path / name)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        signing.public_key(tmp_path / "absent.pub")


@pytest.mark.parametrize(
    ("module", "run", "said"),
    [
        ("securesystemslib", "signing.public_key(Path('x'))", "pip install 'goldlock[sign]'"),
        ("cyclonedx", "sbom.needed()", "pip install 'goldlock[pack]'"),
    ],
)
def test_what_is_not_installed_is_named(module: str, run: str, said: str) -> None:
    code = f"""
import sys
from pathlib import Path
sys.modules[{module!r}] = None
from goldlock.delivery import sbom, signing
from goldlock.errors import CouldNotRunError
try:
    {run}
except CouldNotRunError as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in done.stdout


@pytest.mark.parametrize("size", [0, 1, 511, 512, 8**11 - 1, 8**11, 1 << 40])
def test_headers_are_what_tar_reads(size: int) -> None:
    import tarfile

    name = "goldens/" + "c" * 90 + "/inputs.csv"
    info = tarfile.TarInfo.frombuf(ustar.header(name, size), "utf-8", "strict")
    assert (info.name, info.size, info.mode, info.mtime, info.uid, info.isreg()) == (
        name,
        size,
        0o644,
        0,
        0,
        True,
    )
    assert ustar.claimed_name(ustar.header(name, size)) == name
    assert ustar.claimed_size(ustar.header(name, size)) == size


def test_a_name_that_is_too_long_is_told() -> None:
    with pytest.raises(ConfigurationError, match="too long for an archive"):
        ustar.header("goldens/" + "c" * 101, 0)


def test_a_bar_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack names its image, and whoever made it may have chosen what a terminal or its markup obeys."""
    shown = _Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with _delivering.meter("loading [/no] \x1b]0;title\x07", 10) as advance:
        advance(10)
    assert "loading [/no] \N{REPLACEMENT CHARACTER}]0;title" in shown.getvalue()
    assert "\x1b]" not in shown.getvalue()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_disk_that_becomes_full_in_the_middle_of_a_write_is_told(tmp_path: Path) -> None:
    """The system then takes a part of the bytes, and complains of the next ones only."""
    target = tmp_path / "a.goldlock"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CouldNotRunError, match="File too large"):
            overfull(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not target.exists()


def overfull(target: Path) -> None:
    with spooling.published(target, replace=False) as file:
        written = spooling.Written(file)
        with written.hashed():
            written.write(bytes(1500))
