"""Asking for real: the service is started, or the program run, with no more than it needs to be allowed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from goldlock import config as configuration
from goldlock.errors import ConfigurationError, SubjectError
from goldlock.proposing import batching, commands, serving
from goldlock.proposing.looking import Subject
from goldlock.proposing.recognising import Attempt, Inputs, Recogniser
from goldlock.proposing.seen import Seen
from goldlock.proposing.services import RECOGNISERS
from goldlock.proposing.serving import Asked
from goldlock.proposing.sourcing import Kind
from goldlock.proposing.wanted import Wanted

if TYPE_CHECKING:
    from goldlock.engines import Launch, Session
    from goldlock.engines.docker import DockerEngine

_START = 120.0
_LOAD = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The case, and what it taught about the subject."""

    keys: Mapping[str, object]
    seen: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    subject: Mapping[str, object] = field(default_factory=dict)


def served(
    engine: DockerEngine, wanted: Wanted, subject: Subject, asked: Asked, progress: Callable[[str], None]
) -> Asking:
    """Start the service and find out how it is asked."""
    seen = subject.seen
    hinted = next((each for each in RECOGNISERS if each.hint(seen)), None)
    ports = [wanted.port] if wanted.port else _ports(seen, hinted)
    return _relaxing(
        lambda relaxed: _asked_service(engine, wanted, subject, asked, ports, relaxed, progress),
        progress,
        is_guest=subject.source.kind is Kind.CONTAINER,
    )


def _relaxing(
    attempt: Callable[[Mapping[str, object]], Asking], progress: Callable[[str], None], *, is_guest: bool
) -> Asking:
    """Try with what goldlock allows by itself, then with what the subject was refused, the least first."""
    relaxed: Mapping[str, object] = {}
    root, whole = {"user": "0:0"}, {"writable": True}
    possible: Iterator[Mapping[str, object]] = iter([whole, root, {**whole, **root}])
    while True:
        try:
            return attempt(relaxed)
        except SubjectError as error:
            needed = _denied(error.message)
            following = next((each for each in possible if needed & each.keys()), None)
            if following is None or is_guest:
                raise
            relaxed = following
            progress(f"something is refused to it; trying again with {', '.join(relaxed)}")


def _ports(seen: Seen, hinted: Recogniser | None) -> list[int]:
    """Where it may listen, the likeliest first."""
    if hinted is not None and hinted.port in seen.ports:
        return [hinted.port]
    return [seen.port or (hinted.port if hinted else 8000)]


def _denied(message: str) -> set[str]:
    """The keys that would allow what a log says was refused."""
    found = set()
    if "Read-only file system" in message or "Errno 30" in message:
        found.add("writable")
    if any(each in message for each in ("Permission denied", "Operation not permitted", "Errno 13")):
        found |= {"user", "writable"}
    return found


def _asked_service(
    engine: DockerEngine,
    wanted: Wanted,
    subject: Subject,
    asked: Asked,
    ports: list[int],
    relaxed: Mapping[str, object],
    progress: Callable[[str], None],
) -> Asking:
    seen, port = subject.seen, ports[0]
    for _ in range(2):
        with _started(engine, subject, relaxed, port) as session:
            progress(f"started it; waiting for an answer at port {port}")
            elsewhere = serving.opened(session, port, subject.seen.python or (), seconds=_START)
            if elsewhere is not None:
                if wanted.port:
                    raise SubjectError(
                        f"it listens on {', '.join(map(str, elsewhere.ports))}, not on {port}",
                        hint="name that port with --port",
                    )
                port = elsewhere.ports[0]
                continue
            known = serving.recognised(session, seen, seconds=_LOAD)
            progress(f"recognised: {known.recogniser.name} ({known.evidence})")
            known = serving.when_ready(session, seen, known, port)
            attempts = list(known.recogniser.attempts(seen, known.answers, asked.known))
            if wanted.url_path:
                attempts = _at(wanted.url_path, attempts, seen, known, asked.known)
            served = serving.proven(session, known, seen, asked, port, attempts, progress)
            return Asking(
                keys=serving.written(served.http),
                seen=(
                    f"{served.kind}: {served.evidence}; {served.rows} rows asked, {served.rows} answered",
                    *_left_out(served),
                    *_allowed(relaxed),
                ),
                subject=relaxed,
            )
    raise SubjectError(
        f"it listens on port {port}, where nothing answers from outside",
        hint="the service must listen on 0.0.0.0, not on 127.0.0.1",
    )


