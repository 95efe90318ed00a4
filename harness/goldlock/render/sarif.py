"""The report as SARIF 2.1.0 (OASIS), for GitHub code scanning and editors: what makes a drift, at the file that recorded it.

Results are the findings that count, the accepted ones (suppressed, with their reason) and the columns that do not
pass. What does not count, and what could not be looked at, are notifications of the invocation. Paths are relative
to goldlock.toml's folder; no result has a line of its own, so that each stands at the first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from goldlock.printable import printable
from goldlock.render import _words
from goldlock.results import Rung
from goldlock_env.findings import Layer, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from goldlock.report import CaseReport, Failure, Report
    from goldlock.results import ColumnResult
    from goldlock_env.findings import Finding

    Json = Mapping[str, object]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
CONFIG, LOCK, GOLDEN = "goldlock.toml", "goldlock.lock", "golden.toml"
KNOWN_BAD = "output/known-bad"
_LINES, _LONG = 40, 400
UNKNOWN = "notice/unknown"
TOLD = "notice/not-counted"
FAILED = "notice/could-not-run"

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)

_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_LAYERS = {
    Layer.PYTHON: ("The interpreter is another one", "implementation, version, build and ABI of Python"),
    Layer.PACKAGES: ("Installed packages differ", "names, versions and files of the installed packages"),
    Layer.OS: ("The operating system differs", "distribution, libc and packages of the operating system"),
    Layer.IMAGE: ("The image differs", "digests and layers of the image"),
    Layer.NUMERICS: ("Numerics differ", "BLAS, its kernel, thread pools and the variables that steer them"),
    Layer.HOST: ("The host differs", "CPU model and level, cores and kernel of the machine"),
    Layer.ARTIFACTS: ("Model artifacts differ", "SHA-256 of the model's files"),
    Layer.LOCK: ("The lock is not as written", "goldlock.lock itself, which only goldlock writes"),
    Layer.GOLDEN: (
        "A golden is not as written",
        "golden folders, which only goldlock writes, and their inputs",
    ),
}
_OUTPUTS = {
    f"output/{Rung.DRIFTED.value}": (
        "Numbers drifted",
        "A number of the subject's output is further from its golden than its column's tolerance allows.",
    ),
    f"output/{Rung.FLIPPED.value}": (
        "Values flipped",
        "A label, or a value that is compared exactly, is another one than in the golden.",
    ),
    f"output/{Rung.SCHEMA.value}": (
        "The schema changed",
        "A column is missing, extra, moved, or of another dtype or shape; or the number of rows differs.",
    ),
    KNOWN_BAD: (
        "A known-bad output",
        "The subject's output matches a golden that is kept because it is wrong.",
    ),
}
_NOTICES = {
    UNKNOWN: "Something could not be looked at: neither a difference nor a match.",
    TOLD: "Something differs that does not count, by its severity and --fail-on.",
    FAILED: "The environment or a case could not be run.",
}
_ACCEPTING = (
    "If the new outputs are right: `goldlock accept CASE --reason TEXT`. If not, the report says which part of the "
    "environment moved with them."
)
_LOCKING = (
    "If the new environment is right: `goldlock lock --replace`. If it only may differ: `[policy]` in goldlock.toml. "
    "A lock or golden that was edited by hand is put right with git."
)


def _of_layer(layer: Layer) -> str:
    return f"environment/{layer.value}"


_RULES = (*map(_of_layer, _LAYERS), *_OUTPUTS)


def render(report: Report) -> str:
    """Return the report as a SARIF log with a final line feed, in ASCII."""
    run = {
        "tool": {"driver": _driver(report)},
        "automationDetails": {"id": f"goldlock/{quote(report.subject.encode(errors='replace'), safe='')}/"},
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": list(_results(report)),
        "properties": {
            "verdict": report.verdict.value,
            "gist": list(map(printable, report.gist)),
            "subject": printable(report.subject),
            "image": printable(report.image or ""),
            "lockId": printable(report.lock_id or ""),
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


# -- the tool and its run ---------------------------------------------------------------------------


def _driver(report: Report) -> Json:
    return {
        "name": "goldlock",
        "version": printable(report.goldlock_version),
        "rules": _rules(),
        "notifications": [
            {"id": name, "shortDescription": {"text": text}} for name, text in sorted(_NOTICES.items())
        ],
    }


def _rules() -> list[Json]:
    rules = [
        _rule(_of_layer(layer), title, f"Compared with the lock: {what}.", _LOCKING)
        for layer, (title, what) in _LAYERS.items()
    ]
    return rules + [_rule(name, title, told, _ACCEPTING) for name, (title, told) in _OUTPUTS.items()]


def _rule(name: str, title: str, told: str, remedy: str) -> Json:
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in name.replace("/", "-").split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": told},
        "help": {"text": f"{told} {remedy}".replace("`", ""), "markdown": f"{told}\n\n{remedy}"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["goldlock", name.partition("/")[0]]},
    }


def _invocation(report: Report) -> Json:
    notices = list(_notices(report))
    invocation: dict[str, object] = {
        # Of the run, not of what it found: a drift is found by a run that went well.
        "executionSuccessful": report.failure is None
        and all(case.table is not None for case in report.cases)
        and not any(map(report.fail_on.misses, report.findings)),
        "exitCode": report.verdict.exit_code,
        "exitCodeDescription": report.verdict.value,
        "toolExecutionNotifications": notices,
    }
    if report.command:
        invocation["commandLine"] = printable(report.command)
    if _is_time(report.created):
        invocation["endTimeUtc"] = _words.created(report)
    return invocation


def _is_time(text: str) -> bool:
    """Whether a text is a date-time of RFC 3339, section 5.6: one that is not would make the whole log invalid."""
    if not _TIME.fullmatch(text):
        return False
    try:
        dt.datetime.fromisoformat(f"{text[:19]}+00:00")
    except ValueError:
        return False
    return True


def _notices(report: Report) -> Iterator[Json]:
    if report.failure is not None:
        yield _notice(FAILED, "error", f"environment: {_failure(report.failure)}", CONFIG)
    for case in report.cases:
        if case.failure is not None:
            yield _notice(FAILED, "error", f"case {printable(case.name)}: {_failure(case.failure)}", CONFIG)
    for finding in report.findings:
        if finding.status is Status.UNKNOWN:
            text = f"{printable(finding.name)} is unknown: {_words.reason(finding)}"
            level = "error" if report.fail_on.misses(finding) else "warning"
            yield _notice(UNKNOWN, level, text, _place(report, finding))
        elif finding.status is not Status.SAME and not _is_result(report, finding):
            yield _notice(TOLD, _LEVEL[finding.severity], _told(finding), _place(report, finding))


def _notice(name: str, level: str, text: str, uri: str) -> Json:
    return {
        "descriptor": {"id": name, "index": sorted(_NOTICES).index(name)},
        "level": level,
        "message": _message(text),
        "locations": [_location(uri)],
    }


def _failure(failure: Failure) -> str:
    lines = [_words.cut(line, long=_LONG) for line in failure.message.splitlines()]
    if len(lines) > _LINES:
        lines[_LINES:] = [f"and {len(lines) - _LINES:,} more lines"]
    return "\n".join([*lines, *([f"-> {printable(failure.hint)}"] if failure.hint else [])])


# -- results ----------------------------------------------------------------------------------------


def _is_result(report: Report, finding: Finding) -> bool:
    if finding.status in {Status.UNKNOWN, Status.SAME}:
        return False
    return bool(finding.accepted) or report.fail_on.counts(finding)


def _results(report: Report) -> Iterator[Json]:
    for finding in report.findings:
        if _is_result(report, finding):
            yield _of_finding(report, finding)
    for case in report.cases:
        yield from _of_case(report, case)


def _of_finding(report: Report, finding: Finding) -> Json:
    result = _result(
        _of_layer(finding.layer),
        _LEVEL[finding.severity],
        _told(finding),
        _place(report, finding),
        (report.subject, finding.layer.value, finding.key),
        finding.name,
    )
    if finding.accepted:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "rejected" if report.fail_on.counts(finding) else "accepted",
                "justification": printable(finding.accepted),
            }
        ]
    return result


def _told(finding: Finding) -> str:
    told = f"{printable(finding.name)}: {_words.difference(finding)}"
    return f"{told} ({printable(finding.note)})" if finding.note else told


def _of_case(report: Report, case: CaseReport) -> Iterator[Json]:
    table = case.table
    if table is None:
        return
    uri = _golden(case)
    name = printable(case.name)
    whole = (report.subject, case.name, case.variant)
    if case.known_bad:
        text = f"case {name}: the outputs match the known-bad golden {printable(case.known_bad)}"
        yield _result(KNOWN_BAD, "error", text, uri, (*whole, KNOWN_BAD), case.name)
    failing = [column for column in table.columns if not column.passes]
    for column in failing:
        yield _result(
            f"output/{column.rung.value}",
            "error",
            _about(name, column),
            uri,
            (*whole, "column", column.name),
            f"{case.name}.{column.name}",
            {
                "count": column.count,
                "size": column.size,
                "differing": column.differing,
                "tolerance": printable(column.tolerance),
                "wouldPassAt": printable(column.would_pass),
            },
        )
    if not table.passes and not failing:
        text = f"case {name}: {'; '.join(map(printable, table.notes)) or _words.rows(table)}"
        yield _result(f"output/{table.rung.value}", "error", text, uri, (*whole, "table"), case.name)


def _about(case: str, column: ColumnResult) -> str:
    lines = [f"case {case}, column {printable(column.name)}: {_words.summary(column)}"]
    lines += [
        f"{label}: {fact}"
        for label, fact in _words.statistics(column, ascii_only=True)
        if fact not in lines[0]
    ]
    return "\n".join(lines)


def _result(
    rule: str,
    level: str,
    text: str,
    uri: str,
    identity: tuple[str, ...],
    logical: str,
    properties: Json | None = None,
) -> dict[str, object]:
    """One result; `identity` says which alert it is, however far it is off this time."""
    told = "\0".join(identity).encode(errors="surrogatepass")
    mark = hashlib.sha256(told).hexdigest()
    result: dict[str, object] = {
        "ruleId": rule,
        "ruleIndex": _RULES.index(rule),
        "kind": "fail",
        "level": level,
        "message": _message(text),
        "locations": [{**_location(uri), "logicalLocations": [{"fullyQualifiedName": printable(logical)}]}],
        # GitHub knows an alert again by the first; left to itself it would hash the file's line, the same for all.
        "partialFingerprints": {"primaryLocationLineHash": f"{mark[:16]}:1", "goldlock/v1": mark},
    }
    if properties is not None:
        result["properties"] = properties
    return result


def _message(text: str) -> Json:
    """A plain text message (SARIF 3.11.3): braces doubled (3.11.5), and nothing that reads as a link (3.11.6)."""
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "] (") or "(nothing was said)"}


def _place(report: Report, finding: Finding) -> str:
    if finding.layer is not Layer.GOLDEN:
        return LOCK
    for case in report.cases:
        if finding.key.startswith((f"{case.name}/", f"{case.name}:", f"{case.golden}/")):
            return _golden(case)
    return CONFIG


def _golden(case: CaseReport) -> str:
    folder = f"{case.golden}@{case.variant}" if case.variant else case.golden
    return f"{folder}/{GOLDEN}"


def _location(path: str) -> dict[str, object]:
    uri = quote(path.replace("\\", "/").encode(errors="replace"), safe="/@")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}
