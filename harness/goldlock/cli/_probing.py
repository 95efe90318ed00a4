"""The command that hands the probe out: a client runs it where neither goldlock nor anything else is installed."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import click

from goldlock.errors import ConfigurationError
from goldlock.files import could_not_write
from goldlock.interruption import deferred
from goldlock_env import probing


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(probing.STAND_ALONE),
    show_default=True,
    help="Write it here; - is stdout.",
)
@click.option("--replace", is_flag=True, help="Write it over a file that is there.")
def probe(output: Path, replace: bool) -> None:  # noqa: FBT001  # click passes by name
    """Write the stand-alone probe, which tells of an environment where goldlock is not installed.

    It is one file for any Python: 2.7, or 3.4 and later. Whoever runs it sends back the file that it writes, and
    `goldlock check --snapshot` compares that with the lock.

    \b
    Example:
      goldlock probe                                   # writes goldlock-probe.py: send it
      python goldlock-probe.py                         # the client; sends goldlock-snapshot.json back
      goldlock check --snapshot goldlock-snapshot.json
    """
    content = probing.probe_source().encode("utf-8")
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        with deferred():
            _write(output, content, replace=replace)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{output} is there already", hint="name another file with -o, or write over it with --replace"
        ) from error
    except IsADirectoryError as error:
        raise ConfigurationError(f"{output} is a folder", hint="name a file in it") from error
    except OSError as error:
        raise could_not_write(output, error, elsewhere="name another place with -o") from error
    click.echo(f"{output} is written; with a Python of the client's: python {output.name} --help")


def _write(path: Path, content: bytes, *, replace: bool) -> None:
    """The whole file or nothing."""
    if path.is_dir():
        raise IsADirectoryError
    if not replace and path.exists():
        raise FileExistsError
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with partial.open("xb") as file:
            file.write(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
