"""The main job: ask the subject, compare its answers and its environment, and say one verdict."""

from __future__ import annotations

import datetime as dt
import importlib
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import __version__
from goldlock.asking import way
from goldlock.errors import ConfigurationError, CouldNotRunError, SubjectError
from goldlock.files import sha256_of
from goldlock.formats import Format
from goldlock.judging import Judgement, judge
from goldlock.report import CaseReport, FailOn, Failure, Report, sorted_findings
from goldlock.scratch import scratch_folder
from goldlock_env import difference
from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from goldlock.config import Case, Config
    from goldlock.engines import Engine, Service, Session, Source
    from goldlock.golden import Golden, Goldens
    from goldlock.tables import Batches
    from goldlock_env.lock import Lock
    from goldlock_env.snapshot import Snapshot

WORST = 100
"""Worst rows of a column that a report holds unless told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The inputs that a case is asked with."""

    inputs: Path
    inputs_format: Format


@dataclass(slots=True)
class Answers:
    """What one subject said, gathered over all of its sessions."""

    image_id: str | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    tables: dict[str, Batches] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    environment_failure: Failure | None = None

    @property
    def cpu_level(self) -> str:
        """Feature level of the CPU that gave them; empty where it is not known."""
        host = self.snapshots[0].host if self.snapshots else None
        return (host.cpu_level if host else None) or ""


def ask_all(
    engine: Engine,
    config: Config,
    source: Source,
    cases: Sequence[Case],
    load: Callable[[Case], Question],
    progress: Callable[[str], None],
    *,
    scratch: Path,
    hash_files: bool = True,
) -> Answers:
    """Ask every case, starting the subject once per way of asking.

    A subject that dies over a question is started again for those behind it, so that one bad case
    does not hide the others. Every container that answers is probed itself.

    Args:
        engine: what runs the subject.
        config: goldlock.toml.
        source: what is asked.
        cases: which to ask.
        load: gives a case's inputs once the subject runs; its `CouldNotRunError` is that case's failure.
        progress: told what takes long.
        scratch: a folder of the caller's; the answers can be read as long as it is there.
        hash_files: whether installed files are hashed.
    """
    # While the engine starts the subject there is time for what is needed afterwards.
    threading.Thread(target=_warm_up, daemon=True).start()
    answers = Answers()
    for service, group in way.grouped(cases, local=engine.name == "local"):
        waiting = group
        while waiting:
            asked = _one_session(
                engine,
                config,
                source,
                service,
                waiting,
                load,
                answers,
                progress,
                scratch=scratch,
                hash_files=hash_files,
            )
            waiting = waiting[asked:]
    return answers


def _warm_up() -> None:
    for module in ("asking.command", "asking.http", "judging", "golden", "received", "render.terminal"):
        importlib.import_module(f"goldlock.{module}")


def _one_session(
    engine: Engine,
    config: Config,
    source: Source,
    service: Service | None,
    cases: Sequence[Case],
    load: Callable[[Case], Question],
    answers: Answers,
    progress: Callable[[str], None],
    *,
    scratch: Path,
    hash_files: bool,
) -> int:
    """Ask in one running subject until it dies; returns how many cases were dealt with."""
    begun = "starting" if source.container is None else "asking"
    progress(f"{begun} {config.subject.name} for {', '.join(case.name for case in cases)}")
    dealt = 0
    try:
        with engine.session(way.launch(config, source, service, hash_files=hash_files)) as session:
            answers.image_id = session.image_id
            dealt = _ask_in(session, cases, load, answers, config.subject.limits.output_bytes, scratch)
            answers.environment_failure = _look(session, cases[0], answers) or answers.environment_failure
    except SubjectError as error:
        # It did not even start.
        for case in cases[dealt:]:
            answers.failures[case.name] = Failure(message=error.message, hint=error.hint)
        dealt = len(cases)
    return dealt


def _ask_in(
    session: Session,
    cases: Sequence[Case],
    load: Callable[[Case], Question],
    answers: Answers,
    limit: int,
    scratch: Path,
) -> int:
    if cases[0].http is not None:
        from goldlock.asking import http

        try:
            http.wait_until_ready(session, cases[0].http)
        except CouldNotRunError as error:
            for case in cases:
                answers.failures[case.name] = Failure(message=error.message, hint=error.hint)
            return len(cases)
    for number, case in enumerate(cases, 1):
        started = time.monotonic()
        try:
            question = load(case)
            started = time.monotonic()
            answers.tables[case.name] = way.ask(
                session,
                case,
                question.inputs,
                question.inputs_format,
                limit=limit,
                into=Path(tempfile.mkdtemp(dir=scratch)),
            )
        except CouldNotRunError as error:
            answers.failures[case.name] = Failure(message=error.message, hint=error.hint)
        answers.seconds[case.name] = time.monotonic() - started
        if case.name in answers.failures and session.ended() is not None:
            return number
    return len(cases)


def _look(session: Session, case: Case, answers: Answers) -> Failure | None:
    """Take the session's snapshot; the reason where there is none, or where a service did not stay."""
    from goldlock.asking import http

    try:
        answers.snapshots.append(session.snapshot())
    except SubjectError as error:
        if (ended := http.soon_ended(session)) is None:
            return Failure(message=error.message, hint=error.hint)
        return Failure(
            message=f"{error.message}; the subject {ended}",
            hint="it must go on running until goldlock ends it",
        )
    if case.http is None or answers.failures:
        return None
    if (ended := http.ended_after(session, case.http)) is not None:
        return Failure(
            message=f"the service answered and then {ended}",
            hint="a service must go on after it has answered",
        )
    return None


