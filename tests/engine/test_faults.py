"""Faults of the subject and of the engine: exit code 3, a message that says what to do, and no traces."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import ROOT, Outcome, Project
from tests.engine.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

pytestmark = pytest.mark.engine

MISBEHAVE = (ROOT / "tests" / "subjects" / "misbehaving" / "misbehave.py").read_bytes()
COMMAND = 'run = ["python", "predict.py", "{input}", "{output}"]'
VERIFY = ("verify", "--engine", "docker", "--format", "json", "--no-hash")


@pytest.fixture(scope="session")
def misbehaving(recorded: Project, build_image: Callable[..., str]) -> str:
    """The miniature subject's image with misbehave.py in it."""
    assert recorded.folder.exists()
    return build_image(
        "FROM goldlock-test-mini:latest\nCOPY misbehave.py /opt/\n", {"misbehave.py": MISBEHAVE}
    )


@pytest.fixture
def traces(engine_client: docker.DockerClient, mini: Project, tmp_path: Path) -> Traces:
    return Traces.of(engine_client, mini, tmp_path / "temporary")


def command(traces: Traces, image: str, mode: str, *, timeout: float = 20, limits: str = "") -> Outcome:
    """Verify with a command that misbehaves."""
    words = json.dumps(["python", "/opt/misbehave.py", "command", mode, "{input}", "{output}"])
    traces.project.edit(COMMAND, f"run = {words}\ntimeout = {timeout}")
    if limits:
        traces.project.edit("[subject.build]\n", f"[subject.limits]\n{limits}\n\n[subject.build]\n")
    return traces.run(*VERIFY, "batch", "--image", image)


def http(traces: Traces, image: str, mode: str, *, timeout: float = 20, ready: float = 30) -> Outcome:
    """Verify with a service that misbehaves."""
    words = json.dumps(["python", "/opt/misbehave.py", "serve", mode, "8080"])
    traces.project.edit("port = 8080\n", f"port = 8080\nstart = {words}\ntimeout = {timeout}\n")
    traces.project.edit("timeout = 30 }", f"timeout = {ready} }}")
    return traces.run(*VERIFY, "http", "--image", image)


def failure(outcome: Outcome) -> str:
    """What the report says of the one case that could not be run, with its hint."""
    assert outcome.code == 3, (outcome.code, outcome.stderr, outcome.stdout)
    report = outcome.report
    assert report["verdict"] == "could not run"
    cases = report["cases"]
    assert isinstance(cases, list)
    (case,) = cases
    told = case["failure"] or report["failure"]
    assert told["hint"], told
    return f"{told['message']} -> {told['hint']}"


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fail-before", "exit code 7:\nno weights here"),
        ("fail-after", "exit code 1:\nit was too much"),
        ("symlink", "is a link or a device"),
        ("fifo", "is a link or a device"),
        ("folder", "output.csv is not a regular file"),
        ("absent", "wrote no output.csv"),
        ("binary", "the command's output file"),
    ],
)
def test_a_command_that_gives_no_answer_fails_its_case(
    traces: Traces, misbehaving: str, mode: str, said: str
) -> None:
    assert said in failure(command(traces, misbehaving, mode))


def test_a_hanging_command_is_stopped_at_its_timeout(traces: Traces, misbehaving: str) -> None:
    assert "no answer within 1.5 s" in failure(command(traces, misbehaving, "hang", timeout=1.5))


@pytest.mark.parametrize("mode", ["flood-stdout", "flood-stderr"])
def test_a_flood_is_stopped_at_the_limit(traces: Traces, misbehaving: str, mode: str) -> None:
    said = failure(command(traces, misbehaving, mode, limits='output = "4m"'))
    assert "wrote more than 4,194,304 bytes" in said
    assert "subject.limits.output" in said


def test_an_output_file_beyond_the_limit_is_not_read(traces: Traces, misbehaving: str) -> None:
    said = failure(command(traces, misbehaving, "large", limits='output = "1m"'))
    assert "more than the limit of 1,048,576" in said
    assert "subject.limits.output" in said


def test_using_too_much_memory_names_the_limit(traces: Traces, misbehaving: str) -> None:
    said = failure(command(traces, misbehaving, "memory", limits='memory = "128m"'))
    assert "memory than subject.limits.memory, 128 MiB" in said


def test_forking_without_end_is_contained(traces: Traces, misbehaving: str) -> None:
    said = failure(command(traces, misbehaving, "fork", timeout=3, limits="processes = 64"))
    assert "no answer within 3 s" in said


