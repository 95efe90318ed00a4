"""Running a batch program as goldlock would, until one way of calling it answers every row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldlock.asking import command as by_command
from goldlock.asking.hints import hint_for
from goldlock.config import Command
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock.formats import Format
from goldlock.proposing import commands
from goldlock.scratch import scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.engines import Engine, Launch, Session
    from goldlock.proposing.serving import Asked
    from goldlock.tables import Batches

_GUESS_TIMEOUT = 60.0
_LIMIT = 64 << 20
_HEAD = _LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that answered."""

    command: Command
    rows: int
    columns: tuple[str, ...]


def ran(
    engine: Engine,
    launch: Launch,
    candidates: Iterable[tuple[str, ...]],
    asked: Asked,
    progress: Callable[[str], None],
    *,
    is_given: bool,
) -> Ran:
    """Try one command after the other; return the first that writes a table with a row for each of the inputs'.

    A command that the user gave (`is_given`) may write any number of rows.

    Raises SubjectError where none does, with what the first one said.
    """
    formats = list(
        dict.fromkeys([asked.format, Format.CSV, Format.JSON] if is_given else [asked.format, Format.CSV])
    )
    first: CouldNotRunError | None = None
    with contextlib.ExitStack() as stack:
        session: Session | None = None
        for words in candidates:
            for given in formats:
                if session is None or session.ended() is not None:
                    stack.close()
                    session = stack.enter_context(engine.session(launch))
                try:
                    found = _tried(session, words, given, asked, is_given=is_given)
                except CouldNotRunError as error:
                    first = first or error
                    continue
                if found is not None:
                    progress(f"`{' '.join(words)}` answers: {', '.join(found.columns)}")
                    return found
    raise SubjectError(
        "no way of calling its command gave a table with a row for each of the inputs'"
        + (f"; the first one: {first.message}" if first else ""),
        hint=hint_for(
            first.message if first else "",
            'say how it is called: --run "python predict.py {input} {output}"; without them stdin and stdout are used',
        ),
    )


def _tried(
    session: Session, words: tuple[str, ...], given: Format, asked: Asked, *, is_given: bool
) -> Ran | None:
    timeout = Command(run=words).timeout if is_given else _GUESS_TIMEOUT
    # The name of its output may tell a program the format: what it writes decides.
    for guess in (Format.CSV, Format.JSON):
        command = Command(run=words, input=given, output=guess, timeout=timeout)
        with scratch_folder() as scratch:
            said = _written(session, command, asked, scratch)
        produced = commands.sniffed(said)
        if produced is None:
            continue
        command = Command(run=words, input=given, output=produced, timeout=timeout)
        with scratch_folder() as scratch:
            table = by_command.ask(session, command, asked.path, asked.format, limit=_LIMIT, into=scratch)
            if table.rows and table.names and (is_given or _is_answer(table, asked)):
                proven = Command(run=words, input=given, output=produced)
                return Ran(command=proven, rows=table.rows, columns=tuple(table.names))
        if command.writes_stdout:
            break
    return None


def _is_answer(table: Batches, asked: Asked) -> bool:
    """Whether it has a row for each of the inputs', and is not the inputs themselves."""
    return table.rows == asked.known.count and tuple(table.names) != asked.known.names


def _written(session: Session, command: Command, asked: Asked, scratch: Path) -> bytes:
    """The beginning of what a command writes, whatever it is. Raises SubjectError where it fails."""
    from goldlock.tables import open_table, write_table

    inputs = asked.path
    if command.input is not asked.format:
        inputs = scratch / f"input.{command.input.value}"
        write_table(open_table(asked.path, asked.format, where="the inputs"), inputs, command.input)
    name, said_to = f"output.{command.output.value}", scratch / "stdout"
    done = session.run(
        command.run,
        stdin=inputs if command.reads_stdin else None,
        stdout=said_to if command.writes_stdout else None,
        files=None if command.reads_stdin else {f"input.{command.input.value}": inputs},
        output=None if command.writes_stdout else name,
        into=scratch / "output",
        timeout=command.timeout,
    )
    if done.exit_code:
        said = done.stderr.strip() or done.stdout[-2000:].decode("utf-8", "replace").strip()
        raise SubjectError(
            f"`{' '.join(command.run)}` ended with exit code {done.exit_code}:\n{said[-1000:]}"
        )
    written = said_to if command.writes_stdout else done.files.get(name)
    if written is None:
        return b""
    with written.open("rb") as file:
        return file.read(_HEAD)


def written(command: Command) -> Mapping[str, object]:
    """The keys of `[case.command]` that differ from their defaults."""
    found: dict[str, object] = {"run": list(command.run)}
    for name, value in (("input", command.input), ("output", command.output)):
        if value is not Format.CSV:
            found[name] = value.value
    return found
