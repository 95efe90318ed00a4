"""Archives of images, from every tool: the same image comes out, and nothing hostile gets through."""

from __future__ import annotations

import bz2
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.packs import LAYERS, StandIn, config_of, digest, docker_save, gzipped, oci, tar

from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock.images import archives, contents, layers, layout, sources


def put(folder: Path, content: bytes, name: str = "image.tar") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def converted(path: Path, name: str | None = None) -> dict[str, bytes]:
    """What `docker load` would be given."""
    with archives.opened(path) as source:
        image = contents.choose(contents.images(source), name, source.where)
        with layers.uncompressed(image, source.where) as found:
            content = b"".join(layout.docker_archive(image, found, source.where))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]


def podman_save() -> dict[str, bytes | str]:
    """Podman's docker-archive: layers named by their diff-ids, and links for older readers."""
    config = config_of()
    paths = [f"{digest(layer)[7:]}.tar" for layer in LAYERS]
    members: dict[str, bytes | str] = dict(zip(paths, LAYERS, strict=True))
    members |= {"0" * 64 + "/layer.tar": f"../{paths[0]}", f"{digest(config)[7:]}.json": config}
    entry = {"Config": f"{digest(config)[7:]}.json", "RepoTags": ["localhost/mini:latest"], "Layers": paths}
    return {**members, "manifest.json": json.dumps([entry]).encode()}


def docker_25() -> dict[str, bytes | str]:
    """Docker since 25: an OCI layout, with a manifest.json that names its blobs."""
    members = oci()
    blobs = [f"blobs/sha256/{digest(each)[7:]}" for each in (config_of(), *LAYERS)]
    entry = {"Config": blobs[0], "RepoTags": ["mini:latest"], "Layers": blobs[1:]}
    return {**members, "manifest.json": json.dumps([entry]).encode()}


@pytest.mark.parametrize(
    "members",
    [docker_save(names=["mini:latest"]), podman_save(), docker_25(), oci(), oci(compress=gzipped)],
    ids=["docker 20.10", "podman", "docker 25", "oci", "oci gzip"],
)
@pytest.mark.parametrize("whole", [bytes, gzipped], ids=["plain", "gzipped"])
@pytest.mark.parametrize("fmt", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_every_layout_gives_the_same_image(
    members: dict[str, bytes | str], whole: Callable[[bytes], bytes], fmt: int, tmp_path: Path
) -> None:
    found = converted(put(tmp_path, whole(tar(members, fmt))))
    (entry,) = json.loads(found["manifest.json"])
    assert entry["RepoTags"] is None
    assert found[entry["Config"]] == config_of()
    assert [found[layer] for layer in entry["Layers"]] == list(LAYERS)


def test_a_folder_with_an_oci_layout(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar(oci()))) as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    assert archives.is_archive(tmp_path / "layout")
    assert set(LAYERS) < set(converted(tmp_path / "layout").values())


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar(oci()))) as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    blob = tmp_path / "layout" / "blobs" / "sha256" / digest(LAYERS[0])[7:]
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CouldNotRunError, match="is missing"):
        converted(tmp_path / "layout")


def test_a_layer_that_stands_twice_is_a_link_that_nobody_follows(tmp_path: Path) -> None:
    found = converted(put(tmp_path, tar(docker_save([LAYERS[0], LAYERS[1], LAYERS[0]]))))
    (entry,) = json.loads(found["manifest.json"])
    assert [found[layer] for layer in entry["Layers"]] == [LAYERS[0], LAYERS[1], LAYERS[0]]


def test_loaded_only_where_the_engine_does_not_have_it(tmp_path: Path) -> None:
    path = put(tmp_path, tar(docker_save(names=["mini:latest"])))
    here, elsewhere = StandIn(), StandIn()
    elsewhere.image = lambda _reference: None  # type: ignore[method-assign]
    told: list[str] = []
    assert archives.loaded(here, path, None, told.append) == digest(config_of())
    assert (here.loaded, told) == ([], [])
    assert archives.loaded(elsewhere, path, None, told.append) == digest(config_of())
    assert len(elsewhere.loaded) == 1
    assert told == ["loading mini:latest out of image.tar"]


