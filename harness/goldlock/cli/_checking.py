"""Commands that compare and write nothing that is recorded: verify, check, diff, reproduce, report."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goldlock.cli import _delivering
from goldlock.cli._shared import (
    CONFIG,
    Delivery,
    config_option,
    docker,
    engine_option,
    fail_on_option,
    hash_option,
    image_option,
    judged_by,
    load,
    outputs,
    progress,
    strict_option,
    where_useful_option,
    with_command,
    writable,
)
from goldlock.errors import ConfigurationError

if TYPE_CHECKING:
    from goldlock.config import Config
    from goldlock.engines.docker import DockerEngine
    from goldlock.report import Report
    from goldlock_env.snapshot import Snapshot


TOLD = "told by a file, not looked at"
"""What stands in a report for the engine where a snapshot was sent."""


@click.command()
@click.argument("cases", nargs=-1, metavar="[FILE.goldlock] [CASE]...")
@config_option
@engine_option
@image_option
@hash_option
@fail_on_option
@strict_option
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With a pack: refuse it unless this public key (NAME.pub) has signed it.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    callback=writable,
    help="With a pack: write an acceptance record, an in-toto test result, for the sender.",
)
@click.option(
    "--sign-with",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sign the acceptance record with this private key (NAME.key).",
)
@click.option(
    "--rm-image", is_flag=True, help="With a pack: remove its image afterwards, if it was not there before."
)
@click.option(
    "--worst",
    type=click.IntRange(0, 100_000),
    default=100,
    show_default=True,
    help="Worst rows of each column that the report holds.",
)
@outputs
def verify(
    cases: tuple[str, ...],
    config_path: Path,
    engine_name: str,
    image: str | None,
    hash_files: bool,  # noqa: FBT001
    fail_on: str,
    strict: bool,  # noqa: FBT001
    worst: int,
    key: Path | None,
    record: Path | None,
    sign_with: Path | None,
    rm_image: bool,  # noqa: FBT001
    delivery: Delivery,
) -> int:
    """Compare the subject's outputs and environment with what is recorded, here or in a pack.

    \b
    Example:
      goldlock verify
      goldlock verify batch --image registry.example/model:2.0 --html report.html --junit report.xml
      goldlock verify mlp.goldlock --key vendor.pub --record accepted.json
    """
    judged = judged_by(fail_on, strict=strict)
    if _delivering.is_pack(cases):
        _without(config_path != Path(CONFIG), "--config", "the pack has its own")
        _without(image is not None, "--image", "the pack has its own")
        _without(sign_with is not None and record is None, "--sign-with", "there is no --record to sign")
        report = _delivering.verify_pack(
            cases,
            key=key,
            record=record,
            sign_with=sign_with,
            engine_name=engine_name,
            fail_on=judged,
            hash_files=hash_files,
            worst=worst,
            rm_image=rm_image,
            finish=with_command,
        )
        return delivery.of(report)
    for option, given in (("--key", key), ("--record", record), ("--sign-with", sign_with)):
        _without(given is not None, option, "it is for a pack: name FILE.goldlock")
    _without(rm_image, "--rm-image", "it is for a pack: name FILE.goldlock")
    config = load(config_path)
    from goldlock import running

    report = running.verified(
        config,
        cases,
        progress=progress,
        engine_name=engine_name,
        image=image,
        fail_on=judged,
        hash_files=hash_files,
        worst=worst,
    )
    code = delivery.of(with_command(report))
    _say_what_was_received(config, config_path, report)
    return code


def _without(given: bool, option: str, why: str) -> None:  # noqa: FBT001
    if given:
        raise ConfigurationError(f"{option} cannot be used here: {why}", hint=f"leave {option} away")


def _say_what_was_received(config: Config, path: Path, report: Report) -> None:
    """Say where answers that differ are kept, and how one that is right becomes the golden."""
    from goldlock import accept, received
    from goldlock.report import Verdict

    option = "" if path == Path(CONFIG) else f" -c {shlex.quote(str(path))}"
    for case in report.cases:
        kept = received.folder(config, case.name)
        if case.verdict is not Verdict.DRIFT or not kept.is_dir():
            continue
        command = f"goldlock accept {case.name}{option} --reason TEXT"
        right = "" if accept.in_ci() or case.known_bad else f"; if it is right: {command}"
        click.echo(f"  -> the answer of {case.name} is kept in {os.path.relpath(kept)}{right}", err=True)


@click.command()
@config_option
@engine_option
@image_option
@click.option(
    "--python", "python", type=click.Path(path_type=Path), help="Check this interpreter or environment."
)
@click.option(
    "--snapshot",
    "snapshot_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check what goldlock-probe.py wrote elsewhere; - reads stdin.",
)
@where_useful_option
@fail_on_option
@strict_option
@outputs
def check(
    config_path: Path,
    engine_name: str,
    image: str | None,
    python: Path | None,
    snapshot_file: Path | None,
    hash_files: bool | None,  # noqa: FBT001
    fail_on: str,
    strict: bool,  # noqa: FBT001
    delivery: Delivery,
) -> int:
    """Compare an environment with the lock: the subject's, an image's, an interpreter's or that of a snapshot.

    \b
    Example:
      goldlock check --python ./venv/bin/python
      goldlock check --snapshot goldlock-snapshot.json    # what the client sent back
    """
    from goldlock import environment, running
    from goldlock.asking import way

    given = [("--image", image), ("--python", python), ("--snapshot", snapshot_file)]
    if len(named := [name for name, value in given if value is not None]) > 1:
        raise ConfigurationError(f"{' and '.join(named)} exclude each other", hint="give one of them")
    judged = judged_by(fail_on, strict=strict, outputs=False)
    config = load(config_path)
    expected = environment.read_lock(config)
    subject, told, reference = config.subject.name, "", None
    notes: tuple[str, ...] = ()
    if snapshot_file is not None:
        subject = "standard input" if str(snapshot_file) == "-" else str(snapshot_file)
        told = TOLD
        notes = (f"the environment was told by {subject}, and not looked at",)
        actual = environment.told(snapshot_file)
    elif python is not None:
        subject = str(python)
        locked = expected.snapshot.python
        actual = environment.interpreter(
            str(python),
            hash_files=hash_files is not False,
            only_on=locked.minor if locked and hash_files is None else "",
        )
        if hash_files is None and actual.packages and not actual.packages.hashed:
            notes = ("the installed files were not hashed: the Python is another one; --hash hashes them",)
    else:
        with running.opened(engine_name, config, expected, progress) as engine:
            source = running.subject_source(engine, config, image, progress)
            told, notes = engine.description, source.notes
            launch = way.launch(config, source, None, hash_files=hash_files is not False)
            actual = environment.snapshot(engine, launch)
            reference = source.image if engine.name == "docker" else None
    report = environment.check(
        config,
        expected,
        actual,
        subject=subject,
        engine=told,
        image=reference,
        fail_on=judged,
        notes=notes,
    )
    return delivery.of(with_command(report))


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Judge by this goldlock.toml's [policy] and [[accepted]]; without it, by the defaults.",
)
@where_useful_option
@fail_on_option
@strict_option
@outputs
def diff(
    first: str,
    second: str,
    config_path: Path | None,
    hash_files: bool | None,  # noqa: FBT001
    fail_on: str,
    strict: bool,  # noqa: FBT001
    delivery: Delivery,
) -> int:
    """Compare two environments: each a lock, an image, an interpreter, a snapshot or a saved report.

    \b
    Example:
      goldlock diff goldlock.lock ./venv/bin/python
      goldlock diff before.json goldlock-snapshot.json
    """
    judged = judged_by(fail_on, strict=strict, outputs=False)
    config = None if config_path is None else load(config_path)
    from goldlock import environment

    snapshots: dict[str, Snapshot] = {}
    with contextlib.ExitStack() as stack:
        opened: list[DockerEngine] = []

        def engine() -> DockerEngine:
            if not opened:
                opened.append(stack.enter_context(contextlib.closing(docker())))
            return opened[0]

        artifacts: tuple[str, ...] = ()
        minor = ""
        # The recorded ones first: they name the artifacts to look for in an image.
        for word in sorted({first, second}, key=lambda word: not Path(word).is_file()):
            seen = environment.resolve(
                word,
                engine,
                artifacts=artifacts,
                hash_files=hash_files is not False,
                only_on=minor if hash_files is None else "",
                progress=progress,
            )
            snapshots[word] = seen
            minor = minor or (seen.python.minor if seen.python else "")
            artifacts = artifacts or tuple(
                file.path for file in (seen.artifacts.files if seen.artifacts else ())
            )
    report = environment.diff(
        snapshots[first], snapshots[second], config, names=(first, second), fail_on=judged
    )
    return delivery.of(with_command(report))


@click.command()
@click.argument("trainings", nargs=-1, metavar="[TRAINING]...")
@config_option
@outputs
def reproduce(
    trainings: tuple[str, ...],
    config_path: Path,
    delivery: Delivery,
) -> int:
    """Train twice in fresh containers; compare the artifacts with each other and with the recorded ones.

    \b
    Example:
      goldlock reproduce
    """
    config = load(config_path)
    from goldlock.building import ensure_image
    from goldlock.reproduce import reproduce as train_again

    selected = config.select_training(trainings)
    if not selected:
        raise ConfigurationError(
            "goldlock.toml has no [[training]]", hint="say there how the model is trained"
        )
    with contextlib.closing(docker()) as engine:
        for training in selected:
            if training.build is not None:
                ensure_image(engine, config, training.build, training.image, progress)
        report = train_again(engine, config, selected, progress)
    return delivery.of(with_command(report))


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE.json")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Refuse an acceptance record unless this public key (NAME.pub) has signed it.",
)
@outputs
def report(file: Path, key: Path | None, delivery: Delivery) -> None:
    """Render a saved report, or an acceptance record, again; the exit code is 0 where that could be done.

    \b
    Example:
      goldlock report report.json --html report.html --sarif report.sarif
      goldlock report accepted.json --key client.pub
    """
    from goldlock.delivery import acceptance
    from goldlock.render import json

    accepted = acceptance.read(file, _delivering.public_key(key))
    delivery.of(accepted or json.parse(file.read_bytes(), where=str(file)))
