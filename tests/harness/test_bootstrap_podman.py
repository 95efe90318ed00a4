"""A Podman service of goldlock's own: found, installed, configured and started, on a machine in a folder."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from tests.harness.bench import OK, Bench, listening

from goldlock.bootstrap import EngineState, Machine, ensure_podman, main, ping, podman_address
from goldlock.bootstrap._podman import settings

if TYPE_CHECKING:
    from pathlib import Path

try:
    import tomllib
except ImportError:
    import tomli as tomllib


def ensure(bench: Bench, machine: Machine | None = None) -> EngineState:
    return ensure_podman(machine or bench.machine(), say=bench.said.append)


def all_tools(bench: Bench) -> None:
    for name in ("iptables", "mmdebstrap", "netavark", "runc"):
        bench.program(name, "#!/bin/sh\n")


def called(bench: Bench) -> dict[str, object]:
    found = json.loads((bench.folder / "called.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_a_service_is_started_with_everything_of_its_own(bench: Bench) -> None:
    all_tools(bench)
    bench.program("podman", bench.podman_text())
    state = ensure(bench)
    assert (state.ready, state.started) == (True, True), state.reason
    address = podman_address(bench.machine())
    assert address == f"unix://{bench.podman_socket()}"
    own = bench.folder / "state" / "podman"
    assert called(bench)["arguments"] == [
        f"--root={own}/storage",
        f"--runroot={bench.folder}/run/goldlock/podman",
        f"--tmpdir={bench.folder}/run/goldlock/libpod",
        "system",
        "service",
        "--time=0",
        address,
    ]
    assert called(bench)["settings"] == (own / "containers.conf").read_text(encoding="utf-8")
    (said,) = bench.said
    assert str(own / "containers.conf") in said
    again = ensure(bench)
    assert (again.ready, again.started) == (True, False)


def test_a_docker_that_answers_is_not_asked(bench: Bench) -> None:
    """Both may be wanted at once."""
    all_tools(bench)
    bench.program("podman", bench.podman_text())
    with listening(bench.socket, OK):
        assert ensure(bench).started


def test_the_socket_of_a_killed_service_is_not_in_the_way(bench: Bench) -> None:
    all_tools(bench)
    bench.program("podman", bench.podman_text())
    bench.podman_socket().parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(bench.podman_socket()))
    assert ensure(bench).started


def test_what_is_missing_is_installed_and_nothing_else(bench: Bench) -> None:
    all_tools(bench)
    (bench.programs / "runc").unlink()
    bench.apt_get(podman=bench.podman_text(), runc="#!/bin/sh\n")
    state = ensure(bench)
    assert state.started, state.reason
    asked = (bench.folder / "asked").read_text(encoding="utf-8").splitlines()
    assert [line.rpartition("recommends ")[2] for line in asked if "install" in line] == ["podman runc"]


def test_a_release_without_netavark_is_used_all_the_same(bench: Bench) -> None:
    all_tools(bench)
    (bench.programs / "netavark").unlink()
    bench.apt_get(podman=bench.podman_text())
    state = ensure(bench)
    assert state.started, state.reason
    assert any("going on without" in line and "locate package netavark" in line for line in bench.said)
    assert "network_backend" not in str(called(bench)["settings"])


def test_other_distributions_are_told_what_to_install(bench: Bench) -> None:
    (bench.folder / "os-release").write_text("ID=other\n", encoding="utf-8")
    state = ensure(bench)
    assert not state.ready
    assert "podman, runc, iptables, mmdebstrap, netavark missing" in state.reason
    assert "Debian and Ubuntu only" in state.reason


def test_an_installation_that_fails_is_a_reason(bench: Bench) -> None:
    all_tools(bench)
    bench.apt_get()
    state = ensure(bench)
    assert not state.ready
    assert "Unable to locate package podman" in state.reason


def test_without_root_nothing_is_tried_and_the_users_own_is_named(bench: Bench) -> None:
    all_tools(bench)
    bench.program("podman", bench.podman_text())
    state = ensure(bench, bench.machine(root=False))
    assert not state.ready
    assert "podman system service" in state.reason
    assert not (bench.folder / "called.json").exists()


def test_a_service_that_dies_leaves_its_last_words(bench: Bench) -> None:
    all_tools(bench)
    bench.program("podman", "#!/bin/sh\necho 'overlay is not supported' >&2\nexit 125\n")
    state = ensure(bench)
    assert not state.ready
    assert "podman ended with 125" in state.reason
    assert "overlay is not supported" in state.reason


def test_a_folder_that_cannot_be_written_is_a_reason(bench: Bench) -> None:
    all_tools(bench)
    bench.program("podman", bench.podman_text())
    (bench.folder / "state").write_text("a file", encoding="utf-8")
    assert "state" in ensure(bench).reason


def test_the_settings_ask_for_no_more_than_is_allowed(bench: Bench) -> None:
    all_tools(bench)
    written = tomllib.loads(settings(bench.machine(), files=512, processes=100))
    assert written["containers"]["default_ulimits"] == ["nofile=512:512", "nproc=100:100"]
    assert written["engine"]["runtime"] == "runc"
    assert written["network"]["network_backend"] == "netavark"


def test_as_a_program_it_prints_the_address(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    all_tools(bench)
    bench.program("podman", bench.podman_text())
    monkeypatch.setattr(Machine, "here", bench.machine)
    assert main(["--podman"]) == 0
    said = capsys.readouterr()
    assert said.out == f"DOCKER_HOST={podman_address(bench.machine())}\n"
    assert "goldlock: starting a Podman service" in said.err


def test_as_a_program_it_says_where_it_cannot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(Machine, "here", lambda: bench.machine(root=False))
    assert main(["--podman"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "as root only" in said.err
    assert ping(podman_address(bench.machine()))[1].startswith("no engine listens")
