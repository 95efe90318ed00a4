"""Making a pack: what belongs into it, whether that is as it was recorded, and writing it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from goldlock import __version__, ustar
from goldlock.delivery import configuration, sbom, signing, statements
from goldlock.delivery import manifest as manifests
from goldlock.delivery.checking import signature_name
from goldlock.delivery.manifest import IMAGE, Manifest, Member, PackedImage
from goldlock.delivery.spooling import Spool, Written, published
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.files import could_not_write, sha256_of
from goldlock.images import contents, layout
from goldlock.images.sources import Bytes, File

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from goldlock.config import Config
    from goldlock.engines.docker import DockerEngine
    from goldlock.golden import Golden
    from goldlock.images.contents import Image
    from goldlock.images.sources import Blob, Span
    from goldlock_env.layers import ImageLayer
    from goldlock_env.lock import Lock

T = TypeVar("T")

Meter = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far something of so many bytes is: gives what is told the bytes that were done."""


def pack(
    engine: DockerEngine,
    config: Config,
    lock: Lock,
    reference: str,
    target: Path,
    *,
    key: Ed25519PrivateKey | None,
    replace: bool,
    meter: Meter,
) -> tuple[Manifest, str]:
    """Write a pack, whole or not at all; return what it holds, and the file's own SHA-256 in hexadecimal.

    Args:
        engine: has the image.
        config: goldlock.toml.
        lock: the environment that was recorded.
        reference: the image.
        target: the file to be.
        key: signs it.
        replace: whether it may take the place of another file.
        meter: shows how far it is.

    Raises:
        ConfigurationError: a file is there already, or there is no case.
        CouldNotRunError: lock, golden or image are not as they were recorded, or something failed.
    """
    sbom.needed()
    with published(target, replace=replace) as file:
        locked = _locked_image(engine, lock, reference)
        with contextlib.closing(_spool(target.parent, reference)) as spool, ThreadPoolExecutor(1) as aside:
            # The engine gathers a whole image before it sends the first byte: time for everything else.
            others = aside.submit(_small, config, lock, locked.config_id)
            with meter(f"saving {reference}", engine.size(locked.config_id)) as advance:
                chunks = _minding(engine.save(locked.config_id), others)
                source, by_digest = spool.receive(chunks, advance)
            small, digests = others.result()
            image = contents.choose(contents.images(source), None, source.where)
            layers = _layers(image, locked, by_digest, reference)
            documents = layout.documents(
                image, {name: span.size for name, span in layers.items()}, locked.reference
            )
            parts: dict[str, Blob] = {**small}
            parts |= {IMAGE + name: Bytes(content) for name, content in documents.items()}
            parts |= {IMAGE + layout.blob_path(diff_id): span for diff_id, span in layers.items()}
            digests |= {IMAGE + name: contents.digest(content) for name, content in documents.items()}
            digests |= {IMAGE + layout.blob_path(diff_id): diff_id for diff_id in layers}
            manifest = Manifest(
                pack_version=manifests.PACK_VERSION,
                created_by=f"goldlock {__version__}",
                subject=config.subject.name,
                lock_id=lock.id,
                image=PackedImage(
                    reference=locked.reference, config_id=image.config_id, platform=image.platform
                ),
                members=tuple(
                    Member(name=name, size=parts[name].size, sha256=digests[name])
                    for name in manifests.ordered(parts)
                ),
            )
            content = manifests.dumps(manifest)
            # What is written can be read: a rule that it breaks is told here and not to the receiver.
            manifest = manifests.loads(content, str(target))
            envelope = None if key is None else signing.sign(statements.of_pack(manifest, content), key)
            written, whole = Written(file), sum(member.size for member in manifest.members)
            with written.hashed(), meter(f"writing {target.name}", whole) as advance:
                written.write(ustar.member(manifests.NAME, content))
                if envelope is not None:
                    written.write(ustar.member(signature_name(envelope), envelope))
                for member in manifest.members:
                    written.write(ustar.header(member.name, member.size))
                    written.copy(parts[member.name], advance)
                    written.write(bytes(ustar.padding(member.size)))
                written.write(ustar.END)
            _unchanged(small, digests)
    return manifest, written.sha256


def _minding(chunks: Iterator[bytes], other: Future[T]) -> Iterator[bytes]:
    """Yield the chunks, and raise what the other work raises as soon as it does."""
    for chunk in chunks:
        if other.done():
            other.result()
        yield chunk


def _spool(folder: Path, reference: str) -> Spool:
    try:
        return Spool(folder, f"image {reference}")
    except OSError as error:
        raise could_not_write(folder, error, elsewhere="name another place with -o") from error


