"""Small packs and image archives made by hand, in memory: images of two tiny layers, and a stand-in for the engine."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.env.values import FULL
from tests.harness.drafts import configured, make

from goldlock import golden
from goldlock.delivery import packing
from goldlock.environment import read_lock
from goldlock_env import lock as locks
from goldlock_env.layers import ImageLayer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from goldlock.config import Config
    from goldlock.delivery.manifest import Manifest
    from goldlock.engines.docker import DockerEngine

LAYERS = (b"layer one" * 100, b"layer two" * 5000)
REFERENCE = "mini:latest"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config_of(layers: Iterable[bytes] = LAYERS, **more: object) -> bytes:
    diff_ids = [digest(layer) for layer in layers]
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}, **more}
    ).encode()


def tar(members: dict[str, bytes | str], fmt: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive; a text is the target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=fmt) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def docker_save(
    layers: Iterable[bytes] = LAYERS, names: list[str] | None = None, config: bytes | None = None
) -> dict[str, bytes | str]:
    """What `docker save` of Docker 20.10 holds: a layer that stands twice is a link the second time."""
    layers = list(layers)
    config = config_of(layers) if config is None else config
    members: dict[str, bytes | str] = {}
    paths = []
    for number, layer in enumerate(layers):
        folder = hashlib.sha256(b"%d" % number).hexdigest()
        first = layers.index(layer)
        members[f"{folder}/VERSION"] = b"1.0"
        members[f"{folder}/layer.tar"] = layer if first == number else f"../{paths[first]}"
        paths.append(f"{folder}/layer.tar")
    named = digest(config).removeprefix("sha256:") + ".json"
    members[named] = config
    members["manifest.json"] = json.dumps([{"Config": named, "RepoTags": names, "Layers": paths}]).encode()
    return members


def oci(
    layers: Iterable[bytes] = LAYERS,
    *,
    names: Iterable[str] = (REFERENCE,),
    compress: Callable[[bytes], bytes] = bytes,
) -> dict[str, bytes | str]:
    """What an OCI archive holds: one image, under each of the names."""
    members: dict[str, bytes | str] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(content: bytes) -> dict[str, object]:
        members[f"blobs/sha256/{digest(content).removeprefix('sha256:')}"] = content
        return {"digest": digest(content), "size": len(content), "mediaType": "application/octet-stream"}

    manifest = {
        "schemaVersion": 2,
        "config": blob(config_of(layers)),
        "layers": [blob(compress(layer)) for layer in layers],
    }
    described = blob(json.dumps(manifest).encode())
    entries = [{**described, "annotations": {"org.opencontainers.image.ref.name": name}} for name in names]
    members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return members


def gzipped(layer: bytes) -> bytes:
    return gzip.compress(layer, mtime=0)


class StandIn:
    """An engine that has one image, and saves it as Docker 20.10 does."""

    name = "docker"

    def __init__(self, layers: Iterable[bytes] = LAYERS) -> None:
        self.layers = tuple(layers)
        self.config = config_of(self.layers)
        self.loaded: list[bytes] = []

    def image(self, reference: str) -> ImageLayer | None:
        if reference not in {REFERENCE, digest(self.config)}:
            return None
        return ImageLayer(
            reference=reference, config_id=digest(self.config), layers=tuple(map(digest, self.layers))
        )

    def size(self, reference: str) -> int:
        return sum(map(len, self.layers))

    def save(self, reference: str) -> Iterator[bytes]:
        content = tar(docker_save(self.layers))
        for start in range(0, len(content), 700):
            yield content[start : start + 700]

    def load(self, chunks: Iterable[bytes]) -> str:
        self.loaded.append(b"".join(chunks))
        return digest(self.config)


@contextlib.contextmanager
def silent(_label: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _bytes: None


def project(folder: Path, engine: StandIn) -> Config:
    """A project with a lock of the engine's image and a golden, and another one, known to be bad."""
    config = configured(folder)
    place = config.resolve(config.case[0].golden)
    golden.record(place, make(folder))
    golden.record(golden.sibling(place, "worse"), make(folder, name="worse", bad=True))
    locked = replace(FULL, image=engine.image(REFERENCE))
    locks.write(config.resolve(config.lock), locks.Lock.of(locked, subject=config.subject.name))
    return config


def packed(
    folder: Path,
    *,
    key: Ed25519PrivateKey | None = None,
    replace: bool = False,
    engine: StandIn | None = None,
) -> tuple[Path, Manifest]:
    """Pack the project in `folder`, which is made where it is absent."""
    engine = engine or StandIn()
    target = folder / "mini.goldlock"
    config = project(folder, engine) if not (folder / "goldlock.toml").exists() else configured(folder)
    manifest, sha256 = packing.pack(
        cast("DockerEngine", engine),
        config,
        read_lock(config),
        REFERENCE,
        target,
        key=key,
        replace=replace,
        meter=silent,
    )
    assert hashlib.sha256(target.read_bytes()).hexdigest() == sha256
    return target, manifest
