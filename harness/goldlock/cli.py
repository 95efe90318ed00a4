"""The command line: options in, one call of the core, a report out, an exit code.

Nothing heavy is imported here, so that `goldlock --version` and completion answer at once; each command
imports what it needs.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from goldlock import __version__
from goldlock.errors import ConfigurationError, GoldlockError, Interrupted
from goldlock.interruption import deferred, installed
from goldlock.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from goldlock.accept import Proposal
    from goldlock.config import Config
    from goldlock.engines.docker import DockerEngine
    from goldlock.engines.local import LocalEngine
    from goldlock.report import Report
    from goldlock_env.lock import Lock
    from goldlock_env.snapshot import Snapshot

_PROGRESS_WIDTH = 110
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
    click.echo(f"{click.style('goldlock:', fg='red', bold=True)} {said}", err=True, color=_colour(sys.stderr))
    if hint:
        click.echo(f"  -> {printable(hint)}", err=True)
    return code


def _colour(stream: object) -> bool:
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
    click.echo(click.style(f"  {line}", dim=True), err=True, color=_colour(sys.stderr))


# -- options that several commands share ------------------------------------------------------------

_config = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("goldlock.toml"),
    show_default=True,
    help="The configuration; its folder is the project's.",
)
_engine = click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["auto", "docker", "local"]),
    default="auto",
    show_default=True,
    help="What runs the subject; auto takes docker where an engine answers, else local.",
)
_image = click.option("--image", help="Check this image instead of the configured subject's.")
_hash = click.option(
    "--hash/--no-hash", "hash_files", default=True, show_default=True, help="Hash every installed file again."
)
_fail_on = click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "outputs"]),
    default="error",
    show_default=True,
    help="Which findings make the exit code 1; outputs that drift always do.",
)


def _has_folder(_context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a report's path whose folder is absent before the work and not behind it."""
    if value is not None and not value.parent.is_dir():
        raise ConfigurationError(
            f"{parameter.opts[0]} {value}: there is no folder {value.parent}", hint="make it, or name another"
        )
    return value


def _outputs(command: Callable[..., object]) -> Callable[..., object]:
    """The options that say where a report goes."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Show every finding, however many."),
        click.option(
            "--json",
            "json_file",
            type=click.Path(path_type=Path),
            callback=_has_folder,
            help="Also write the report as JSON.",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            callback=_has_folder,
            help="Write the report here, not to stdout.",
        ),
        click.option(
            "--format",
            "format_name",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="Format of the report.",
        ),
    ):
        command = option(command)
    return command


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
      goldlock lock            # record the environment
      goldlock record          # record the outputs
      goldlock verify          # compare both, for ever after

    Exit codes: 0 match, 1 drift, 2 usage or configuration, 3 could not run.
    """


@cli.command()
@_config
@click.option("--training", "with_training", is_flag=True, help="Build the training images too.")
def build(config_path: Path, with_training: bool) -> None:  # noqa: FBT001  # click passes by name
    """Build the subject's image from its locked requirements.

    Wheels are downloaded once, with their hashes checked; the build itself has no network.

    \b
    Example:
      goldlock build
    """
    config = _load(config_path)
    from goldlock.building import ensure_image
    from goldlock.engines.docker import DockerEngine

    subject = config.subject
    if subject.build is None:
        raise ConfigurationError(
            "goldlock.toml has no [subject.build]", hint="say there how the image is built"
        )
    with contextlib.closing(DockerEngine()) as engine:
        ensure_image(engine, config, subject.build, subject.image, progress, force=True)
        built = [subject.image]
        for training in config.training if with_training else ():
            if training.build is not None:
                ensure_image(engine, config, training.build, training.image, progress, force=True)
                built.append(training.image)
        for image in built:
            layer = engine.image(image)
            click.echo(f"{image} {layer.config_id if layer else ''} {engine.size(image) / 1e6:,.0f} MB")


