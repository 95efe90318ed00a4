"""The acceptance record: what a receiver checked, where, and with which verdict, to be kept by both sides.

An in-toto Statement v1 with the predicate https://in-toto.io/attestation/test-result/v0.1. What that has no field
for stands under a key of ours, which is a URI, as the framework's parsing rules want of extension fields.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from goldlock.delivery import signing
from goldlock.delivery.manifest import IMAGE, NAME, RefusedError
from goldlock.delivery.statements import STATEMENT, subject
from goldlock.errors import ConfigurationError
from goldlock.render import json as report_json
from goldlock.report import Verdict
from goldlock_env.findings import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined, unused-ignore]

    from goldlock.delivery.receiving import Received
    from goldlock.report import Report

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
OURS = "urn:goldlock:acceptance:v1"
LARGEST = 256 << 20
"""Bytes of a record that is read."""

PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"


def record(report: Report, received: Received) -> bytes:
    """The statement's bytes."""
    manifest = received.checked.manifest
    results = dict(tests(report))
    by_result = {
        each: [name for name, found in results.items() if found == each] for each in (PASSED, WARNED, FAILED)
    }
    result = FAILED if report.verdict is not Verdict.MATCH else WARNED if by_result[WARNED] else PASSED
    host = report.snapshot.get("host")
    host = host if isinstance(host, dict) else {}
    document = {
        "_type": STATEMENT,
        "subject": [
            subject(received.path.name, received.sha256()),
            subject(manifest.image.reference, manifest.image.config_id),
        ],
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": result,
            "configuration": [
                subject(NAME, manifest_digest(received)),
                *(
                    subject(each.name, each.sha256)
                    for each in manifest.members
                    if not each.name.startswith(IMAGE)
                ),
            ],
            "passedTests": by_result[PASSED],
            "warnedTests": by_result[WARNED],
            "failedTests": by_result[FAILED],
            OURS: {
                "packId": manifest.pack_id,
                "verdict": report.verdict.value,
                "created": report.created,
                "engine": report.engine,
                "cpuModel": host.get("cpu-model", ""),
                "cpuLevel": host.get("cpu-level", ""),
                "packAuthorship": received.authorship or "the pack's signature was checked",
                "report": json.loads(report_json.render(report)),
            },
        },
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def manifest_digest(received: Received) -> str:
    """SHA-256 of goldlock-pack.json."""
    from goldlock.images.contents import digest

    return digest(received.checked.manifest_bytes)


def tests(report: Report) -> Iterator[tuple[str, str]]:
    """Name and result of everything that was looked at: ``layer/NAME``, ``case/NAME`` and ``case/NAME/COLUMN``."""
    for layer in report.layers:
        of_it = [finding for finding in report.findings if finding.layer is layer and not finding.accepted]
        if any(report.fail_on.counts(finding) for finding in of_it):
            yield f"layer/{layer.value}", FAILED
        elif any(f.status is Status.UNKNOWN or f.severity is not Severity.INFO for f in of_it):
            yield f"layer/{layer.value}", WARNED
        else:
            yield f"layer/{layer.value}", PASSED
    for case in report.cases:
        yield f"case/{case.name}", PASSED if case.verdict is Verdict.MATCH else FAILED
        for column in case.table.columns if case.table is not None else ():
            yield f"case/{case.name}/{column.name}", PASSED if column.passes else FAILED


def read(path: Path, key: tuple[SSlibKey, str] | None) -> Report | None:
    """The report inside a record, None where the file is something else, such as a report alone.

    Raises:
        RefusedError: a key was given, and the record is not signed with it.
        ConfigurationError: it is a statement on something else.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    try:
        document = json.loads(content) if len(content) <= LARGEST else None
    except (ValueError, RecursionError):
        document = None
    where = path.name
    kind = set(document) if isinstance(document, dict) else set()
    if {"payload", "payloadType", "signatures"} <= kind:
        signed = (
            signing.read(content, where) if key is None else signing.verify(content, key[0], where, key[1])
        )
        content = signed.payload
        note = (
            ""
            if key is not None
            else f"the record says that key {signed.key_id[:16]} signed it, which was not checked: name the key with --key"
        )
    elif key is not None:
        raise RefusedError(
            f"{where}: is not signed, and a signature was demanded",
            hint="ask for a signed one (`goldlock verify --record FILE --sign-with KEY`)",
        )
    elif "_type" in kind:
        note = "the record is unsigned: who made it was not checked"
    else:
        return None
    try:
        statement = json.loads(content)
        inner = statement["predicate"][OURS]["report"]
        about = _about(statement)
        if statement["_type"] != STATEMENT or statement["predicateType"] != TEST_RESULT:
            raise KeyError
        report = report_json.parse(json.dumps(inner).encode(), where=where)
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ConfigurationError(
            f"{where}: is no acceptance record of goldlock",
            hint="name one that `goldlock verify --record` wrote",
        ) from None
    from msgspec.structs import replace

    return replace(report, notes=tuple(dict.fromkeys((*report.notes, about, *([note] if note else [])))))


def _about(statement: dict[str, Any]) -> str:
    """A sentence on which file was checked and where; whoever sent that file compares its digest. Raises KeyError."""
    pack, ours = statement["subject"][0], statement["predicate"][OURS]
    where = ", ".join(str(ours[key]) for key in ("cpuModel", "cpuLevel", "created") if ours[key])
    return (
        f"an acceptance record of {pack['name']}, sha256:{pack['digest']['sha256']}"
        f"{f' ({where})' if where else ''}: {ours['packAuthorship']}"
    )
