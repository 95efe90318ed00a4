"""The HTTP contract against a real server on this machine, from the well-behaved to the hostile."""

from __future__ import annotations

import json
import math
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from goldlock.asking import http
from goldlock.config import Http, Readiness
from goldlock.errors import ConfigurationError, CouldNotRunError, SubjectError
from goldlock.tables import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from goldlock.engines import Completed
    from goldlock.tables import Table
    from goldlock_env.snapshot import Snapshot

INPUTS = b"a,b\n1,0.5\n2,1.5\n3,2.5\n"
MEBI = 1 << 20


@dataclass
class Running:
    """A session whose service listens on this machine."""

    port: int
    image_id: str | None = None
    why_ended: str | None = None

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def said(self) -> str:
        return ""

    def ended(self) -> str | None:
        return self.why_ended

    def snapshot(self) -> Snapshot:
        raise AssertionError

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Path | None = None,
        stdout: Path | None = None,
        files: Mapping[str, Path] | None = None,
        output: str | None = None,
        into: Path | None = None,
        timeout: float,
    ) -> Completed:
        raise AssertionError


@dataclass
class Seen:
    """One request that the service saw."""

    method: str
    path: str
    headers: dict[str, str]
    body: object


@dataclass
class Service:
    """What the service saw, and the session that asks it."""

    session: Running
    seen: list[Seen] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, object], None]) -> Iterator[Service]:
    """A real HTTP server that answers each request by calling `answer` with its body."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw) if raw else None
            service.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            with suppress(ConnectionError):
                answer(self, body)

        do_GET = do_POST = _any  # noqa: N815  # as the server wants them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = Service(Running(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


def sends(
    content: bytes | object, status: int = 200, **headers: str
) -> Callable[[BaseHTTPRequestHandler, object], None]:
    """An answer that is always the same."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()

    def answer(handler: BaseHTTPRequestHandler, _: object) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def sums(handler: BaseHTTPRequestHandler, body: object) -> None:
    """A model: the sum of each row and whether it is odd."""
    assert isinstance(body, dict)
    totals = [a + b for a, b in body["features"]]
    sends({"sums": totals, "labels": ["big" if t > 3 else "small" for t in totals]})(handler, None)


def contract(
    *,
    path: str = "/predict",
    request: str = "{features: rows}",
    response: dict[str, str] | None = None,
    timeout: float = 5,
    **more: object,
) -> Http:
    return Http(path=path, request=request, response=response or {"y": "y"}, timeout=timeout, **more)  # type: ignore[arg-type]


def ask(service: Service, asked: Http, *, inputs: bytes = INPUTS, limit: int = MEBI) -> Table:
    with tempfile.NamedTemporaryFile() as file:
        file.write(inputs)
        file.flush()
        return http.ask(service.session, asked, Path(file.name), Format.CSV, limit=limit)


def values(table: Table) -> dict[str, object]:
    return {name: array.tolist() for name, array in table.columns.items()}


# -- the mapping -------------------------------------------------------------------------------------


def test_rows_go_out_and_columns_come_back_as_the_configuration_says() -> None:
    with serving(sums) as service:
        table = ask(
            service,
            contract(
                path="/v1/predict?x=1", response={"label": "labels", "sum": "sums"}, headers={"X-Key": "k"}
            ),
        )
    assert values(table) == {"label": ["small", "big", "big"], "sum": [1.5, 3.5, 5.5]}
    (seen,) = service.seen
    assert (seen.method, seen.path) == ("POST", "/v1/predict?x=1")
    assert seen.body == {"features": [[1, 0.5], [2, 1.5], [3, 2.5]]}
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["X-Key"] == "k"


RECORDS = [{"a": 1, "b": 0.5}, {"a": 2, "b": 1.5}, {"a": 3, "b": 2.5}]


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("{dataframe_split: {columns: names, data: rows}}",
         {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 0.5], [2, 1.5], [3, 2.5]]}}),
        ("{instances: rows}", {"instances": [[1, 0.5], [2, 1.5], [3, 2.5]]}),
        ("records", RECORDS),
        ("columns", {"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}),
        ("{input: record}", {"input": RECORDS[0]}),
        ("row", [1, 0.5]),
        ("{x: records[*].a, n: length(rows)}", {"x": [1, 2, 3], "n": 3}),
    ],
)  # fmt: skip
def test_request_expressions_see_the_inputs_in_every_form(expression: str, body: object) -> None:
    with serving(sends({"y": [1, 2, 3]})) as service:
        ask(service, contract(request=expression))
    assert service.seen[0].body == body


@pytest.mark.parametrize(
    ("answer", "expression", "expected"),
    [
        ({"predictions": [1, 2, 3]}, "predictions", [1, 2, 3]),
        ([{"p": 0.5}, {"p": 1.5}, {"p": 2.5}], "[*].p", [0.5, 1.5, 2.5]),
        ({"outputs": [{"name": "p", "data": [1, 2, 3]}]}, "outputs[?name=='p'].data | [0]", [1, 2, 3]),
        ([[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]], "@", [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]]),
    ],
)
def test_response_expressions_find_columns_in_any_answer(
    answer: object, expression: str, expected: object
) -> None:
    with serving(sends(answer)) as service:
        assert values(ask(service, contract(response={"y": expression}))) == {"y": expected}


