"""One answer against the goldens of its case: which of several right ones it matches, or which bad one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goldlock.tolerance import Kind, Tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from goldlock.config import Case
    from goldlock.golden import Golden, Goldens
    from goldlock.results import InputRows, TableResult
    from goldlock.tables import Batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a case's answer is, compared with the golden that it is nearest to."""

    table: TableResult | None = None
    inputs: InputRows | None = None
    golden: Golden | None = None
    """The one that it is nearest to."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of the answer's columns: their content."""
    known_bad: str = ""
    """Name and reason of the known-bad golden that the answer matches."""
    notes: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the answer matches a right golden."""
        return self.table is not None and self.table.passes


def judge(
    case: Case, goldens: Goldens, answer: Batches, *, lock_id: str, cpu_level: str, worst: int
) -> Judgement:
    """Compare an answer with the goldens that hold for this lock and CPU, the most specific first.

    The first one that it matches is the judgement, else the one on the best rung. An answer that matches none is
    also set beside the known-bad ones. A golden's columns whose content has the answer's digest are not read.

    Raises:
        ConfigurationError: a tolerance for a column that the golden does not have, or that can't be applied.
        CouldNotRunError: a file turned out broken.
    """
    from goldlock.tables import content

    digests = content(answer)
    best: tuple[Golden, TableResult] | None = None
    for golden in goldens.for_environment(lock_id, cpu_level):
        result = compared(case, golden, answer, digests, worst)
        if best is None or result.rung.rank < best[1].rung.rank:
            best = golden, result
        if result.passes:
            break
    if best is None:
        return Judgement()
    nearest, result = best
    known_bad = ""
    if not result.passes:
        for golden in goldens.bad:
            if compared(case, golden, answer, digests, 0).passes:
                known_bad = f"{golden.name}: {golden.reason}"
                break
    elsewhere = [other.name for other in goldens.others if not other.key.fits(lock_id, cpu_level)]
    return Judgement(
        table=result,
        inputs=_inputs(goldens.first, result),
        golden=nearest,
        digests=digests,
        known_bad=known_bad,
        notes=(f"right goldens of this case that are keyed to another lock or CPU: {', '.join(elsewhere)}",)
        if elsewhere and not result.passes
        else (),
    )


def compared(
    case: Case, golden: Golden, answer: Batches, digests: Mapping[str, str], worst: int = 100
) -> TableResult:
    """Compare an answer, of whose columns the content is known, with one golden; raises as `judge` does."""
    from goldlock.compare import compare_tables

    # What golden.toml says of the content of a golden that was changed by hand is not believed.
    known = {} if golden.integrity else golden.content
    same = {name for name, digest in known.items() if digests.get(name) == digest}
    return compare_tables(
        golden.outputs,
        answer,
        tolerances(golden, case),
        rows_by=case.rows_by,
        worst=worst,
        batch=case.chunk_bytes,
        same=same,
    )


def _inputs(golden: Golden, result: TableResult) -> InputRows | None:
    """The inputs of the worst rows, where there is one input row for each row of the outputs."""
    from goldlock.results import InputRows
    from goldlock.tables import open_table, take

    rows = sorted({worst.row for column in result.columns for worst in column.worst})
    if not rows or result.passes or result.expected_rows != result.actual_rows:
        return None
    table = open_table(
        golden.inputs,
        golden.inputs_format,
        where=f"the inputs of case {golden.case!r}",
    )
    if table.rows != result.expected_rows:
        return None
    chosen = take(table, rows)
    columns = [chosen.plain(name) for name in chosen.names]
    return InputRows(
        names=chosen.names, rows={row: tuple(values) for row, *values in zip(rows, *columns, strict=True)}
    )


def tolerances(expected: Golden, case: Case) -> Mapping[str, Tolerance]:
    """Each column's tolerance: goldlock.toml before golden.toml before the default of its dtype.

    Raises `ConfigurationError` for a configured column that the golden does not have.
    """
    from goldlock import golden

    recorded = golden.tolerances_for(expected, {})
    bases = {name: recorded.get(name) or Tolerance(kind=Kind.EXACT) for name in case.columns}
    return golden.tolerances_for(
        expected, {name: column.applied_to(bases[name]) for name, column in case.columns.items()}
    )
