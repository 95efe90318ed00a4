"""What every front end does with a configuration: open an engine, have the image, verify.

The command line, the pytest plugin and whoever calls goldlock from Python come through here.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.errors import ConfigurationError
from goldlock.report import FailOn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from goldlock.config import Config
    from goldlock.engines.docker import DockerEngine
    from goldlock.engines.local import LocalEngine
    from goldlock.report import Report
    from goldlock_env.lock import Lock


@contextlib.contextmanager
def opened(
    name: str, config: Config, known: Lock | None, progress: Callable[[str], None]
) -> Iterator[DockerEngine | LocalEngine]:
    """Open the engine of that name (`auto`, `docker` or `local`) for the length of the block.

    Raises CouldNotRunError where none answers and there is no local way, ConfigurationError for the local
    engine without `[subject.local]`.
    """
    from goldlock.engines.choice import Choice
    from goldlock.engines.choice import opened as choose

    with choose(Choice(name), config, known, progress) as engine:
        yield engine


def subject_image(
    engine: DockerEngine | LocalEngine, config: Config, image: str | None, progress: Callable[[str], None]
) -> str:
    """Return the image to check, which is built first where its inputs have changed, or loaded from its archive."""
    from goldlock.building import ensure_image

    subject = config.subject
    if engine.name == "local":
        if image is not None:
            raise ConfigurationError(
                "--image needs the docker engine", hint="start one, or leave --image away"
            )
        return subject.image
    from goldlock.engines.docker import DockerEngine
    from goldlock.images import archives

    assert isinstance(engine, DockerEngine)  # noqa: S101 - there are two engines
    if image is not None and archives.is_archive(Path(image)):
        return archives.loaded(engine, Path(image), None, progress)
    if image is None and subject.archive is not None:
        return archives.loaded(engine, config.resolve(subject.archive), subject.image or None, progress)
    if image is None and subject.build is not None:
        ensure_image(engine, config, subject.build, subject.image, progress)
    return image or subject.image


def verified(
    config: Config,
    names: Sequence[str] = (),
    *,
    progress: Callable[[str], None],
    engine_name: str = "auto",
    image: str | None = None,
    fail_on: FailOn = FailOn.ERROR,
    hash_files: bool = True,
    worst: int | None = None,
) -> Report:
    """Verify the named cases (all of them when none is named) and return the report.

    Raises what `opened`, `subject_image` and `goldlock.verify.verify` raise.
    """
    from goldlock import environment
    from goldlock.verify import WORST, verify

    expected = environment.read_lock(config)
    selected = config.select(names)
    with opened(engine_name, config, expected, progress) as engine:
        reference = subject_image(engine, config, image, progress)
        return verify(
            engine,
            config,
            reference,
            expected,
            selected,
            progress,
            fail_on=fail_on,
            hash_files=hash_files,
            worst=WORST if worst is None else worst,
        )
