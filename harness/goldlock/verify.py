"""The main job: ask the subject, compare its answers and its environment, and say one verdict."""

from __future__ import annotations

import hashlib
import importlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goldlock import __version__
from goldlock.asking import way
from goldlock.errors import ConfigurationError, CouldNotRunError, SubjectError
from goldlock.formats import Format
from goldlock.report import CaseReport, FailOn, Failure, Report, sorted_findings
from goldlock.tolerance import Kind, Tolerance
from goldlock_env import difference
from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from goldlock import golden
    from goldlock.config import Case, Config
    from goldlock.engines import Engine, Service, Session
    from goldlock.tables import Table
    from goldlock_env.lock import Lock
    from goldlock_env.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The inputs that a case is asked with."""

    inputs: bytes
    inputs_format: Format


@dataclass(slots=True)
class Answers:
    """What one subject said, gathered over all of its sessions."""

    image_id: str | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
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
    image: str,
    cases: Sequence[Case],
    load: Callable[[Case], Question],
    progress: Callable[[str], None],
    *,
    hash_files: bool = True,
) -> Answers:
    """Ask every case, starting the subject once per way of asking.

    A subject that dies over a question is started again for those behind it, so that one bad case
    does not hide the others. Every container that answers is probed itself.

    Args:
        engine: what runs the subject.
        config: goldlock.toml.
        image: reference of the image.
        cases: which to ask.
        load: gives a case's inputs once the subject runs; its `CouldNotRunError` is that case's failure.
        progress: told what takes long.
        hash_files: whether installed files are hashed.
    """
    # While the engine starts the subject there is time for what is needed afterwards.
    threading.Thread(target=_warm_up, daemon=True).start()
    answers = Answers()
    for service, group in way.grouped(cases, local=engine.name == "local"):
        waiting = group
        while waiting:
            asked = _one_session(
                engine, config, image, service, waiting, load, answers, progress, hash_files=hash_files
            )
            waiting = waiting[asked:]
    return answers


def _warm_up() -> None:
    for module in ("asking.command", "asking.http", "compare", "golden", "received", "render.terminal"):
        importlib.import_module(f"goldlock.{module}")


def _one_session(
    engine: Engine,
    config: Config,
    image: str,
    service: Service | None,
    cases: Sequence[Case],
    load: Callable[[Case], Question],
    answers: Answers,
    progress: Callable[[str], None],
    *,
    hash_files: bool,
) -> int:
    """Ask in one running subject until it dies; returns how many cases were dealt with."""
    progress(f"starting {config.subject.name} for {', '.join(case.name for case in cases)}")
    dealt = 0
    try:
        with engine.session(way.launch(config, image, service, hash_files=hash_files)) as session:
            answers.image_id = session.image_id
            dealt = _ask_in(session, cases, load, answers, config.subject.limits.output_bytes)
            answers.environment_failure = _look(session, service, answers) or answers.environment_failure
    except SubjectError as error:
        # It did not even start.
        for case in cases[dealt:]:
            answers.failures[case.name] = Failure(message=error.message, hint=error.hint)
        dealt = len(cases)
    return dealt


def _ask_in(
    session: Session, cases: Sequence[Case], load: Callable[[Case], Question], answers: Answers, limit: int
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
                session, case, question.inputs, question.inputs_format, limit=limit
            )
        except CouldNotRunError as error:
            answers.failures[case.name] = Failure(message=error.message, hint=error.hint)
        answers.seconds[case.name] = time.monotonic() - started
        if case.name in answers.failures and session.ended() is not None:
            return number
    return len(cases)


def _look(session: Session, service: Service | None, answers: Answers) -> Failure | None:
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
    if service is not None and not answers.failures and (ended := session.ended()) is not None:
        return Failure(
            message=f"the service answered and then {ended}",
            hint="a service must go on after it has answered",
        )
    return None


def verify(
    engine: Engine,
    config: Config,
    image: str,
    lock: Lock,
    cases: Sequence[Case],
    progress: Callable[[str], None],
    *,
    fail_on: FailOn = FailOn.ERROR,
    hash_files: bool = True,
) -> Report:
    """Compare a subject with its lock and its goldens.

    Never writes a golden or a lock; answers that differ are kept in `.goldlock/received/`.

    Args:
        engine: what runs it.
        config: goldlock.toml.
        image: reference of the image that is checked.
        lock: what is expected of the environment.
        cases: which to ask.
        progress: told what takes long.
        fail_on: which findings of the environment make a drift.
        hash_files: whether installed files are hashed again.

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
    goldens: dict[str, golden.Golden] = {}
    findings: list[Finding] = [] if lock.integrity is None else [lock.integrity]

    def load(case: Case) -> Question:
        from goldlock.golden import load as load_golden

        loaded = load_golden(config.resolve(case.golden))
        if loaded.integrity:
            # What was edited can't judge an answer: the edit is the finding, not what follows from it.
            findings.extend(loaded.integrity)
            raise CouldNotRunError(
                "its golden was edited by hand, so nothing was compared with it",
                hint="take it from version control again, or remove its folder and run"
                f" `goldlock record {case.name}`; a tolerance is set in goldlock.toml",
            )
        findings.extend(_inputs_findings(config, case, loaded.inputs))
        goldens[case.name] = loaded
        return Question(inputs=loaded.inputs, inputs_format=inputs_format(loaded))

    answers = ask_all(engine, config, image, cases, load, progress, hash_files=hash_files)
    # Loaded while the subject started.
    from goldlock import received
    from goldlock.compare import compare_tables

    for snapshot in answers.snapshots:
        findings += difference.compare(lock.snapshot, snapshot, policy)
    blamed = [
        finding.name
        for finding in findings
        if FailOn.ERROR.counts(finding) and finding.layer is not Layer.GOLDEN
    ]
    reports = []
    for case in cases:
        expected, table = goldens.get(case.name), answers.tables.get(case.name)
        result = None
        if expected is not None and table is not None:
            result = compare_tables(expected.outputs, table, tolerances(expected, case))
            received.keep(config, case.name, expected, table, result, answers, lock, blamed)
        reports.append(
            CaseReport(
                name=case.name,
                way=way.name(case),
                golden=case.golden,
                seconds=answers.seconds.get(case.name, 0.0),
                table=result,
                failure=answers.failures.get(case.name),
            )
        )
    return Report(
        goldlock_version=__version__,
        subject=config.subject.name,
        engine=engine.description,
        image=None if engine.name == "local" else image,
        lock_id=lock.id,
        findings=sorted_findings(findings),
        cases=tuple(reports),
        snapshot=answers.snapshots[0].to_mapping() if answers.snapshots else {},
        fail_on=fail_on,
        failure=answers.environment_failure,
    )


