"""The command line: options in, one call of the core, a report out, an exit code.

Nothing heavy is imported here, so that `goldlock --version` and completion answer at once; each command
imports what it needs.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import NoReturn

import click

from goldlock import __version__
from goldlock.cli import _checking, _delivering, _probing, _proposing, _recording, _schema
from goldlock.cli._shared import colour
from goldlock.errors import GoldlockError, Interrupted
from goldlock.interruption import installed
from goldlock.printable import printable

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main() -> NoReturn:
    """Run the command line; the one place that turns errors into exit codes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the locale is not UTF-8, a report is written all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    try:
        with installed(to_the_end=True):
            return int(cli.main(prog_name="goldlock", standalone_mode=False) or 0)
    except GoldlockError as error:
        return _complain(error.message, error.hint, error.exit_code)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        click.echo("goldlock: stopped", err=True)
        return 130
    except Interrupted as error:
        click.echo("\ngoldlock: interrupted; containers and temporary files are removed", err=True)
        return 128 + error.signal_number
    except _ReaderGoneError:
        _abandon_stdout()
        return 141
    except OSError as error:
        _abandon_stdout()
        return _complain(
            f"{error.filename or 'the system'}: {error.strerror or error}",
            "check that the path is right and that the disk has room",
            3,
        )
    except Exception as error:  # the outermost place: a user never sees a traceback unasked
        if os.environ.get("GOLDLOCK_TRACEBACK"):
            raise
        return _complain(
            f"internal error: {type(error).__name__}: {error}",
            "set GOLDLOCK_TRACEBACK=1 and run again to see where, and report it",
            3,
        )


def _abandon_stdout() -> None:
    """Point stdout at nothing: what could not be written is not tried, and complained of, again at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, hint: str, code: int) -> int:
    # A message may hold what a subject said.
    said = "\n".join(map(printable, message.splitlines()))
    click.echo(f"{click.style('goldlock:', fg='red', bold=True)} {said}", err=True, color=colour(sys.stderr))
    if hint:
        click.echo(f"  -> {printable(hint)}", err=True)
    return code


class _Group(click.Group):
    """Click's group, but for a reader that goes away (`| head`): Click would end with 1, which is a drift here."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error


class _ReaderGoneError(Exception):
    """Nobody reads stdout any more."""


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="goldlock", message="%(prog)s %(version)s")
def cli() -> None:
    """Is this still the same model in the same environment, and if not, what changed?

    \b
    Example:
      goldlock init IMAGE      # look at a model, write goldlock.toml
      goldlock lock            # record the environment
      goldlock record          # record the outputs
      goldlock verify          # compare both, for ever after

    Exit codes: 0 match, 1 drift, 2 usage or configuration, 3 could not run.
    """


for _command in (
    _proposing.init,
    _recording.build,
    _recording.lock,
    _recording.record,
    _checking.verify,
    _checking.check,
    _checking.diff,
    _recording.accept,
    _checking.reproduce,
    _checking.report,
    _probing.probe,
    _recording.sealed,
    _schema.schema,
    _delivering.pack,
    _delivering.keygen,
):
    cli.add_command(_command)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Example:
      eval "$(goldlock completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(cli, {}, "goldlock", "_GOLDLOCK_COMPLETE").source())