def test_not_a_number_and_the_infinities_are_values() -> None:
    with serving(sends(b'{"y": [NaN, Infinity, -Infinity]}')) as service:
        first, *rest = ask(service, contract()).columns["y"].tolist()
    assert math.isnan(first)
    assert rest == [math.inf, -math.inf]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_batches_are_put_together_in_order(size: int) -> None:
    with serving(sums) as service:
        table = ask(service, contract(response={"sum": "sums"}, batch=size))
    assert values(table) == {"sum": [1.5, 3.5, 5.5]}
    bodies = [seen.body["features"] for seen in service.seen]  # type: ignore[index]
    assert [len(rows) for rows in bodies] == [size] * (3 // size) + ([3 % size] if 3 % size else [])
    assert [row for rows in bodies for row in rows] == [[1, 0.5], [2, 1.5], [3, 2.5]]


def test_a_service_that_takes_one_record_at_a_time_answers_one_value_each() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: object) -> None:
        assert isinstance(body, dict)
        sends({"output": {"y": body["input"]["a"] * 10}})(handler, None)

    with serving(answer) as service:
        table = ask(service, contract(request="{input: record}", response={"y": "output.y"}, batch=1))
    assert values(table) == {"y": [10, 20, 30]}


def test_a_batch_answered_with_too_few_values_is_an_error() -> None:
    with (
        serving(sends({"y": [1]})) as service,
        pytest.raises(SubjectError, match="1 values for column y, not 2"),
    ):
        ask(service, contract(batch=2))


def test_batches_with_differing_columns_are_an_error() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: object) -> None:
        assert isinstance(body, dict)
        sends({"y": [1], **({"z": [1]} if body["features"][0][0] == 1 else {})})(handler, None)

    with serving(answer) as service, pytest.raises(SubjectError, match=r"other columns .*: z"):
        ask(service, contract(response={"y": "y", "z": "z"}, batch=1))


def test_a_column_that_is_not_answered_is_missing_from_the_table() -> None:
    with serving(sends({"y": [1, 2, 3]})) as service:
        assert values(ask(service, contract(response={"y": "y", "z": "z"}))) == {"y": [1, 2, 3]}


def test_columns_of_different_lengths_are_an_error() -> None:
    with serving(sends({"y": [1, 2, 3], "z": [1]})) as service, pytest.raises(CouldNotRunError):
        ask(service, contract(response={"y": "y", "z": "z"}))


def test_an_expression_that_does_not_fit_the_answer_says_which() -> None:
    with (
        serving(sends({"y": 3})) as service,
        pytest.raises(SubjectError, match=r"`length\(y\)` for column y"),
    ):
        ask(service, contract(response={"y": "length(y)"}))


def test_an_expression_that_does_not_fit_the_inputs_is_the_configurations_error() -> None:
    with serving(sends({"y": 3})) as service, pytest.raises(ConfigurationError, match="request") as caught:
        ask(service, contract(request="join(',', rows)"))
    assert "goldlock.toml" in caught.value.hint
    assert service.seen == []


# -- what goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_an_error_status_is_told_with_what_the_service_said(status: int) -> None:
    with (
        serving(sends(b"no such feature: b", status)) as service,
        pytest.raises(SubjectError, match=f"POST /predict answered {status}: no such feature: b"),
    ):
        ask(service, contract())


def test_a_redirect_is_not_followed() -> None:
    with (
        serving(sends(b"", 307, Location="/elsewhere")) as service,
        pytest.raises(SubjectError, match="answered 307"),
    ):
        ask(service, contract())
    assert [seen.path for seen in service.seen] == ["/predict"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html><body>Welcome</body></html>", "looks like HTML, not JSON: '<html><body>Welcome"),
        (b'{"y": [1, 2', "truncated JSON"),
        (b"", "the answer to rows 0 to 2"),
        (b'{"y": [1, 2, 3]} and more', "is not JSON"),
        (b"\xff\xfe\x00", "the answer to rows 0 to 2"),
        (b"[" * 100_000, "nested too deeply"),
    ],
    ids=["html", "truncated", "empty", "trailing", "not-text", "nested"],
)
def test_an_answer_that_is_not_json_is_told_as_such(content: bytes, said: str) -> None:
    with (
        serving(sends(content, Content_Type="application/json")) as service,
        pytest.raises(CouldNotRunError, match=said),
    ):
        ask(service, contract())


def test_a_body_shorter_than_announced_is_no_answer() -> None:
    with (
        serving(sends(b'{"y": [1, 2, 3]}', Content_Length="1000")) as service,
        pytest.raises(SubjectError, match="broke off"),
    ):
        ask(service, contract())