def _at(
    path: str, attempts: list[Attempt], seen: Seen, known: serving.Recognised, inputs: Inputs
) -> list[Attempt]:
    """The attempts at the path that the user named, and the plain ones there."""
    own = [each for each in attempts if each.path == path]
    plain = RECOGNISERS[-1].attempts(seen, known.answers, inputs)
    others = [replace(each, path=path) for each in (*attempts, *plain)]
    unique = {(each.request, each.batch): each for each in reversed([*own, *others])}
    return list(reversed(unique.values()))


def _left_out(served: serving.Served) -> Iterator[str]:
    if served.unstable:
        yield f"left out, as they differ from one answer to the next: {', '.join(served.unstable)}"
    if served.lost:
        yield f"left out, as they have no value for each row: {', '.join(served.lost)}"


def _allowed(relaxed: Mapping[str, object]) -> Iterator[str]:
    if relaxed:
        yield f"it does not run without {' and '.join(relaxed)}"


def _started(
    engine: DockerEngine, subject: Subject, relaxed: Mapping[str, object], port: int
) -> AbstractContextManager[Session]:
    from goldlock.engines import Service

    return engine.session(replace(_launch(subject, relaxed), service=Service(port=port)))


def _launch(subject: Subject, relaxed: Mapping[str, object]) -> Launch:
    from msgspec import structs

    from goldlock.asking import way

    assert subject.config is not None  # noqa: S101 - what is started was configured before
    assert subject.origin is not None  # noqa: S101
    config = subject.config
    config = structs.replace(config, subject=structs.replace(config.subject, **relaxed))
    launch = way.launch(config, subject.origin, None, hash_files=False)
    return replace(launch, python=subject.seen.python or ())


def ran(
    engine: DockerEngine, wanted: Wanted, subject: Subject, asked: Asked, progress: Callable[[str], None]
) -> Asking:
    """Run the program until one way of calling it answers."""

    def attempt(relaxed: Mapping[str, object]) -> Asking:
        possible = [wanted.run] if wanted.run else itertools.islice(commands.candidates(subject.seen), 12)
        found = batching.ran(
            engine, _launch(subject, relaxed), possible, asked, progress, is_given=bool(wanted.run)
        )
        rows = f"{asked.known.count} rows in, {found.rows} out: {', '.join(found.columns)}"
        return Asking(keys=batching.written(found.command), seen=(rows, *_allowed(relaxed)), subject=relaxed)

    if subject.source.kind is Kind.CONTAINER and not wanted.run:
        raise ConfigurationError(
            "commands are not guessed in a container that runs already",
            hint='say how it is called: --run "python predict.py {input} {output}"',
        )
    return _relaxing(attempt, progress, is_guest=subject.source.kind is Kind.CONTAINER)


def unproven(way: str, wanted: Wanted, seen: Seen, inputs: Inputs) -> Asking:
    """The likeliest case, which nobody has tried."""
    if way == "command":
        words = wanted.run or next(commands.candidates(seen), ())
        if not words:
            raise ConfigurationError(
                "its command can't be seen", hint='say it: --run "python predict.py {input} {output}"'
            )
        return Asking(keys={"run": list(words)}, unproven=("the command was not run (--no-start)",))
    recogniser = next((each for each in RECOGNISERS if each.hint(seen)), RECOGNISERS[-1])
    attempt = next(iter(recogniser.attempts(seen, {}, inputs)))
    port = wanted.port or _ports(seen, recogniser)[0]
    http = configuration.Http(
        path=wanted.url_path or attempt.path,
        request=attempt.request,
        response=dict(attempt.usual),
        batch=attempt.batch,
        port=port,
        ready=serving.readiness(recogniser.ready(seen, {})),
    )
    hint = recogniser.hint(seen)
    return Asking(
        keys=serving.written(http),
        seen=(f"{recogniser.name}" + (f": {hint}" if hint else ""),),
        unproven=("the service was not started (--no-start): path, request and response are the usual ones",),
    )
