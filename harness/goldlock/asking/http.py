"""The HTTP contract: requests and answers of any service, mapped with JMESPath expressions."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jmespath
import jmespath.exceptions
import requests
import urllib3.exceptions

from goldlock.asking import deadline
from goldlock.asking.hints import hint_for
from goldlock.errors import ConfigurationError, SubjectError
from goldlock.tables import Limits, from_columns, open_table, parse_json

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from numpy import bool_
    from numpy.typing import NDArray

    from goldlock.config import Http
    from goldlock.engines import Session
    from goldlock.tables import Array, Batches, Format, Table

_POLL = 0.05
_ATTEMPT = 5.0
"""Seconds in which a service has to say whether it is ready."""
_READY_LIMIT = 1 << 20
"""Bytes of an answer that says whether a service is ready."""


def wait_until_ready(session: Session, http: Http) -> None:
    """Ask the readiness path until it answers with the stated status, and `when` holds for what it says.

    Raises:
        SubjectError: the service ended, or was not ready in time.
    """
    end = time.monotonic() + http.ready.timeout
    seen = ""
    with contextlib.closing(deadline.Client()) as client:
        while True:
            if (reason := session.ended()) is not None:
                hint = hint_for(reason, "run the image by hand to see why")
                raise SubjectError(f"the service {reason}", hint=hint)
            left = end - time.monotonic()
            if left <= 0:
                raise SubjectError(
                    f"the service was not ready within {http.ready.timeout:g} s:"
                    f" {seen or 'the port never opened'}{_quoted(session)}",
                    hint="check port and ready in goldlock.toml; the service must listen on 0.0.0.0",
                )
            try:
                url = _url(session, http.ready.path)
                with client.ask("GET", url, seconds=min(left, _ATTEMPT)) as answer:
                    if answer.status_code != http.ready.status:
                        seen = f"{http.ready.path} answered {answer.status_code}, not {http.ready.status}"
                    elif not http.ready.when or _holds(http.ready.when, answer):
                        return
                    else:
                        seen = f"of what {http.ready.path} answered, `{http.ready.when}` is not true"
            except requests.RequestException as error:
                inner = getattr(error.args[0] if error.args else None, "reason", None)
                # The last attempt is cut short by us: what was answered before says more.
                cut_short = client.is_late and left < _ATTEMPT and seen
                if not isinstance(inner, urllib3.exceptions.NewConnectionError) and not cut_short:
                    seen = f"{http.ready.path}: {_reason(error)}"
            time.sleep(_POLL)


def _holds(expression: str, answer: requests.Response) -> bool:
    """Whether an expression is true (JMESPath: neither false, null nor empty) of an answer's JSON."""
    content = bytearray()
    for piece in answer.iter_content(1 << 16):
        content += piece
        if len(content) > _READY_LIMIT:
            return False
    try:
        return bool(jmespath.search(f"!(!({expression}))", json.loads(content)))
    except (ValueError, RecursionError, jmespath.exceptions.JMESPathError):
        return False


