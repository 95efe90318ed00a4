"""Which cases can be asked in one running subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldlock.engines import Launch, Service
from goldlock.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from goldlock.config import Case, Config
    from goldlock.engines import Session, Source
    from goldlock.tables import Batches, Format


def name(case: Case) -> str:
    """`command` or `http`."""
    return "command" if case.http is None else "http"


def service(case: Case, *, local: bool) -> Service | None:
    """The service that must run for a case, None for a command."""
    if case.http is None:
        return None
    start = case.http.local_start if local else case.http.start
    if local and not start:
        raise ConfigurationError(
            f"case {case.name!r} has no http.local-start, so the local engine can't start its service",
            hint="add local-start to the case in goldlock.toml, with {port} for the port, or use the docker engine",
        )
    return Service(start=tuple(start), port=case.http.port)


def grouped(cases: Sequence[Case], *, local: bool) -> list[tuple[Service | None, list[Case]]]:
    """Cases that share a way of asking, so that each way costs one start of the subject."""
    groups: dict[Service | None, list[Case]] = {}
    for case in cases:
        groups.setdefault(service(case, local=local), []).append(case)
    return list(groups.items())


def launch(config: Config, source: Source, running: Service | None, *, hash_files: bool = True) -> Launch:
    """How goldlock.toml wants its subject started."""
    subject = config.subject
    return Launch(
        image=source.image,
        container=source.container,
        python=subject.python,
        keep_entrypoint=subject.keep_entrypoint,
        entrypoint=subject.entrypoint,
        command=subject.command,
        working_dir=subject.working_dir,
        artifacts=subject.artifacts,
        environment=subject.environment,
        user=subject.user,
        writable=subject.writable,
        limits=subject.limits,
        service=running,
        hash_files=hash_files,
    )


def ask(
    session: Session, case: Case, inputs: Path, inputs_format: Format, *, limit: int, into: Path
) -> Batches:
    """Ask one case in a session; raises `SubjectError` where there is no proper answer.

    The answer to a command lies in `into`, an empty folder, and can be read as long as that is there.
    """
    # Late: both need NumPy, and starting a subject does not.
    if case.command is not None:
        from goldlock.asking import command as by_command

        return by_command.ask(session, case.command, inputs, inputs_format, limit=limit, into=into)
    if case.http is None:
        raise ConfigurationError(f"case {case.name!r} has neither command nor http")
    from goldlock.asking import http as by_http

    return by_http.ask(session, case.http, inputs, inputs_format, limit=limit)
