"""Looking into images."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker


def content(client: docker.DockerClient, image: str, path: str) -> bytes:
    """The bytes of a file as it lies in an image; nothing is run."""
    container = client.containers.create(image, ["true"])
    try:
        stream, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            assert file is not None
            return file.read()
    finally:
        container.remove(force=True)
