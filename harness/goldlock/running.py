"""What every front end does with a configuration: open an engine, have the image, verify.

The command line, the pytest plugin and whoever calls goldlock from Python come through here.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock.engines import Source
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


def subject_source(
    engine: DockerEngine | LocalEngine, config: Config, image: str | None, progress: Callable[[str], None]
) -> Source:
    """Find what is to be checked: `image` where one is named, else what goldlock.toml says.

    An image that goldlock.toml says how to build is built first where its inputs have changed; one in an archive is
    loaded where the engine does not have it.

    Raises ConfigurationError for what needs the docker engine, CouldNotRunError where there is no such thing.
    """
    subject = config.subject
    if engine.name == "local":
        if image is not None or subject.container is not None:
            named = "--image" if image is not None else "subject.container"
            raise ConfigurationError(f"{named} needs the docker engine", hint="start one, or leave it away")
        return Source(image=subject.image or subject.name)
    from goldlock.engines.docker import DockerEngine
    from goldlock.images import archives

    assert isinstance(engine, DockerEngine)  # noqa: S101 - there are two engines
    if image is not None:
        path = Path(image)
        found = archives.loaded(engine, path, None, progress) if archives.is_archive(path) else image
        return _started_by_us(config, found)
    if subject.container is not None:
        return _running_already(engine, subject.container)
    if subject.archive is not None:
        path = config.resolve(subject.archive)
        return _started_by_us(config, archives.loaded(engine, path, subject.image, progress))
    assert subject.image is not None  # noqa: S101 - every other source is an image by now
    if subject.build is not None:
        from goldlock.building import ensure_image

        ensure_image(engine, config, subject.build, subject.image, progress)
    return _started_by_us(config, subject.image)


def _started_by_us(config: Config, image: str) -> Source:
    notes = list(config.notes)
    if config.subject.writable:
        notes.append(
            "the subject's root was writable (subject.writable): what it changed there was not looked at"
        )
    return Source(image=image, notes=tuple(notes))


def _running_already(engine: DockerEngine, container: str) -> Source:
    note = f"container {container} ran already: goldlock neither isolated nor limited it"
    return Source(image=engine.image_of(container), container=container, notes=(note,))


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

    Raises what `opened`, `subject_source` and `goldlock.verify.verify` raise.
    """
    from goldlock import environment
    from goldlock.verify import WORST, verify

    expected = environment.read_lock(config)
    selected = config.select(names)
    with opened(engine_name, config, expected, progress) as engine:
        source = subject_source(engine, config, image, progress)
        return verify(
            engine,
            config,
            source,
            expected,
            selected,
            progress,
            fail_on=fail_on,
            hash_files=hash_files,
            worst=WORST if worst is None else worst,
        )