def verify(
    engine: Engine,
    config: Config,
    source: Source,
    lock: Lock,
    cases: Sequence[Case],
    progress: Callable[[str], None],
    *,
    fail_on: FailOn = FailOn.ERROR,
    hash_files: bool = True,
    worst: int = WORST,
) -> Report:
    """Compare a subject with its lock and its goldens.

    Never writes a golden or a lock; answers that differ are kept in `.goldlock/received/`.

    Args:
        engine: what runs it.
        config: goldlock.toml.
        source: what is checked.
        lock: what is expected of the environment.
        cases: which to ask.
        progress: told what takes long.
        fail_on: which findings of the environment make a drift.
        hash_files: whether installed files are hashed again.
        worst: most worst rows of each column that the report holds.

    Raises:
        ConfigurationError: goldlock.toml has no case, or a tolerance for a column that no golden has.
        CouldNotRunError: the engine failed.
    """
    if not cases:
        raise ConfigurationError(
            "goldlock.toml has no case, so there are no outputs to verify",
            hint="add a [[case]], or look at the environment alone with `goldlock check`",
        )
    policy = Policy.from_mapping(config.policy)
    goldens: dict[str, Goldens] = {}
    findings: list[Finding] = [] if lock.integrity is None else [lock.integrity]

    def load(case: Case) -> Question:
        from goldlock.golden import load_all

        loaded = load_all(config.resolve(case.golden))
        findings.extend(loaded.integrity)
        if loaded.first.integrity:
            # What was edited can't judge an answer: the edit is the finding, not what follows from it.
            raise CouldNotRunError(
                "its golden was edited by hand, so nothing was compared with it",
                hint="take it from version control again, or remove its folder and run"
                f" `goldlock record {case.name}`; a tolerance is set in goldlock.toml",
            )
        findings.extend(_inputs_findings(config, case, loaded.first))
        goldens[case.name] = loaded
        return Question(inputs=loaded.first.inputs, inputs_format=loaded.first.inputs_format)

    with scratch_folder() as scratch:
        answers = ask_all(
            engine, config, source, cases, load, progress, scratch=scratch, hash_files=hash_files
        )
        # Loaded while the subject started.
        from goldlock import received
        from goldlock.golden import stale

        findings += stale([config.resolve(case.golden) for case in config.case])
        for snapshot in answers.snapshots:
            findings += difference.compare(lock.snapshot, snapshot, policy)
        findings = [*config.accepting(findings, _today())]
        blamed = tuple(
            finding.name
            for finding in findings
            if FailOn.ERROR.counts(finding) and finding.layer is not Layer.GOLDEN
        )
        reports = []
        for case in cases:
            loaded, table = goldens.get(case.name), answers.tables.get(case.name)
            failure = answers.failures.get(case.name)
            found, unkept = Judgement(), ""
            if loaded is not None and table is not None:
                try:
                    found = judge(
                        case, loaded, table, lock_id=lock.id, cpu_level=answers.cpu_level, worst=worst
                    )
                except CouldNotRunError as error:
                    # A file that turns out broken on the way: it was opened, and read only now.
                    failure = Failure(message=error.message, hint=error.hint)
                else:
                    unkept = received.settle(
                        config,
                        case.name,
                        found.golden or loaded.first,
                        table,
                        passes=found.passes,
                        lock_id=lock.id,
                        image_id=answers.image_id or "",
                        cpu_level=answers.cpu_level,
                        blamed=blamed,
                        digests=found.digests,
                    )
            reports.append(
                CaseReport(
                    name=case.name,
                    way=way.name(case),
                    golden=case.golden,
                    seconds=answers.seconds.get(case.name, 0.0),
                    table=found.table,
                    failure=failure,
                    inputs=found.inputs,
                    variant=found.golden.name if found.golden else "",
                    known_bad=found.known_bad,
                    notes=(*found.notes, *([f"not kept for accept: {unkept}"] if unkept else [])),
                )
            )
    return Report(
        goldlock_version=__version__,
        subject=config.subject.name,
        engine=engine.description,
        image=None if engine.name == "local" else source.image,
        lock_id=lock.id,
        findings=sorted_findings(findings),
        cases=tuple(reports),
        snapshot=answers.snapshots[0].to_mapping() if answers.snapshots else {},
        notes=source.notes,
        fail_on=fail_on,
        failure=answers.environment_failure,
        created=now(),
        layers=_looked_at(lock) if answers.snapshots else (Layer.LOCK, Layer.GOLDEN),
    )


def _looked_at(lock: Lock) -> tuple[Layer, ...]:
    """All layers, but that of the artifacts where none is locked."""
    artifacts = lock.snapshot.artifacts
    locked = artifacts is not None and bool(artifacts.files)
    return tuple(layer for layer in Layer if locked or layer is not Layer.ARTIFACTS)


def now() -> str:
    """The time of a report: ISO 8601 in UTC, to the second."""
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")


def _today() -> dt.date:
    return dt.datetime.now(dt.timezone.utc).date()


def _inputs_findings(config: Config, case: Case, recorded: Golden) -> list[Finding]:
    """Whether the inputs that goldlock.toml names are still those that the golden was recorded with."""
    path = config.resolve(case.inputs)
    now = sha256_of(path) if path.is_file() else None
    before = sha256_of(recorded.inputs)
    if now == before:
        return []
    return [
        Finding(
            layer=Layer.GOLDEN,
            key=f"{case.name}: {case.inputs}",
            expected=before,
            actual=now,
            status=Status.MISSING if now is None else Status.CHANGED,
            severity=Severity.WARNING,
            note="asked with the inputs that were recorded; remove the golden and record again to test others",
        )
    ]
