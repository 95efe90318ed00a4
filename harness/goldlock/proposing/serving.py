"""Starting a service as goldlock would, asking it what it is, and finding the mapping that really works."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import jmespath
import jmespath.exceptions
import requests
from msgspec import structs

from goldlock.asking import deadline
from goldlock.asking import http as by_http
from goldlock.config import Http, Readiness
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock.proposing import answers as reading
from goldlock.proposing import inside
from goldlock.proposing.recognising import Answer, Answers, Attempt, Inputs, Question, Ready, Recogniser
from goldlock.proposing.services import RECOGNISERS

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.engines import Session
    from goldlock.formats import Format
    from goldlock.proposing.seen import Seen

_POLL = 0.2
_ANSWER = 10.0
_TEXT = 4096
_BODY = 4 << 20
_ROUNDS = 4
_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The inputs to ask with."""

    path: Path
    format: Format
    known: Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service that was recognised, and the mapping that was tried on it."""

    http: Http
    kind: str
    """What it is called."""
    evidence: str
    rows: int
    """Rows that it answered."""
    lost: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Nothing answered at the port; the subject listens on these."""

    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What kind of service it is."""

    recogniser: Recogniser
    evidence: str
    answers: Answers = field(default_factory=dict)


def opened(session: Session, port: int, python: Sequence[str], *, seconds: float) -> Elsewhere | None:
    """Wait until something answers HTTP at the port; None when it does.

    Raises SubjectError where the service ends, or nothing listens anywhere in time.
    """
    end = time.monotonic() + seconds
    looked = time.monotonic() + 1
    with contextlib.closing(deadline.Client()) as client:
        while True:
            if _asked(client, session, Question("/"), seconds=5).status:
                return None
            if (reason := session.ended()) is not None:
                raise SubjectError(f"the service {reason}", hint="run the image by hand to see why")
            now = time.monotonic()
            if python and now > looked:
                looked = now + 1
                found = inside.listening(session, python)
                if found.local and not found.ports:
                    raise SubjectError(
                        f"it listens on 127.0.0.1:{found.local[0]} only, where nothing can ask it from outside",
                        hint="let it listen on 0.0.0.0, by its arguments or a variable; goldlock asks over the network",
                    )
                if found.ports and port not in found.ports:
                    return Elsewhere(ports=found.ports)
            if now > end:
                said = session.said()
                raise SubjectError(
                    f"nothing answered at port {port} within {seconds:g} s"
                    + (f"\nits log ends:\n{said[-2000:]}" if said else ""),
                    hint="name the port with --port; the service must listen on 0.0.0.0, not on 127.0.0.1",
                )
            time.sleep(_POLL)


def recognised(session: Session, seen: Seen, *, seconds: float) -> Recognised:
    """Ask what tells services apart, until one is known or all that answers is not to be waited for."""
    hinted = [each for each in RECOGNISERS[:-2] if each.hint(seen)]
    end = time.monotonic() + seconds
    with contextlib.closing(deadline.Client()) as client:
        while True:
            found = _questioned(client, session, seen)
            kinds = [(each, each.evidence(seen, found)) for each in RECOGNISERS]
            best, evidence = next((pair for pair in kinds if pair[1]), (RECOGNISERS[-1], ""))
            # One that still loads its model answers 503, or not all of what it will.
            loads = any(answer.status == 503 for answer in found.values()) or bool(hinted)
            if best not in RECOGNISERS[-2:] or not loads or time.monotonic() > end:
                return Recognised(recogniser=best, evidence=evidence, answers=found)
            if session.ended() is not None:
                return Recognised(recogniser=best, evidence=evidence, answers=found)
            time.sleep(1)


def _questioned(client: deadline.Client, session: Session, seen: Seen) -> Answers:
    found: dict[Question, Answer] = {}
    for _ in range(_ROUNDS):
        wanted = {each for kind in RECOGNISERS for each in kind.questions(seen, found)} - found.keys()
        if not wanted:
            break
        for question in sorted(wanted):
            found[question] = _asked(client, session, question, seconds=_ANSWER)
    return found


def _asked(client: deadline.Client, session: Session, question: Question, *, seconds: float) -> Answer:
    """One answer; status 0 where none came."""
    host, port = session.address()
    try:
        url = f"http://{host}:{port}{question.path}"
        content = bytearray()
        with client.ask(question.method, url, seconds=seconds) as answer:
            for piece in answer.iter_content(1 << 16):
                content += piece
                if len(content) > _BODY:
                    break
            status = answer.status_code
    except (requests.RequestException, OSError):
        return Answer(status=0)
    try:
        body: object = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    return Answer(status=status, body=body, text=bytes(content[:_TEXT]).decode("utf-8", "replace"))


def proven(
    session: Session,
    known: Recognised,
    seen: Seen,
    asked: Asked,
    port: int,
    attempts: Sequence[Attempt],
    progress: Callable[[str], None],
) -> Served:
    """Try one attempt after the other with the real inputs; return the first that answers every row with nothing lost.

    Raises SubjectError where none does, with what the likeliest one was told.
    """
    waiting = _waiting(seen, known, port)
    gone: set[str] = set()
    second_best: Served | None = None
    refusal: CouldNotRunError | None = None
    for attempt in attempts:
        if attempt.path in gone:
            continue
        http = structs.replace(waiting, path=attempt.path, request=attempt.request, batch=attempt.batch)
        try:
            served = _tried(session, http, attempt, asked, known)
        except by_http.RefusedError as error:
            if error.status in {404, 405}:
                gone.add(attempt.path)
            if refusal is None or (error.status not in {404, 405} and attempt is attempts[0]):
                refusal = error
            continue
        except CouldNotRunError as error:
            refusal = refusal or error
            if session.ended() is not None:
                break
            continue
        if served is None:
            continue
        progress(f"{attempt.path} answers `{attempt.request}`: {', '.join(served.http.response)}")
        if not served.lost:
            return served
        second_best = second_best or served
    if second_best is not None:
        return second_best
    said = session.said()
    raise SubjectError(
        f"{known.recogniser.name}: no request that goldlock knows was answered as it must"
        + (f"; the likeliest one: {refusal.message}" if refusal else "")
        + (f"\nits log ends:\n{said[-1500:]}" if said else ""),
        hint="name the path with --path, or write request and response of [case.http] by hand",
    )


def when_ready(session: Session, seen: Seen, known: Recognised, port: int) -> Recognised:
    """Wait until the service is up, and ask it again what it says of itself: only then it may say all."""
    by_http.wait_until_ready(session, _waiting(seen, known, port))
    with contextlib.closing(deadline.Client()) as client:
        return replace(known, answers=_questioned(client, session, seen))


def _waiting(seen: Seen, known: Recognised, port: int) -> Http:
    """The way to ask as far as it is known: where the service is, and when it is up."""
    ready = readiness(known.recogniser.ready(seen, known.answers))
    return Http(path="/", request="rows", response={"value": "@"}, port=port, ready=ready)


def readiness(ready: Ready) -> Readiness:
    """The table of goldlock.toml."""
    return Readiness(path=ready.path, status=ready.status, when=ready.when)


def _tried(session: Session, http: Http, attempt: Attempt, asked: Asked, known: Recognised) -> Served | None:
    """Ask; None where no column can be found in the answer."""
    first = _first(session, http, asked)
    found = reading.find(first.value, first.rows, within=attempt.within)
    if not found.columns:
        return None
    again = _first(session, http, asked)
    moved = [
        name
        for name, expression in found.columns.items()
        if _value(expression, first.value) != _value(expression, again.value)
    ]
    found = reading.without(found, moved)
    if not found.columns:
        return None
    http = structs.replace(http, response=dict(found.columns))
    table = by_http.ask(session, http, asked.path, asked.format, limit=_LIMIT)
    if table.rows != asked.known.count:
        return None
    return Served(
        http=http,
        kind=known.recogniser.name,
        evidence=known.evidence,
        rows=table.rows,
        lost=found.lost,
        unstable=found.unstable,
    )


def _first(session: Session, http: Http, asked: Asked) -> by_http.Answer:
    """The answer to the first request; the others are not sent."""
    with contextlib.closing(by_http.answers(session, http, asked.path, asked.format, limit=_LIMIT)) as found:
        return next(found)


def _value(expression: str, answer: object) -> object:
    try:
        return jmespath.search(expression, answer)
    except jmespath.exceptions.JMESPathError:
        return None


def written(http: Http) -> Mapping[str, object]:
    """The keys of `[case.http]` that differ from their defaults, in the order in which one reads them."""
    ready = {
        name: value
        for name, value in structs.asdict(http.ready).items()
        if value != getattr(Readiness(), name)
    }
    found: dict[str, object] = {}
    if http.port != 8000:
        found["port"] = http.port
    found.update(path=http.path, request=http.request, response=dict(http.response))
    if http.batch is not None:
        found["batch"] = http.batch
    if ready:
        found["ready"] = ready
    return found
