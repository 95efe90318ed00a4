"""Ed25519 keys and signatures: in-toto statements in DSSE envelopes, through securesystemslib."""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.delivery.manifest import RefusedError
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.files import could_not_write

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined, unused-ignore]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PASSPHRASE = "GOLDLOCK_KEY_PASSPHRASE"  # noqa: S105  # the variable's name
LARGEST_KEY = 64 << 10
_KEY_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Signed:
    """What an envelope says; nobody has checked the signature."""

    payload: bytes
    key_id: str


def _needed() -> None:
    try:
        import cryptography
        import securesystemslib
    except ImportError as error:
        raise CouldNotRunError(
            f"signatures need {error.name}, which is not installed", hint="pip install 'goldlock[sign]'"
        ) from None
    del cryptography, securesystemslib


# -- keys -------------------------------------------------------------------------------------------


def generate(name: Path, passphrase: bytes | None) -> tuple[Path, Path, str]:
    """Write NAME.key (PEM, PKCS #8, readable for its owner only) and NAME.pub; return both and the key's id.

    Raises ConfigurationError where one of them is there already.
    """
    _needed()
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined, unused-ignore]

    private, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    for path in (private, public):
        if os.path.lexists(path):
            raise ConfigurationError(
                f"{path} is there already, and keys are never replaced", hint="name others, or move it away"
            )
    key = Ed25519PrivateKey.generate()
    locking = pem.NoEncryption() if passphrase is None else pem.BestAvailableEncryption(passphrase)
    secret = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locking)
    shared = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    made: list[Path] = []
    try:
        for path, content, mode in ((private, secret, 0o600), (public, shared, 0o644)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(path)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
    except OSError as error:
        for path in made:
            with suppress(OSError):
                path.unlink()
        raise could_not_write(name, error, elsewhere="name another one") from error
    return private, public, SSlibKey.from_crypto(key.public_key()).keyid


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_KEY)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the key cannot be read: {error.strerror}", hint="make one with `goldlock keygen NAME`"
        ) from error


def private_key(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    """Read NAME.key. Raises ConfigurationError where it is no such key, or the passphrase does not open it."""
    _needed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path)
    if passphrase is not None and b"ENCRYPTED" not in content:
        passphrase = None
    try:
        key = load_pem_private_key(content, passphrase)
    except TypeError:
        raise ConfigurationError(
            f"{path}: the key is locked with a passphrase", hint=f"give it in the variable {PASSPHRASE}"
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        what = "the passphrase does not open it" if passphrase is not None else "is no private key in PEM"
        raise ConfigurationError(
            f"{path}: {what}",
            hint=f"name NAME.key of `goldlock keygen`; its passphrase stands in {PASSPHRASE}",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path}: is no Ed25519 key", hint="make one with `goldlock keygen NAME`")
    return key


def public_key(path: Path) -> SSlibKey:
    """Read NAME.pub. Raises ConfigurationError where it is no such key."""
    _needed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined, unused-ignore]

    content = _read(path)
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"{path}: is no public key in PEM", hint="name NAME.pub of `goldlock keygen`"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path}: is no Ed25519 key", hint="name NAME.pub of `goldlock keygen`")
    return SSlibKey.from_crypto(key)


# -- envelopes --------------------------------------------------------------------------------------


def sign(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """The envelope's bytes; the same payload and key give the same ones."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined, unused-ignore]

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key))
    return _canonical(envelope.to_dict())


def _canonical(envelope: object) -> bytes:
    return (json.dumps(envelope, indent=2, sort_keys=True) + "\n").encode()


def read(content: bytes, where: str) -> Signed:
    """What an envelope says, its signature unchecked. Raises RefusedError where it has not goldlock's form."""
    payload, key_id = b"", ""
    try:
        document = json.loads(content)
        entry = document["signatures"][0]
        payload, key_id = base64.b64decode(document["payload"], validate=True), entry["keyid"]
        again = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": key_id,
                    "sig": base64.b64encode(base64.b64decode(entry["sig"], validate=True)).decode(),
                }
            ],
        }
        whole = _canonical(again) == content and _KEY_ID.fullmatch(key_id) is not None
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise RefusedError(
            f"{where}: its signature is not as goldlock writes it", hint="ask the sender for the file again"
        )
    return Signed(payload, key_id)


def verify(content: bytes, key: SSlibKey, where: str, key_name: str) -> Signed:
    """Check an envelope's signature with a public key. Raises RefusedError."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    signed = read(content, where)
    if signed.key_id != key.keyid:
        raise RefusedError(
            f"{where}: is signed with another key ({signed.key_id[:16]}) than {key_name} ({key.keyid[:16]})",
            hint="ask the sender, on another way than the one that the file came, which key is theirs",
        )
    try:
        Envelope.from_dict(json.loads(content)).verify([key], 1)
    except VerificationError:
        raise RefusedError(
            f"{where}: its signature is wrong: {key_name} did not sign this",
            hint="do not use it; ask the sender for the file again",
        ) from None
    return signed