@cli.command()
@_config
@_engine
@click.option("--replace", is_flag=True, help="Replace a lock that says something else.")
def lock(config_path: Path, engine_name: str, replace: bool) -> None:  # noqa: FBT001
    """Probe the subject and write goldlock.lock.

    An existing lock that says something else is shown and kept, unless --replace is given.

    \b
    Example:
      goldlock lock
    """
    config = _load(config_path)
    from goldlock import environment
    from goldlock.report import FailOn
    from goldlock_env import lock as locks
    from goldlock_env.policy import Policy

    path = config.resolve(config.lock)
    with _opened(engine_name, config, None) as engine:
        new = environment.make_lock(engine, config, _subject_image(engine, config, None))
    if path.exists():
        old = environment.read_lock(config)
        if locks.dumps(old) == locks.dumps(new) and old.integrity is None:
            click.echo(f"{path.name} is up to date ({new.id})")
            return
        if not replace:
            report = environment.diff(
                old.snapshot, new.snapshot, Policy(), names=(path.name, "the subject"), fail_on=FailOn.ERROR
            )
            _show(report, headline=False)
            raise ConfigurationError(
                f"{path.name} says something else and was not touched",
                hint="run `goldlock lock --replace` if the subject's environment is right",
            )
    locks.write(path, new, replace=replace)
    click.echo(f"wrote {path.name} ({new.id})")


@cli.command()
@click.argument("cases", nargs=-1, metavar="[CASE]...")
@_config
@_engine
def record(cases: tuple[str, ...], config_path: Path, engine_name: str) -> None:
    """Record goldens that do not exist yet; an existing one is never overwritten.

    \b
    Example:
      goldlock record batch
    """
    config = _load(config_path)
    from goldlock.golden import MANIFEST
    from goldlock.record import record as record_cases

    selected = config.select(cases)
    present = [case for case in selected if (config.resolve(case.golden) / MANIFEST).exists()]
    if cases and present:
        raise ConfigurationError(
            f"there already is a golden for {', '.join(case.name for case in present)}",
            hint="`goldlock verify` compares with it; `goldlock accept CASE --reason TEXT` replaces it",
        )
    missing = tuple(case for case in selected if case not in present)
    if not missing:
        click.echo(f"all {len(selected)} cases have a golden; nothing to record")
        return
    known = _lock_if_any(config)
    with _opened(engine_name, config, known) as engine:
        names = record_cases(engine, config, _subject_image(engine, config, None), known, missing, progress)
    for name in names:
        click.echo(f"recorded {name}")
    if known is None:
        click.echo("note: there is no lock yet; run `goldlock lock`", err=True)


@cli.command()
@click.argument("cases", nargs=-1, metavar="[CASE]...")
@_config
@_engine
@_image
@_hash
@_fail_on
@_outputs
def verify(
    cases: tuple[str, ...],
    config_path: Path,
    engine_name: str,
    image: str | None,
    hash_files: bool,  # noqa: FBT001
    fail_on: str,
    format_name: str,
    output: Path | None,
    json_file: Path | None,
    verbose: bool,  # noqa: FBT001
) -> int:
    """Compare the subject's outputs and environment with what is recorded.

    \b
    Example:
      goldlock verify
      goldlock verify batch --image registry.example/model:2.0 --json report.json
    """
    config = _load(config_path)
    from goldlock import environment
    from goldlock.report import FailOn
    from goldlock.verify import verify as verify_cases

    expected = environment.read_lock(config)
    selected = config.select(cases)
    with _opened(engine_name, config, expected) as engine:
        reference = _subject_image(engine, config, image)
        report = verify_cases(
            engine,
            config,
            reference,
            expected,
            selected,
            progress,
            fail_on=FailOn(fail_on),
            hash_files=hash_files,
        )
    return _deliver(report, format_name, output, json_file, verbose=verbose)