@pytest.mark.parametrize("mode", ["leave-a-child", "close-early"])
def test_streams_that_end_late_or_early_do_not_matter(traces: Traces, misbehaving: str, mode: str) -> None:
    outcome = command(traces, misbehaving, mode)
    assert outcome.code == 0, outcome.stdout


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("500", "POST /predict answered 500"),
        ("html", "looks like HTML, not JSON"),
        ("truncated", "truncated JSON"),
        ("cut-off", "broke off"),
        ("nested", "nested too deeply"),
        ("garbage", "broke off"),
        ("redirect", "answered 302"),
        ("die", "the service ended with exit code 5\nout of ideas"),
        ("die-after", "ended with exit code 5"),
        ("dies-at-start", "ended with exit code 1\nno weights here"),
    ],
)
def test_a_service_that_gives_no_answer_fails_its_case(
    traces: Traces, misbehaving: str, mode: str, said: str
) -> None:
    assert said in failure(http(traces, misbehaving, mode))


@pytest.mark.parametrize("mode", ["silent", "endless-headers", "drip"])
def test_an_answer_has_to_be_complete_in_time(traces: Traces, misbehaving: str, mode: str) -> None:
    said = failure(http(traces, misbehaving, mode, timeout=1))
    assert "not complete within 1 s" in said
    assert "http.timeout" in said


def test_a_port_that_never_opens_is_waited_for_so_long(traces: Traces, misbehaving: str) -> None:
    said = failure(http(traces, misbehaving, "port-never-opens", ready=1))
    assert "not ready within 1 s: the port never opened" in said
    assert "port and ready" in said


def test_two_gigabytes_are_not_taken_into_memory(traces: Traces, misbehaving: str) -> None:
    words = json.dumps(["python", "/opt/misbehave.py", "serve", "huge", "8080"])
    traces.project.edit("port = 8080\n", f"port = 8080\nstart = {words}\n")
    measured = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, sys.executable, "-m", "goldlock", *VERIFY, "http", "--image", misbehaving],
        cwd=traces.project.folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = failure(Outcome(code=done.returncode, stdout=done.stdout, stderr=done.stderr))
    assert "is larger than 67,108,864 bytes" in said
    assert int(done.stderr.split()[-1]) < 400_000, "KiB of memory at its peak"


# -- the image and the engine -----------------------------------------------------------------------


def test_an_absent_image_says_how_to_get_it(traces: Traces) -> None:
    outcome = traces.run(*VERIFY, "batch", "--image", "goldlock-test-absent:1")
    assert outcome.code == 3
    assert "no image goldlock-test-absent:1" in outcome.stderr
    assert "goldlock build" in outcome.stderr


def test_a_stated_interpreter_that_is_not_there_names_the_setting(traces: Traces) -> None:
    traces.project.edit(
        'image = "goldlock-test-mini:latest"',
        'image = "goldlock-test-mini:latest"\npython = ["/opt/absent/python"]',
    )
    outcome = traces.run(*VERIFY, "batch", "--image", "goldlock-test-mini:latest")
    assert outcome.code == 3
    assert "could not be started" in outcome.stderr
    assert "subject.python" in outcome.stderr


def test_an_interpreter_that_is_none_is_no_snapshot(traces: Traces) -> None:
    """The container ends at once: what it said stands in the report."""
    traces.project.edit(
        'image = "goldlock-test-mini:latest"', 'image = "goldlock-test-mini:latest"\npython = ["false"]'
    )
    outcome = traces.run(*VERIFY, "batch", "--image", "goldlock-test-mini:latest")
    assert outcome.code == 3
    assert "ended with exit code 1" in outcome.stdout


def test_an_images_entry_point_is_not_in_the_way(traces: Traces, build_image: Callable[..., str]) -> None:
    """A command is run past it; a service without `start` is the entry point itself."""
    image = build_image(
        'FROM goldlock-test-mini:latest\nENTRYPOINT ["python", "/app/service.py"]\nCMD ["8080"]\n'
    )
    outcome = traces.run(*VERIFY, "--image", image)
    assert outcome.code == 0, outcome.stdout


