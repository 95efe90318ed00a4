"""The fixture `golden`: a value against the golden beside the test file."""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest

from goldlock import __version__
from goldlock import golden as goldens
from goldlock.compare import compare_tables
from goldlock.config import Column
from goldlock.errors import ConfigurationError, GoldlockError
from goldlock.pytesting import received
from goldlock.pytesting.received import ABOUT
from goldlock.pytesting.telling import of_columns, of_table, told
from goldlock.pytesting.values import Taken, taken
from goldlock.scratch import scratch_folder
from goldlock.tolerance import Kind, Tolerance, default_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from goldlock.pytesting.run import Run

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_DIFF = 60
"""Lines of a text's difference that a message shows."""

Stated: TypeAlias = "Mapping[str, object]"


class GoldenMismatchError(AssertionError):
    """The value is not that of the golden."""


class Goldens:
    """The goldens of one test; see `check`."""

    def __init__(self, item: pytest.Item, run: Run) -> None:
        """Of the test `item`."""
        self._item, self._run = item, run
        self._checked: set[str | None] = set()
        # A test that is run again starts afresh.
        run.notes.pop(item.nodeid, None)
        # Not the node id: xdist's groups are a part of that.
        chain = [node.name for node in item.listchain() if isinstance(node, pytest.Class | pytest.Item)]
        self._test = "::".join(chain)
        self._folder = item.path.parent / "goldens" / item.path.stem

    def check(
        self,
        value: object,
        name: str | None = None,
        *,
        rtol: float | None = None,
        atol: float | None = None,
        ulp: int | None = None,
        kind: Kind | str | None = None,
        columns: Mapping[str, Stated] | None = None,
        rows_by: Sequence[str] = (),
    ) -> None:
        """Compare a value with its golden; create the golden where there is none, which fails the test.

        Columns, dtypes, shapes and the number of rows must be the same. Floats may differ by the default
        tolerance of their dtype unless one is stated; text, whole numbers and true/false not at all.

        Args:
            value: an array, a number, text, a table or nested dicts and lists (`goldlock.pytesting.values`).
            name: tells several checks of one test apart.
            rtol: largest difference relative to the expected value.
            atol: largest difference, in the value's own unit.
            ulp: largest difference in units of the last place.
            kind: `exact`, `close`, `label` or `probability`.
            columns: per column what goldlock.toml's `[case.columns]` takes, such as
                `{"p": {"rtol": 1e-4}, "seconds": {"kind": "ignore", "reason": "a clock"}}`; it comes
                before `rtol`, `atol`, `ulp` and `kind`, which are for columns of floats, and for the
                whole value where that is one column.
            rows_by: columns that name a row, where rows may come in any order.

        Raises:
            GoldenMismatchError: the value differs; what was received is kept in `.goldlock/received/`.
            ConfigurationError: a tolerance that means nothing, a name that was checked before, a value
                that can't be stored.
        """
        __tracebackhide__ = True
        stated = {"rtol": rtol, "atol": atol, "ulp": ulp, "kind": kind}
        try:
            self._check(value, name, stated, columns or {}, rows_by)
        except GoldlockError as error:
            # The fault is in the call: a test's traceback ends there.
            raise error.with_traceback(None) from None

    def _check(
        self,
        value: object,
        name: str | None,
        stated: Stated,
        columns: Mapping[str, Stated],
        rows_by: Sequence[str],
    ) -> None:
        __tracebackhide__ = True
        folder = self._claimed(name)
        content = taken(value)
        tolerances = _tolerances(content, stated, columns)
        rows_by = (rows_by,) if isinstance(rows_by, str) else rows_by
        for key in rows_by:
            _known("rows_by names", key, content)
        self._run.notes_of(self._item).used.append(self._run.shown(folder))
        about = {"test": self._test, "name": name or "", "value": content.about}
        if not goldens.is_there(folder):
            self._create(folder, content, tolerances, about)
        else:
            self._compare(folder, content, tolerances, about, rows_by)

    def _claimed(self, name: str | None) -> Path:
        """The folder of a check, which no other of this test has."""
        if name is not None and not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} cannot be the name of a check",
                hint="use letters, digits, dashes, dots and underscores",
            )
        if name in self._checked:
            called = "without a name" if name is None else f"named {name!r}"
            raise ConfigurationError(
                f"this test has two checks {called}", hint="give each its own: golden.check(value, NAME)"
            )
        self._checked.add(name)
        test = folder_name(self._test)
        return self._folder / (test if name is None else f"{test}-{name}")

    def _create(
        self, folder: Path, content: Taken, tolerances: Mapping[str, Tolerance], about: Mapping[str, object]
    ) -> None:
        __tracebackhide__ = True
        from goldlock.accept import in_ci

        shown = self._run.shown(folder)
        if in_ci():
            raise GoldenMismatchError(
                f"there is no golden {shown}, and none is created in CI\n"
                "  -> run the test on a workstation, look at the golden, and commit it"
            )
        _write(folder, content, tolerances, about, self._case(about))
        self._run.notes_of(self._item).created.append(shown)

    def _compare(
        self,
        folder: Path,
        content: Taken,
        tolerances: Mapping[str, Tolerance],
        about: Mapping[str, object],
        rows_by: Sequence[str],
    ) -> None:
        __tracebackhide__ = True
        golden = goldens.load(folder)
        shown = self._run.shown(folder)
        if golden.integrity:
            raise GoldenMismatchError(
                f"the golden {shown} was edited by hand ({told(golden.integrity[0].key)}), so nothing was compared\n"
                "  -> take it from version control again, or remove it and run the test to create it"
            )
        before = _about(golden.inputs)
        if (before.get("test"), before.get("name")) != (about["test"], about["name"]):
            raise ConfigurationError(
                f"{shown} is the golden of another check: {before.get('test')} {before.get('name')}".rstrip(),
                hint="rename one of the two tests or checks",
            )
        result = compare_tables(golden.outputs, content.table, tolerances, rows_by=rows_by)
        same_kind = before.get("value") == content.about
        place = received.folder(self._run.config.rootpath, folder)
        if result.passes and same_kind:
            received.forget(place)
            return
        received.forget(place)
        _write(place, content, tolerances, about, self._case(about))
        received.ignored_by_git(place, self._run.config.rootpath)
        preview = of_table(result) if self._run.config.getoption("goldlock_received") else ""
        accept = f"goldlock accept {shlex.quote(shown)} --reason TEXT"
        self._run.notes_of(self._item).received.append(
            {"received": self._run.shown(place), "golden": shown, "accept": accept, "preview": preview}
        )
        lines = [] if same_kind else [_kinds(before.get("value"), content.about)]
        differing = [column for column in result.columns if not column.passes]
        if not result.passes:
            lines.append(of_columns(result, differing, whole=True))
            lines += _text_difference(golden, content)
        lines.append(f"golden   {shown}\nreceived {self._run.shown(place)}\n  -> if it is right: {accept}")
        raise GoldenMismatchError("\n".join(lines))

    def _case(self, about: Mapping[str, object]) -> str:
        return f"{self._test} {about['name']}".rstrip()