def ask(session: Session, http: Http, inputs: Path, inputs_format: Format, *, limit: int) -> Table:
    """Send a case's rows, in batches where asked for, and gather the answers into one table.

    Args:
        session: a session whose service is ready.
        http: the mapping of goldlock.toml.
        inputs: file of the case's inputs.
        inputs_format: format of `inputs`.
        limit: most bytes that are read of all answers together.

    Raises:
        SubjectError: an error status, an answer that is not JSON or not what the mapping expects.
        ConfigurationError: the request's expression fails on these inputs.
    """
    gathered: dict[str, list[object]] = {}
    for each in answers(session, http, inputs, inputs_format, limit=limit):
        columns = _columns(each.value, http, each.rows, each.where)
        if each.start and columns.keys() != gathered.keys():
            absent = sorted(columns.keys() ^ gathered.keys())
            raise SubjectError(
                f"{each.where} has other columns than the answers before it: {', '.join(absent)}"
            )
        for column, values in columns.items():
            gathered.setdefault(column, []).extend(values)
    return from_columns(gathered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service said to one request."""

    start: int
    """Number of the first row that was asked for."""
    rows: int
    value: object
    """Its JSON."""
    where: str
    """What messages call it."""


class RefusedError(SubjectError):
    """The service answered with a status that is no success."""

    def __init__(self, message: str, *, status: int, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status


def answers(
    session: Session, http: Http, inputs: Path, inputs_format: Format, *, limit: int
) -> Generator[Answer, None, None]:
    """Send the requests of a case one after the other, and yield what is answered; arguments and errors as `ask`."""
    table = open_table(inputs, inputs_format, where="the case's inputs")
    with contextlib.closing(deadline.Client()) as client:
        for start, part in _parts(table, http.batch or max(table.rows, 1)):
            where = f"the answer to rows {start} to {start + len(part) - 1}"
            body = _body(http.request, document(table.names, part))
            content = _send(client, session, http, body, where=where, limit=limit)
            value = parse_json(content, where=where, limits=Limits(size=limit))
            limit -= len(content)
            yield Answer(start=start, rows=len(part), value=value, where=where)


def _parts(table: Batches, size: int) -> Iterator[tuple[int, list[tuple[object, ...]]]]:
    """Yield the rows of each request with the number of the first; one request where there are no rows."""
    start = 0
    for batch in table.batches(rows=size):
        columns = [_values(column, batch.absent.get(name)) for name, column in batch.columns.items()]
        yield start, list(zip(*columns, strict=True))
        start += batch.rows
    if not start:
        yield 0, []


def _values(column: Array, absent: NDArray[bool_] | None) -> list[object]:
    """Return a column as JSON has words for it: dates as ISO 8601, an absent value as null."""
    values: list[object] = (column.astype(str) if column.dtype.kind == "M" else column).tolist()
    if absent is None or column.ndim > 1:
        return values
    return [None if gone else value for value, gone in zip(values, absent.tolist(), strict=True)]


def document(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """What a request expression is evaluated on.

    `rows`: a list of lists; `records`: a list of objects; `columns`: an object of lists; `names`:
    the columns' names; `row` and `record`: the first of each, for services that take one at a time.
    """
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return {
        "names": list(names),
        "rows": [list(row) for row in rows],
        "records": records,
        "columns": {name: [row[i] for row in rows] for i, name in enumerate(names)},
        "row": list(rows[0]) if rows else None,
        "record": records[0] if rows else None,
    }


def _body(expression: str, inputs: dict[str, object]) -> bytes:
    try:
        return json.dumps(jmespath.search(expression, inputs)).encode()
    except jmespath.exceptions.JMESPathError as error:
        raise ConfigurationError(
            f"request `{expression}` fails on the case's inputs: {error}",
            hint="mend the case's http.request in goldlock.toml",
        ) from error


def _send(
    client: deadline.Client, session: Session, http: Http, body: bytes, *, where: str, limit: int
) -> bytes:
    headers = {"Content-Type": "application/json", "Accept": "application/json", **http.headers}
    url = _url(session, http.path)
    try:
        with client.ask(http.method, url, seconds=http.timeout, body=body, headers=headers) as answer:
            content = bytearray()
            for piece in answer.iter_content(1 << 16):
                content += piece
                if len(content) > limit:
                    raise SubjectError(
                        f"{where} is larger than {limit:,} bytes",
                        hint="raise subject.limits.output in goldlock.toml if that is right",
                    )
            status = answer.status_code
    except requests.RequestException as error:
        if client.is_late:
            raise SubjectError(
                f"{where} was not complete within {http.timeout:g} s", hint="raise the case's http.timeout"
            ) from None
        ended = soon_ended(session)
        raise SubjectError(
            f"{where} broke off: "
            + (f"the service {ended}" if ended else f"{_reason(error)}{_quoted(session)}"),
            hint="the service must answer every request with a status and a body",
        ) from error
    if status // 100 != 2:  # the class of success, RFC 9110 section 15
        said = bytes(content[:500]).decode("utf-8", "replace").strip()
        otherwise = "check method, path, headers and request of the case in goldlock.toml"
        raise RefusedError(
            f"{http.method} {http.path} answered {status}" + (f": {said}" if said else ""),
            status=status,
            hint=hint_for(f"{said}\n{session.said()}", otherwise),
        )
    return bytes(content)


def _columns(answer: object, http: Http, count: int, where: str) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {}
    for name, expression in http.response.items():
        try:
            values = jmespath.search(expression, answer)
        except jmespath.exceptions.JMESPathError as error:
            raise SubjectError(f"{where}: `{expression}` for column {name} fails: {error}") from error
        if values is None:
            continue
        if not isinstance(values, list):
            values = [values]
        if len(values) != count and http.batch is not None:
            raise SubjectError(
                f"{where} has {len(values)} values for column {name}, not {count}",
                hint="a batched service must answer one value per row",
            )
        columns[name] = values
    return columns


def _quoted(session: Session) -> str:
    """What a service that still runs has said, behind a message."""
    said = session.said()
    return f"\nits log ends:\n{said[-2000:]}" if said else ""


def soon_ended(session: Session) -> str | None:
    """Why the service ended; a connection breaks a moment before the engine knows."""
    end = time.monotonic() + 1
    while (reason := session.ended()) is None and time.monotonic() < end:
        time.sleep(_POLL)
    return reason


def ended_after(session: Session, http: Http) -> str | None:
    """Why the service ended after it had answered; None where it goes on.

    It is asked once more whether it is ready: while a process ends, the engine still calls it running.
    """
    try:
        with contextlib.closing(deadline.Client()) as client:
            url = _url(session, http.ready.path)
            with client.ask("GET", url, seconds=min(http.ready.timeout, 5)):
                return session.ended()
    except requests.RequestException:
        return soon_ended(session)


def _reason(error: BaseException) -> str:
    """The innermost cause, which says most: requests and urllib3 each wrap it once."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _url(session: Session, path: str) -> str:
    host, port = session.address()
    return f"http://{host}:{port}/{path.lstrip('/')}"
