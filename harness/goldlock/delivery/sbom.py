"""The software bill of materials: what a lock knows, as CycloneDX 1.6. No time and no chance in it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from goldlock.errors import CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    from goldlock_env.layers import ImageLayer, OsLayer, PackagesLayer
    from goldlock_env.lock import Lock

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:goldlock:sbom")
_OS_TYPES = {"debian": "deb", "ubuntu": "deb", "alpine": "apk"}


def needed() -> None:
    """Raises CouldNotRunError where the library is missing, before there is work to lose."""
    try:
        import cyclonedx
    except ImportError:
        raise CouldNotRunError(
            "packing needs cyclonedx-python-lib, which is not installed", hint="pip install 'goldlock[pack]'"
        ) from None
    del cyclonedx


def render(lock: Lock, subject: str, goldlock_version: str) -> bytes:
    """The document's bytes; the same lock gives the same ones."""
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    whole = Component(type=ComponentType.APPLICATION, name=subject, bom_ref="subject", version=lock.id)
    goldlock = Component(
        type=ComponentType.APPLICATION, name="goldlock", version=goldlock_version, bom_ref="goldlock"
    )
    metadata = BomMetaData(component=whole)
    metadata.tools.components.add(goldlock)
    bom = Bom(metadata=metadata, serial_number=uuid.uuid5(_NAMESPACE, lock.id))
    snapshot = lock.snapshot
    components: list[Component] = []
    if snapshot.image is not None:
        components.append(_image(snapshot.image))
    if snapshot.python is not None:
        name, version = snapshot.python.implementation, snapshot.python.version
        components.append(
            Component(
                type=ComponentType.PLATFORM,
                name=name,
                version=version,
                purl=_purl("generic", name, version),
                bom_ref="interpreter",
            )
        )
    if snapshot.packages is not None:
        components += _packages(snapshot.packages)
    if snapshot.os is not None:
        components += _os_packages(snapshot.os)
    for file in snapshot.artifacts.files if snapshot.artifacts is not None else ():
        hashed = HashType(alg=HashAlgorithm.SHA_256, content=file.sha256.removeprefix("sha256:"))
        components.append(
            Component(type=ComponentType.FILE, name=file.path, hashes=[hashed], bom_ref=f"file:{file.path}")
        )
    bom.components.update(components)
    bom.register_dependency(whole, components)
    # None cannot be given: the library would take the present time.
    metadata.timestamp = None  # type: ignore[assignment]
    return JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"


def _purl(kind: str, name: str, version: str | None, **more: str) -> PackageURL:
    from packageurl import PackageURL

    namespace = more.pop("namespace", None)
    return PackageURL(type=kind, namespace=namespace, name=name, version=version, qualifiers=more)


def _image(image: ImageLayer) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    # The digest of its configuration, which names its layers: the image has no other bytes of its own.
    hashed = HashType(alg=HashAlgorithm.SHA_256, content=image.config_id.removeprefix("sha256:"))
    return Component(
        type=ComponentType.CONTAINER,
        name=image.reference,
        version=image.config_id,
        hashes=[hashed],
        properties=[
            Property(name=f"goldlock:layer:{number}", value=layer)
            for number, layer in enumerate(image.layers)
        ],
        bom_ref="image",
    )


def _packages(layer: PackagesLayer) -> Iterator[Component]:
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        Property,
        XsUri,
    )
    from cyclonedx.model.component import Component, ComponentType

    for package in layer.distributions:
        purl = _purl("pypi", package.name, package.version)
        hashes = [
            HashType(alg=HashAlgorithm.SHA_256, content=each.removeprefix("sha256:"))
            for each in package.hashes
        ]
        # Those of the wheels that the requirements allow, one of which is installed.
        wheels = ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION, url=XsUri(str(purl)), hashes=hashes
        )
        record = package.record_sha256
        yield Component(
            type=ComponentType.LIBRARY,
            name=package.name,
            version=package.version,
            purl=purl,
            bom_ref=str(purl),
            external_references=[wheels] if hashes else [],
            properties=[Property(name="goldlock:record-sha256", value=record)] if record else [],
        )


def _os_packages(layer: OsLayer) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentType

    distribution, _, version_id = (layer.distribution or "").partition(" ")
    kind = _OS_TYPES.get(distribution, "generic")
    where = {"namespace": distribution, "distro": f"{distribution}-{version_id}"} if distribution else {}
    for named, version in layer.packages or ():
        name, _, architecture = named.partition(":")
        purl = _purl(kind, name, version, **where, **({"arch": architecture} if architecture else {}))
        yield Component(
            type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=f"{purl}#os"
        )
