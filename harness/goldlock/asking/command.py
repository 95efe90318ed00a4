"""The command contract: a table goes in by file or stdin, a table comes out by file or stdout."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from goldlock.asking.hints import hint_for
from goldlock.asking.vetting import vet
from goldlock.errors import SubjectError
from goldlock.tables import Limits, open_table, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.config import Command
    from goldlock.engines import Session
    from goldlock.tables import Batches, Format


def ask(
    session: Session, command: Command, inputs: Path, inputs_format: Format, *, limit: int, into: Path
) -> Batches:
    """Run a case's command in a session and open what it wrote.

    Args:
        session: the running subject.
        command: argument vector and formats of goldlock.toml.
        inputs: file of the case's inputs, given as it is where the formats agree.
        inputs_format: format of `inputs`.
        limit: most bytes of output that are read.
        into: an empty folder, in which the output is put and read.

    Raises:
        SubjectError: non-zero exit, timeout, flood, or output that is no table.
    """
    wanted, produced, limits = command.input, command.output, Limits(size=limit)
    if wanted is not inputs_format:
        converted = into / f"input.{wanted.value}"
        write_table(open_table(inputs, inputs_format, where="the case's inputs"), converted, wanted)
        inputs = converted
    name, said_to = f"output.{produced.value}", into / f"stdout.{produced.value}"
    completed = session.run(
        command.run,
        stdin=inputs if command.reads_stdin else None,
        stdout=said_to if command.writes_stdout else None,
        files=None if command.reads_stdin else {f"input.{wanted.value}": inputs},
        output=None if command.writes_stdout else name,
        into=into / "output",
        timeout=command.timeout,
    )
    if completed.exit_code:
        said = completed.stderr.strip() or completed.stdout[-2000:].decode("utf-8", "replace").strip()
        raise SubjectError(
            f"`{PurePath(command.run[0]).name} ...` ended with exit code {completed.exit_code}"
            + (f":\n{said[-2000:]}" if said else " and said nothing"),
            hint=hint_for(
                said, "run it by hand in the image to see why; goldlock gives no network and a read-only root"
            ),
        )
    if command.writes_stdout:
        written, where = said_to, "the command's stdout"
    elif name in completed.files:
        written, where = completed.files[name], "the command's output file"
    else:
        raise SubjectError(f"{name} is not a regular file", hint="the command must write a file to {output}")
    vet(written, produced, where=where, limits=limits)
    return open_table(written, produced, where=where, limits=limits)
