"""The command contract: a table goes in by file or stdin, a table comes out by file or stdout."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from goldlock.errors import SubjectError
from goldlock.tables import Limits, decode, encode

if TYPE_CHECKING:
    from goldlock.config import Command
    from goldlock.engines import Session
    from goldlock.tables import Format, Table


def ask(session: Session, command: Command, inputs: bytes, inputs_format: Format, *, limit: int) -> Table:
    """Run a case's command in a session and decode what it wrote.

    Args:
        session: the running subject.
        command: argument vector and formats of goldlock.toml.
        inputs: content of the case's inputs, given as it is where the formats agree.
        inputs_format: format of `inputs`.
        limit: most bytes of output that are decoded.

    Raises:
        SubjectError: non-zero exit, timeout, flood, or output that is no table.
    """
    wanted, produced, limits = command.input, command.output, Limits(size=limit)
    if wanted is not inputs_format:
        inputs = encode(decode(inputs, inputs_format, where="the case's inputs"), wanted)
    name = f"output.{produced.value}"
    completed = session.run(
        command.run,
        stdin=inputs if command.reads_stdin else None,
        files=None if command.reads_stdin else {f"input.{wanted.value}": inputs},
        output=None if command.writes_stdout else name,
        timeout=command.timeout,
    )
    if completed.exit_code:
        said = completed.stderr.strip() or completed.stdout[-2000:].decode("utf-8", "replace").strip()
        raise SubjectError(
            f"`{PurePath(command.run[0]).name} ...` ended with exit code {completed.exit_code}"
            + (f":\n{said[-2000:]}" if said else " and said nothing"),
            hint="run it by hand in the image to see why; goldlock gives no network and a read-only root",
        )
    if command.writes_stdout:
        return decode(completed.stdout, produced, where="the command's stdout", limits=limits)
    if name not in completed.files:
        raise SubjectError(f"{name} is not a regular file", hint="the command must write a file to {output}")
    return decode(completed.files[name], produced, where="the command's output file", limits=limits)
