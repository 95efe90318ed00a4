"""Archives that a person names: `docker save`'s, Podman's, OCI archives and layouts, also gzipped as a whole."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from goldlock.errors import ConfigurationError
from goldlock.images import contents, layers, layout, sources
from goldlock.images.layers import gunzip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from goldlock_env.layers import ImageLayer

_GZIP = b"\x1f\x8b"


class Loader(Protocol):
    """The part of an engine that has and takes images."""

    def image(self, reference: str) -> ImageLayer | None:
        """What identifies an image, None where it is not there."""

    def load(self, chunks: Iterable[bytes]) -> str:
        """Take an image in; returns its id."""


def is_archive(path: Path) -> bool:
    """Whether a path holds an image rather than anything else that goldlock reads."""
    if path.is_dir():
        return (path / "oci-layout").is_file()
    try:
        with path.open("rb") as file:
            begin = file.read(512)
    except OSError:
        return False
    return begin.startswith(_GZIP) or begin[257:262] == b"ustar"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sources.Source]:
    """Open an archive for the length of the block. Raises ConfigurationError, CouldNotRunError."""
    if path.is_dir():
        yield sources.folder_source(path)
        return
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: there is no archive that can be read: {error.strerror}",
            hint="name an archive that `docker save` wrote, or an OCI archive or layout",
        ) from error
    with file, contextlib.ExitStack() as stack:
        descriptor = file.fileno()
        if file.read(2) == _GZIP:
            whole = sources.Span(descriptor, 0, path.stat().st_size)
            descriptor = stack.enter_context(gunzip(whole, str(path))).fileno()
        yield sources.tar_source(descriptor, str(path))


def loaded(engine: Loader, path: Path, name: str | None, progress: Callable[[str], None]) -> str:
    """Return the id of an archive's image, loading it where the engine does not have it.

    Args:
        engine: what takes it.
        path: the archive.
        name: which of several images it is.
        progress: told that it takes a while.
    """
    with opened(path) as source:
        image = contents.choose(contents.images(source), name, source.where)
        if engine.image(image.config_id) is not None:
            return image.config_id
        progress(f"loading {image.described} out of {path.name}")
        with layers.uncompressed(image, source.where) as found:
            return engine.load(layout.docker_archive(image, found, source.where))