def folder_name(test: str) -> str:
    """The folder of a test's golden: `TestA::test_b[x-1]` becomes `TestA.test_b.x-1`.

    What a file's name should not hold is replaced, with a few digits of the whole name's digest behind it.
    """
    name = test.replace("::", ".").replace("[", ".", 1).removesuffix("]")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")
    if plain == name and len(plain) <= 120:
        return plain
    digest = hashlib.sha256(test.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{plain[:120].rstrip('.')}.{digest[:8]}"


def _tolerances(
    content: Taken, stated: Mapping[str, object], columns: Mapping[str, Stated]
) -> dict[str, Tolerance]:
    """The tolerance of each column: stated for it, else for the value, else the default of its dtype."""
    types = content.table.types
    for name in columns:
        _known("a tolerance is stated for", name, content)
    general = _column("the value", {key: value for key, value in stated.items() if value is not None})
    tolerances = {}
    for name, found in types.items():
        base = default_for(found.dtype)
        if "float" in found.dtype or len(types) == 1:
            base = general.applied_to(base)
        if name in columns:
            base = _column(f"column {name!r}", columns[name]).applied_to(base)
        base.check(name, found.dtype)
        tolerances[name] = base
    return tolerances


def _known(what: str, name: str, content: Taken) -> None:
    """Refuse the name of a column that the value does not have."""
    types = content.table.types
    if name not in types:
        raise ConfigurationError(
            f"{what} column {name!r}, which the value does not have",
            hint=f"its columns are: {', '.join(map(repr, types))}",
        )


def _column(what: str, stated: Stated) -> Column:
    keys = {key.replace("_", "-"): value for key, value in stated.items()}
    try:
        return msgspec.convert(keys, Column)
    except msgspec.ValidationError as error:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(Column))
        raise ConfigurationError(
            f"the tolerance of {what} can't be read: {error}", hint=f"it takes {known}"
        ) from None


def _write(
    folder: Path,
    content: Taken,
    tolerances: Mapping[str, Tolerance],
    about: Mapping[str, object],
    case: str,
) -> None:
    with scratch_folder() as scratch:
        path = scratch / ABOUT
        path.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        goldens.record(
            folder,
            goldens.Draft(
                case=case,
                inputs=path,
                inputs_name=ABOUT,
                inputs_sha256="",
                outputs=content.table,
                tolerances=tolerances,
                provenance=goldens.Provenance(
                    lock_id="",
                    image_id="",
                    cpu_level="",
                    goldlock_version=__version__,
                    recorded=dt.datetime.now(dt.timezone.utc).date().isoformat(),
                ),
            ),
        )


def _about(path: Path) -> dict[str, object]:
    """What a golden says of its check; sealed, so it is as it was written."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{path.parent} is not the golden of a test", hint="move it, and run the test to create its own"
        )
    return document


def _kinds(before: object, now: Mapping[str, object]) -> str:
    """How the kind of a value has changed."""
    known = before if isinstance(before, dict) else {}
    if known.get("kind") != now["kind"]:
        return f"schema: the golden is of kind {known.get('kind')}, the value of kind {now['kind']}"
    return f"schema: empty parts were {json.dumps(known.get('empty', {}))}, and are {json.dumps(now.get('empty', {}))}"


def _text_difference(golden: goldens.Golden, content: Taken) -> list[str]:
    """The lines of a text that differ."""
    if content.text is None or golden.outputs.names != ("line",):
        return []
    before = [str(line) for batch in golden.outputs.batches() for line in batch.columns["line"].tolist()]
    lines = [
        told(line)
        for line in difflib.unified_diff(
            before, content.text.split("\n"), "expected", "actual", lineterm="", n=2
        )
    ]
    return [*lines[:_DIFF], *([f"... {len(lines) - _DIFF} more lines"] if len(lines) > _DIFF else [])]
