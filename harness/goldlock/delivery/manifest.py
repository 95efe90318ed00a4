"""goldlock-pack.json: what a pack holds, as canonical JSON that carries its own digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from goldlock.errors import CouldNotRunError
from goldlock.images.layout import blob_path

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "goldlock-pack.json"
CONFIG, LOCK, SBOM = "goldlock.toml", "goldlock.lock", "sbom.cdx.json"
IMAGE = "image/"
PACK_VERSION = "1.0"
LARGEST = 32 << 20
"""Bytes of a manifest that is read."""
MEMBERS = 20_000
_ID_LINE = re.compile(r'^  "pack-id": "[^"\n]*",\n', re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_GOLDEN = re.compile(r"goldens/[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?/[^/\\\0-\x1f\x7f]+")
_BLOB = re.compile(r"image/blobs/sha256/[0-9a-f]{64}")
_DAMAGED = "ask for the pack again, and compare its SHA-256 with the sender's"


class RefusedError(CouldNotRunError):
    """A pack, or a record, that is not used: nothing of it was given to an engine."""


class Member(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One file of a pack."""

    name: str
    size: int
    sha256: str


class PackedImage(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The image of a pack."""

    reference: str
    """What the sender called it; the receiver's engine is not told."""
    config_id: str
    platform: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The whole file."""

    pack_version: str
    pack_id: str = ""
    """``sha256:...`` of the file without the line that holds it."""
    created_by: str
    subject: str
    lock_id: str
    image: PackedImage
    members: tuple[Member, ...]
    """All of the pack but this file and its signature, in their order."""

    def by_name(self, name: str) -> Member:
        """The member of that name. Raises KeyError."""
        return next(each for each in self.members if each.name == name)


class _Version(msgspec.Struct, frozen=True, rename="kebab"):
    """What manifests of every version say."""

    pack_version: str


def dumps(manifest: Manifest) -> bytes:
    """The file's bytes, with the right pack-id."""
    text = _text(msgspec.structs.replace(manifest, pack_id=""))
    return text.replace('  "pack-id": ""', f'  "pack-id": "{_id(text)}"', 1).encode()


def _text(manifest: Manifest) -> str:
    return json.dumps(msgspec.to_builtins(manifest), indent=2) + "\n"


def _id(text: str) -> str:
    return f"sha256:{hashlib.sha256(_ID_LINE.sub('', text, count=1).encode()).hexdigest()}"


def loads(content: bytes, where: str) -> Manifest:
    """Read and check the file: canonical, sealed, and naming nothing that a pack does not hold.

    Raises RefusedError.
    """
    try:
        version = msgspec.json.decode(content, type=_Version).pack_version
        if version != PACK_VERSION:
            raise RefusedError(
                f"{where}: is a pack of version {version[:20]}, and this goldlock reads {PACK_VERSION}",
                hint="use the goldlock that wrote it, or a newer one",
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{where}: {NAME} cannot be read: {error}", hint=_DAMAGED) from None
    if dumps(manifest) != content:
        what = (
            "its pack-id does not fit"
            if _text(manifest).encode() == content
            else "it is not as goldlock writes it"
        )
        raise RefusedError(f"{where}: {NAME} was changed: {what}", hint=_DAMAGED)
    _check(manifest, where)
    return manifest


def _check(manifest: Manifest, where: str) -> None:
    names = [member.name for member in manifest.members]
    if len(names) > MEMBERS:
        raise RefusedError(f"{where}: {NAME} lists {len(names):,} members, and at most {MEMBERS:,} are read")
    for member in manifest.members:
        if not _may_be_packed(member.name):
            raise RefusedError(
                f"{where}: {NAME} lists {shown(member.name)}, {what_is_wrong(member.name)}", hint=_DAMAGED
            )
        if not _DIGEST.fullmatch(member.sha256) or not 0 <= member.size < 1 << 60:
            raise RefusedError(
                f"{where}: {NAME} has no right size or digest for {member.name}", hint=_DAMAGED
            )
        if _BLOB.fullmatch(member.name) and member.name.rpartition("/")[2] != member.sha256[7:]:
            raise RefusedError(
                f"{where}: {NAME} names {shown(member.name)} for other contents: its image is not the one it says",
                hint=_DAMAGED,
            )
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise RefusedError(f"{where}: {NAME} lists {shown(twice)} twice", hint=_DAMAGED)
    if names != ordered(names):
        raise RefusedError(f"{where}: the members of {NAME} are not in their order", hint=_DAMAGED)
    for needed in (
        CONFIG,
        LOCK,
        SBOM,
        "image/oci-layout",
        "image/index.json",
        IMAGE + blob_path(manifest.image.config_id),
    ):
        if needed not in names:
            raise RefusedError(f"{where}: {NAME} lists no {needed}", hint=_DAMAGED)


def _may_be_packed(name: str) -> bool:
    if name in {CONFIG, LOCK, SBOM, "image/oci-layout", "image/index.json"} or _BLOB.fullmatch(name):
        return True
    return bool(_GOLDEN.fullmatch(name)) and name.rpartition("/")[2] not in {".", ".."} and _is_text(name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def what_is_wrong(name: str) -> str:
    """Why a name can't be in a pack, to stand behind it."""
    if name.startswith("/"):
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path that climbs out of the pack"
    return "which does not belong into a pack"


def shown(name: str) -> str:
    """A name fit for a message."""
    return repr(name if len(name) <= 100 else f"{name[:97]}...")


def ordered(names: Iterable[str]) -> list[str]:
    """The names in the order of a pack: configuration, lock, goldens, bill of materials, image."""
    first = (CONFIG, LOCK, "goldens/", SBOM, "image/oci-layout", "image/index.json", "image/")

    def rank(name: str) -> tuple[int, str]:
        place = next(
            (
                i
                for i, each in enumerate(first)
                if name == each or (each.endswith("/") and name.startswith(each))
            ),
            len(first),
        )
        return place, name

    return sorted(names, key=rank)
