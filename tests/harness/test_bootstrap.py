"""Finding, installing and starting an engine: with real sockets, real processes and miniature programs.

The miniature `apt-get` installs a `dockerd` that is a real server on a real socket; only what would change
this machine is left out.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tests.harness.bench import OK, Bench, listening

from goldlock.bootstrap import EngineState, Machine, Ping, engine_state, main, ping


def all_tools(bench: Bench) -> None:
    for name in ("iptables", "mmdebstrap"):
        bench.program(name, "#!/bin/sh\n")


def test_an_engine_that_answers_is_left_alone(bench: Bench) -> None:
    bench.program("dockerd", "#!/bin/sh\nexit 1\n")
    with listening(bench.socket, OK):
        state = bench.ensure(bench.machine(root=False))
    assert state == EngineState(ready=True, started=False, reason=f"an engine answers at {bench.socket}")
    assert bench.said == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "it answered 500"),
        (b"SSH-2.0-OpenSSH\r\n", "it answered no HTTP"),
        (b"", "it answered no HTTP"),
        (None, "did not answer within 0.5 seconds"),
    ],
)
def test_what_is_no_engine_is_not_taken_for_one(bench: Bench, answer: bytes | None, said: str) -> None:
    with listening(bench.socket, answer):
        state = bench.ensure()
    assert not state.ready
    assert said in state.reason
    assert "restart the engine" in state.reason


def test_an_answer_in_pieces_is_an_answer(bench: Bench) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(bench.socket))
    server.listen()

    def serve() -> None:
        client, _ = server.accept()
        # Who has read the status line may leave before the rest has come.
        with client, suppress(ConnectionError):
            client.recv(4096)
            for byte in OK:
                client.sendall(bytes([byte]))

    thread = threading.Thread(target=serve)
    thread.start()
    with server:
        assert ping(f"unix://{bench.socket}")[0] is Ping.ANSWERS
        thread.join()


def test_looking_changes_nothing(bench: Bench) -> None:
    bench.program("dockerd", bench.dockerd_text())
    state = engine_state(bench.machine())
    assert not state.ready
    assert f"no engine listens at {bench.socket}" in state.reason
    assert "python -m goldlock.bootstrap" in state.reason
    assert bench.started() is None


def test_a_socket_that_nobody_serves_any_more_is_absent(bench: Bench) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(bench.socket))
    stale.close()
    assert ping(f"unix://{bench.socket}")[0] is Ping.ABSENT


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_permission_denied_is_told_apart_from_absent(bench: Bench) -> None:
    code = (
        "import os, sys; os.setgid(65534); os.setuid(65534)\n"
        "from goldlock.bootstrap import engine_state, Machine\n"
        "print(engine_state(Machine(address=sys.argv[1])).reason)"
    )
    with listening(bench.socket, OK):
        for folder in (bench.folder, *bench.folder.parents[:-2]):
            folder.chmod(0o755)
        bench.socket.chmod(0o600)
        # Imported before the user changes: another user need not be able to read this checkout.
        answer = subprocess.run(
            [sys.executable, "-c", f"import goldlock.bootstrap\n{code}", f"unix://{bench.socket}"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=60,
            check=True,
        )
    assert f"permission denied on {bench.socket}" in answer.stdout
    assert "group that owns the socket" in answer.stdout


def test_an_engine_over_tcp_is_asked_too() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def serve() -> None:
        client, _ = server.accept()
        client.recv(4096)
        client.sendall(OK)
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ping(f"tcp://127.0.0.1:{port}") == (Ping.ANSWERS, f"an engine answers at 127.0.0.1:{port}")
    thread.join()
    server.close()
    assert ping(f"127.0.0.1:{port}", timeout=1)[0] is Ping.ABSENT


def test_where_certificates_are_needed_a_listener_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        assert ping(f"tcp://127.0.0.1:{server.getsockname()[1]}")[0] is Ping.ANSWERS


@pytest.mark.parametrize(
    ("address", "outcome", "said"),
    [
        ("ssh://somebody@host", Ping.UNSUPPORTED, "unix:// and tcp:// are"),
        ("npipe:////./pipe/docker_engine", Ping.UNSUPPORTED, "not an address goldlock can use"),
        ("tcp://127.0.0.1:99999", Ping.ABSENT, "cannot be reached"),
        ("tcp://[", Ping.ABSENT, "cannot be reached"),
        (f"unix:///{'x' * 200}", Ping.ABSENT, "cannot be reached"),
        ("unix:///nonexistent/x.sock", Ping.ABSENT, "no engine listens at /nonexistent/x.sock"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_value_and_no_error(
    address: str, outcome: Ping, said: str
) -> None:
    answer, sentence = ping(address, timeout=1)
    assert answer is outcome
    assert said in sentence


def test_docker_host_is_honoured_and_never_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/x.sock")
    assert Machine.here().address == "unix:///nonexistent/x.sock"
    bench.program("dockerd", bench.dockerd_text())
    state = bench.ensure(bench.machine(address="unix:///nonexistent/x.sock"))
    assert not state.ready
    assert "unset DOCKER_HOST" in state.reason
    assert bench.started() is None


def test_an_address_of_another_kind_says_which_can_be_used(bench: Bench) -> None:
    state = bench.ensure(bench.machine(address="ssh://host"))
    assert not state.ready
    assert "set DOCKER_HOST to one of those" in state.reason


def test_without_root_nothing_is_tried(bench: Bench) -> None:
    bench.program("dockerd", bench.dockerd_text())
    state = bench.ensure(bench.machine(root=False))
    assert not state.ready
    assert "starting one takes root" in state.reason
    assert bench.started() is None


def test_an_installed_engine_is_started_and_outlives_us(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", bench.dockerd_text())
    bench.program("apt-get", "#!/bin/sh\nexit 1\n")
    state = bench.ensure()
    assert state.ready, state.reason
    assert state.started
    assert not any("installing" in line for line in bench.said)
    assert (bench.folder / "cache" / "dockerd.log").read_text(
        encoding="utf-8"
    ) == "dockerd is up, session True\n"
    again = bench.ensure()
    assert (again.ready, again.started) == (True, False)


def test_what_is_missing_is_installed_and_nothing_else(bench: Bench) -> None:
    (bench.folder / "new-dockerd").write_text(bench.dockerd_text(), encoding="utf-8")
    bench.program("mmdebstrap", "#!/bin/sh\n")
    bench.program(
        "apt-get",
        f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {bench.folder}/asked\n'
        f"case $* in *install*) /bin/cp {bench.folder}/new-dockerd {bench.programs}/dockerd;"
        f" /bin/chmod 755 {bench.programs}/dockerd ;; esac\n",
    )
    state = bench.ensure()
    assert state.ready, state.reason
    update, install = (bench.folder / "asked").read_text(encoding="utf-8").splitlines()
    assert update.startswith("noninteractive")
    assert update.endswith("update")
    assert install.endswith("install -y --no-install-recommends docker.io iptables")
    assert bench.said[0] == "installing docker.io, iptables (apt-get)"


def test_a_failing_installation_shows_the_end_of_its_log(bench: Bench) -> None:
    bench.program("apt-get", "#!/bin/sh\necho 'E: Unable to locate package docker.io' >&2\nexit 100\n")
    state = bench.ensure()
    assert not state.ready
    assert "apt-get ended with 100" in state.reason
    assert "E: Unable to locate package docker.io" in state.reason


def test_a_failing_update_does_no_harm_when_the_packages_are_found(bench: Bench) -> None:
    all_tools(bench)
    (bench.folder / "new-dockerd").write_text(bench.dockerd_text(), encoding="utf-8")
    bench.program(
        "apt-get",
        f"#!/bin/sh\ncase $* in *install*) /bin/cp {bench.folder}/new-dockerd {bench.programs}/dockerd;"
        f" /bin/chmod 755 {bench.programs}/dockerd ;; *) exit 100 ;; esac\n",
    )
    assert bench.ensure().ready


def test_an_installation_that_brings_no_dockerd_is_a_failure(bench: Bench) -> None:
    bench.program("apt-get", "#!/bin/sh\n")
    assert "brought no dockerd" in bench.ensure().reason


def test_an_engine_without_iptables_is_tried_all_the_same(bench: Bench) -> None:
    bench.program("dockerd", bench.dockerd_text())
    bench.program("apt-get", "#!/bin/sh\nexit 100\n")
    state = bench.ensure()
    assert state.ready, state.reason
    assert any(line.startswith("going on without iptables, mmdebstrap") for line in bench.said)


def test_other_distributions_are_told_to_install_an_engine_themselves(bench: Bench) -> None:
    bench.program("apt-get", "#!/bin/sh\n")
    (bench.folder / "os-release").write_text("ID=alpine\n", encoding="utf-8")
    assert "installs packages on Debian and Ubuntu only" in bench.ensure().reason
    (bench.folder / "os-release").unlink()
    assert "installs packages on Debian and Ubuntu only" in bench.ensure().reason


def test_a_missing_mmdebstrap_is_installed_beside_an_engine_that_answers(bench: Bench) -> None:
    bench.program("apt-get", f"#!/bin/sh\necho $* >> {bench.folder}/asked\nexit 1\n")
    with listening(bench.socket, OK):
        state = bench.ensure()
    assert state.ready
    assert (bench.folder / "asked").read_text(encoding="utf-8").splitlines()[1].endswith("mmdebstrap")
    assert any("an offline base image cannot be built" in line for line in bench.said)


def test_a_dockerd_that_dies_leaves_its_last_words(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", "#!/bin/sh\necho 'mount cgroup: operation not permitted' >&2\nexit 7\n")
    state = bench.ensure()
    assert not state.ready
    assert "dockerd ended with 7" in state.reason
    assert "--privileged" in state.reason
    assert "mount cgroup: operation not permitted" in state.reason


def test_a_dockerd_that_never_answers_is_ended(bench: Bench) -> None:
    all_tools(bench)
    bench.program(
        "dockerd", f"#!/bin/sh\necho $$ > {bench.folder}/dockerd.number\necho starting\nexec /bin/sleep 600\n"
    )
    state = bench.ensure(bench.machine(start_timeout=1))
    assert not state.ready
    assert "did not answer within 1 seconds" in state.reason
    assert "starting" in state.reason
    number = bench.started()
    assert number is not None
    assert not Path(f"/proc/{number}").exists()


def test_with_systemd_its_service_is_started(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", bench.dockerd_text())
    (bench.folder / "systemd").mkdir()
    bench.program(
        "systemctl",
        f"#!/bin/sh\necho $* > {bench.folder}/asked\n{bench.programs}/dockerd >&2 2>/dev/null &\n",
    )
    state = bench.ensure()
    assert state.ready, state.reason
    assert (bench.folder / "asked").read_text(encoding="utf-8") == "start docker\n"


def test_a_service_that_does_not_come_up_is_a_reason(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", "#!/bin/sh\n")
    (bench.folder / "systemd").mkdir()
    bench.program("systemctl", "#!/bin/sh\nexit 1\n")
    assert "systemctl status docker" in bench.ensure(bench.machine(start_timeout=0.5)).reason
    bench.program("systemctl", "#!/bin/sh\nexec /bin/sleep 60\n")
    assert "did not end within 0.5 seconds" in bench.ensure(bench.machine(start_timeout=0.5)).reason


def test_pid_files_that_now_name_other_processes_are_removed(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", bench.dockerd_text())
    containerd = bench.folder / "run" / "docker" / "containerd" / "containerd.pid"
    containerd.parent.mkdir(parents=True)
    containerd.write_text("not a number", encoding="ascii")
    (bench.folder / "run" / "docker.pid").write_text(str(os.getpid()), encoding="ascii")
    assert bench.ensure().ready
    assert not (bench.folder / "run" / "docker.pid").exists()
    assert containerd.exists()


def test_a_cache_that_cannot_be_written_is_a_reason(bench: Bench) -> None:
    (bench.folder / "cache").write_text("a file", encoding="utf-8")
    assert "cache: File exists" in bench.ensure().reason


def test_two_at_once_start_one(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", f"#!/bin/sh\necho up >> {bench.folder}/starts\nexec {bench.programs}/real\n")
    bench.program("real", bench.dockerd_text())
    states: list[EngineState] = []
    threads = [threading.Thread(target=lambda: states.append(bench.ensure())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [state.ready for state in states] == [True] * 3
    assert (bench.folder / "starts").read_text(encoding="utf-8") == "up\n"
    assert sum(state.started for state in states) == 1


def test_the_lock_is_not_inherited_by_the_engine(bench: Bench) -> None:
    all_tools(bench)
    bench.program("dockerd", bench.dockerd_text())
    assert bench.ensure().ready
    number = bench.started()
    assert number is not None
    held = [str(link.readlink()) for link in Path(f"/proc/{number}/fd").iterdir()]
    assert not any(link.endswith("bootstrap.lock") for link in held)


def test_as_a_program_it_answers_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    # This test has no engine mark: DOCKER_HOST leads nowhere.
    assert main() == 3
    assert "goldlock: no engine listens" in capsys.readouterr().err
    ended = subprocess.run(
        [sys.executable, "-m", "goldlock.bootstrap"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("goldlock: no engine listens")


def test_the_ping_comes_without_the_docker_sdk() -> None:
    code = "import sys, goldlock.bootstrap; sys.exit('docker' in sys.modules or 'numpy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=60, check=True)


@pytest.mark.engine
def test_the_real_engine_answers() -> None:
    state = engine_state()
    assert state.ready, state.reason
    assert main() == 0


def test_a_test_without_the_mark_cannot_reach_an_engine() -> None:
    stream = socket.socket(socket.AF_UNIX)
    with stream, pytest.raises(AssertionError, match="mark the test"):
        stream.connect("/var/run/docker.sock")
