"""Recording goldens that do not exist yet; an existing one is never touched."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from goldlock import __version__, golden
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.report import FailOn
from goldlock.tables import decode
from goldlock.tolerance import default_for
from goldlock.verify import Answers, Question, ask_all
from goldlock_env import difference
from goldlock_env.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from goldlock.config import Case, Config
    from goldlock.engines import Engine
    from goldlock.tables import Table
    from goldlock.tolerance import Tolerance
    from goldlock_env.lock import Lock


def record(
    engine: Engine,
    config: Config,
    image: str,
    lock: Lock | None,
    cases: Sequence[Case],
    progress: Callable[[str], None],
) -> tuple[str, ...]:
    """Ask the subject and write its answers as new goldens.

    Returns:
        Names of the cases that were recorded.

    Raises:
        ConfigurationError: inputs can't be read.
        CouldNotRunError: a case gave no proper answer, the environment is not the locked one, or the
            disk is full. Goldens of cases before it are whole; none is half written.
    """
    questions = {
        case.name: Question(inputs=_inputs(config, case), inputs_format=case.inputs_format) for case in cases
    }
    answers = ask_all(
        engine, config, image, cases, lambda case: questions[case.name], progress, hash_files=False
    )
    if answers.environment_failure is not None:
        raise CouldNotRunError(answers.environment_failure.message, hint=answers.environment_failure.hint)
    if lock is not None:
        _check_environment(config, lock, answers)
    for case in cases:
        if (failure := answers.failures.get(case.name)) is not None:
            raise CouldNotRunError(
                f"case {case.name!r} was not recorded: {failure.message}", hint=failure.hint
            )
    for case in cases:
        question = questions[case.name]
        table = answers.tables[case.name]
        _check_rows(case, question, table, progress)
        golden.record(
            config.resolve(case.golden),
            golden.Golden(
                case=case.name,
                inputs_name=f"inputs.{question.inputs_format.value}",
                inputs=question.inputs,
                outputs=table,
                columns=golden.describe(table, _tolerances(case, table)),
                provenance=provenance(answers, lock),
            ),
        )
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


def _inputs(config: Config, case: Case) -> bytes:
    path = config.resolve(case.inputs)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"inputs of case {case.name!r} can't be read: {path}: {error.strerror}",
            hint="set the case's inputs in goldlock.toml",
        ) from error


def _check_rows(case: Case, question: Question, table: Table, progress: Callable[[str], None]) -> None:
    """Refuse an answer that says nothing, and tell of one that has not a row for each of the inputs'."""
    asked = decode(question.inputs, question.inputs_format, where=f"the inputs of case {case.name!r}").rows
    if asked and not table.rows:
        raise CouldNotRunError(
            f"case {case.name!r} was not recorded: its answer to {asked} rows has"
            f" {'no rows' if table.columns else 'no columns'}, and would match anything as empty",
            hint="check the case's response (http) or what its command writes",
        )
    if table.rows != asked:
        progress(f"note: case {case.name!r} answered {asked} rows with {table.rows}")


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


def _tolerances(case: Case, table: Table) -> dict[str, Tolerance]:
    absent = sorted(case.columns.keys() - table.columns.keys())
    if absent:
        raise ConfigurationError(
            f"case {case.name!r} has tolerances for columns that its output does not have: {', '.join(absent)}",
            hint=f"the output has {', '.join(table.columns)}",
        )
    types = table.types
    return {name: column.applied_to(default_for(types[name].dtype)) for name, column in case.columns.items()}
