"""An image written anew: as an OCI layout, or as the archive that `docker load` takes. The same image, the same bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from goldlock import ustar
from goldlock.images.contents import digest
from goldlock.images.layers import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from goldlock.images.contents import Image
    from goldlock.images.sources import Blob

_TYPES = "application/vnd.oci.image."


def documents(image: Image, sizes: Mapping[str, int], reference: str) -> dict[str, bytes]:
    """The files of an OCI layout but for its layers, which belong into ``blobs/sha256`` uncompressed.

    Args:
        image: the image.
        sizes: bytes of each uncompressed layer by diff-id.
        reference: what the index calls it.
    """
    layers = [
        {"mediaType": f"{_TYPES}layer.v1.tar", "digest": diff_id, "size": sizes[diff_id]}
        for diff_id in image.diff_ids
    ]
    config = {
        "mediaType": f"{_TYPES}config.v1+json",
        "digest": image.config_id,
        "size": len(image.config),
    }
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_TYPES}manifest.v1+json",
            "config": config,
            "layers": layers,
        }
    )
    system, _, architecture = image.platform.partition("/")
    index = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_TYPES}index.v1+json",
            "manifests": [
                {
                    "mediaType": f"{_TYPES}manifest.v1+json",
                    "digest": digest(manifest),
                    "size": len(manifest),
                    "annotations": {"org.opencontainers.image.ref.name": reference},
                    "platform": {"architecture": architecture, "os": system},
                }
            ],
        }
    )
    return {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": index,
        blob_path(digest(manifest)): manifest,
        blob_path(image.config_id): image.config,
    }


def blob_path(digested: str) -> str:
    """Where an OCI layout has the blob of that digest."""
    return f"blobs/sha256/{digested.removeprefix('sha256:')}"


def docker_archive(image: Image, layers: Mapping[str, Blob], where: str) -> Iterator[bytes]:
    """Yield the archive that `docker load` takes; the image gets no name by it.

    Every layer is hashed on its way. Raises CouldNotRunError inside the stream, so that it never ends well, where
    one is not what its diff-id says.
    """
    named = image.config_id.removeprefix("sha256:") + ".json"
    yield ustar.member(named, image.config)
    for diff_id, blob in layers.items():
        yield ustar.header(_layer_path(diff_id), blob.size)
        yield from checked(blob, diff_id, where)
        yield bytes(ustar.padding(blob.size))
    entry = {"Config": named, "RepoTags": None, "Layers": [_layer_path(each) for each in image.diff_ids]}
    yield ustar.member("manifest.json", _json([entry]))
    yield ustar.END


def _layer_path(diff_id: str) -> str:
    return diff_id.removeprefix("sha256:") + ".tar"


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"
