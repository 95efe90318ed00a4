"""Which images an archive holds: by Docker's manifest.json, or by the index of an OCI layout."""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from goldlock.errors import ConfigurationError, CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from goldlock.images.sources import Blob, Source

LARGEST = 4 << 20
"""Bytes of a manifest, index or configuration that is read."""
_LAYERS = 10_000
_NESTED = 4
MOST = 200
"""Images of an archive that are read: a small index can name the same one over and over."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SAVE_AGAIN = "write it with `docker save NAME -o FILE`, or as an OCI archive"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")

T = TypeVar("T")


class _Entry(msgspec.Struct, frozen=True, rename="pascal"):
    """One image in Docker's manifest.json."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """OCI image-spec, "OCI Content Descriptors"."""

    digest: str
    size: int
    media_type: str = ""
    annotations: dict[str, str] | None = None
    platform: dict[str, Any] | None = None


class _Pointer(msgspec.Struct, frozen=True):
    """An OCI image index, or an OCI image manifest: whichever fields are there."""

    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None


class _RootFs(msgspec.Struct, frozen=True):
    diff_ids: list[str]


class _Configuration(msgspec.Struct, frozen=True):
    rootfs: _RootFs
    architecture: str = ""
    os: str = "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of an archive; its layers were not looked into yet."""

    names: tuple[str, ...]
    """Names with tags that the archive gives it."""
    config: bytes
    platform: str
    """linux/amd64."""
    diff_ids: tuple[str, ...]
    """``sha256:...`` of each uncompressed layer, lowest first."""
    layers: tuple[Blob | None, ...]
    """As they lie in the archive, maybe compressed; None where there is a link in a file's place."""

    @property
    def config_id(self) -> str:
        """What an engine calls it."""
        return digest(self.config)

    @property
    def described(self) -> str:
        """For people."""
        return ", ".join(self.names) or f"{self.config_id[:19]} ({self.platform})"


