"""For all tests: who may reach a Docker engine, and that nothing is left behind on it.

Fixtures that build images belong to tests/engine/conftest.py and tests/model/conftest.py; they ask for
`engine_client`, so that they inherit the failure, or the allowed skip, of a machine without an engine.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import docker
import pytest

from goldlock.bootstrap import EngineState, ensure_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

LABEL_PREFIX = "io.goldlock"
ALLOW_NO_ENGINE = "GOLDLOCK_ALLOW_NO_ENGINE"
ENGINE_FIXTURES = {"docker_engine", "engine_client"}
UNREACHABLE = "unix:///nonexistent/engine-blocked-for-this-test.sock"
ENGINE_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock")
# goldlock's own plugin would run the goldlock.toml of each.
collect_ignore = [
    "subjects",
    *(f"acceptance/{each}" for each in ("flask", "mlflow", "script", "static", "protocols")),
]


class EngineBlockedError(AssertionError):
    """A test without the engine mark reached for an engine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marked = item.get_closest_marker("engine") is not None
        if marked:
            item.user_properties.append(("engine", "none"))
        elif ENGINE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            raise pytest.UsageError(f"{item.nodeid} uses an engine fixture without @pytest.mark.engine")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line that CI reads: were the engine tests run, and on which engine?"""
    asked, ran = set(), {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports if outcome != "deselected" else ():
            engine = dict(getattr(report, "user_properties", ())).get("engine")
            if engine is not None:
                asked.add(report.nodeid)
                if report.when == "call" and not report.skipped:
                    ran[report.nodeid] = engine
    for engine in sorted(set(ran.values())) or (["none"] if asked else []):
        count = sum(name == engine for name in ran.values())
        terminalreporter.write_line(f"engine tests on {engine}: {count} ran, {len(asked) - len(ran)} did not")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[EngineState]:
    """An engine that answers, and that holds nothing of ours when all tests have ended."""
    state = ensure_engine()
    if not state.ready:
        if os.environ.get(ALLOW_NO_ENGINE) == "1":
            pytest.skip(state.reason)
        pytest.fail(
            f"{state.reason}\n(set {ALLOW_NO_ENGINE}=1 to skip the tests that need one)", pytrace=False
        )
    client = docker.from_env()
    try:
        before = _ours(client)
        yield state
        # Removals that were asked for may take the engine a moment.
        for _ in range(50):
            left = _ours(client) - before
            if not left:
                break
            time.sleep(0.2)
        else:
            pytest.fail("left behind on the engine:\n" + "\n".join(sorted(left)), pytrace=False)
    finally:
        client.close()


@pytest.fixture(scope="session")
def engine_client(docker_engine: EngineState) -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="session")
def engine_name(engine_client: docker.DockerClient) -> str:
    """`docker` or `podman`: whose service it is that answers."""
    components = engine_client.version().get("Components") or ()
    return "podman" if any(each["Name"] == "Podman Engine" for each in components) else "docker"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, as the pages of reports and of the documentation are looked at."""
    from playwright.sync_api import sync_playwright
    from tests import browser

    try:
        browser.executable()
    except browser.NoBrowserError as error:
        if os.environ.get(browser.ALLOW_NO_BROWSER) == "1":
            pytest.skip(str(error))
        pytest.fail(str(error), pytrace=False)
    with sync_playwright() as playwright:
        running = browser.launch(playwright)
        yield running
        running.close()


@pytest.fixture(autouse=True)
def _engine_for_marked_tests_only(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    if request.node.get_closest_marker("engine") is not None:
        request.getfixturevalue("docker_engine")
        # In the JUnit report, too.
        request.node.user_properties.append(("engine", request.getfixturevalue("engine_name")))
        yield
        return
    # Not the monkeypatch fixture: Hypothesis objects to function-scoped fixtures around its examples.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", UNREACHABLE)
        patch.setattr(socket.socket, "connect", _guarded_connect(str(tmp_path_factory.getbasetemp())))
        yield


_connect = socket.socket.connect


def _guarded_connect(own: str) -> Callable[[socket.socket, object], None]:
    """Connecting to anything but an engine's socket; those that tests make in their own folder are none."""

    def connect(stream: socket.socket, address: object) -> None:
        path = str(address)
        if stream.family == socket.AF_UNIX and path.endswith(ENGINE_SOCKETS) and not path.startswith(own):
            raise EngineBlockedError(f"{address}: mark the test with @pytest.mark.engine")
        _connect(stream, address)  # type: ignore[arg-type]

    return connect


def _ours(client: docker.DockerClient) -> set[str]:
    """Everything on the engine that goldlock labelled; images stay, they are a cache."""
    found = set()
    listed = client.api.containers(all=True), client.api.networks(), client.api.volumes()["Volumes"] or []
    for kind, things in zip(("container", "network", "volume"), listed, strict=True):
        for thing in things:
            labels = thing.get("Labels") or {}
            if any(str(name).startswith(LABEL_PREFIX) for name in labels):
                found.add(f"{kind} {thing.get('Id') or thing['Name']} {labels}")
    return found
