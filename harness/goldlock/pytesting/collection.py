"""goldlock.toml as a file of tests: one a column of each golden, one a table, one a layer of the environment.

Collecting reads goldlock.toml and golden.toml and starts nothing. The first test that runs asks for the one
verification of all that was selected; the others read their part of its report.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from goldlock import config as configuration
from goldlock.errors import GoldlockError
from goldlock.pytesting.telling import told
from goldlock_env.findings import Layer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from goldlock.pytesting.run import Run
    from goldlock.report import CaseReport, Report
    from goldlock.results import ColumnResult

_ENVIRONMENT = "environment"
_TABLE = "table"
# Not from goldlock.golden, which needs NumPy: collecting does without.
_MANIFEST = "golden.toml"


def plan(items: Sequence[pytest.Item], run: Run) -> None:
    """Note the cases that the selected tests are about, in the files' order."""
    wanted: dict[Path, dict[str, None]] = {}
    for item in items:
        if isinstance(item, _OfCase):
            wanted.setdefault(item.path, {})[item.case] = None
    run.selected = {path: tuple(cases) for path, cases in wanted.items()}


class _Names:
    """Names for node ids: `::` parts those, and each is to be its own."""

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def __call__(self, name: str) -> str:
        plain = wanted = told(name).replace("::", ":") or "(empty)"
        number = 1
        while wanted in self._taken:
            number += 1
            wanted = f"{plain}~{number}"
        self._taken.add(wanted)
        return wanted


class GoldlockFile(pytest.File):
    """One goldlock.toml."""

    def __init__(self, *, run: Run, **node: Any) -> None:  # noqa: ANN401  # pytest's own
        super().__init__(**node)
        self._run = run

    def collect(self) -> Iterator[pytest.Collector]:
        """Its cases, then the environment."""
        try:
            config = configuration.load(self.path)
        except GoldlockError as error:
            raise self.CollectError(_of_error(error)) from None
        named = _Names(_ENVIRONMENT)
        for case in config.case:
            yield _CaseCollector.from_parent(
                self, name=named(case.name), case=case.name, golden=config.resolve(case.golden), run=self._run
            )
        goldens = tuple(config.resolve(case.golden) for case in config.case)
        yield _EnvironmentCollector.from_parent(self, name=_ENVIRONMENT, goldens=goldens, run=self._run)


