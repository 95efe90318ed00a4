"""The look at a subject: what its image says, and what lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from goldlock import config as configuration
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.proposing import inside, sourcing
from goldlock.proposing.seen import Seen
from goldlock.proposing.sourcing import Kind, Source
from goldlock.proposing.wanted import Wanted
from goldlock.proposing.writing import Proposal, text

if TYPE_CHECKING:
    from goldlock.config import Config
    from goldlock.engines import Source as Origin
    from goldlock.engines.docker import DockerEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The subject as far as it is known."""

    source: Source
    seen: Seen
    origin: Origin | None = None
    """What the engine starts or asks; None where nothing is to be started."""
    names_python: bool = False
    """Whether goldlock has to be told how its interpreter is started."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """Of inputs, by path in the image."""
    config: Config | None = None


def on_engine(engine: DockerEngine, what: str) -> Source:
    """The image or the container of that name."""
    if engine.inspect(what) is not None:
        return sourcing.of_image(what)
    if engine.container(what) is not None:
        return sourcing.of_container(what)
    raise ConfigurationError(
        f"there is no file, image or container {what}",
        hint=f"check the name; an image must be here already: `docker pull {what}`, or `docker load`",
    )


def read(source: Source) -> Subject:
    """A subject of which only the Dockerfile is read."""
    if source.stage is None:
        return Subject(source=source, seen=Seen())
    return Subject(source=source, seen=sourcing.from_stage(source.stage))


def look(
    engine: DockerEngine, wanted: Wanted, source: Source, name: str, progress: Callable[[str], None]
) -> Subject:
    """A subject whose image the engine has, or builds now: its configuration, and what lies in it."""
    from goldlock import running
    from goldlock.asking import way

    config = configuration.loads(text(Proposal(name=name, subject=source.keys)), path=wanted.path)
    origin = running.subject_source(engine, config, None, progress)
    details = (engine.container(wanted.what) if source.kind is Kind.CONTAINER else None) or engine.inspect(
        origin.image
    )
    if details is None:
        raise CouldNotRunError(f"the engine has no image {origin.image}", hint="pull it, or `docker load` it")
    seen = _as_configured(sourcing.from_config(details.get("Config") or {}), source, config)
    if not wanted.starts:
        return Subject(source=source, seen=seen, config=config)
    launch = way.launch(config, origin, None, hash_files=False)
    for python in _interpreters(seen):
        try:
            with engine.session(replace(launch, python=python)) as session:
                snapshot = session.snapshot()
                found = inside.look(session, python)
        except CouldNotRunError:
            continue
        packages = snapshot.packages.distributions if snapshot.packages else ()
        progress(f"looked inside with {' '.join(python)}: {len(packages)} packages")
        seen = replace(
            seen,
            python=python,
            packages={each.name: each.version or "" for each in packages},
            sources=found.sources,
            models=found.models,
        )
        return Subject(
            source=source,
            seen=seen,
            origin=origin,
            names_python=not found.is_usual,
            config=config,
            examples=found.examples,
        )
    progress("no Python inside that can be started")
    models = sourcing.copied_models(source.stage) if source.stage else ()
    return Subject(source=source, seen=replace(seen, python=(), models=models), origin=origin, config=config)


def _as_configured(seen: Seen, source: Source, config: Config) -> Seen:
    """What the image says, with what a compose service says instead."""
    subject = config.subject
    if subject.entrypoint is not None:
        # As in an image: another entry point does without the image's command.
        seen = replace(seen, entrypoint=subject.entrypoint, command=())
    if subject.command is not None:
        seen = replace(seen, command=subject.command)
    seen = replace(seen, environment={**seen.environment, **subject.environment})
    port = source.port(config.folder)
    return seen if port is None else replace(seen, ports=(port,))


def _interpreters(seen: Seen) -> Iterator[tuple[str, ...]]:
    """How an interpreter may be started: as the image's own command does, then by the usual names."""
    words = seen.words
    named = words[0] if words else ""
    folder, slash, program = named.rpartition("/")
    found = [named] if program.startswith(("python", "pypy")) else []
    found += [f"{folder}/python"] if slash and not found else []
    for each in dict.fromkeys([*found, "python", "python3", "/usr/local/bin/python3", "/usr/bin/python3"]):
        yield (each,)