@cli.command()
@_config
@_engine
@_image
@click.option(
    "--python", "python", type=click.Path(path_type=Path), help="Check this interpreter or environment."
)
@_hash
@_fail_on
@_outputs
def check(
    config_path: Path,
    engine_name: str,
    image: str | None,
    python: Path | None,
    hash_files: bool,  # noqa: FBT001
    fail_on: str,
    format_name: str,
    output: Path | None,
    json_file: Path | None,
    verbose: bool,  # noqa: FBT001
) -> int:
    """Compare an environment with the lock: the subject's, an image's or an interpreter's.

    \b
    Example:
      goldlock check --python ./venv/bin/python
    """
    from goldlock import environment
    from goldlock.asking import way
    from goldlock.report import FailOn
    from goldlock_env.policy import Policy

    if image is not None and python is not None:
        raise ConfigurationError("--image and --python exclude each other", hint="give one of them")
    config = _load(config_path)
    expected = environment.read_lock(config)
    subject, told, reference = config.subject.name, "", None
    if python is not None:
        subject = str(python)
        actual = environment.interpreter(str(python), hash_files=hash_files)
    else:
        with _opened(engine_name, config, expected) as engine:
            reference = _subject_image(engine, config, image)
            told = engine.description
            actual = environment.snapshot(engine, way.launch(config, reference, None, hash_files=hash_files))
            reference = reference if engine.name == "docker" else None
    report = environment.check(
        expected,
        actual,
        Policy.from_mapping(config.policy),
        subject=subject,
        engine=told,
        image=reference,
        fail_on=FailOn(fail_on),
    )
    return _deliver(report, format_name, output, json_file, verbose=verbose)


@cli.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_hash
@_fail_on
@_outputs
def diff(
    first: str,
    second: str,
    hash_files: bool,  # noqa: FBT001
    fail_on: str,
    format_name: str,
    output: Path | None,
    json_file: Path | None,
    verbose: bool,  # noqa: FBT001
) -> int:
    """Compare two environments: each a lock, an image, an interpreter or a saved report.

    \b
    Example:
      goldlock diff goldlock.lock ./venv/bin/python
    """
    from goldlock import environment
    from goldlock.report import FailOn
    from goldlock_env.policy import Policy

    snapshots: dict[str, Snapshot] = {}
    with contextlib.ExitStack() as stack:
        opened: list[DockerEngine] = []

        def engine() -> DockerEngine:
            if not opened:
                opened.append(stack.enter_context(contextlib.closing(_docker())))
            return opened[0]

        artifacts: tuple[str, ...] = ()
        # The recorded ones first: they name the artifacts to look for in an image.
        for word in sorted({first, second}, key=lambda word: not Path(word).is_file()):
            seen = environment.resolve(word, engine, artifacts=artifacts, hash_files=hash_files)
            snapshots[word] = seen
            artifacts = artifacts or tuple(
                file.path for file in (seen.artifacts.files if seen.artifacts else ())
            )
    report = environment.diff(
        snapshots[first], snapshots[second], Policy(), names=(first, second), fail_on=FailOn(fail_on)
    )
    return _deliver(report, format_name, output, json_file, verbose=verbose)