@pytest.mark.parametrize(
    "arguments", [VERIFY, ("build",), ("lock", "--engine", "docker"), ("record", "--engine", "docker")]
)
def test_no_engine_says_how_to_start_one(traces: Traces, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    if arguments[0] == "record":
        shutil.rmtree(traces.project.folder / "goldens")
        traces = Traces.of(traces.client, traces.project, tmp_path / "again")
    outcome = traces.run(*arguments, env={"DOCKER_HOST": f"unix://{tmp_path}/absent.sock"})
    assert outcome.code == 3
    assert "no Docker engine answers" in outcome.stderr
    assert "goldlock.bootstrap" in outcome.stderr


def test_a_socket_that_is_not_permitted_says_so(traces: Traces, tmp_path: Path) -> None:
    """As root without the right to pass over permissions, on another user's socket: the kernel itself refuses."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("giving a socket away takes root")
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        os.chown(path, 65534, 65534)
        done = subprocess.run(
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "goldlock", *VERIFY],
            cwd=traces.project.folder, env={**os.environ, "DOCKER_HOST": f"unix://{path}"},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "not permitted to use the Docker engine" in done.stderr
    assert "group `docker`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_answers_nonsense_is_not_one(traces: Traces, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = traces.start(*VERIFY, env={"DOCKER_HOST": f"unix://{path}"})
        stream, _ = listener.accept()
        with stream:
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        outcome = traces.end(process)
    assert outcome.code == 3
    assert "connect to the Docker engine" in outcome.stderr


# -- the disk ---------------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting takes root")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(place: Path) -> None:
    free = os.statvfs(place)
    (place / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))


def test_a_full_disk_leaves_no_half_golden(traces: Traces, tiny_disk: Path) -> None:
    traces.project.edit('name = "batch"\n', f'name = "batch"\ngolden = "{tiny_disk}/goldens/batch"\n')
    fill(tiny_disk)
    outcome = traces.run("record", "batch", "--engine", "docker")
    assert outcome.code == 3
    assert "No space left on device" in outcome.stderr
    assert "free some space" in outcome.stderr
    assert [path.name for path in tiny_disk.iterdir()] == ["filler"]


def test_a_full_disk_leaves_no_half_lock_and_no_half_report(traces: Traces, tiny_disk: Path) -> None:
    fill(tiny_disk)
    outcome = traces.run(*VERIFY, "batch", "--json", str(tiny_disk / "report.json"))
    assert outcome.code == 3
    assert "No space left" in outcome.stderr
    traces.project.edit("[subject]\n", f'lock = "{tiny_disk}/goldlock.lock"\n\n[subject]\n')
    outcome = traces.run("lock", "--engine", "docker")
    assert outcome.code == 3
    assert "No space left" in outcome.stderr
    assert [path.name for path in tiny_disk.iterdir()] == ["filler"]


def test_a_stdout_that_takes_nothing_is_said_once(traces: Traces) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "goldlock", *VERIFY, "batch"],
            cwd=traces.project.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "No space left" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_file_size_limit_is_as_good_as_a_full_disk(traces: Traces) -> None:
    shutil.rmtree(traces.project.folder / "goldens" / "batch")
    before = {path.name for path in (traces.project.folder / "goldens").iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "goldlock", "record", "batch", "--engine", "docker"],
        cwd=traces.project.folder, capture_output=True, text=True, check=False, timeout=60,
        # Coverage could not write its data either, and would leave half a file.
        env={n: v for n, v in os.environ.items() if n != "CI" and not n.startswith("COVERAGE")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "file size limit" in done.stderr
    assert {path.name for path in (traces.project.folder / "goldens").iterdir()} == before


# -- the configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('path = "/predict"', 'pth = "/predict"', "path"),
        ("[subject]\n", "[subject\n", "goldlock.toml:1:9: not valid TOML"),
        ('inputs = "inputs.csv"', "inputs = 3", "case[0].inputs"),
    ],
)
def test_a_wrong_configuration_is_named(traces: Traces, old: str, new: str, said: str) -> None:
    traces.project.edit(old, new)
    outcome = traces.run(*VERIFY)
    assert outcome.code == 2, outcome.stderr
    assert said in outcome.stderr
    assert "goldlock.toml" in outcome.stderr


def test_missing_files_are_named(traces: Traces, tmp_path: Path) -> None:
    outcome = traces.run("verify", "-c", "absent.toml")
    assert outcome.code == 2
    assert "absent.toml" in outcome.stderr
    outcome = traces.run("verify", "no-such-case")
    assert outcome.code == 2
    assert "no-such-case" in outcome.stderr
    (traces.project.folder / "inputs.csv").unlink()
    shutil.rmtree(traces.project.folder / "goldens")
    traces = Traces.of(traces.client, traces.project, tmp_path / "again")
    outcome = traces.run("record", "batch", "--engine", "docker")
    assert outcome.code == 2, outcome.stderr
    assert "inputs.csv" in outcome.stderr


def test_a_missing_lock_is_named(traces: Traces, tmp_path: Path) -> None:
    (traces.project.folder / "goldlock.lock").unlink()
    traces = Traces.of(traces.client, traces.project, tmp_path / "again")
    outcome = traces.run(*VERIFY)
    assert outcome.code in (2, 3)
    assert "goldlock lock" in outcome.stderr
