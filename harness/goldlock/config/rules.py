"""What types cannot say of a goldlock.toml: ranges, names, and what must or must not stand together."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import jmespath
import jmespath.exceptions

from goldlock.config.structure import parse_size, placeholders
from goldlock.decoding import KeyPath, Problem, did_you_mean
from goldlock.errors import ConfigurationError
from goldlock.formats import Format
from goldlock.tolerance import Kind, UpTo
from goldlock_env.findings import Layer
from goldlock_env.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from goldlock.config.structure import Build, Case, Column, Document, Http, Local, Subject, Training

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG = re.compile(r"(?!sha256:)[^@\s]+")
_METHOD = re.compile(r"[A-Z]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token
_PLACEHOLDER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")


def inconsistencies(document: Document) -> Iterator[Problem]:
    """Every rule that the document breaks."""
    yield from _subject(document.subject)
    yield from _distinct((("case", index, "name"), case.name) for index, case in enumerate(document.case))
    yield from _distinct((("case", index, "golden"), case.golden) for index, case in enumerate(document.case))
    yield from _distinct(
        (("training", index, "name"), each.name) for index, each in enumerate(document.training)
    )
    for index, case in enumerate(document.case):
        yield from _case(case, ("case", index))
    for index, training in enumerate(document.training):
        yield from _training(training, ("training", index))
    for key, value in document.policy.items():
        try:
            Policy.from_mapping({key: value})
        except ConfigurationError as error:
            said = error.message.removeprefix(f"policy.{key}: ")
            yield Problem(("policy", key), f"is no rule: {said}. {error.hint}".rstrip())
    for index, accepted in enumerate(document.accepted):
        path: KeyPath = ("accepted", index)
        layer, _, key = accepted.finding.partition(".")
        if layer not in tuple(map(str, Layer)) or not key:
            yield Problem(
                (*path, "finding"), 'must be layer and key as reports name them, such as "packages.certifi"'
            )
        if not accepted.reason.strip():
            yield Problem(
                (*path, "reason"), "is empty: a difference is accepted for a reason that others can read"
            )
    yield from _filled(document.lock, ("lock",))


def _subject(subject: Subject) -> Iterator[Problem]:
    path: KeyPath = ("subject",)
    yield from _named(subject.name, (*path, "name"))
    if subject.image is not None:
        yield from _image(subject.image, (*path, "image"))
        if subject.build is not None and not _TAG.fullmatch(subject.image):
            yield Problem((*path, "image"), "must be a name that the build can give, not a digest or an id")
    if subject.container is not None:
        yield from _filled(subject.container, (*path, "container"))
    if subject.archive is not None:
        yield from _filled(subject.archive, (*path, "archive"))
        if subject.build is not None:
            yield Problem((*path, "archive"), "and subject.build exclude each other")
    yield from _words(subject.python or (), (*path, "python"), known=(), empty=True)
    for key, words in (("entrypoint", subject.entrypoint), ("command", subject.command)):
        yield from _words(words or (), (*path, key), known=placeholders(words or ()), empty=True)
    if subject.working_dir is not None and not subject.working_dir.startswith("/"):
        yield Problem((*path, "working-dir"), "must be an absolute path inside the image")
    yield from _variables(subject.environment, (*path, "environment"))
    yield from _each_filled(subject.artifacts, (*path, "artifacts"))
    if subject.user is not None and not _USER.fullmatch(subject.user):
        yield Problem((*path, "user"), 'must be a user or user:group, such as "65534:65534"')
    limits = subject.limits
    for name, size in (("memory", limits.memory), ("output", limits.output), ("scratch", limits.scratch)):
        yield from _size(size, (*path, "limits", name))
    if limits.cpus is not None:
        yield from _positive(limits.cpus, (*path, "limits", "cpus"))
    yield from _positive(limits.processes, (*path, "limits", "processes"))
    if subject.build is not None:
        yield from _build(subject.build, (*path, "build"))
    if subject.local is not None:
        yield from _local(subject.local, (*path, "local"))
        if len(subject.local.artifacts) != len(subject.artifacts):
            yield Problem(
                (*path, "local", "artifacts"),
                f"must name this host's path for each of subject.artifacts, in their order:"
                f" {len(subject.artifacts)}, not {len(subject.local.artifacts)}",
            )


def _build(build: Build, path: KeyPath) -> Iterator[Problem]:
    for name, value in (
        ("context", build.context),
        ("dockerfile", build.dockerfile),
        ("wheelhouse", build.wheelhouse),
    ):
        yield from _filled(value, (*path, name))
    inside = PurePosixPath(build.wheelhouse)
    if inside.is_absolute() or ".." in inside.parts:
        yield Problem((*path, "wheelhouse"), "must be a folder inside the build context")
    yield from _each_filled(build.requirements, (*path, "requirements"))
    if build.python or build.requirements:
        yield from _version(build.python, (*path, "python"))
    yield from _variables(build.arguments, (*path, "arguments"))
    if build.base is not None:
        if not _VARIABLE.fullmatch(build.base.argument):
            yield Problem((*path, "base", "argument"), "must be the name of a build argument, such as BASE")
        yield from _words(build.base.offline, (*path, "base", "offline"), known=(), empty=True)


def _local(local: Local, path: KeyPath) -> Iterator[Problem]:
    yield from _version(local.python, (*path, "python"))
    yield from _each_filled(local.requirements, (*path, "requirements"))
    yield from _each_filled(local.artifacts, (*path, "artifacts"))
    yield from _variables(local.environment, (*path, "environment"))


def _version(version: str, path: KeyPath) -> Iterator[Problem]:
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", version):
        yield Problem(path, 'must be a version such as "3.8" or "3.8.18"')


def _case(case: Case, path: KeyPath) -> Iterator[Problem]:
    yield from _named(case.name, (*path, "name"))
    try:
        _ = case.inputs_format
    except ValueError:
        yield Problem(
            (*path, "inputs"), f"must end in one of {', '.join('.' + each.value for each in Format)}"
        )
    if case.command is None and case.http is None:
        yield Problem(path, "does not say how to ask: add [case.command] or [case.http]")
    if case.command is not None and case.http is not None:
        yield Problem(path, "has both command and http; split it into two cases")
    if case.command is not None:
        yield from _words(case.command.run, (*path, "command", "run"), known=("input", "output"))
        yield from _positive(case.command.timeout, (*path, "command", "timeout"))
    if case.http is not None:
        yield from _http(case.http, (*path, "http"))
    for name, column in case.columns.items():
        yield from _column(name, column, (*path, "columns", name))
    yield from _each_filled(case.rows_by, (*path, "rows-by"))
    yield from _size(case.chunk, (*path, "chunk"))
    if "@" in PurePosixPath(case.golden).name:
        yield Problem((*path, "golden"), "must not hold @, behind which other goldens of a case are named")


def _http(http: Http, path: KeyPath) -> Iterator[Problem]:
    for key, value in (((*path, "path"), http.path), ((*path, "ready", "path"), http.ready.path)):
        if not re.fullmatch(r"/[!-~]*", value):
            yield Problem(key, "must start with / and hold no spaces; percent-encode what needs it")
    if not 1 <= http.port <= 65535:
        yield Problem((*path, "port"), "must be from 1 to 65535")
    if not 100 <= http.ready.status <= 599:
        yield Problem((*path, "ready", "status"), "must be an HTTP status, from 100 to 599")
    if http.ready.when:
        yield from _expression(http.ready.when, (*path, "ready", "when"))
    if not _METHOD.fullmatch(http.method):
        yield Problem((*path, "method"), "must be an HTTP method in capitals, such as POST")
    for name, value in http.headers.items():
        if not _HEADER.fullmatch(name) or not value.isprintable():
            yield Problem((*path, "headers", name), "is not a header that can be sent")
    yield from _expression(http.request, (*path, "request"))
    if not http.response:
        yield Problem((*path, "response"), "names no output column")
    for name, expression in http.response.items():
        yield from _expression(expression, (*path, "response", name))
    yield from _words(http.start, (*path, "start"), known=(), empty=True)
    yield from _words(http.local_start, (*path, "local-start"), known=("port",), empty=True)
    if http.local_start and "port" not in placeholders(http.local_start):
        yield Problem((*path, "local-start"), "must hold {port}: without an engine the port is a free one")
    if http.batch is not None:
        yield from _positive(http.batch, (*path, "batch"))
    yield from _positive(http.timeout, (*path, "timeout"))
    yield from _positive(http.ready.timeout, (*path, "ready", "timeout"))


def _column(name: str, column: Column, path: KeyPath) -> Iterator[Problem]:
    for key, value in (("rtol", column.rtol), ("atol", column.atol), ("ulp", column.ulp)):
        if value is None:
            continue
        if not math.isfinite(value) or value < 0:
            yield Problem((*path, key), "must be a number from 0 up")
        elif column.kind in (Kind.EXACT, Kind.LABEL, Kind.IGNORE):
            yield Problem(
                (*path, key), f"means nothing for kind {column.kind.value!r}; use 'close' or 'probability'"
            )
    if column.kind is Kind.IGNORE and not column.reason.strip():
        yield Problem((*path, "reason"), "is missing: a column is ignored for a reason that others can read")
    if column.score_names:
        if column.kind not in (Kind.LABEL, None):
            yield Problem((*path, "scores"), "is for kind 'label'")
        elif not {"", name}.isdisjoint(column.score_names):
            yield Problem((*path, "scores"), "must name another column")
        elif len(set(column.score_names)) < len(column.score_names):
            yield Problem((*path, "scores"), "names a column twice")
    if column.up_to is UpTo.SIGN and column.kind not in (Kind.CLOSE, Kind.EXACT, None):
        yield Problem((*path, "up-to"), "may be 'sign' for the kinds 'close' and 'exact'")
    if column.up_to is UpTo.NAMES and column.kind not in (Kind.LABEL, Kind.EXACT, None):
        yield Problem((*path, "up-to"), "may be 'names' for the kinds 'label' and 'exact'")


def _training(training: Training, path: KeyPath) -> Iterator[Problem]:
    yield from _named(training.name, (*path, "name"))
    yield from _image(training.image, (*path, "image"))
    yield from _words(training.run, (*path, "run"), known=("output", *training.inputs))
    if "output" not in placeholders(training.run):
        yield Problem((*path, "run"), "must hold {output}, the folder into which the artifacts go")
    yield from _filled(training.recorded, (*path, "recorded"))
    for name, file in training.inputs.items():
        if name == "output" or not _PLACEHOLDER_NAME.fullmatch(name):
            yield Problem(
                (*path, "inputs", name),
                "cannot be a placeholder's name: letters, digits, - and _, not output",
            )
        yield from _filled(file, (*path, "inputs", name))
    yield from _variables(training.environment, (*path, "environment"))
    yield from _positive(training.timeout, (*path, "timeout"))
    if training.build is not None:
        yield from _build(training.build, (*path, "build"))


def _distinct(named: Iterable[tuple[KeyPath, str]]) -> Iterator[Problem]:
    first: dict[str, KeyPath] = {}
    for path, name in named:
        if name in first:
            yield Problem(path, f"is {name!r}, as in {first[name][0]}[{first[name][1]}]; each needs its own")
        first.setdefault(name, path)


def _named(name: str, path: KeyPath) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        yield Problem(
            path, f"cannot be {name!r}: letters, digits, dots, - and _, starting with a letter or digit"
        )


def _image(image: str, path: KeyPath) -> Iterator[Problem]:
    if not re.fullmatch(r"[!-~]+", image):
        yield Problem(path, 'must be an image reference, such as "registry.example:5000/team/model:1.2"')


def _filled(value: str, path: KeyPath) -> Iterator[Problem]:
    if not value.strip() or "\0" in value:
        yield Problem(path, "must not be empty" if "\0" not in value else "must not hold a NUL")


def _each_filled(values: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    for index, value in enumerate(values):
        yield from _filled(value, (*path, index))


def _words(
    command: Sequence[str], path: KeyPath, *, known: Sequence[str], empty: bool = False
) -> Iterator[Problem]:
    """A command: not empty, no NULs, and no placeholder that nothing will fill."""
    if not command and not empty:
        yield Problem(path, "must be a command as a list of words")
    elif command and not command[0]:
        yield Problem((*path, 0), "must be the program to run")
    for index, word in enumerate(command):
        if "\0" in word:
            yield Problem((*path, index), "must not hold a NUL")
        for name in placeholders([word]):
            if name not in known:
                yield Problem((*path, index), f"has the placeholder {{{name}}}; {did_you_mean(name, known)}")


def _variables(environment: Mapping[str, str], path: KeyPath) -> Iterator[Problem]:
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            yield Problem((*path, name), "is not the name of a variable")
        if "\0" in value:
            yield Problem((*path, name), "must not hold a NUL")


def _size(text: str, path: KeyPath) -> Iterator[Problem]:
    try:
        parse_size(text)
    except ValueError as error:
        yield Problem(path, f"must be a size such as 512m or 4g: {error}")


def _positive(value: float, path: KeyPath) -> Iterator[Problem]:
    if not math.isfinite(value) or value <= 0:
        yield Problem(path, f"must be more than 0, not {value:g}")


def _expression(text: str, path: KeyPath) -> Iterator[Problem]:
    try:
        jmespath.compile(text)
    except jmespath.exceptions.JMESPathError as error:
        # The message goes on with the expression and a caret under it, which a list of problems has no room for.
        said = str(error).splitlines()[0].rstrip(":")
        yield Problem(path, f"is not JMESPath: {said}, in {text!r}")