def digest(content: bytes) -> str:
    """``sha256:`` and the digest in hexadecimal."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def images(source: Source, *, most: int = MOST) -> tuple[Image, ...]:
    """Every image of an archive.

    Raises CouldNotRunError where there is none, one that is not whole, or more than `most`, indexes among them.
    """
    manifest = source.small("manifest.json", LARGEST)
    index = source.small("index.json", LARGEST)
    if manifest is not None:
        entries = _typed(manifest, list[_Entry], f"{source.where}: manifest.json")
        if len(entries) > most:
            raise _too_many(source)
        found = [_docker(source, entry) for entry in entries]
    elif index is not None:
        found = list(_oci(source, index, f"{source.where}: index.json", (), 0, _Budget(most)))
    else:
        raise CouldNotRunError(
            f"{source.where}: holds no image: neither manifest.json nor index.json is in it", hint=_SAVE_AGAIN
        )
    if not found:
        raise CouldNotRunError(f"{source.where}: lists no image", hint=_SAVE_AGAIN)
    return tuple(found)


def choose(found: Sequence[Image], wanted: str | None, where: str) -> Image:
    """The image of that name, or the only one; of one image for several platforms that of this machine.

    Raises ConfigurationError where that leaves none or several.
    """
    fitting = [image for image in found if wanted is None or _is_called(image, wanted)]
    if len({image.config_id for image in fitting}) > 1:
        here = f"linux/{_ARCHITECTURES.get(platform.machine(), platform.machine())}"
        fitting = [image for image in fitting if image.platform == here] or fitting
    if len({image.config_id for image in fitting}) == 1:
        return fitting[0]
    listed = "; ".join(sorted(image.described for image in found))
    if not fitting:
        raise ConfigurationError(
            f"{where}: holds no image {wanted!r}; it holds {listed}", hint="name one of these with image ="
        )
    raise ConfigurationError(
        f"{where}: holds several images: {listed}",
        hint="say which with image = beside archive = in goldlock.toml, or save one alone",
    )


def _is_called(image: Image, wanted: str) -> bool:
    tagged = wanted if ":" in wanted.rpartition("/")[2] or "@" in wanted else f"{wanted}:latest"
    return image.config_id == wanted or any(
        name in {wanted, tagged} or name.endswith(f"/{tagged}") for name in image.names
    )


def _docker(source: Source, entry: _Entry) -> Image:
    config = source.small(entry.config, LARGEST)
    if config is None:
        raise CouldNotRunError(f"{source.where}: {entry.config} is missing", hint=_SAVE_AGAIN)
    # Files are named by what they hold: DIGEST.json, or blobs/sha256/DIGEST.
    named = entry.config.rpartition("/")[2].removesuffix(".json")
    if digest(config) != f"sha256:{named}":
        raise CouldNotRunError(
            f"{source.where}: {entry.config} is not what its name says", hint="it was changed; save it again"
        )
    layers = [source.files.get(name) for name in entry.layers]
    return _image(source, tuple(entry.repo_tags or ()), config, layers)


class _Budget:
    """How many manifests and indexes are still read."""

    def __init__(self, left: int) -> None:
        self.left = left


def _too_many(source: Source) -> CouldNotRunError:
    return CouldNotRunError(f"{source.where}: lists too many images", hint=_SAVE_AGAIN)


def _oci(
    source: Source, content: bytes, what: str, names: tuple[str, ...], depth: int, budget: _Budget
) -> Iterator[Image]:
    pointer = _typed(content, _Pointer, what)
    if depth > _NESTED:
        raise CouldNotRunError(f"{source.where}: its indexes point at each other", hint=_SAVE_AGAIN)
    if pointer.config is not None:
        config = _blob(source, pointer.config)
        layers = [source.files.get(_path(each.digest, what)) for each in pointer.layers or ()]
        yield _image(source, names, config, layers)
        return
    for each in pointer.manifests or ():
        notes = each.annotations or {}
        known = tuple(dict.fromkeys(notes[key] for key in _NAMES if key in notes)) or names
        absent = _path(each.digest, what) not in source.files
        # Of an image for several platforms often one alone is there; attestations are no images.
        if (depth and absent) or "vnd.docker.reference.type" in notes:
            continue
        budget.left -= 1
        if budget.left < 0:
            raise _too_many(source)
        yield from _oci(
            source, _blob(source, each), f"{source.where}: {each.digest}", known, depth + 1, budget
        )


def _blob(source: Source, descriptor: _Descriptor) -> bytes:
    content = source.small(_path(descriptor.digest, source.where), LARGEST)
    if content is None:
        raise CouldNotRunError(f"{source.where}: {descriptor.digest} is missing", hint=_SAVE_AGAIN)
    if digest(content) != descriptor.digest:
        raise CouldNotRunError(
            f"{source.where}: {descriptor.digest} holds something else", hint="it was changed; save it again"
        )
    return content


def _path(named: str, where: str) -> str:
    if not _DIGEST.fullmatch(named):
        raise CouldNotRunError(f"{where}: {named[:80]!r} is no SHA-256 digest", hint=_SAVE_AGAIN)
    return named.replace("sha256:", "blobs/sha256/")


def _image(source: Source, names: tuple[str, ...], config: bytes, layers: Sequence[Blob | None]) -> Image:
    said = _typed(config, _Configuration, f"{source.where}: the image's configuration")
    diff_ids = said.rootfs.diff_ids
    if len(diff_ids) != len(layers) or len(layers) > _LAYERS:
        raise CouldNotRunError(
            f"{source.where}: has {len(layers):,} layers, and its configuration names {len(diff_ids):,}",
            hint=_SAVE_AGAIN,
        )
    for each in diff_ids:
        _path(each, f"{source.where}: the image's configuration")
    return Image(
        names=names,
        config=config,
        platform=f"{said.os}/{said.architecture}",
        diff_ids=tuple(diff_ids),
        layers=tuple(layers),
    )


def _typed(content: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        raise CouldNotRunError(f"{what}: cannot be read: {error}", hint=_SAVE_AGAIN) from error
