"""The receiver's side: a pack is checked whole, then unpacked beside nothing, loaded, and verified."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.delivery import checking, configuration, signing, statements
from goldlock.delivery import manifest as manifests
from goldlock.delivery.checking import Checked
from goldlock.delivery.manifest import CONFIG, IMAGE, LOCK, RefusedError
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.images import contents, layers, layout
from goldlock.images.sources import Source
from goldlock.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined, unused-ignore]

    from goldlock.config import Config
    from goldlock.delivery.packing import Meter
    from goldlock.engines.docker import DockerEngine
    from goldlock.images.contents import Image
    from goldlock.images.sources import Span
    from goldlock.report import FailOn, Report

SUFFIX = ".goldlock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A pack that was checked, and is still open."""

    path: Path
    descriptor: int
    checked: Checked
    image: Image
    authorship: str
    """A sentence on who signed it; empty where a key was asked for and fits."""

    def sha256(self) -> str:
        """Of the whole file, in hexadecimal."""
        return checking.whole_digest(self.descriptor, self.checked.size)


@contextlib.contextmanager
def opened(path: Path, key: tuple[SSlibKey, str] | None, meter: Meter) -> Iterator[Received]:
    """Open a pack and check every byte of it; nothing was written or loaded before the block begins.

    Args:
        path: the file.
        key: a public key that must have signed it, and what to call that.
        meter: shows how far it is.

    Raises:
        ConfigurationError: there is no such file.
        RefusedError: it is not as `goldlock pack` made it, or not signed with the key.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror}", hint="check the path"
        ) from error
    with file:
        if not path.is_file():
            raise ConfigurationError(f"{path}: is not a file", hint="name a file that `goldlock pack` wrote")
        where = path.name
        with meter(f"checking {where}", path.stat().st_size) as advance:
            checked = checking.checked(file.fileno(), where, advance)
        authorship = _author(checked, key, where)
        yield Received(
            path=path,
            descriptor=file.fileno(),
            checked=checked,
            image=_image(checked, where),
            authorship=authorship,
        )


def _author(checked: Checked, key: tuple[SSlibKey, str] | None, where: str) -> str:
    envelope = checked.signature
    if envelope is None:
        if key is not None:
            raise RefusedError(
                f"{where}: is not signed, and a signature was demanded",
                hint="ask the sender for a signed one (`goldlock pack --key`)",
            )
        return "the pack is unsigned: who made it was not checked"
    signed = signing.read(envelope, where) if key is None else signing.verify(envelope, key[0], where, key[1])
    if signed.payload != statements.of_pack(checked.manifest, checked.manifest_bytes):
        raise RefusedError(f"{where}: its signature is one for another pack", hint="ask the sender again")
    if key is not None:
        return ""
    return f"the pack says that key {signed.key_id[:16]} signed it, which was not checked: name the key with --key"


def _image(checked: Checked, where: str) -> Image:
    """The one image, its layout byte for byte as goldlock writes it. Raises RefusedError."""
    spans = {name.removeprefix(IMAGE): span for name, span in checked.spans.items() if name.startswith(IMAGE)}
    packed = checked.manifest.image
    try:
        found = contents.images(Source(where, spans), most=1)
    except CouldNotRunError as error:
        raise RefusedError(error.message, hint="ask the sender for the pack again") from error
    image = found[0]
    if (
        image.config_id != packed.config_id
        or image.platform != packed.platform
        or not _is_as_written(image, packed.reference, spans)
    ):
        raise RefusedError(
            f"{where}: its image is not the one that {manifests.NAME} names, or holds more than that",
            hint="ask the sender for the pack again",
        )
    for path in map(layout.blob_path, image.diff_ids):
        # An engine would uncompress it before it knew what that gives.
        if name := layers.compression(layers.begin(spans[path])):
            raise RefusedError(
                f"{where}: {IMAGE}{path} is compressed ({name}), and no layer of a pack is",
                hint="ask the sender for the pack again",
            )
    return image


def _is_as_written(image: Image, reference: str, spans: Mapping[str, Span]) -> bool:
    """Whether a layout holds the image and nothing else, as `goldlock pack` writes it."""
    paths = {diff_id: layout.blob_path(diff_id) for diff_id in image.diff_ids}
    if not spans.keys() >= set(paths.values()):
        return False
    sizes = {diff_id: spans[path].size for diff_id, path in paths.items()}
    expected = layout.documents(image, sizes, reference)
    return spans.keys() == {*expected, *paths.values()} and all(
        spans[name].size == len(content) and b"".join(spans[name].pieces()) == content
        for name, content in expected.items()
    )


def unpack(received: Received, folder: Path) -> Config:
    """Write everything but the image into an empty folder; return the configuration that stands there then.

    Raises:
        RefusedError: the file changed since it was checked, or its goldlock.toml is not one of a pack.
    """
    where = received.path.name
    for member in received.checked.manifest.members:
        if member.name.startswith(IMAGE):
            continue
        place = folder / member.name
        place.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with place.open("xb") as file:
            for piece in received.checked.spans[member.name].pieces():
                digest.update(piece)
                file.write(piece)
        if f"sha256:{digest.hexdigest()}" != member.sha256:
            raise RefusedError(f"{where}: {member.name} changed while it was read", hint="run it again")
    try:
        text = (folder / CONFIG).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise RefusedError(f"{where}: its {CONFIG} is not UTF-8", hint="ask for the pack again") from error
    return configuration.unpacked(text, folder / CONFIG, received.checked.manifest.image.config_id, where)


def load(engine: DockerEngine, received: Received, meter: Meter) -> tuple[str, bool]:
    """Return the id of the pack's image on the engine, and whether it had to be loaded.

    Every layer is hashed once more on its way, out of the file that was checked. Raises CouldNotRunError.
    """
    image, where = received.image, received.path.name
    if engine.image(image.config_id) is not None:
        return image.config_id, False
    spans = received.checked.spans
    found = {diff_id: spans[IMAGE + layout.blob_path(diff_id)] for diff_id in image.diff_ids}
    whole = sum(span.size for span in found.values())
    with meter(f"loading {received.checked.manifest.image.reference}", whole) as advance:
        loaded = engine.load(_told(layout.docker_archive(image, found, where), advance))
    here = engine.image(loaded)
    if here is None or here.layers != image.diff_ids:
        raise CouldNotRunError(
            f"{where}: the engine has something else than the pack's image after loading it",
            hint="look at its log, and run this again",
        )
    return loaded, True


def _told(chunks: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        advance(len(chunk))


def verified(
    received: Received,
    names: Sequence[str],
    *,
    progress: Callable[[str], None],
    meter: Meter,
    engine_name: str,
    fail_on: FailOn,
    hash_files: bool,
    worst: int,
    remove: bool,
) -> Report:
    """Verify the image of a checked pack against its own lock and goldens.

    Nothing is written but into a temporary folder; the image stays on the engine unless `remove` is said and it
    was not there before. Raises what `goldlock.verify.verify` and `load` raise.
    """
    from msgspec import structs

    from goldlock import environment, running
    from goldlock.engines.docker import DockerEngine
    from goldlock.verify import verify

    if engine_name == "local":
        raise ConfigurationError(
            "a pack holds an image, which the local engine cannot run",
            hint="verify it where a Docker engine is, without --engine local",
        )
    with scratch_folder() as folder:
        config = unpack(received, folder)
        selected = config.select(names)
        lock = environment.read_lock(config)
        if lock.id != received.checked.manifest.lock_id:
            raise RefusedError(f"{received.path.name}: its {LOCK} is not the one that it names")
        with running.opened(engine_name, config, lock, progress) as engine:
            assert isinstance(engine, DockerEngine)  # noqa: S101  # a pack has no [subject.local]
            image, fresh = load(engine, received, meter)
            if remove and not fresh:
                progress("the image was on the engine before, and stays there")
            elif fresh and not remove:
                progress(
                    f"the image stays on the engine for the next time; `docker image rm {image[:19]}` removes it"
                )
            try:
                report = verify(
                    engine,
                    config,
                    running.subject_source(engine, config, image, progress),
                    lock,
                    selected,
                    progress,
                    fail_on=fail_on,
                    hash_files=hash_files,
                    worst=worst,
                )
            finally:
                if remove and fresh:
                    engine.remove(image)
    notes = tuple(each for each in (received.authorship,) if each)
    return structs.replace(report, notes=(*report.notes, *notes))