class _CaseCollector(pytest.Collector):
    """One case."""

    def __init__(self, *, case: str, golden: Path, run: Run, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self._case, self._golden, self._run = case, golden, run

    def collect(self) -> Iterator[pytest.Item]:
        """The table, then its columns."""
        if not (self._golden / _MANIFEST).is_file():
            yield _Unrecorded.from_parent(
                self, name=_TABLE, case=self._case, folder=self._run.shown(self._golden), run=self._run
            )
            return
        columns, named = _columns(self._golden / _MANIFEST), _Names(_TABLE)
        yield _TableItem.from_parent(self, name=_TABLE, case=self._case, run=self._run, columns=columns)
        for column in columns:
            yield _ColumnItem.from_parent(
                self, name=named(column), case=self._case, run=self._run, column=column
            )


def _columns(manifest: Path) -> tuple[str, ...]:
    """Names of a golden's columns; none where golden.toml is broken, which verifying tells better."""
    try:
        document = tomllib.loads(manifest.read_text(encoding="utf-8"))
        return tuple(str(column["name"]) for column in document["columns"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


class _EnvironmentCollector(pytest.Collector):
    """The environment."""

    def __init__(self, *, goldens: tuple[Path, ...], run: Run, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self._goldens, self._run = goldens, run

    def collect(self) -> Iterator[pytest.Item]:
        """Its layers."""
        for layer in Layer:
            kind = _GoldenLayerItem if layer is Layer.GOLDEN else _LayerItem
            yield kind.from_parent(self, name=layer.value, layer=layer, goldens=self._goldens, run=self._run)


class _Checked(pytest.Item):
    """A test that reads its part of a report."""

    run_of: Run

    def __init__(self, *, run: Run, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self.run_of = run
        self.add_marker("goldlock")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands, and its headline when it fails: a name that is no end of the node id, in which
        pytest would take a dot for a `::`.
        """
        of = self.parent.name if self.parent is not None else ""
        return self.path, None, f"{of}: {self.name}"

    def asked(self) -> Report:
        """The report; where there can be none, the test is an error and not a failure."""
        try:
            report = self.run_of.report(self.path)
        except GoldlockError as error:
            raise pytest.fail.Exception(f"could not run: {_of_error(error)}", pytrace=False) from None
        self.run_of.notes_of(self).engine = f"{report.engine}: {self.run_of.shown(self.path)}"
        return report


class _OfCase(_Checked):
    """A test of a case that has a golden."""

    def __init__(self, *, case: str, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self.case = case
        self._report: CaseReport | None = None

    def setup(self) -> None:
        """Have the case asked."""
        report = self.asked()
        found = next(case for case in report.cases if case.name == self.case)
        if found.table is None:
            failure = found.failure or report.failure
            message = "it was not compared" if failure is None else _of_error(failure)
            pytest.fail(f"could not run: case {self.case!r}: {message}", pytrace=False)
        self._report = found

    def found(self) -> CaseReport:
        """The case's report, which `setup` left."""
        if self._report is None:
            pytest.fail("could not run: not set up", pytrace=False)
        return self._report

    def differs(self, message: str) -> None:
        """Fail; say where the received outputs are."""
        received = self.path.parent / ".goldlock" / "received" / self.case
        if received.is_dir():
            self.run_of.notes_of(self).received.append(
                {
                    "received": self.run_of.shown(received),
                    "golden": self.run_of.shown(self.path.parent / self.found().golden),
                    "accept": f"goldlock accept {self.case} -c {self.run_of.shown(self.path)} --reason TEXT",
                    "preview": self._preview(),
                }
            )
        pytest.fail(message, pytrace=False)

    def _preview(self) -> str:
        from goldlock.pytesting.telling import of_table

        table = self.found().table
        shown = self.config.getoption("goldlock_received") and table is not None
        return of_table(table) if shown and table is not None else ""


class _ColumnItem(_OfCase):
    """One column of a case's golden."""

    def __init__(self, *, column: str, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self._column = column

    def runtest(self) -> None:
        """Fail where the column is not within its tolerance."""
        from goldlock.pytesting.telling import of_columns

        report = self.found()
        table = report.table
        result = _column(table.columns if table else (), self._column)
        if table is None or result is None:
            pytest.skip(f"the golden that was compared with ({report.variant}) has no such column")
        self.user_properties.append(("goldlock-rung", result.rung.value))
        if not result.passes:
            self.differs(of_columns(table, (result,), inputs=report.inputs))


def _column(columns: Iterable[ColumnResult], name: str) -> ColumnResult | None:
    return next((column for column in columns if column.name == name), None)


class _TableItem(_OfCase):
    """What is no single column's: rows, the order of columns, columns that are not in the golden."""

    def __init__(self, *, columns: tuple[str, ...], **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self._columns = columns

    def runtest(self) -> None:
        """Fail where the table does not match and that is not told by its columns' tests alone."""
        from goldlock.pytesting.telling import of_columns

        report = self.found()
        table = report.table
        if table is None:
            return
        self.user_properties.append(("goldlock-rung", table.rung.value))
        if table.passes and not report.known_bad:
            return
        others = tuple(c for c in table.columns if c.name not in self._columns and not c.passes)
        told_by_columns = any(not c.passes for c in table.columns if c.name in self._columns)
        own = others or table.notes or not told_by_columns or table.actual_rows != table.expected_rows
        if report.known_bad:
            self.differs(f"the answer matches a known-bad golden: {told(report.known_bad)}")
        if own:
            self.differs(of_columns(table, others, inputs=report.inputs, notes=report.notes, whole=True))


class _Unrecorded(_Checked):
    """A case without a golden; nothing is started for it."""

    def __init__(self, *, case: str, folder: str, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self._case, self._folder = case, folder

    def runtest(self) -> None:
        """Fail, and say what to do."""
        where = self.run_of.shown(self.path)
        pytest.fail(
            f"case {self._case!r} has no golden: there is no {self._folder}/{_MANIFEST}\n"
            f"  -> run `goldlock record {self._case} -c {where}`, look at it, and commit the folder",
            pytrace=False,
        )


class _LayerItem(_Checked):
    """One layer of the environment."""

    def __init__(self, *, layer: Layer, goldens: tuple[Path, ...], **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self._layer, self._goldens = layer, goldens
        self._report: Report | None = None

    def setup(self) -> None:
        """Have the environment looked at."""
        self._report = self.asked()
        if self._report.failure is not None and self._layer not in self._report.layers:
            pytest.fail(f"could not run: {_of_error(self._report.failure)}", pytrace=False)

    def runtest(self) -> None:
        """Fail where a finding counts; skip what nobody could look at."""
        from goldlock.pytesting.telling import judged

        if self._report is not None:
            self.judge(*judged(self._report, self._layer))

    def judge(self, failed: str, unknown: str, told: str) -> None:
        """Fail, skip or tell."""
        if failed:
            pytest.fail(failed, pytrace=False)
        if unknown:
            pytest.skip(unknown)
        if told:
            self.add_report_section("call", "goldlock", told)


class _GoldenLayerItem(_LayerItem):
    """The goldens' seals: needs no subject where no case is asked."""

    def setup(self) -> None:
        """Have the cases verified, if any are."""
        if self.run_of.selected.get(self.path):
            super().setup()

    def runtest(self) -> None:
        """As for the others; without a verification the folders are read here."""
        if self._report is not None:
            super().runtest()
            return
        from goldlock.golden import is_there, load_all, stale
        from goldlock.pytesting.telling import judged_findings
        from goldlock.report import FailOn

        try:
            findings = [*stale(self._goldens)]
            for folder in self._goldens:
                if is_there(folder):
                    findings += load_all(folder).integrity
        except GoldlockError as error:
            raise pytest.fail.Exception(_of_error(error), pytrace=False) from None
        self.judge(*judged_findings(findings, FailOn(self.run_of.settings.fail_on)))


def _of_error(error: GoldlockError | Any) -> str:  # noqa: ANN401  # or a report's Failure, which has the same two
    said = "\n".join(map(told, error.message.splitlines()))
    return f"{said}\n  -> {told(error.hint)}" if error.hint else said
