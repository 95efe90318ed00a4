"""Reading a binary answer once in a process of its own, before it is read in ours.

Readers of Parquet and Arrow are native code: a file made to harm them may end the process that reads it, or fill its
memory. That is then a fault of the subject, told like any other, and not the end of goldlock.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from goldlock import processes
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock.formats import Format
from goldlock.tables import Limits, fitting_rows, open_table

MEMORY = 4 << 30
"""Bytes that reading may take; a batch takes some megabytes."""

_REFUSED = 3


def vet(path: Path, fmt: Format, *, where: str, limits: Limits, memory: int = MEMORY) -> None:
    """Read all of a subject's answer elsewhere and forget it; other formats than Parquet and Arrow are not read.

    Raises:
        SubjectError: it is broken, ends its reader, or takes too much memory.
    """
    if fmt not in {Format.PARQUET, Format.ARROW}:
        return
    numbers = map(str, (limits.size, limits.cells, limits.columns, memory))
    words = [str(path.absolute()), fmt.value, where, *numbers]
    # Elsewhere: what stands in the current folder could be imported in a library's place.
    done = processes.run([sys.executable, "-m", "goldlock.asking.vetting", *words], cwd=Path("/"))
    if done.returncode == _REFUSED:
        message, _, hint = done.stdout.partition("\0")
        raise SubjectError(message, hint=hint)
    if done.returncode:
        ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"code {done.returncode}"
        said = done.stderr.strip()[-300:]
        raise SubjectError(
            f"{where}: reading it ended the reader ({ended})" + (f": {said}" if said else ""),
            hint="see whether the subject wrote the whole file; one that a reader survives is needed",
        )


def main(words: list[str]) -> int:
    """Read the file that `vet` names; the message of what is wrong goes to stdout."""
    path, fmt, where, *numbers = words
    size, cells, columns, memory = map(int, numbers)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        table = open_table(
            Path(path), Format(fmt), where=where, limits=Limits(size=size, cells=cells, columns=columns)
        )
        for _ in table.batches(rows=fitting_rows(table.types)):
            pass
    except CouldNotRunError as error:
        sys.stdout.write(f"{error.message}\0{error.hint}")
        return _REFUSED
    except MemoryError:
        sys.stdout.write(f"{where}: reading it takes more than {memory:,} bytes\0write smaller row groups")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
