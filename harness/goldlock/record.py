"""Recording goldens that do not exist yet; an existing one is never touched."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldlock import __version__, golden
from goldlock.accept import in_ci
from goldlock.compare import compare_tables
from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock.files import sha256_of
from goldlock.report import FailOn
from goldlock.scratch import scratch_folder
from goldlock.tables import open_table
from goldlock.tolerance import default_for
from goldlock.verify import Answers, Question, ask_all
from goldlock_env import difference
from goldlock_env.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from goldlock.config import Case, Config
    from goldlock.engines import Engine, Source
    from goldlock.tables import Batches
    from goldlock.tolerance import Tolerance
    from goldlock_env.lock import Lock


def record(
    engine: Engine,
    config: Config,
    source: Source,
    lock: Lock | None,
    cases: Sequence[Case],
    progress: Callable[[str], None],
) -> tuple[str, ...]:
    """Ask the subject and write its answers as new goldens.

    Returns:
        Names of the cases that were recorded.

    Raises:
        ConfigurationError: this runs in CI; half a golden stands where one would; inputs can't be read; or
            nothing but configuration kept cases from being recorded.
        CouldNotRunError: the environment is not the locked one, so that nothing was recorded; or a case gave
            no proper answer, or could not be written: all others were recorded, and the message names both.
    """
    if in_ci():
        raise ConfigurationError(
            "a first record in CI is an error: nobody looks at it, and it would match itself",
            hint="run `goldlock record` on a workstation, look at the outputs, and commit the golden",
        )
    for case in cases:
        golden.is_there(config.resolve(case.golden))
    questions = {case.name: _question(config, case) for case in cases}
    with scratch_folder() as scratch:
        answers = ask_all(
            engine,
            config,
            source,
            cases,
            lambda case: questions[case.name].question,
            progress,
            scratch=scratch,
            hash_files=False,
        )
        if answers.environment_failure is not None:
            raise CouldNotRunError(answers.environment_failure.message, hint=answers.environment_failure.hint)
        if lock is not None:
            _check_environment(config, lock, answers)
        failures: dict[str, GoldlockError] = {}
        for case in cases:
            try:
                _write(config, case, questions[case.name], answers, lock, progress)
            except GoldlockError as error:
                failures[case.name] = error
    if failures:
        raise _told(failures, [case.name for case in cases if case.name not in failures])
    return tuple(case.name for case in cases)


def provenance(answers: Answers, lock: Lock | None) -> golden.Provenance:
    """What made the answers."""
    return golden.Provenance(
        lock_id="" if lock is None else lock.id,
        image_id=answers.image_id or "",
        cpu_level=answers.cpu_level,
        goldlock_version=__version__,
        recorded=dt.datetime.now(dt.timezone.utc).date().isoformat(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    question: Question
    sha256: str
    """Of the inputs, before the subject saw them."""


def _question(config: Config, case: Case) -> _Asked:
    path = config.resolve(case.inputs)
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ConfigurationError(
            f"inputs of case {case.name!r} can't be read: {path}: {error.strerror}",
            hint="set the case's inputs in goldlock.toml",
        ) from error
    return _Asked(question=Question(inputs=path, inputs_format=case.inputs_format), sha256=digest)


def _write(
    config: Config,
    case: Case,
    asked: _Asked,
    answers: Answers,
    lock: Lock | None,
    progress: Callable[[str], None],
) -> None:
    if (failure := answers.failures.get(case.name)) is not None:
        raise CouldNotRunError(failure.message, hint=failure.hint)
    question, outputs = asked.question, answers.tables[case.name]
    _check_rows(case, question, outputs, progress)
    golden.record(
        config.resolve(case.golden),
        golden.Draft(
            case=case.name,
            inputs=question.inputs,
            inputs_name=f"inputs.{question.inputs_format.value}",
            inputs_sha256=asked.sha256.removeprefix("sha256:"),
            outputs=outputs,
            tolerances=_tolerances(case, outputs),
            provenance=provenance(answers, lock),
        ),
    )


def _told(failures: dict[str, GoldlockError], recorded: Sequence[str]) -> GoldlockError:
    """One error for all cases that were not recorded, which says what became of the others."""
    lines = [f"case {name!r} was not recorded: {error.message}" for name, error in failures.items()]
    if recorded:
        lines.append(f"recorded: {', '.join(recorded)}")
    hints = dict.fromkeys(error.hint for error in failures.values() if error.hint)
    configured = all(isinstance(error, ConfigurationError) for error in failures.values())
    kind = ConfigurationError if configured else CouldNotRunError
    return kind("\n".join(lines), hint="\n".join(hints))


def _check_rows(case: Case, question: Question, outputs: Batches, progress: Callable[[str], None]) -> None:
    """Refuse an answer that says nothing, and tell of one that has not a row for each of the inputs'."""
    asked = open_table(
        question.inputs, question.inputs_format, where=f"the inputs of case {case.name!r}"
    ).rows
    if asked and not outputs.rows:
        raise CouldNotRunError(
            f"its answer to {asked} rows has"
            f" {'no rows' if outputs.names else 'no columns'}, and would match anything as empty",
            hint="check the case's response (http) or what its command writes",
        )
    if outputs.rows != asked:
        progress(f"note: case {case.name!r} answered {asked} rows with {outputs.rows}")


def _check_environment(config: Config, lock: Lock, answers: Answers) -> None:
    policy = Policy.from_mapping(config.policy)
    for snapshot in answers.snapshots:
        for finding in difference.compare(lock.snapshot, snapshot, policy):
            if FailOn.ERROR.counts(finding):
                raise CouldNotRunError(
                    f"not recorded: the environment is not the locked one; {finding.name} is"
                    f" {finding.actual or 'absent'}, locked is {finding.expected or 'nothing'}",
                    hint="run `goldlock check`; if the new environment is right, `goldlock lock --replace` first",
                )


def _tolerances(case: Case, outputs: Batches) -> dict[str, Tolerance]:
    types = outputs.types
    absent = sorted(case.columns.keys() - types.keys())
    if absent:
        raise ConfigurationError(
            f"it has tolerances for columns that its output does not have: {', '.join(absent)}",
            hint=f"the output has {', '.join(types)}",
        )
    found = {name: column.applied_to(default_for(types[name].dtype)) for name, column in case.columns.items()}
    # What cannot be applied is told now, and not when the golden is first compared with.
    for head in itertools.islice(outputs.batches(rows=1), 1):
        compare_tables(head, head, found, rows_by=case.rows_by)
    return found
