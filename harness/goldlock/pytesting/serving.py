"""What the broker does for a request: a report, or something with a subject that it keeps running."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import config as configuration
from goldlock import running
from goldlock.asking import way
from goldlock.errors import ConfigurationError, GoldlockError
from goldlock.formats import Format
from goldlock.pytesting.requests import Address, Ask, Check, Execute, Look, Request, Settings, Verify
from goldlock.report import FailOn
from goldlock.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from goldlock.config import Case, Config
    from goldlock.engines import Engine, Service, Session
    from goldlock.report import Report
    from goldlock.tables import Array

    Progress = Callable[[str], None]


def answer(request: Request, subjects: Subjects, progress: Progress) -> object:
    """The answer as plain values; raises GoldlockError."""
    match request:
        case Verify():
            return _rendered(_verified(request, progress))
        case Check():
            return _rendered(_checked(request, progress))
        case _:
            subject = subjects.of(request, progress)
    match request:
        case Ask():
            return _asked(subject, request, progress)
        case Address():
            return subject.session(_with_service(subject, request.case), progress).address()
        case Execute():
            return _executed(subject.session(None, progress), request)
        case Look():
            return subject.session(None, progress).snapshot().to_mapping()
        case _:
            raise ConfigurationError(f"{type(request).__name__} is no request")


# -- reports ----------------------------------------------------------------------------------------


def _rendered(report: Report) -> bytes:
    from goldlock.render import json

    return json.render(report).encode()


def _verified(request: Verify, progress: Progress) -> Report:
    return running.verified(
        configuration.load(Path(request.config)),
        request.cases,
        progress=progress,
        engine_name=request.settings.engine,
        image=request.settings.image,
        fail_on=FailOn(request.settings.fail_on),
    )


def _checked(request: Check, progress: Progress) -> Report:
    """The environment without a question, as `goldlock check` looks at it."""
    from goldlock import environment

    config, settings = configuration.load(Path(request.config)), request.settings
    expected = environment.read_lock(config)
    with running.opened(settings.engine, config, expected, progress) as engine:
        source = running.subject_source(engine, config, settings.image, progress)
        progress(f"starting {config.subject.name} to look at its environment")
        actual = environment.snapshot(engine, way.launch(config, source, None))
        return environment.check(
            config,
            expected,
            actual,
            subject=config.subject.name,
            engine=engine.description,
            image=source.image if engine.name == "docker" else None,
            fail_on=FailOn(settings.fail_on),
            notes=source.notes,
        )


# -- subjects that go on running --------------------------------------------------------------------


@dataclass(slots=True)
class _Running:
    """A subject's session, and what ends it."""

    session: Session
    removal: contextlib.ExitStack


class _Subject:
    """One goldlock.toml's engine, image and sessions; each is opened when it is first needed."""

    def __init__(self, config: Config, settings: Settings, progress: Progress) -> None:
        from goldlock import environment

        self.config = config
        known = environment.read_lock(config) if config.resolve(config.lock).exists() else None
        self._removal = contextlib.ExitStack()
        with contextlib.ExitStack() as opening:
            self.engine: Engine = opening.enter_context(
                running.opened(settings.engine, config, known, progress)
            )
            # The engine is a docker or a local one; the protocol is all that is needed here.
            self._source = running.subject_source(self.engine, config, settings.image, progress)
            self._removal = opening.pop_all()
        self._running: dict[Service | None, _Running] = {}
        self._failed: dict[Service | None, GoldlockError] = {}

    def close(self) -> None:
        """End the sessions, then the engine."""
        with contextlib.ExitStack() as removal:
            removal.push(self._removal)
            for each in self._running.values():
                removal.push(each.removal)

    def session(self, case: Case | None, progress: Progress) -> Session:
        """The running subject: with the service of an HTTP case, else the one that runs commands.

        One that ended over a question is started again for the next; one that did not start is not tried again.
        """
        service = None if case is None else way.service(case, local=self.engine.name == "local")
        if (failed := self._failed.get(service)) is not None:
            raise failed
        there = self._running.get(service)
        if there is not None and there.session.ended() is not None:
            del self._running[service]
            there.removal.close()
            there = None
        if there is None:
            try:
                there = self._running[service] = self._started(case, service, progress)
            except GoldlockError as error:
                self._failed[service] = error
                raise
        return there.session

    def _started(self, case: Case | None, service: Service | None, progress: Progress) -> _Running:
        progress(f"starting {self.config.subject.name} for tests ({self.engine.description})")
        with contextlib.ExitStack() as removal:
            session = removal.enter_context(
                self.engine.session(way.launch(self.config, self._source, service, hash_files=False))
            )
            if case is not None and case.http is not None:
                from goldlock.asking import http

                http.wait_until_ready(session, case.http)
            return _Running(session=session, removal=removal.pop_all())