def two_images() -> bytes:
    first, second = docker_save(names=["mini:1", "mini:latest"]), docker_save([b"other"], ["team/other:2"])
    entries = [*json.loads(first["manifest.json"]), *json.loads(second["manifest.json"])]
    # The second one's layer has a folder of its own.
    entries[1]["Layers"] = ["second/layer.tar"]
    members = {**first, **second, "second/layer.tar": b"other"}
    first_layer = next(name for name in first if name.endswith("layer.tar"))
    members[first_layer] = first[first_layer]
    return tar({**members, "manifest.json": json.dumps(entries).encode()})


def test_of_several_images_one_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, two_images())
    with pytest.raises(ConfigurationError) as caught:
        converted(path)
    assert "holds several images: mini:1, mini:latest; team/other:2" in caught.value.message
    with pytest.raises(ConfigurationError, match="holds no image 'absent'; it holds mini:1"):
        converted(path, "absent")
    assert b"other" in converted(path, "team/other:2").values()
    assert set(LAYERS) < set(converted(path, "mini").values())


def changed(members: dict[str, bytes | str], name: str, content: bytes | str) -> dict[str, bytes | str]:
    found = next(each for each in members if each.endswith(name))
    return {**members, found: content}


BLOB = digest(LAYERS[0])[7:]
ENTRY = {"Config": "x.json", "Layers": []}


def pax(*, size: str = "", raw: bytes = b"") -> bytes:
    """An archive of one member whose size an extended header tells."""
    said = f" size={size}\n".encode()
    content = raw or b"%d" % (len(said) + len(b"%d" % len(said))) + said
    extended = tarfile.TarInfo("extended")
    extended.type, extended.size = tarfile.XHDTYPE, len(content)
    padded = content + bytes(-len(content) % 512)
    return extended.tobuf(tarfile.USTAR_FORMAT) + padded + tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT)


def fanned() -> dict[str, bytes | str]:
    """Indexes that each name the next one a hundred times, a hundred million in the end."""
    members: dict[str, bytes | str] = {}
    content = b'{"manifests":[]}'
    for _ in range(4):
        members[f"blobs/sha256/{digest(content)[7:]}"] = content
        named = {"digest": digest(content), "size": len(content)}
        content = json.dumps({"manifests": [named] * 100}).encode()
    return {**members, "index.json": content}


