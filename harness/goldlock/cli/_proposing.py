"""The command that starts a project: init."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goldlock.cli._shared import CONFIG, progress, write_whole
from goldlock.errors import ConfigurationError
from goldlock.printable import printable

if TYPE_CHECKING:
    from goldlock.engines.docker import DockerEngine
    from goldlock.proposing.wanted import Need


@click.command()
@click.argument("what", default=".", metavar="[WHAT]")
@click.option("--inputs", type=click.Path(path_type=Path), help="File of inputs to ask it with.")
@click.option("--name", default="", help="What reports call it; by default the image's or the folder's name.")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(CONFIG),
    show_default=True,
    help="The file to write; its folder is the project's.",
)
@click.option(
    "--run", default="", metavar="COMMAND", help='A batch program: "python predict.py {input} {output}".'
)
@click.option("--port", type=click.IntRange(1, 65535), help="A service: the port on which it listens.")
@click.option("--path", "url_path", default="", metavar="/PATH", help="A service: the path that predicts.")
@click.option("--http", "way", flag_value="http", help="It is a service.")
@click.option("--command", "way", flag_value="command", help="It is a batch program.")
@click.option("--target", help="A Dockerfile's stage; by default the last one.")
@click.option(
    "--build-arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    help="As in docker build; repeat for more.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: take what is proposed.")
@click.option(
    "--no-start", "starts", is_flag=True, flag_value=False, default=True, help="Look, but start nothing."
)
@click.option("--replace", is_flag=True, help="Replace a file that is there already.")
def init(
    what: str,
    inputs: Path | None,
    name: str,
    config_path: Path,
    run: str,
    port: int | None,
    url_path: str,
    way: str | None,
    target: str | None,
    arguments: tuple[str, ...],
    yes: bool,  # noqa: FBT001  # click passes by name
    starts: bool,  # noqa: FBT001
    replace: bool,  # noqa: FBT001
) -> None:
    """Look at a model and write a goldlock.toml that runs.

    WHAT is a Dockerfile or a folder with one (by default this folder), an image, a running container, an archive by
    `docker save`, or compose.yaml:SERVICE. It is started without a network, recognised, and really asked with your
    inputs. Only what can't be seen is asked for.

    \b
    Example:
      goldlock init registry.example/team/iris:1.2 --inputs sample.csv
      goldlock init . --run "python predict.py {input} {output}"
      goldlock init --yes
    """
    from goldlock.proposing.proposal import propose
    from goldlock.proposing.wanted import Wanted

    if config_path.exists() and not replace:
        raise ConfigurationError(
            f"{config_path} is there already and was not touched",
            hint="add --replace, or name another file with --config",
        )
    if not config_path.parent.is_dir():
        raise ConfigurationError(
            f"there is no folder {config_path.parent}", hint="make it, or name another one"
        )
    wanted = Wanted(
        what=what,
        path=config_path.absolute(),
        name=name,
        inputs=inputs,
        run=_words(run),
        port=port,
        url_path=url_path,
        way=way or "",
        starts=starts,
        arguments=_pairs(arguments),
        target=target,
    )
    with contextlib.ExitStack() as stack:

        def engine() -> DockerEngine:
            from goldlock.engines.docker import DockerEngine

            return stack.enter_context(contextlib.closing(DockerEngine()))

        result = propose(wanted, engine, lambda need: _asked(need, yes=yes), progress)
    for file, text in result.files.items():
        write_whole(config_path.parent / file, text)
        click.echo(f"wrote {config_path.parent / file}")
    write_whole(config_path, result.text)
    click.echo(f"wrote {config_path}")
    click.echo()
    click.echo("".join(f"    {printable(line)}\n" for line in result.text.splitlines()))
    for note in result.proposal.unproven:
        click.echo(f"warning: {printable(note)}", err=True)
    named = "" if config_path == Path(CONFIG) else f" --config {shlex.quote(str(config_path))}"
    click.echo("Next:")
    for command, told in (
        ("lock", "record the environment"),
        ("record", "record the outputs"),
        ("verify", "compare both, for ever after"),
    ):
        click.echo(f"    goldlock {command}{named}".ljust(30 + len(named)) + f"# {told}")


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise ConfigurationError(
            f"--run can't be split into words: {error}", hint="check its quotes"
        ) from error


def _pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in arguments:
        name, equals, value = each.partition("=")
        if not equals:
            # As docker does: the value of this machine's variable.
            value = os.environ.get(name, "")
        found[name] = value
    return found


def _asked(need: Need, *, yes: bool) -> str:
    """Ask the user, or say what is missing where nobody is to be asked."""
    if yes and need.proposed:
        return need.proposed
    if yes or not sys.stdin.isatty():
        proposed = f" (proposed: {need.proposed})" if need.proposed else ""
        raise ConfigurationError(
            f"not seen, and nobody is there to be asked: {need.question}{proposed}",
            hint=f"say it with {need.option}"
            + ("; or take what is proposed: --yes" if need.proposed else ""),
        )
    answer: str = click.prompt(need.question.capitalize(), default=need.proposed or None, err=True)
    return answer
