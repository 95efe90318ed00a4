"""Ctrl-C, SIGTERM and SIGKILL at any moment, and two at once: nothing stays on the engine or on the disk."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import ROOT, Project
from tests.engine.traces import Traces, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

pytestmark = pytest.mark.engine

VERIFY = ("verify", "--engine", "docker", "--format", "json", "--no-hash")
MOMENTS = 12


@pytest.fixture
def traces(engine_client: docker.DockerClient, mini: Project, tmp_path: Path) -> Traces:
    return Traces.of(engine_client, mini, tmp_path / "temporary")


def interrupt_when(traces: Traces, case: str, number: signal.Signals, ready: Callable[[int], bool]) -> None:
    process = traces.start(*VERIFY, case)
    wait_for(lambda: ready(process.pid) or process.poll() is not None, "moment to interrupt")
    process.send_signal(number)
    outcome = traces.end(process, timeout=60)
    assert outcome.code == 128 + number, outcome.stderr


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether goldlock's own handlers stand: Python by itself handles no SIGTERM. See SigCgt in proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("case", ["batch", "http"])
def test_a_signal_at_any_moment_leaves_nothing(traces: Traces, case: str) -> None:
    took = []
    for _ in range(2):
        began = time.monotonic()
        assert traces.run(*VERIFY, case).code == 0
        took.append(time.monotonic() - began)
    whole = min(took)
    stopped = 0
    for moment in range(MOMENTS):
        number = (signal.SIGINT, signal.SIGTERM)[moment % 2]
        process = traces.start(*VERIFY, case)
        wait_for(lambda pid=process.pid: handles(pid, signal.SIGTERM), "handler of signals")
        try:
            process.wait(whole * moment / MOMENTS)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        outcome = traces.end(process, timeout=60)
        # The later moments may find it finished, where another load makes it quicker than it was.
        assert outcome.code in {128 + number, 0}, (moment, outcome.code, outcome.stderr)
        stopped += outcome.code != 0
    assert stopped >= MOMENTS // 4


@pytest.mark.parametrize("kind", ["volume", "network", "container"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_something_is_made_leaves_nothing(
    traces: Traces, kind: str, number: signal.Signals
) -> None:
    interrupt_when(traces, "http", number, lambda pid: kind in traces.on_engine(pid))


def test_a_second_and_a_third_signal_do_not_cut_the_clean_up_short(traces: Traces) -> None:
    process = traces.start(*VERIFY, "http")
    wait_for(lambda: "container" in traces.on_engine(process.pid), "container")
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.05)  # signals of one kind that wait together are one
    assert traces.end(process).code in {130, 143}


def test_what_a_killed_goldlock_leaves_is_swept_by_the_next(traces: Traces) -> None:
    process = traces.start(*VERIFY, "http")
    wait_for(lambda: "container" in traces.on_engine(process.pid), "container")
    process.kill()
    process.communicate()
    # Whoever runs next on this machine sweeps; here it is this one at the latest.
    assert traces.run(*VERIFY, "batch").code == 0
    assert traces.on_engine(process.pid) == []


def test_two_at_once_both_match(traces: Traces) -> None:
    running = [traces.project.start(*VERIFY, env={"TMPDIR": str(traces.temporary)}) for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    for process in running:
        traces.check(process.pid)


# -- building ---------------------------------------------------------------------------------------

STEP = "import time; time.sleep(1000)  # goldlock-test-{}"


@pytest.fixture
def slow(traces: Traces, engine_client: docker.DockerClient) -> Iterator[str]:
    """A subject whose build does not end; what names its step."""
    mark = f"{time.monotonic_ns()}"
    file = traces.project.folder / "Dockerfile"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\nRUN python3 -c '{STEP.format(mark)}'\n", encoding="utf-8")
    yield mark
    stop(mark)
    for container in containers_of(engine_client, mark):
        engine_client.api.remove_container(container, force=True)


def containers_of(client: docker.DockerClient, mark: str) -> list[str]:
    """The build's containers, which carry no label; their command names the step. Podman lists none."""
    listed = client.api.containers(all=True, trunc=False)
    return [str(c["Id"]) for c in listed if mark in (c["Command"] or "")]


def processes_of(mark: str) -> list[int]:
    """The step's processes, as this machine sees them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def stop(mark: str) -> None:
    for pid in processes_of(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_build_ends_its_container(
    traces: Traces, engine_client: docker.DockerClient, engine_name: str, slow: str, number: signal.Signals
) -> None:
    process = traces.start("build")
    wait_for(lambda: processes_of(slow) or process.poll() is not None, "build step", patience=60)
    assert process.poll() is None, process.communicate()
    process.send_signal(number)
    assert traces.end(process).code == 128 + number
    if engine_name == "podman":
        # It lets a step come to its end when nobody waits any more, and goes no further.
        stop(slow)
    wait_for(lambda: not containers_of(engine_client, slow), "end of the build's container")
    wait_for(lambda: not processes_of(slow), "end of the build's step")


BASE = """
import os, pathlib, subprocess, sys, tempfile
with tempfile.TemporaryDirectory() as scratch:
    child = subprocess.Popen(["sleep", "1000"])
    pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
    try:
        child.wait()
    except KeyboardInterrupt:
        child.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_offline_base_ends_all_its_processes(
    traces: Traces, tmp_path: Path, number: signal.Signals
) -> None:
    told = tmp_path / "pids"
    traces.project.edit(
        json.dumps([sys.executable, str(ROOT / "env/base/build.py")]),
        json.dumps([sys.executable, "-c", BASE, str(told)]),
    )
    process = traces.start("build")
    wait_for(lambda: told.exists() and len(told.read_text().split()) == 2, "offline base being built")
    process.send_signal(number)
    assert traces.end(process).code == 128 + number
    for pid in told.read_text().split():
        wait_for(lambda pid=pid: not is_running(int(pid)), "end of the base's processes")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_offline_base_of_this_project_cleans_up_when_stopped(traces: Traces, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    process = traces.start("build", env={"XDG_CACHE_HOME": str(cache)})
    wait_for(
        lambda: list(traces.temporary.glob("goldlock-base-*")) or process.poll() is not None,
        "the base's scratch folder",
    )
    process.send_signal(signal.SIGINT)
    outcome = traces.end(process)
    assert outcome.code == 130, outcome.stderr
    assert not list(cache.rglob("part-*"))