class Subjects:
    """The subjects of all goldlock.toml files that tests have asked for."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._known: dict[tuple[str, Settings], _Subject | GoldlockError] = {}

    def of(self, request: Request, progress: Progress) -> _Subject:
        """The subject that a request is about; its engine is opened by the first one, and tried once."""
        key = request.config, request.settings
        if key not in self._known:
            try:
                config = configuration.load(Path(request.config))
                self._known[key] = _Subject(config, request.settings, progress)
            except GoldlockError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, GoldlockError):
            raise found
        return found

    def close(self) -> None:
        """End all of them."""
        with contextlib.ExitStack() as removal:
            for each in self._known.values():
                if isinstance(each, _Subject):
                    removal.callback(each.close)


def _with_service(subject: _Subject, name: str) -> Case:
    (case,) = subject.config.select([name])
    if case.http is None:
        raise ConfigurationError(
            f"case {name!r} is asked by a command, so there is no service with an address",
            hint="name an HTTP case, or use subject.run([...])",
        )
    return case


def _asked(subject: _Subject, request: Ask, progress: Progress) -> dict[str, Array]:
    import numpy as np

    from goldlock.tables import whole

    (case,) = subject.config.select([request.case])
    with scratch_folder() as folder:
        inputs, inputs_format = _inputs(subject.config, case, request, folder)
        session = subject.session(case if case.http is not None else None, progress)
        (into := folder / "answer").mkdir()
        limit = subject.config.subject.limits.output_bytes
        table = whole(way.ask(session, case, inputs, inputs_format, limit=limit, into=into))
        return {
            name: np.ma.MaskedArray(array, table.absent[name]) if name in table.absent else np.array(array)
            for name, array in table.columns.items()
        }


def _inputs(config: Config, case: Case, request: Ask, folder: Path) -> tuple[Path, Format]:
    """The file that a case is asked with, and its format."""
    from goldlock.tables import Table, encode, fits_csv

    given = request.inputs
    if given is None or isinstance(given, str):
        path = config.resolve(case.inputs) if given is None else Path(given)
        if not path.is_file():
            raise ConfigurationError(f"the inputs {path} do not exist", hint="name a file of a table")
        try:
            return path, Format(path.suffix[1:].lower())
        except ValueError:
            raise ConfigurationError(
                f"{path.name} does not say what it is",
                hint=f"end it in {', '.join(f'.{f.value}' for f in Format)}",
            ) from None
    table = Table(given)
    fmt = Format.CSV if fits_csv(table) else Format.JSONL
    path = folder / f"inputs.{fmt.value}"
    path.write_bytes(encode(table, fmt))
    return path, fmt


def _executed(session: Session, request: Execute) -> tuple[int, bytes, str]:
    with scratch_folder() as folder:
        stdin = folder / "stdin"
        stdin.write_bytes(request.stdin)
        completed = session.run(
            request.command, stdin=stdin if request.stdin else None, timeout=request.timeout
        )
    return completed.exit_code, completed.stdout, completed.stderr