def _locked_image(engine: DockerEngine, lock: Lock, reference: str) -> ImageLayer:
    """The lock's image, which must be the one that the engine has. Raises CouldNotRunError."""
    if lock.integrity is not None:
        raise CouldNotRunError(
            f"the lock was edited: {lock.integrity.note}",
            hint="take it from version control again, or write it with `goldlock lock --replace`",
        )
    locked = lock.snapshot.image
    if locked is None:
        raise CouldNotRunError(
            "the lock names no image: it was made without a Docker engine",
            hint="lock the image with `goldlock lock --engine docker --replace`, and record its goldens",
        )
    here = engine.image(reference)
    if here is None:
        raise CouldNotRunError(
            f"the engine has no image {reference}", hint="run `goldlock build`, pull it, or load it"
        )
    if here.config_id != locked.config_id:
        raise CouldNotRunError(
            f"{reference} is not the image that was locked: it is {here.config_id[:19]}, locked is"
            f" {locked.config_id[:19]}",
            hint="run `goldlock verify`; if the image is right, `goldlock lock --replace` and `goldlock record`",
        )
    return locked


def _small(config: Config, lock: Lock, image: str) -> tuple[dict[str, Blob], dict[str, str]]:
    """Everything but the image: the members by name, and their digests."""
    from goldlock.golden import load_all

    if not config.case:
        raise ConfigurationError(
            "goldlock.toml has no case, so the receiver would have no outputs to verify",
            hint="add a [[case]]",
        )
    files: dict[str, Path] = {}
    inputs: dict[str, str] = {}
    for case in config.case:
        goldens = load_all(config.resolve(case.golden))
        if goldens.integrity:
            finding = goldens.integrity[0]
            raise CouldNotRunError(
                f"the golden of {case.name} is not as it was recorded: {finding.key}: {finding.note}",
                hint="take it from version control again, or accept what is right with `goldlock accept`",
            )
        inputs[case.name] = goldens.first.inputs_name
        for golden in (*goldens.right, *goldens.bad):
            files |= _golden(configuration.golden_folder(case.name), golden)
    files[manifests.LOCK] = config.resolve(config.lock)
    made = {
        manifests.CONFIG: configuration.packed(config, image, inputs).encode(),
        manifests.SBOM: sbom.render(lock, config.subject.name, __version__),
    }
    # Read back as the receiver will: what cannot be used there is told here.
    configuration.unpacked(made[manifests.CONFIG].decode(), config.path, image, "the pack to be")
    try:
        blobs: dict[str, Blob] = {
            name: File(path.resolve(), path.stat().st_size) for name, path in files.items()
        }
        digests = {name: sha256_of(path) for name, path in files.items()}
    except OSError as error:
        raise CouldNotRunError(
            f"{error.filename}: could not be read: {error.strerror}", hint="look at its permissions"
        ) from error
    blobs |= {name: Bytes(content) for name, content in made.items()}
    digests |= {name: contents.digest(content) for name, content in made.items()}
    return blobs, digests


def _golden(folder: str, golden: Golden) -> dict[str, Path]:
    """The files of one golden by their names in a pack."""
    from goldlock.golden import files_of

    place = f"{folder}@{golden.name}" if golden.name else folder
    return {f"{place}/{name}": golden.folder / name for name in files_of(golden.folder)}


def _layers(
    image: Image, locked: ImageLayer, by_digest: Mapping[str, Span], reference: str
) -> dict[str, Span]:
    """The image's layers, found by what they hold. Raises CouldNotRunError."""
    if image.config_id != locked.config_id and image.diff_ids == locked.layers:
        # containerd's image store calls an image by its manifest, which no two engines write alike.
        raise CouldNotRunError(
            f"the engine calls {reference} {locked.config_id[:19]}, and a receiver's would call it"
            f" {image.config_id[:19]}",
            hint="lock and pack it on an engine without containerd's image store",
        )
    if image.config_id != locked.config_id:
        raise CouldNotRunError(
            f"the engine saved another image than {reference}: {image.config_id[:19]}",
            hint="look at it with `docker image inspect`, and pack again",
        )
    missing = [diff_id for diff_id in image.diff_ids if diff_id not in by_digest]
    if missing:
        raise CouldNotRunError(
            f"{reference}: the engine saved no layer {missing[0][:19]}",
            hint="pull or build the image again; one whose layers are saved compressed can't be packed",
        )
    return {diff_id: by_digest[diff_id] for diff_id in image.diff_ids}


def _unchanged(small: Mapping[str, Blob], digests: Mapping[str, str]) -> None:
    """Whether the project's files still are what the manifest says. Raises CouldNotRunError."""
    for name, blob in small.items():
        digest = hashlib.sha256()
        for piece in blob.pieces():
            digest.update(piece)
        if f"sha256:{digest.hexdigest()}" != digests[name]:
            raise CouldNotRunError(f"{name} changed while it was packed", hint="pack again")