def _inputs_findings(config: Config, case: Case, recorded: bytes) -> list[Finding]:
    """Whether the inputs that goldlock.toml names are still those that the golden was recorded with."""
    path = config.resolve(case.inputs)
    now = path.read_bytes() if path.is_file() else None
    if now == recorded:
        return []
    return [
        Finding(
            layer=Layer.GOLDEN,
            key=f"{case.name}: {case.inputs}",
            expected=f"sha256:{hashlib.sha256(recorded).hexdigest()}",
            actual=None if now is None else f"sha256:{hashlib.sha256(now).hexdigest()}",
            status=Status.MISSING if now is None else Status.CHANGED,
            severity=Severity.WARNING,
            note="asked with the inputs that were recorded; remove the golden and record again to test others",
        )
    ]


def inputs_format(expected: golden.Golden) -> Format:
    """The format that the name of a golden's inputs says."""
    return Format(expected.inputs_name.rpartition(".")[2])


def tolerances(expected: golden.Golden, case: Case) -> Mapping[str, Tolerance]:
    """Each column's tolerance: goldlock.toml before golden.toml before the default of its dtype.

    Raises `ConfigurationError` for a configured column that the golden does not have.
    """
    from goldlock import golden

    recorded = golden.tolerances_for(expected, {})
    bases = {name: recorded.get(name) or Tolerance(kind=Kind.EXACT) for name in case.columns}
    return golden.tolerances_for(
        expected, {name: column.applied_to(bases[name]) for name, column in case.columns.items()}
    )
