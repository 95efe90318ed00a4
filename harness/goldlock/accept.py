"""Making received outputs a golden, knowingly: named cases, columns or rows, a preview, a reason."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import __version__, golden, received
from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock.judging import compared
from goldlock.tables import content
from goldlock.tolerance import default_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from goldlock.config import Case, Config
    from goldlock.results import TableResult
    from goldlock.tables import Batches
    from goldlock.tolerance import Tolerance

_ROWS = re.compile(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", re.ASCII)


class Change(str, Enum):
    """What a proposal does."""

    NOTHING = "changes nothing"
    REPLACES = "replaces the golden"
    MERGES = "changes a part of the golden"
    ADDS = "adds another right golden"
    ADDS_BAD = "adds a known-bad golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be written as a golden."""

    case: str
    folder: Path
    change: Change
    result: TableResult
    """How what would be written differs from what stands there now; of an added one: from the first golden."""
    notes: tuple[str, ...] = ()
    """What else changes."""
    draft: golden.Draft
    received_from: str
    """The golden-id that the received outputs were set beside."""


def in_ci() -> bool:
    """Whether this runs in continuous integration, where nobody looks: CI is set, and not to no."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def parse_rows(text: str) -> tuple[range, ...]:
    """Return the rows of `3,5-9`: counted from 0, as in a report, both ends included.

    Raises ConfigurationError for what is no such list.
    """
    rows = []
    for part in text.split(","):
        match = _ROWS.fullmatch(part)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise ConfigurationError(
                f"{part.strip()!r} names no rows", hint="write rows as 3 or 5-9, parted by commas, from 0"
            )
        rows.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(rows)


def propose(
    config: Config,
    cases: Sequence[Case],
    *,
    columns: Sequence[str] = (),
    rows: Sequence[range] = (),
    variant: str = "",
    bad: bool = False,
) -> tuple[Proposal, ...]:
    """Set the received outputs beside the goldens of named cases; nothing is written.

    A golden whose accept was cut off is brought back first.

    Args:
        config: goldlock.toml.
        cases: whose outputs are accepted.
        columns: of them only these columns; empty: all.
        rows: of them only these rows, counted from 0; empty: all.
        variant: name of the golden that they become; empty: the case's first.
        bad: they are known to be wrong.

    Raises:
        ConfigurationError: CI is set, where nothing is accepted; the selection makes no sense; or a known-bad
            answer would pass as right.
        CouldNotRunError: a case has nothing received, its golden changed since, or is damaged.
    """
    if in_ci():
        raise ConfigurationError(
            "goldens are not accepted in CI: a person must look at them",
            hint="run `goldlock accept` on a workstation and commit the golden",
        )
    if bad and not variant:
        raise ConfigurationError(
            "a known-bad golden needs a name", hint="name what is wrong with it: --bad NAME"
        )
    return tuple(_proposal(config, case, columns, rows, variant, bad=bad) for case in cases)


def accept(config: Config, proposals: Sequence[Proposal], reason: str) -> tuple[str, ...]:
    """Write the proposals as goldens, each whole or not at all, with the reason and who gave it.

    Returns:
        Names of the cases whose golden was written; a proposal that changes nothing writes nothing.

    Raises:
        ConfigurationError: no reason.
        CouldNotRunError: a golden can't be written, or changed since it was proposed. Those before it are written.
    """
    if not reason.strip():
        raise ConfigurationError("a golden is accepted without a reason", hint="say why, with --reason TEXT")
    by = who(config.folder)
    written: list[str] = []
    for proposal in proposals:
        if proposal.change is Change.NOTHING:
            continue
        try:
            fresh = _write(proposal, reason, by)
        except GoldlockError as error:
            before = f" (accepted before that: {', '.join(written)})" if written else ""
            raise type(error)(f"{error.message}{before}", hint=error.hint) from error
        written.append(proposal.case)
        if proposal.change is not Change.MERGES:
            received.forget(config, proposal.case)
        elif proposal.received_from == proposal.draft.replaces:
            # The rest of the answer can still be accepted, for a reason of its own; if not, it is asked for again.
            with contextlib.suppress(OSError):
                received.rebase(config, proposal.case, fresh)
    return tuple(written)


def _write(proposal: Proposal, reason: str, by: str) -> str:
    if proposal.change not in {Change.ADDS, Change.ADDS_BAD}:
        return golden.accept(proposal.folder, proposal.draft, reason, by)
    provenance = replace(proposal.draft.provenance, reason=reason, accepted_by=by)
    return golden.record(proposal.folder, replace(proposal.draft, provenance=provenance))


def who(folder: Path) -> str:
    """Return who works here: as git would sign a commit in `folder`, else the login name; empty where unknown."""
    name, address = _git(folder, "user.name"), _git(folder, "user.email")
    if name or address:
        return f"{name} <{address}>".strip() if address else name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _git(folder: Path, key: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "config", "--get", key],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def _proposal(
    config: Config, case: Case, columns: Sequence[str], rows: Sequence[range], variant: str, *, bad: bool
) -> Proposal:
    first = config.resolve(case.golden)
    place = golden.sibling(first, variant) if variant else first
    for each in dict.fromkeys((first, place)):
        golden.restore(each)
    if not golden.is_there(first):
        raise ConfigurationError(
            f"{first}: there is no golden to replace", hint=f"record it first: goldlock record {case.name}"
        )
    there, goldens, new = golden.is_there(place), golden.load_all(first), received.load(config, case.name)
    target = goldens.by_name(variant)
    _check(case, goldens, new, variant, damaged=there and target is None, bad=bad)
    if target is not None and target.bad is not bad:
        raise ConfigurationError(
            f"{place}: a {'known-bad' if target.bad else 'right'} golden has that name",
            hint="choose another name, or remove that folder first",
        )
    if bad or target is None:
        if columns or rows:
            raise ConfigurationError(
                "columns and rows are selected of a right golden that stands already",
                hint="accept the whole output under that name",
            )
        outputs = new.outputs
    else:
        _check_order(case, target, new.outputs, partial=bool(columns or rows))
        outputs = golden.merged(target.outputs, new.outputs, columns=columns, rows=rows)
    base = goldens.first if target is None else target
    draft = golden.Draft(
        case=case.name,
        inputs=goldens.first.inputs,
        inputs_name=goldens.first.inputs_name,
        inputs_sha256=goldens.first.inputs_sha256,
        outputs=outputs,
        tolerances=_kept_tolerances(case, base, outputs),
        provenance=golden.Provenance(
            # What an environment gave that is not the locked one, the lock did not make.
            lock_id="" if new.blamed else new.lock_id,
            image_id=new.image_id,
            cpu_level=new.cpu_level,
            goldlock_version=__version__,
            recorded=dt.datetime.now(dt.timezone.utc).date().isoformat(),
        ),
        name=variant,
        key=golden.Key(lock_id=new.lock_id, cpu_level=new.cpu_level) if variant and not bad else golden.Key(),
        bad=bad,
        replaces="" if target is None else target.id,
    )
    if draft.name and not bad and draft.key == golden.Key():
        raise CouldNotRunError(
            f"neither the lock nor the CPU is known that gave the outputs of case {case.name!r}",
            hint="another right golden is keyed by them; write the lock with `goldlock lock`, then verify",
        )
    digests = content(outputs)
    _check_right_and_wrong(case, goldens, draft, digests)
    return Proposal(
        case=case.name,
        folder=place,
        change=_change(draft, target, digests, partial=bool(columns or rows)),
        result=compared(case, base, outputs, digests),
        notes=_notes(draft, target),
        draft=draft,
        received_from=new.golden_id,
    )


def _check(
    case: Case, goldens: golden.Goldens, new: received.Received, variant: str, *, damaged: bool, bad: bool
) -> None:
    """Refuse what was received from the wrong environment, or set beside a golden that is no longer there."""
    if new.blamed and not bad:
        raise CouldNotRunError(
            f"the outputs of case {case.name!r} came from an environment that is not the locked one"
            f" ({', '.join(new.blamed[:3])})",
            hint="if that environment is right, `goldlock lock --replace`, then verify and accept",
        )
    known = {each.id for each in (*goldens.right, *goldens.bad)}
    if goldens.first.integrity or damaged or new.golden_id not in known:
        raise CouldNotRunError(
            f"the golden of case {case.name!r} has changed since its outputs were received",
            hint=f"run `goldlock verify {case.name}` again",
        )
    keyed = goldens.for_environment(new.lock_id, new.cpu_level)[0].name
    if not variant and keyed:
        raise ConfigurationError(
            f"case {case.name!r} has a golden of its own for the lock and CPU that gave these outputs:"
            f" {case.name}@{keyed}",
            hint=f"goldlock accept {case.name} --as {keyed}",
        )


def _check_order(case: Case, target: golden.Golden, outputs: Batches, *, partial: bool) -> None:
    """Rows that are told apart by a key may stand in another order: then a part cannot be merged by position."""
    if not partial or not case.rows_by:
        return
    now = content(outputs)
    if any(target.content.get(name) != now.get(name) for name in case.rows_by):
        raise CouldNotRunError(
            f"the rows of case {case.name!r} stand in another order than the golden's",
            hint="accept the whole output",
        )


def _kept_tolerances(case: Case, base: golden.Golden, outputs: Batches) -> dict[str, Tolerance]:
    """What stays of the recorded tolerances, and those of goldlock.toml for columns that are new or of another type."""
    kept = {}
    for name, found in outputs.types.items():
        record = base.columns.get(name)
        if record is not None and record.type == found:
            # Of scores that are not all there any more no margin is known.
            known = outputs.types.keys() >= set(record.tolerance.scores)
            kept[name] = record.tolerance if known else replace(record.tolerance, scores=())
        elif name in case.columns:
            kept[name] = case.columns[name].applied_to(default_for(found.dtype))
    return kept


def _check_right_and_wrong(
    case: Case, goldens: golden.Goldens, draft: golden.Draft, digests: Mapping[str, str]
) -> None:
    """Refuse an answer as wrong that would pass as right, and one as right that is known to be wrong."""
    for each in goldens.right if draft.bad else goldens.bad:
        if each.name == draft.name or not compared(case, each, draft.outputs, digests).passes:
            continue
        if draft.bad:
            raise ConfigurationError(
                f"these outputs of case {case.name!r} would pass as right ({each.label}): the tolerance is too"
                " wide to tell them apart",
                hint="make the case's tolerance in goldlock.toml narrower, then verify again",
            )
        raise ConfigurationError(
            f"these outputs of case {case.name!r} match the known-bad golden {each.name!r}: {each.reason}",
            hint=f"if they are right after all, remove {each.folder} first",
        )


def _change(
    draft: golden.Draft, target: golden.Golden | None, digests: Mapping[str, str], *, partial: bool
) -> Change:
    if target is None:
        return Change.ADDS_BAD if draft.bad else Change.ADDS
    # The digest of a column's content says its type and its number of rows, too.
    if list(target.content.items()) == [(name, digests[name]) for name in draft.outputs.names] and (
        draft.key == target.key
    ):
        return Change.NOTHING
    return Change.MERGES if partial else Change.REPLACES


def _notes(draft: golden.Draft, target: golden.Golden | None) -> tuple[str, ...]:
    if draft.bad:
        return ()
    if target is None:
        return (f"it will hold for {draft.key}",)
    if draft.key != target.key:
        return (f"it will hold for {draft.key}, no longer for {target.key}",)
    return ()
