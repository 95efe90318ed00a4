"""What a Podman service does otherwise than Docker behind the same API, and what makes it the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import docker

BUILD_WITHOUT_NETWORK = "NetworkDisabled"
"""`networkmode` of a build. Podman 4 takes Docker's "none" for the machine's own network."""

_PAGE = 4096


def version_of(answer: Mapping[str, Any]) -> str | None:
    """Podman's version out of what `GET /version` says; None where another engine answers."""
    for component in answer.get("Components") or ():
        if component.get("Name") == "Podman Engine":
            return str(component.get("Version") or "?")
    return None


def reaches_networks(api: docker.APIClient) -> bool:
    """Whether a container on an internal network can be reached from the machine that the service runs on.

    A rootless Podman's networks are in a namespace of its own, and the older CNI gives the machine itself no
    address in them. Source: Podman's own API, SystemInfoLibpod.
    """
    # The SDK has no way to Podman's own part of the API.
    answer = api._get(f"{api.base_url}/v4.0.0/libpod/info")  # type: ignore[attr-defined]  # noqa: SLF001
    if not answer.ok:
        return False
    host = answer.json().get("host") or {}
    rootless = (host.get("security") or {}).get("rootless", True)
    return host.get("networkBackend") == "netavark" and not rootless


def as_given(reference: str) -> str:
    """A reference as people write it: Podman tells a container's image with the registry it takes it to be from."""
    for registry in ("docker.io/library/", "docker.io/", "localhost/"):
        if reference.startswith(registry):
            return reference.removeprefix(registry)
    return reference


def registry_digest(reference: str) -> str | None:
    """What a registry knows the image by: of a pinned reference only.

    Podman counts a digest for every image, also for one that it built and that no registry has seen.
    """
    return reference.partition("@")[2] or None


def tmpfs_size(size: int, *, podman: bool, here: bool) -> str:
    """The mount option that limits a volume's tmpfs.

    Podman takes `size` for a disk quota, which most file systems do not have; the kernel knows another name
    for it, in pages of the machine that the engine runs on.
    """
    if not podman:
        return f"size={size}"
    page = os.sysconf("SC_PAGE_SIZE") if here else _PAGE
    return f"nr_blocks={-(-size // page)}"


def ulimits(*, podman: bool) -> dict[str, tuple[int, int]]:
    """Soft and hard limits of a container's processes, beside those that goldlock.toml sets.

    Podman raises what is not named to a million, which a restricted machine refuses to every container.
    """
    limits = {"core": (0, 0)}
    if podman:
        limits |= {"nofile": (1024, 4096), "nproc": (4096, 4096)}
    return limits