def test_a_connection_that_is_cut_is_told_with_how_the_service_ended() -> None:
    def die(handler: BaseHTTPRequestHandler, _: object) -> None:
        service.session.why_ended = "ended with exit code 137 (out of memory)"
        handler.connection.shutdown(socket.SHUT_RDWR)

    with serving(die) as service, pytest.raises(SubjectError, match=r"broke off: the service .* 137"):
        ask(service, contract())


def test_a_huge_body_is_not_read_to_its_end() -> None:
    sent = 0

    def flood(handler: BaseHTTPRequestHandler, _: object) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" " * MEBI)
            sent += MEBI

    with (
        serving(flood) as service,
        pytest.raises(SubjectError, match="larger than 1,048,576 bytes") as caught,
    ):
        ask(service, contract())
    assert "subject.limits.output" in caught.value.hint
    assert sent < 100 * MEBI


def test_the_limit_is_for_all_batches_together() -> None:
    filler = b'{"y": [1], "filler": "%s"}' % (b"x" * 400)
    with serving(sends(filler)) as service, pytest.raises(CouldNotRunError, match=r"larger than|more than"):
        ask(service, contract(batch=1), limit=1000)
    assert len(service.seen) == 3


@pytest.mark.parametrize("drips", ["headers", "body"])
def test_a_slow_drip_ends_at_the_deadline_of_the_whole_request(drips: str) -> None:
    def drip(handler: BaseHTTPRequestHandler, _: object) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"X-Slow: " if drips == "headers" else b"\r\n"))
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    started = time.monotonic()
    with serving(drip) as service:
        with pytest.raises(SubjectError, match=r"not complete within 0\.4 s"):
            ask(service, contract(timeout=0.4))
        assert time.monotonic() - started < 2


def test_silence_ends_at_the_deadline() -> None:
    with (
        serving(lambda *_: time.sleep(1)) as service,
        pytest.raises(SubjectError, match=r"not complete within 0\.3 s"),
    ):
        ask(service, contract(timeout=0.3))


def test_proxies_and_credentials_of_this_machine_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(sends({"y": [1, 2, 3]})) as service:
        assert values(ask(service, contract())) == {"y": [1, 2, 3]}
        http.wait_until_ready(service.session, contract())
    assert not any("Authorization" in seen.headers for seen in service.seen)


# -- readiness ---------------------------------------------------------------------------------------


def test_a_service_is_ready_once_it_answers_with_the_stated_status() -> None:
    def starting(handler: BaseHTTPRequestHandler, _: object) -> None:
        sends(b"", 503 if len(service.seen) < 3 else 204)(handler, None)

    with serving(starting) as service:
        http.wait_until_ready(
            service.session, contract(ready=Readiness(path="/ping", status=204, timeout=10))
        )
    assert [(seen.method, seen.path) for seen in service.seen] == [("GET", "/ping")] * 3


def test_a_service_is_ready_once_its_answer_says_so() -> None:
    def loading(handler: BaseHTTPRequestHandler, _: object) -> None:
        bodies: list[object] = [b"not JSON", {"status": "STARTING"}, {"status": "READY"}]
        sends(bodies[min(len(service.seen), 3) - 1])(handler, None)

    with serving(loading) as service:
        ready = Readiness(path="/health-check", when="status == 'READY'", timeout=10)
        http.wait_until_ready(service.session, contract(ready=ready))
    assert len(service.seen) == 3


@pytest.mark.parametrize("answer", [{"models": []}, {"models": None}, b"[" * 100_000, b" " * (2 * MEBI)])
def test_an_answer_that_does_not_say_so_is_told(answer: object) -> None:
    ready = Readiness(when="models", timeout=2)
    with serving(sends(answer)) as service, pytest.raises(SubjectError, match=r"not ready within") as caught:
        http.wait_until_ready(service.session, contract(ready=ready))
    assert "of what / answered, `models` is not true" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (sends(b"", 500), "/ answered 500, not 200"),
        (sends(b"", 302, Location="http://127.0.0.1:9/"), "/ answered 302, not 200"),
        (lambda handler, _: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n"), "/: "),
    ],
    ids=["status", "redirect", "no-http"],
)
def test_a_service_that_does_not_get_ready_is_told_with_what_was_seen(
    answer: Callable[[BaseHTTPRequestHandler, object], None], said: str
) -> None:
    with serving(answer) as service, pytest.raises(SubjectError, match=r"not ready within 0\.4 s") as caught:
        http.wait_until_ready(service.session, contract(ready=Readiness(timeout=0.4)))
    assert said in caught.value.message


def test_a_port_that_never_opens_is_told_as_such() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SubjectError, match=r"not ready within 0\.3 s: the port never opened") as caught:
        http.wait_until_ready(Running(port), contract(ready=Readiness(timeout=0.3)))
    assert "0.0.0.0" in caught.value.hint


def test_a_service_that_ended_is_not_waited_for() -> None:
    started = time.monotonic()
    with pytest.raises(SubjectError, match="the service ended with exit code 1\nno such module"):
        http.wait_until_ready(Running(9, why_ended="ended with exit code 1\nno such module"), contract())
    assert time.monotonic() - started < 1