HOSTILE: dict[str, tuple[bytes, str]] = {
    "no archive": (b"hello" * 200, "is no tar archive"),
    "cut off": (tar(docker_save())[:3000], "is cut off"),
    "no image": (tar({"a": b"b"}), "holds no image"),
    "no entries": (tar({"manifest.json": b"[]"}), "lists no image"),
    "manifest of another kind": (tar({"manifest.json": b"{}"}), "manifest.json: cannot be read"),
    "deep": (tar({"manifest.json": b"[" * 100_000}), "manifest.json: cannot be read"),
    "a changed layer": (tar(changed(docker_save(), "layer.tar", b"other")), "holds something else"),
    "a changed blob": (tar({**oci(), f"blobs/sha256/{BLOB}": b"other"}), "holds something else"),
    "a changed gzip blob": (
        tar(changed(oci(compress=gzipped), digest(gzipped(LAYERS[1]))[7:], gzipped(b"other"))),
        "holds something else",
    ),
    "a layer missing": (
        tar({name: each for name, each in oci().items() if not name.endswith(BLOB)}),
        "is missing",
    ),
    "a layer that is a link out": (tar(changed(docker_save(), "layer.tar", "/etc/passwd")), "is missing"),
    "a configuration that is a link": (tar(changed(docker_save(), ".json", "/etc/passwd")), "is missing"),
    "a changed configuration": (
        tar(changed(docker_save(), f"{digest(config_of())[7:]}.json", config_of([b"x", b"y"]))),
        "is not what its name says",
    ),
    "fewer layers": (tar(docker_save(LAYERS[:1], config=config_of())), "has 1 layers"),
    "zstd": (tar(oci(compress=lambda layer: b"\x28\xb5\x2f\xfd" + layer)), "compressed with zstd"),
    "a digest that climbs out": (
        tar({"index.json": b'{"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]}'}),
        "is no SHA-256 digest",
    ),
    "broken gzip": (tar(oci(compress=lambda layer: gzipped(layer)[:-9])), "is cut off"),
    "garbled gzip": (tar(oci(compress=lambda layer: b"\x1f\x8b" + layer)), "can't be uncompressed"),
    "bzip2": (tar(oci(compress=bz2.compress)), "compressed with bzip2"),
    "zstd behind a frame to be skipped": (
        tar(oci(compress=lambda layer: b"\x5a\x2a\x4d\x18" + layer)),
        "compressed with zstd",
    ),
    "a size of too many digits": (pax(size="9" * 5000), "is cut off"),
    "a size beyond every file": (pax(size="9" * 18), "is cut off inside"),
    "a record of too many digits": (pax(raw=b"9" * 5000 + b" size=1\n"), "is cut off"),
    "an entry over and over": (
        tar({"manifest.json": json.dumps([ENTRY] * 201).encode()}),
        "lists too many images",
    ),
    "indexes over and over": (tar(fanned()), "lists too many images"),
    "an index of itself": (
        tar(
            {
                "index.json": json.dumps(
                    {"manifests": [{"digest": digest(b"{}"), "size": 2}, {"digest": "sha256:x", "size": 1}]}
                ).encode(),
                f"blobs/sha256/{digest(b'{}')[7:]}": b"{}",
            }
        ),
        "is no SHA-256 digest",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_right_is_refused(name: str, tmp_path: Path) -> None:
    content, said = HOSTILE[name]
    with pytest.raises(CouldNotRunError) as caught:
        converted(put(tmp_path, content))
    assert said in caught.value.message
    assert "image.tar" in caught.value.message


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    bomb = zlib.compressobj(9, wbits=31)
    packed = bomb.compress(bytes(4 << 20)) + bomb.flush()
    blob = sources.Bytes(packed)
    with pytest.raises(CouldNotRunError, match="grows beyond 1,048,576 bytes"):
        layers.gunzip(blob, "bomb", largest=1 << 20)
    # Pieces stay small, whatever they grow to.
    assert max(map(len, layers._inflated(blob, "bomb"))) <= 1 << 20


def test_too_large_a_configuration_is_not_read(tmp_path: Path) -> None:
    path = put(tmp_path, tar({"manifest.json": bytes(contents.LARGEST + 1)}))
    with pytest.raises(CouldNotRunError, match="at most 4,194,304 are read"):
        converted(path)


def test_many_records_take_no_longer_than_few(tmp_path: Path) -> None:
    """A mebibyte of the shortest ones is read once, and not once for each."""
    name = "n" * 200
    record = b"210 path=%s\n" % name.encode()
    assert sources._records(b"6 a=b\n" * 150_000 + record) == {"a": "b", "path": name}


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damage_gives_the_same_image_or_an_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(tar(docker_save()))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[at] ^= data.draw(st.integers(1, 255))
    path = put(tmp_path_factory.getbasetemp(), bytes(content), "damaged.tar")
    try:
        found = converted(path)
    except GoldlockError:
        return
    assert config_of() in found.values()
    assert set(LAYERS) < set(found.values())


def test_names_longer_than_a_header_holds(tmp_path: Path) -> None:
    name = "d" * 150 + "/" + "f" * 120
    for fmt in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = put(tmp_path, tar({name: b"content", "after": b"more"}, fmt))
        descriptor = os.open(path, os.O_RDONLY)
        source = sources.tar_source(descriptor, "x")
        assert {each: b"".join(blob.pieces()) for each, blob in source.files.items()} == {
            name: b"content",
            "after": b"more",
        }
        os.close(descriptor)
