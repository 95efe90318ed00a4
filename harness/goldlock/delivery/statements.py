"""in-toto statements: what a signature under a pack says.

The form is in-toto attestation's Statement v1; the predicate is goldlock's own.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from goldlock.delivery.manifest import NAME

if TYPE_CHECKING:
    from goldlock.delivery.manifest import Manifest

STATEMENT = "https://in-toto.io/Statement/v1"
PACK = "urn:goldlock:pack:v1"


def of_pack(manifest: Manifest, content: bytes) -> bytes:
    """The one statement that there is on a pack: its manifest, and with it everything in the pack, and its image."""
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [
                subject(NAME, hashlib.sha256(content).hexdigest()),
                subject(manifest.image.reference, manifest.image.config_id),
            ],
            "predicateType": PACK,
            "predicate": {
                "packId": manifest.pack_id,
                "subject": manifest.subject,
                "lockId": manifest.lock_id,
                "createdBy": manifest.created_by,
            },
        }
    )


def subject(name: str, sha256: str) -> dict[str, object]:
    """A ResourceDescriptor."""
    return {"name": name, "digest": {"sha256": sha256.removeprefix("sha256:")}}


def canonical(statement: object) -> bytes:
    """A statement's bytes."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
