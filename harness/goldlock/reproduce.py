"""Training again: twice in fresh containers, compared with each other and with what is recorded."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from goldlock import __version__
from goldlock.engines import Launch
from goldlock.errors import ConfigurationError, SubjectError
from goldlock.files import sha256_of
from goldlock.report import FailOn, Report, sorted_findings
from goldlock.scratch import scratch_folder
from goldlock_env.findings import Finding, Layer, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from goldlock.config import Config, Training
    from goldlock.engines import Engine

RUNS = 2


def reproduce(
    engine: Engine, config: Config, trainings: tuple[Training, ...], progress: Callable[[str], None]
) -> Report:
    """Train and compare; nothing that is recorded is written.

    Raises:
        SubjectError: a training failed, hung or wrote nothing.
    """
    findings: list[Finding] = []
    for training in trainings:
        recorded = _recorded(config.resolve(training.recorded))
        runs = []
        for number in range(RUNS):
            progress(f"training {training.name} in a fresh container, {number + 1} of {RUNS}")
            with scratch_folder() as folder:
                runs.append(_digests(train(engine, config, training, folder)))
        first, second = runs
        findings += _differences(
            training.name,
            first,
            second,
            "differs between two trainings of the same image: it is not deterministic",
        )
        findings += _differences(
            training.name,
            recorded,
            first,
            "trained anew it is not the recorded artifact; another CPU can cause this",
        )
    return Report(
        goldlock_version=__version__,
        subject=", ".join(training.name for training in trainings),
        engine=engine.description,
        findings=sorted_findings(findings),
        notes=tuple(f"{training.name}: {RUNS} trainings in fresh containers" for training in trainings),
        fail_on=FailOn.ERROR,
    )


def train(engine: Engine, config: Config, training: Training, into: Path) -> Mapping[str, Path]:
    """Run one training in a fresh session; its artifacts, copied into `into`, by path below the output folder."""
    files = {}
    for name, path in training.inputs.items():
        source = config.resolve(path)
        if not source.is_file() or not os.access(source, os.R_OK):
            raise ConfigurationError(
                f"input {name!r} of training {training.name!r} can't be read: {source}",
                hint="set the training's inputs in goldlock.toml",
            )
        files[f"{name}{source.suffix}"] = source
    launch = Launch(
        image=training.image,
        python=config.subject.python,
        environment=training.environment,
        user=config.subject.user,
        limits=config.subject.limits,
        hash_files=False,
    )
    with engine.session(launch) as session:
        done = session.run(training.run, files=files, output="output/", into=into, timeout=training.timeout)
        ended = session.ended()
    if done.exit_code:
        said = done.stderr.strip() or done.stdout[-2000:].decode("utf-8", "replace").strip()
        raise SubjectError(
            f"training {training.name!r} ended with exit code {done.exit_code}:\n{ended or said[-2000:]}",
            hint="run it by hand in the image to see why; goldlock gives no network and a read-only root",
        )
    artifacts = {str(PurePosixPath(name).relative_to("output")): path for name, path in done.files.items()}
    if not artifacts:
        raise SubjectError(
            f"training {training.name!r} wrote no artifact",
            hint="it must write into the folder that {output} names",
        )
    return artifacts


def _recorded(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not paths:
        raise ConfigurationError(
            f"there are no recorded artifacts in {folder}",
            hint="set the training's recorded folder in goldlock.toml, and commit the artifacts there",
        )
    return _digests({path.relative_to(folder).as_posix(): path for path in paths})


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: sha256_of(path) for name, path in files.items()}


def _differences(
    training: str, expected: Mapping[str, str], actual: Mapping[str, str], note: str
) -> list[Finding]:
    found = []
    for name in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(name), actual.get(name)
        if before != after:
            status = Status.MISSING if after is None else Status.EXTRA if before is None else Status.CHANGED
            found.append(
                Finding(
                    layer=Layer.ARTIFACTS,
                    key=f"{training}: {name}",
                    expected=before,
                    actual=after,
                    status=status,
                    severity=Severity.ERROR,
                    note=note,
                )
            )
    return found