@cli.command()
@click.argument("cases", nargs=-1, required=True, metavar="CASE...")
@click.option("--reason", required=True, help="Why the new outputs are right; kept in the golden's history.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_config
def accept(cases: tuple[str, ...], reason: str, yes: bool, config_path: Path) -> None:  # noqa: FBT001
    """Make the received outputs of named cases their new golden.

    Shows what changes, flips first, and asks. Refused in CI.

    \b
    Example:
      goldlock accept batch --reason "retrained on the corrected labels"
    """
    from goldlock import accept as accepting

    if not reason.strip():
        raise ConfigurationError("--reason is empty", hint="say why the new outputs are right")
    config = _load(config_path)
    proposals = accepting.propose(config, config.select(cases))
    _preview(proposals)
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigurationError(
                "nobody is there to be asked", hint="look at the preview, then add --yes"
            )
        click.confirm("Make these the new goldens?", abort=True, err=True)
    accepting.accept(config, proposals, reason.strip())
    for proposal in proposals:
        click.echo(f"accepted {proposal.case}")


@cli.command()
@click.argument("trainings", nargs=-1, metavar="[TRAINING]...")
@_config
@_outputs
def reproduce(
    trainings: tuple[str, ...],
    config_path: Path,
    format_name: str,
    output: Path | None,
    json_file: Path | None,
    verbose: bool,  # noqa: FBT001
) -> int:
    """Train twice in fresh containers; compare the artifacts with each other and with the recorded ones.

    \b
    Example:
      goldlock reproduce
    """
    config = _load(config_path)
    from goldlock.building import ensure_image
    from goldlock.reproduce import reproduce as train_again

    selected = config.select_training(trainings)
    if not selected:
        raise ConfigurationError(
            "goldlock.toml has no [[training]]", hint="say there how the model is trained"
        )
    with contextlib.closing(_docker()) as engine:
        for training in selected:
            if training.build is not None:
                ensure_image(engine, config, training.build, training.image, progress)
        report = train_again(engine, config, selected, progress)
    return _deliver(report, format_name, output, json_file, verbose=verbose)


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


# -- what the commands share ------------------------------------------------------------------------


def _load(path: Path) -> Config:
    from goldlock import config

    return config.load(path)


def _docker() -> DockerEngine:
    from goldlock.engines.docker import DockerEngine

    return DockerEngine()


@contextlib.contextmanager
def _opened(name: str, config: Config, known: Lock | None) -> Iterator[DockerEngine | LocalEngine]:
    from goldlock.engines.choice import Choice, opened

    with opened(Choice(name), config, known, progress) as engine:
        yield engine


def _subject_image(engine: DockerEngine | LocalEngine, config: Config, image: str | None) -> str:
    """The image to check; the configured one is built first where its inputs have changed."""
    from goldlock.building import ensure_image
    from goldlock.engines.docker import DockerEngine

    subject = config.subject
    if not isinstance(engine, DockerEngine):
        if image is not None:
            raise ConfigurationError(
                "--image needs the docker engine", hint="start one, or leave --image away"
            )
        return subject.image
    if image is None and subject.build is not None:
        ensure_image(engine, config, subject.build, subject.image, progress)
    return image or subject.image


def _lock_if_any(config: Config) -> Lock | None:
    from goldlock import environment

    return environment.read_lock(config) if config.resolve(config.lock).exists() else None


def _show(report: Report, *, verbose: bool = False, headline: bool = True) -> None:
    from goldlock.render import terminal

    text = terminal.render(report, colour=_colour(sys.stdout), verbose=verbose, headline=headline)
    click.echo(text, nl=False, color=True)


def _deliver(
    report: Report, format_name: str, output: Path | None, json_file: Path | None, *, verbose: bool
) -> int:
    """Write the report wherever it was asked for, and return the exit code."""
    from goldlock.render import json, terminal

    if json_file is not None:
        _write(json_file, json.render(report))
    if output is not None:
        text = (
            json.render(report)
            if format_name == "json"
            else terminal.render(report, colour=False, verbose=verbose)
        )
        _write(output, text)
    elif format_name == "json":
        click.echo(json.render(report), nl=False)
    else:
        _show(report, verbose=verbose)
    return report.verdict.exit_code


def _write(path: Path, text: str) -> None:
    """Write a report whole or not at all; into a pipe or a device where that stands at the path."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
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


def _preview(proposals: tuple[Proposal, ...]) -> None:
    from rich.console import Console

    from goldlock.render.terminal import print_table_result

    console = Console(stderr=True, no_color=not _colour(sys.stderr), highlight=False, markup=False)
    for proposal in proposals:
        console.print(f"{proposal.case}: {proposal.result.rung.value}")
        print_table_result(console, proposal.result)
