"""What the commands share: options, progress, and delivering a report."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goldlock.errors import ConfigurationError
from goldlock.files import could_not_write
from goldlock.interruption import deferred
from goldlock.printable import printable
from goldlock.render import ReportFormat, rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from goldlock.config import Config
    from goldlock.engines.docker import DockerEngine
    from goldlock.report import FailOn, Report

CONFIG = "goldlock.toml"
"""The configuration, where no other one is named."""
_PROGRESS_WIDTH = 110
_TOLD = {
    ReportFormat.JSON: "JSON",
    ReportFormat.HTML: "one HTML page",
    ReportFormat.JUNIT: "JUnit XML, for Jenkins and GitLab",
    ReportFormat.SARIF: "SARIF 2.1.0, for code scanning",
    ReportFormat.MARKDOWN: "Markdown, for a pull request or GitHub's step summary",
}


def colour(stream: object) -> bool:
    """Colour on a terminal only, and not where NO_COLOR is set (no-color.org)."""
    return (
        not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
        and bool(getattr(stream, "isatty", bool)())
    )


def progress(line: str) -> None:
    """One line of progress, on stderr."""
    line = printable(line)
    if len(line) > _PROGRESS_WIDTH:
        line = f"{line[: _PROGRESS_WIDTH - 3]}..."
    click.echo(click.style(f"  {line}", dim=True), err=True, color=colour(sys.stderr))


config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path(CONFIG),
    show_default=True,
    help="The configuration; its folder is the project's.",
)
engine_option = click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["auto", "docker", "local"]),
    default="auto",
    show_default=True,
    help="What runs the subject; auto takes docker where an engine answers, else local.",
)
image_option = click.option("--image", help="Check this image instead of the configured subject's.")
hash_option = click.option(
    "--hash/--no-hash", "hash_files", default=True, show_default=True, help="Hash every installed file again."
)
fail_on_option = click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "outputs"]),
    default="error",
    show_default=True,
    help="Which findings make the exit code 1; outputs that drift always do.",
)
strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Warnings count, accepted differences too; what could not be looked at does not pass.",
)
where_useful_option = click.option(
    "--hash/--no-hash",
    "hash_files",
    default=None,
    help="Hash every installed file again.  [default: unless an interpreter is of another minor version]",
)


def judged_by(fail_on: str, *, strict: bool, outputs: bool = True) -> FailOn:
    """What `--fail-on` and `--strict` ask for together; `outputs`: whether the command looks at any.

    Raises:
        ConfigurationError: both at odds, or a command that could then never fail.
    """
    from goldlock.report import FailOn

    asked = FailOn(fail_on)
    if asked is FailOn.OUTPUTS and not outputs:
        raise ConfigurationError(
            "--fail-on outputs: this command looks at the environment alone, and could never fail",
            hint="use --fail-on error or warning, or `goldlock verify`",
        )
    if strict and asked is FailOn.OUTPUTS:
        raise ConfigurationError(
            "--strict and --fail-on outputs exclude each other",
            hint="--strict judges the environment as hard as can be, and --fail-on outputs not at all",
        )
    return FailOn.STRICT if strict else asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where a report goes, and how."""

    kind: ReportFormat
    output: Path | None
    """Instead of stdout."""
    files: Mapping[ReportFormat, Path]
    """Also written there."""
    verbose: bool

    def of(self, report: Report) -> int:
        """Write the report wherever it was asked for; return the exit code that it stands for."""
        for kind, path in self.files.items():
            write_whole(path, rendered(report, kind))
        if self.output is not None:
            write_whole(self.output, rendered(report, self.kind, verbose=self.verbose))
        elif self.kind is ReportFormat.TEXT:
            show(report, verbose=self.verbose)
        else:
            click.echo(rendered(report, self.kind), nl=False)
        return report.verdict.exit_code


def writable(_context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a path that no report can be written to before the work and not behind it."""
    if value is not None and str(value) == "-":
        raise ConfigurationError(
            f"{parameter.opts[0]} - is no file",
            hint="use --format to choose what goes to stdout, or /dev/stdout",
        )
    if value is not None and value.is_dir():
        raise ConfigurationError(f"{parameter.opts[0]} {value} is a folder", hint="name a file in it")
    if value is not None and not value.parent.is_dir():
        raise ConfigurationError(
            f"{parameter.opts[0]} {value}: there is no folder {value.parent}", hint="make it, or name another"
        )
    return value


def outputs(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that say where a report goes; the command gets them as `delivery`."""

    @functools.wraps(command)
    def gathered(
        format_name: str,
        output: Path | None,
        verbose: bool,  # noqa: FBT001  # click passes by name
        **others: object,
    ) -> object:
        files = {kind: path for kind in _TOLD if isinstance(path := others.pop(f"{kind.value}_file"), Path)}
        delivery = Delivery(kind=ReportFormat(format_name), output=output, files=files, verbose=verbose)
        return command(delivery=delivery, **others)

    decorated: Callable[..., object] = gathered
    for option in (
        click.option(
            "-v", "--verbose", is_flag=True, help="Show every finding and column in full, however many."
        ),
        *(
            click.option(
                f"--{kind.value}",
                f"{kind.value}_file",
                type=click.Path(path_type=Path),
                callback=writable,
                help=f"Also write the report as {told}.",
            )
            for kind, told in reversed(_TOLD.items())
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            callback=writable,
            help="Write the report here, not to stdout.",
        ),
        click.option(
            "--format",
            "format_name",
            type=click.Choice([kind.value for kind in ReportFormat]),
            default="text",
            show_default=True,
            help="Format of the report.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def load(path: Path) -> Config:
    """Read goldlock.toml."""
    from goldlock import config

    return config.load(path)


def docker() -> DockerEngine:
    """Open the Docker engine."""
    from goldlock.engines.docker import DockerEngine

    return DockerEngine()


def with_command(report: Report) -> Report:
    """Return the report with the command line that made it."""
    from msgspec.structs import replace

    return replace(report, command=shlex.join(["goldlock", *sys.argv[1:]]))


def show(report: Report, *, verbose: bool = False, headline: bool = True) -> None:
    """Print the report to stdout as text."""
    from goldlock.render import terminal

    text = terminal.render(
        report,
        colour=colour(sys.stdout),
        verbose=verbose,
        headline=headline,
        ascii_only=terminal.ascii_only(sys.stdout),
    )
    click.echo(text, nl=False, color=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text whole or not at all; into a pipe or a device where that stands at the path."""
    if path.exists() and not path.is_file():
        try:
            path.write_text(text, encoding="utf-8")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise could_not_write(path, error, elsewhere="name another place") from error
        return
    try:
        _put(path.resolve(), text)
    except OSError as error:
        raise could_not_write(path, error, elsewhere="name another place") from error


def _put(path: Path, text: str) -> None:
    with (
        deferred(),
        tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file,
    ):
        try:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)  # noqa: PTH101
            os.replace(file.name, path)  # noqa: PTH105
        except BaseException:
            os.unlink(file.name)  # noqa: PTH108
            raise
