"""Making what a test received its golden: by name, after a look, for a reason."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import __version__
from goldlock import golden as goldens
from goldlock.accept import in_ci
from goldlock.compare import compare_tables
from goldlock.errors import ConfigurationError
from goldlock.pytesting import received
from goldlock.pytesting.received import ABOUT

if TYPE_CHECKING:
    from goldlock.results import TableResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A test's golden, and what would take its place."""

    folder: Path
    received: Path
    result: TableResult
    """How what was received differs, by the tolerances that the test stated then."""
    draft: goldens.Draft


def propose(folders: tuple[Path, ...]) -> tuple[Proposal, ...]:
    """Set what was received beside the named golden folders; nothing is written.

    Raises ConfigurationError in CI, CouldNotRunError where nothing was received for a folder.
    """
    if in_ci():
        raise ConfigurationError(
            "goldens are not accepted in CI: a person must look at them",
            hint="accept them on a workstation and commit them",
        )
    proposals = []
    for folder in folders:
        if not (folder / ABOUT).is_file():
            raise ConfigurationError(
                f"{folder} is not the golden of a test",
                hint="name a folder that a check of the fixture golden made; a case of goldlock.toml is named by its name",
            )
        place = received.found(folder)
        now, new = goldens.load(folder), goldens.load(place)
        draft = goldens.Draft(
            case=new.case,
            inputs=new.inputs,
            inputs_name=new.inputs_name,
            inputs_sha256="",
            outputs=new.outputs,
            tolerances=new.tolerances,
            provenance=replace(
                new.provenance,
                goldlock_version=__version__,
                recorded=dt.datetime.now(dt.timezone.utc).date().isoformat(),
            ),
            replaces=now.id,
        )
        names = new.tolerances.keys() & now.tolerances.keys()
        tolerances = {**now.tolerances, **{name: new.tolerances[name] for name in names}}
        result = compare_tables(now.outputs, new.outputs, tolerances)
        proposals.append(Proposal(folder=folder, received=place, result=result, draft=draft))
    return tuple(proposals)


def accept(proposals: tuple[Proposal, ...], reason: str) -> None:
    """Write the proposals as goldens, each whole or not at all, with the reason in their history."""
    for proposal in proposals:
        goldens.accept(proposal.folder, proposal.draft, reason)
        received.forget(proposal.received)
