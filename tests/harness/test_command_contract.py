"""The command contract with real programs: files or streams, every format, every way to fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from goldlock.asking import command
from goldlock.config import Command, fill
from goldlock.engines import Completed
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock.tables import Format, Table, decode, encode, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from goldlock_env.snapshot import Snapshot

INPUTS = Table({"a": np.array([1, 2, 3]), "b": np.array([0.5, 1.5, 2.5])})
MEBI = 1 << 20

# A subject without dependencies: copies what it is given in the format in which it came.
COPY = (
    "import shutil, sys\n"
    "source = open(sys.argv[1], 'rb') if sys.argv[1] != '-' else sys.stdin.buffer\n"
    "target = open(sys.argv[2], 'wb') if sys.argv[2] != '-' else sys.stdout.buffer\n"
    "shutil.copyfileobj(source, target)\n"
    "target.flush()\n"
)


@dataclass
class Processes:
    """A session that runs commands as processes of this machine; the least that the contract needs."""

    image_id: str | None = None
    asked: list[tuple[list[str], bytes | None, list[str], str | None, float]] = field(default_factory=list)

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
        given = None if stdin is None else stdin.read_bytes()
        self.asked.append((list(command), given, list(files or {}), output, timeout))
        assert into is not None
        into.mkdir()
        for name, path in (files or {}).items():
            shutil.copyfile(path, into / name)
        names = [*(files or {}), *([output] if output else [])]
        argv = fill(command, {name.partition(".")[0]: f"{into}/{name}" for name in names})
        done = subprocess.run(argv, input=given or b"", capture_output=True, timeout=timeout, check=False)
        if stdout is not None:
            stdout.write_bytes(done.stdout)
        return Completed(
            exit_code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr.decode(),
            files={path.name: path for path in into.iterdir() if path.name == output},
        )

    def snapshot(self) -> Snapshot:
        raise AssertionError

    def address(self) -> tuple[str, int]:
        raise AssertionError

    def said(self) -> str:
        return ""

    def ended(self) -> str | None:
        return None


def python(code: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *words)


def ask(
    run: tuple[str, ...],
    *,
    given: Format = Format.CSV,
    wanted: Format = Format.CSV,
    produced: Format = Format.CSV,
    limit: int = MEBI,
    session: Processes | None = None,
) -> Table:
    asked = Command(run=run, input=wanted, output=produced, timeout=20)
    return asked_of(session or Processes(), asked, encode(INPUTS, given), given, limit=limit)


def asked_of(session: Processes, asked: Command, inputs: bytes, given: Format, *, limit: int = MEBI) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "inputs")
        path.write_bytes(inputs)
        into = Path(folder, "into")
        into.mkdir()
        return whole(command.ask(session, asked, path, given, limit=limit, into=into))


@pytest.mark.parametrize("fmt", Format)
def test_inputs_and_outputs_go_by_file_in_every_format(fmt: Format) -> None:
    session = Processes()
    found = ask(python(COPY, "{input}", "{output}"), given=fmt, wanted=fmt, produced=fmt, session=session)
    assert found.columns.keys() == INPUTS.columns.keys()
    assert all(np.array_equal(found.columns[name], INPUTS.columns[name]) for name in INPUTS.columns)
    ((_, stdin, files, output, timeout),) = session.asked
    assert (stdin, files, output, timeout) == (None, [f"input.{fmt.value}"], f"output.{fmt.value}", 20)


@pytest.mark.parametrize("fmt", Format)
def test_inputs_and_outputs_go_by_the_streams_where_no_path_is_named(fmt: Format) -> None:
    session = Processes()
    found = ask(python(COPY, "-", "-"), given=fmt, wanted=fmt, produced=fmt, session=session)
    assert found.columns["b"].tolist() == [0.5, 1.5, 2.5]
    ((_, stdin, files, output, _),) = session.asked
    assert (stdin, files, output) == (encode(INPUTS, fmt), [], None)


@pytest.mark.parametrize("words", [("{input}", "-"), ("-", "{output}")])
def test_one_side_may_be_a_file_and_the_other_a_stream(words: tuple[str, str]) -> None:
    assert ask(python(COPY, *words)).columns["a"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("given", Format)
@pytest.mark.parametrize("wanted", Format)
def test_inputs_are_converted_to_the_format_that_the_command_takes(given: Format, wanted: Format) -> None:
    session = Processes()
    ask(python(COPY, "-", "-"), given=given, wanted=wanted, produced=wanted, session=session)
    sent = session.asked[0][1]
    assert sent is not None
    again = decode(sent, wanted, where="what was sent")
    assert {name: array.tolist() for name, array in again.columns.items()} == {
        name: array.tolist() for name, array in INPUTS.columns.items()
    }


def test_inputs_of_the_right_format_are_given_byte_for_byte() -> None:
    odd = b'a,b\r\n"1",5e-1\r\n'
    session = Processes()
    asked = Command(run=python(COPY, "-", "-"))
    asked_of(session, asked, odd, Format.CSV)
    assert session.asked[0][1] == odd


def test_converted_json_is_a_list_of_records() -> None:
    session = Processes()
    ask(python(COPY, "-", "-"), wanted=Format.JSON, produced=Format.JSON, session=session)
    sent = session.asked[0][1]
    assert sent is not None
    assert json.loads(sent)[0] == {"a": 1, "b": 0.5}


@pytest.mark.parametrize(
    "text",
    ['[{"y": 1}, {"y": 2}]', '{"columns": {"y": [1, 2]}}', '{"y": [1, 2]}'],
    ids=["records", "columns", "map"],
)
def test_json_output_may_have_any_of_its_forms(text: str) -> None:
    found = ask(python(f"print({text!r})"), produced=Format.JSON)
    assert found.columns["y"].tolist() == [1, 2]


def test_a_failing_command_is_told_with_its_code_and_what_it_said() -> None:
    with pytest.raises(
        SubjectError, match=r"`python.* \.\.\.` ended with exit code 7:\nno model here"
    ) as caught:
        ask(python("import sys; print('no model here', file=sys.stderr); sys.exit(7)"))
    assert "no network" in caught.value.hint


def test_a_failing_command_that_complains_on_stdout_is_heard_too() -> None:
    with pytest.raises(SubjectError, match="exit code 1:\nusage: predict"):
        ask(python("import sys; print('usage: predict'); sys.exit(1)"))
    with pytest.raises(SubjectError, match="exit code 1 and said nothing"):
        ask(python("raise SystemExit(1)"))


def test_a_program_for_another_processor_is_told_from_one_that_fails() -> None:
    with pytest.raises(SubjectError) as caught:
        ask(python("import sys; sys.exit('exec /model: exec format error')"))
    assert "another processor" in str(caught.value.hint)


def test_a_long_complaint_is_told_by_its_end() -> None:
    with pytest.raises(SubjectError) as caught:
        ask(python("import sys; sys.exit('x' * 100_000 + ' the reason')"))
    assert caught.value.message.endswith("the reason")
    assert len(caught.value.message) < 2500


def test_a_command_that_writes_no_output_file_is_told_what_is_missing() -> None:
    with pytest.raises(SubjectError, match=r"output\.csv is not a regular file") as caught:
        ask(python("print('a,b')", "{output}"))
    assert "{output}" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "produced", "said"),
    [
        ("print('loading the model...')\nprint('a,b\\n1,2\\n3')", Format.CSV, "the command's stdout"),
        ("print('[{\"y\": 1}, ', end='')", Format.JSON, "truncated JSON"),
        ("print('{\"y\": 1}\\nWARNING: slow')", Format.JSONL, "is not JSON"),
        ("import sys; sys.stdout.buffer.write(b'PK\\x03\\x04 not')", Format.NPZ, "the command's stdout"),
        ("pass", Format.CSV, "the command's stdout"),
    ],
    ids=["csv", "json", "jsonl", "npz", "nothing"],
)
def test_output_that_is_no_table_is_told_with_where_it_came_from(
    code: str, produced: Format, said: str
) -> None:
    with pytest.raises(CouldNotRunError, match=said):
        ask(python(code), produced=produced)


def test_pickles_are_never_loaded() -> None:
    code = (
        "import io, sys, numpy\n"
        "class Bomb:\n"
        "    def __reduce__(self):\n"
        "        return (exec, ('raise SystemExit(\"loaded\")',))\n"
        "numpy.savez(sys.argv[1], y=numpy.array([Bomb()], dtype=object))\n"
    )
    with pytest.raises(CouldNotRunError, match="the command's output file"):
        ask(python(code, "{output}"), produced=Format.NPZ)


def test_an_output_over_the_limit_is_not_decoded() -> None:
    with pytest.raises(CouldNotRunError, match="the command's stdout"):
        ask(python("print('a'); print('1\\n' * 1000)"), limit=500)


@pytest.mark.parametrize("word", ["${input}", "{ input }", "{unknown}"])
def test_only_our_own_placeholders_are_filled(word: str) -> None:
    session = Processes()
    found = ask(python("import sys; print('w'); print(sys.argv[1])", word), session=session)
    assert found.columns["w"].tolist() == [word]
    assert session.asked[0][1] is not None
