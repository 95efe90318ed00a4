"""Commands that write what is recorded: build, lock, record, accept; and sealed, which checks that nobody else did."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goldlock.cli._shared import (
    colour,
    config_option,
    engine_option,
    load,
    progress,
    show,
)
from goldlock.errors import ConfigurationError
from goldlock.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goldlock.config import Config
    from goldlock.results import TableResult
    from goldlock_env.lock import Lock


@click.command()
@config_option
@click.option("--training", "with_training", is_flag=True, help="Build the training images too.")
def build(config_path: Path, with_training: bool) -> None:  # noqa: FBT001  # click passes by name
    """Build the subject's image from its locked requirements.

    Wheels are downloaded once, with their hashes checked; the build itself has no network.

    \b
    Example:
      goldlock build
    """
    config = load(config_path)
    from goldlock.building import ensure_image
    from goldlock.engines.docker import DockerEngine

    subject = config.subject
    if subject.build is None or subject.image is None:
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


@click.command()
@config_option
@engine_option
@click.option("--replace", is_flag=True, help="Replace a lock that says something else.")
def lock(config_path: Path, engine_name: str, replace: bool) -> None:  # noqa: FBT001
    """Probe the subject and write goldlock.lock.

    An existing lock that says something else is shown and kept, unless --replace is given.

    \b
    Example:
      goldlock lock
    """
    config = load(config_path)
    from goldlock import environment, running
    from goldlock.report import FailOn
    from goldlock_env import lock as locks
    from goldlock_env.policy import Policy

    path = config.resolve(config.lock)
    with running.opened(engine_name, config, None, progress) as engine:
        source = running.subject_source(engine, config, None, progress)
        new = environment.make_lock(engine, config, source)
    for note in (*source.notes, *(f"{layer} is unknown: {why}" for layer, why in new.snapshot.unknown)):
        progress(f"note: {note}")
    if path.exists():
        old = environment.read_lock(config)
        if locks.dumps(old) == locks.dumps(new) and old.integrity is None:
            click.echo(f"{path.name} is up to date ({new.id})")
            return
        if not replace:
            report = environment.diff(
                old.snapshot, new.snapshot, Policy(), names=(path.name, "the subject"), fail_on=FailOn.ERROR
            )
            show(report, headline=False)
            raise ConfigurationError(
                f"{path.name} says something else and was not touched",
                hint="run `goldlock lock --replace` if the subject's environment is right",
            )
    locks.write(path, new, replace=replace)
    click.echo(f"wrote {path.name} ({new.id})")


@click.command()
@click.argument("cases", nargs=-1, metavar="[CASE]...")
@config_option
@engine_option
def record(cases: tuple[str, ...], config_path: Path, engine_name: str) -> None:
    """Record goldens that do not exist yet; an existing one is never overwritten.

    \b
    Example:
      goldlock record batch
    """
    config = load(config_path)
    from goldlock import golden, running
    from goldlock.record import record as record_cases

    selected = config.select(cases)
    present = [case for case in selected if golden.is_there(config.resolve(case.golden))]
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
    with running.opened(engine_name, config, known, progress) as engine:
        source = running.subject_source(engine, config, None, progress)
        names = record_cases(engine, config, source, known, missing, progress)
    for note in source.notes:
        progress(f"note: {note}")
    for name in names:
        click.echo(f"recorded {name}")
    if known is None:
        click.echo("note: there is no lock yet; run `goldlock lock`", err=True)


@click.command()
@click.argument("cases", nargs=-1, required=True, metavar="CASE...")
@click.option("--reason", required=True, help="Why the new outputs are right; kept in the golden's history.")
@click.option(
    "--column", "columns", multiple=True, metavar="NAME", help="Accept this column only; repeat for more."
)
@click.option("--rows", metavar="3,5-9", help="Accept these rows only, counted from 0.")
@click.option(
    "--as",
    "variant",
    metavar="NAME",
    help="Keep the golden, and add this one for the lock and the CPU level that the outputs came from.",
)
@click.option("--bad", metavar="NAME", help="Keep the golden, and record these outputs as known to be bad.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def accept(
    cases: tuple[str, ...],
    reason: str,
    columns: tuple[str, ...],
    rows: str | None,
    variant: str | None,
    bad: str | None,
    yes: bool,  # noqa: FBT001
    config_path: Path,
) -> None:
    """Make the received outputs of named cases, or of checks in tests, their new golden.

    Shows what changes, flips first, and asks. Refused in CI. A CASE with a / in it is a test's golden folder.

    \b
    Example:
      goldlock accept batch --reason "retrained on the corrected labels"
      goldlock accept batch --rows 17 --reason "row 17 was labelled wrongly"
      goldlock accept batch --as avx2 --reason "the client's CPUs have no AVX-512"
      goldlock accept goldens/test_model/test_scores --reason "the golden of a pytest check"
    """
    from goldlock import accept as accepting

    if not reason.strip():
        raise ConfigurationError("--reason is empty", hint="say why the new outputs are right")
    if variant is not None and bad is not None:
        raise ConfigurationError("--as and --bad exclude each other", hint="give one of them")
    if variant == "":
        # Such as `--as "$NAME"` without a NAME: it must not replace the golden that it was to leave alone.
        raise ConfigurationError(
            "--as is empty", hint="name the golden that stands beside the first: --as NAME"
        )
    folders = tuple(Path(word) for word in cases if os.sep in word)
    if folders:
        if len(folders) < len(cases) or columns or any(given is not None for given in (rows, variant, bad)):
            raise ConfigurationError(
                "the golden of a test is accepted whole, and by itself",
                hint="name folders of goldens only, without --column, --rows, --as and --bad",
            )
        _accept_of_tests(folders, reason.strip(), yes=yes)
        return
    config = load(config_path)
    proposals = accepting.propose(
        config,
        config.select(cases),
        columns=columns,
        rows=() if rows is None else accepting.parse_rows(rows),
        variant=variant or bad or "",
        bad=bad is not None,
    )
    for proposal in proposals:
        _preview(f"{proposal.case} ({proposal.change.value})", proposal.result, proposal.notes)
    if all(proposal.change is accepting.Change.NOTHING for proposal in proposals):
        click.echo("nothing to accept: what was received is what stands there")
        return
    _confirm("Record these as known to be bad?" if bad else "Make these the new goldens?", yes=yes)
    written = accepting.accept(config, proposals, reason.strip())
    for name in written:
        click.echo(f"accepted {name}" + (f" as {variant or bad}" if variant or bad else ""))


def _accept_of_tests(folders: tuple[Path, ...], reason: str, *, yes: bool) -> None:
    """Accept what checks of the pytest fixture `golden` received."""
    from goldlock.pytesting import accepting

    proposals = accepting.propose(folders)
    for proposal in proposals:
        _preview(str(proposal.folder), proposal.result)
    _confirm("Make these the new goldens?", yes=yes)
    accepting.accept(proposals, reason)
    for proposal in proposals:
        click.echo(f"accepted {proposal.folder}")


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to be asked", hint="look at the preview, then add --yes")
    click.confirm(question, abort=True, err=True)


def _preview(name: str, result: TableResult, notes: Sequence[str] = ()) -> None:
    from msgspec.structs import replace
    from rich.console import Console

    from goldlock.render import terminal
    from goldlock.results import Rung

    console = Console(stderr=True, no_color=not colour(sys.stderr), highlight=False, markup=False)
    console.print(f"{printable(name)}: {result.rung.value}")
    for note in notes:
        console.print(f"  {printable(note)}")
    flips_first = sorted(result.columns, key=lambda column: column.rung is not Rung.FLIPPED)
    result = replace(result, columns=tuple(flips_first))
    terminal.print_table_result(console, result, ascii_only=terminal.ascii_only(sys.stderr))


@click.command()
@click.argument(
    "files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="[FILE]..."
)
@config_option
def sealed(files: tuple[Path, ...], config_path: Path) -> int:
    """Check that locks and goldens are as goldlock wrote them: nobody edited them by hand.

    Without FILE, those of the configuration. For a pre-commit hook.

    \b
    Example:
      goldlock sealed goldlock.lock goldens/batch/golden.toml
    """
    from goldlock import golden
    from goldlock_env import lock as locks

    broken = 0
    for file in files or _recorded(load(config_path)):
        found = golden.check_sealed(file) if file.name == golden.MANIFEST else ()
        if file.name != golden.MANIFEST:
            integrity = locks.read(file).integrity
            found = () if integrity is None else (integrity,)
        for finding in found:
            broken += 1
            click.echo(printable(f"{file}: {finding.key}: {finding.note or 'is not as it was recorded'}"))
    if broken:
        click.echo(
            "  -> take the file from version control again; goldlock lock --replace and goldlock accept make"
            " intended changes",
            err=True,
        )
    return 1 if broken else 0


def _recorded(config: Config) -> list[Path]:
    from goldlock.golden import MANIFEST

    folders = [config.resolve(case.golden) for case in config.case]
    found = [config.resolve(config.lock)]
    for folder in folders:
        found += [folder / MANIFEST, *sorted(folder.parent.glob(f"{folder.name}@*/{MANIFEST}"))]
    return [file for file in found if file.is_file()]


def _lock_if_any(config: Config) -> Lock | None:
    from goldlock import environment

    return environment.read_lock(config) if config.resolve(config.lock).exists() else None
