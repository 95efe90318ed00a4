"""Choosing the engine: Docker where one answers, else local where goldlock.toml says how."""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TYPE_CHECKING

from goldlock.errors import ConfigurationError, CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from goldlock.config import Config
    from goldlock.engines.docker import DockerEngine
    from goldlock.engines.local import LocalEngine
    from goldlock_env.lock import Lock


class Choice(str, Enum):
    """What `--engine` takes."""

    AUTO = "auto"
    DOCKER = "docker"
    LOCAL = "local"


@contextlib.contextmanager
def opened(
    choice: Choice, config: Config, lock: Lock | None, progress: Callable[[str], None]
) -> Iterator[DockerEngine | LocalEngine]:
    """Open the chosen engine for the length of the block.

    Raises:
        CouldNotRunError: no engine answers and there is no local way, or it can't be prepared.
    """
    engine: DockerEngine | LocalEngine
    if choice is Choice.LOCAL:
        engine = _local(config, lock, progress)
    else:
        # Late: the SDK takes a tenth of a second to import, and local runs do without it.
        from goldlock.engines.docker import DockerEngine

        try:
            engine = DockerEngine()
        except CouldNotRunError as error:
            if choice is Choice.DOCKER or config.subject.local is None:
                raise
            progress(f"falling back to the local engine: {error.message}")
            engine = _local(config, lock, progress)
    try:
        yield engine
    finally:
        engine.close()


def _local(config: Config, lock: Lock | None, progress: Callable[[str], None]) -> LocalEngine:
    if config.subject.local is None:
        raise ConfigurationError(
            "goldlock.toml has no [subject.local], so there is no local way to run the subject",
            hint="add it (python and requirements), or use the docker engine",
        )
    from goldlock.engines.local import LocalEngine

    variables = {}
    if lock is not None and lock.snapshot.numerics is not None:
        variables = dict(lock.snapshot.numerics.environment)
    return LocalEngine(
        config.subject.local,
        config.folder,
        variables=variables,
        artifacts=config.subject.artifacts,
        progress=progress,
    )
