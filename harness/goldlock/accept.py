"""Making received outputs the new golden, knowingly: named cases, a preview, a reason."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from goldlock import __version__, golden, received
from goldlock.compare import compare_tables
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.verify import tolerances

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.config import Case, Config
    from goldlock.results import TableResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A golden and what would take its place."""

    case: str
    folder: Path
    result: TableResult
    """How the received outputs differ from the golden that they would replace."""
    successor: golden.Golden


def propose(config: Config, cases: tuple[Case, ...]) -> tuple[Proposal, ...]:
    """Set the received outputs beside the goldens of named cases; nothing is written.

    Raises:
        ConfigurationError: CI is set, where nothing is accepted.
        CouldNotRunError: a case has nothing received, or its golden changed since.
    """
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        raise ConfigurationError(
            "goldens are not accepted in CI: a person must look at them",
            hint="run `goldlock accept` on a workstation and commit the golden",
        )
    proposals = []
    for case in cases:
        place = config.resolve(case.golden)
        now, new = golden.load(place), received.load(config, case.name)
        if new.blamed:
            raise CouldNotRunError(
                f"the outputs of case {case.name!r} came from an environment that is not the locked one"
                f" ({', '.join(new.blamed[:3])})",
                hint="if that environment is right, `goldlock lock --replace`, then verify and accept",
            )
        if new.golden_id != golden.golden_id(now):
            raise CouldNotRunError(
                f"the golden of case {case.name!r} has changed since its outputs were received",
                hint=f"run `goldlock verify {case.name}` again",
            )
        kept = {
            name: column.tolerance
            for name, column in now.columns.items()
            if new.outputs.types.get(name) == column.type
        }
        successor = replace(
            now,
            outputs=new.outputs,
            columns=golden.describe(new.outputs, kept),
            provenance=replace(
                now.provenance,
                lock_id=new.lock_id,
                image_id=new.image_id,
                cpu_level=new.cpu_level,
                goldlock_version=__version__,
                recorded=dt.datetime.now(dt.timezone.utc).date().isoformat(),
            ),
            integrity=(),
        )
        proposals.append(
            Proposal(
                case=case.name,
                folder=place,
                result=compare_tables(now.outputs, new.outputs, tolerances(now, case)),
                successor=successor,
            )
        )
    return tuple(proposals)


def accept(config: Config, proposals: tuple[Proposal, ...], reason: str) -> None:
    """Write the proposals as goldens, each whole or not at all, with the reason in their history."""
    for proposal in proposals:
        golden.accept(proposal.folder, proposal.successor, reason)
        received.forget(config, proposal.case)
