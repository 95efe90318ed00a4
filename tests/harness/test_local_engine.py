"""The local engine: the same faults as with an engine of containers, and no process or file left behind."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from goldlock.config import Limits, Local
from goldlock.engines import Completed, Launch, Service
from goldlock.engines.local import LocalEngine, LocalSession
from goldlock.errors import CouldNotRunError, SubjectError

if TYPE_CHECKING:
    from collections.abc import Iterator

MINI = Path(__file__).resolve().parents[1] / "subjects" / "mini"
HALT = "import signal; signal.pause()"


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    """The miniature subject's locked environment; its wheel comes from the cache or the index."""
    local = Local(python="3.8", requirements=("requirements.txt",), artifacts=("weights.json",))
    try:
        return LocalEngine(
            local, MINI, variables={}, artifacts=("/app/weights.json",), progress=lambda _: None
        )
    except CouldNotRunError as error:
        if "no Python 3.8" in error.message:
            pytest.skip(error.message)
        raise


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that must be empty again, and whose name no process may carry, at the end."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []
    assert carriers(place) == []


def carriers(place: Path) -> list[int]:
    """Processes with that folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"={place}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def launch(*, service: tuple[str, ...] = (), **limits: str) -> Launch:
    return Launch(
        image="",
        limits=Limits(**limits),
        service=Service(start=service) if service else None,
        hash_files=False,
    )


@dataclass(frozen=True, kw_only=True)
class Answer(Completed):
    """How it ended, and the contents of what it wrote."""

    contents: dict[str, bytes]


def ask(
    engine: LocalEngine, program: str, *, timeout: float = 20, stdin: bytes | None = None, **limits: str
) -> Answer:
    """Run a Python program in a session, with an output file to write to as its argument."""
    with tempfile.TemporaryDirectory() as folder, engine.session(launch(**limits)) as session:
        given = Path(folder, "stdin")
        given.write_bytes(stdin or b"")
        done = session.run(
            ["python", "-c", program, "{output}"],
            stdin=None if stdin is None else given,
            output="output.csv",
            into=Path(folder, "into"),
            timeout=timeout,
        )
        contents = {name: path.read_bytes() for name, path in done.files.items()}
    return Answer(
        exit_code=done.exit_code, stdout=done.stdout, stderr=done.stderr, files=done.files, contents=contents
    )


WRITE = "import sys, os; open(sys.argv[1], 'w').write('a\\n1\\n')\n"


def test_a_command_answers_and_the_probe_says_what_it_cannot_vouch_for(
    engine: LocalEngine, tmp_path: Path
) -> None:
    with engine.session(launch()) as session:
        done = session.run(
            ["python", "-c", WRITE, "{output}"], output="output.csv", into=tmp_path / "into", timeout=20
        )
        seen = session.snapshot()
    assert done.files == {"output.csv": tmp_path / "into" / "output.csv"}
    assert done.files["output.csv"].read_bytes() == b"a\n1\n"
    assert seen.os is None
    assert seen.image is None
    assert seen.artifacts is not None
    assert [file.path for file in seen.artifacts.files] == ["/app/weights.json"]


def test_a_non_zero_exit_is_told_with_what_it_said(engine: LocalEngine) -> None:
    done = ask(engine, "import sys; sys.exit('no weights here')")
    assert (done.exit_code, done.stderr.strip(), dict(done.files)) == (1, "no weights here", {})


def test_stdin_is_fed_while_output_is_read(engine: LocalEngine, tmp_path: Path) -> None:
    given, said = tmp_path / "given", tmp_path / "said"
    given.write_bytes(os.urandom(3 << 20))
    with engine.session(launch()) as session:
        copy = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
        command = ["python", "-c", copy]
        assert session.run(command, stdin=given, timeout=20).stdout == given.read_bytes()
        done = session.run(command, stdin=given, stdout=said, timeout=20)
    assert said.read_bytes() == given.read_bytes()
    assert done.stdout == given.read_bytes()[-(64 << 10) :]


def test_stdin_that_is_not_read_does_not_matter(engine: LocalEngine) -> None:
    assert ask(engine, WRITE, stdin=bytes(3 << 20)).exit_code == 0


def test_a_hanging_command_is_stopped_at_its_timeout(engine: LocalEngine) -> None:
    with pytest.raises(SubjectError, match=r"no answer within 0\.5 s"):
        ask(engine, HALT, timeout=0.5)


def test_a_command_that_closed_its_streams_is_waited_for(engine: LocalEngine) -> None:
    early = f"import os, time; os.close(1); os.close(2); time.sleep(0.3)\n{WRITE}"
    assert ask(engine, early).contents == {"output.csv": b"a\n1\n"}
    with pytest.raises(SubjectError, match=r"no answer within 0\.5 s"):
        ask(engine, f"import os; os.close(1); os.close(2)\n{HALT}", timeout=0.5)


@pytest.mark.parametrize("stream", [1, 2])
def test_a_flood_is_stopped_at_the_limit(engine: LocalEngine, stream: int) -> None:
    with pytest.raises(SubjectError, match="wrote more than 1,048,576 bytes"):
        ask(engine, f"import os\nwhile True: os.write({stream}, b'x' * 65536)", output="1m")


@pytest.mark.parametrize("leaving", ["", "os.setsid()", "os.setsid(); os.environ.clear()"])
def test_a_child_left_behind_is_ended_and_not_waited_for(engine: LocalEngine, leaving: str) -> None:
    """It holds the output streams; one that left the process group is known by its environment."""
    began = time.monotonic()
    done = ask(engine, f"{WRITE}if os.fork() == 0:\n    {leaving or 'pass'}\n    {HALT}")
    assert done.contents == {"output.csv": b"a\n1\n"}
    assert time.monotonic() - began < 10


def test_too_much_memory_is_refused(engine: LocalEngine) -> None:
    done = ask(engine, "bytearray(1 << 30)", memory="256m")
    assert done.exit_code == 1
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, sys; os.symlink('/etc/passwd', sys.argv[1])", "is a link or a device"),
        ("import os, sys; os.mkfifo(sys.argv[1])", "is a link or a device"),
        ("pass", "wrote no output.csv"),
        ("import sys; open(sys.argv[1], 'w').write('x' * (2 << 20))", "larger than is read"),
    ],
)
def test_an_output_that_is_no_file_is_refused(engine: LocalEngine, program: str, said: str) -> None:
    with pytest.raises(SubjectError, match=said):
        ask(engine, program, output="1m")


def test_a_program_that_is_not_there_is_named(engine: LocalEngine) -> None:
    with engine.session(launch()) as session, pytest.raises(SubjectError, match="no-such-program"):
        session.run(["no-such-program"], timeout=5)


def test_a_service_that_ended_is_told_with_the_end_of_its_log(engine: LocalEngine) -> None:
    flood = "print('x' * 100000)\nraise SystemExit('no weights here')"
    with engine.session(launch(service=("python", "-c", flood))) as session:
        reason = until_ended(session)
    assert reason.startswith("ended with exit code 1")
    assert reason.endswith("no weights here")
    assert len(reason) < 3000


def until_ended(session: LocalSession) -> str:
    end = time.monotonic() + 20
    while (reason := session.ended()) is None:
        assert time.monotonic() < end, "the service goes on"
        time.sleep(0.01)
    return reason


def test_a_broken_environment_is_told_by_its_probe(engine: LocalEngine, tmp_path: Path) -> None:
    """The copy's interpreter is a program that is none."""
    broken = LocalEngine.__new__(LocalEngine)
    broken.__dict__.update(engine.__dict__)
    broken.environment = tmp_path / "environment"
    (broken.environment / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("false") or "/bin/false", broken.environment / "bin" / "python")
    with broken.session(launch()) as session, pytest.raises(SubjectError):
        session.snapshot()


def test_descriptors_are_given_back(engine: LocalEngine) -> None:
    if sys.platform != "linux":
        pytest.skip("counts them in /proc")
    ask(engine, WRITE)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        ask(engine, WRITE)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
