"""The pytest plugin: goldlock.toml is collected, and tests get the fixtures `golden` and `subject`.

Pytest imports this module in every project of an environment in which goldlock is installed. So it holds
hooks only, imports nothing but pytest, and what a hook needs is imported when there is something to do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any, Literal

    from goldlock.pytesting.checking import Goldens
    from goldlock.pytesting.collection import GoldlockFile
    from goldlock.pytesting.run import Run
    from goldlock.pytesting.subject import Subject

_FILE_NAME = "goldlock.toml"
_CHOICES = {"engine": ("auto", "docker", "local"), "fail_on": ("error", "warning", "outputs")}
_KEY: pytest.StashKey[Run] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini settings; a setting of the same name is the option's default."""
    group = parser.getgroup("goldlock", "goldlock: golden outputs and locked environments")
    group.addoption(
        "--goldlock-config",
        metavar="FILE",
        help="the goldlock.toml of the fixture `subject` (default: the nearest one above the test file)",
    )
    group.addoption(
        "--goldlock-engine",
        choices=_CHOICES["engine"],
        help="what runs the subject; auto takes docker where an engine answers, else local (default: auto)",
    )
    group.addoption(
        "--goldlock-image", metavar="IMAGE", help="check this image instead of the configured subject's"
    )
    group.addoption(
        "--goldlock-fail-on",
        choices=_CHOICES["fail_on"],
        help="which findings of the environment fail their layer's test (default: error)",
    )
    group.addoption(
        "--goldlock-received",
        action="store_true",
        help="at the end show, beside what was expected, what failed checks of goldens received;"
        " nothing is updated: a golden is accepted by name and with a reason",
    )
    parser.addini("goldlock_config", "as --goldlock-config, relative to the ini file", default="")
    parser.addini("goldlock_engine", "as --goldlock-engine", default="")
    parser.addini("goldlock_fail_on", "as --goldlock-fail-on", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; nothing is opened or started."""
    config.addinivalue_line("markers", "goldlock: what a collected goldlock.toml asks for")
    _checked_choices(config)
    from goldlock.pytesting.run import Run

    run = config.stash[_KEY] = Run(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(run.summary, "goldlock-summary")


def _checked_choices(config: pytest.Config) -> None:
    for name, known in _CHOICES.items():
        value = config.getini(f"goldlock_{name}")
        if value and value not in known:
            raise pytest.UsageError(f"goldlock_{name} is {value!r}; it can be {', '.join(known)}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Everything that was started for this run goes."""
    run = config.stash.get(_KEY, None)
    if run is not None:
        run.end()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401  # xdist's, which need not be there
    """Workers of pytest-xdist share what the process that started them owns."""
    if sys.platform == "win32":
        # No Unix sockets and no file locks: there each worker would have to have its own.
        return
    node.workerinput["goldlock_home"] = str(node.config.stash[_KEY].home.folder)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> GoldlockFile | None:
    """A goldlock.toml is a file of tests."""
    if file_path.name != _FILE_NAME:
        return None
    from goldlock.pytesting.collection import GoldlockFile

    return GoldlockFile.from_parent(parent, path=file_path, run=parent.config.stash[_KEY])


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember which files do not run as a whole: nothing of theirs is called stale."""
    if items:
        items[0].config.stash[_KEY].deselected.update(item.path for item in items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is selected is known: one verification will answer all of it."""
    run = session.config.stash[_KEY]
    run.files = _whole_files(session, run.deselected)
    collection = sys.modules.get("goldlock.pytesting.collection")
    if collection is not None:
        collection.plan(session.items, run)


def _whole_files(session: pytest.Session, deselected: set[Path]) -> dict[Path, int]:
    """Test files with goldens of which all tests were selected, and how many tests these are."""
    if session.config.getoption("lf", default=False) or any("::" in str(arg) for arg in session.config.args):
        return {}
    counted: dict[Path, int] = {}
    for item in session.items:
        counted[item.path] = counted.get(item.path, 0) + 1
    return {
        path: count
        for path, count in counted.items()
        if path not in deselected and (path.parent / "goldens" / path.stem).is_dir()
    }


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """A test whose goldens were created has not passed, even where it says nothing more."""
    _fail_where_created(item, (yield))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, None]:
    """As for the test itself: a fixture may check behind its `yield`."""
    _fail_where_created(item, (yield))


def _fail_where_created(item: pytest.Item, outcome: Any) -> None:  # noqa: ANN401  # pluggy's result
    notes = item.config.stash[_KEY].notes.get(item.nodeid)
    if notes is not None and notes.created and outcome.excinfo is None:
        outcome.force_exception(pytest.fail.Exception(notes.created_message(), pytrace=False))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Hand what the summary needs to the process that writes it, which may be another one."""
    outcome = yield
    # After a setup that went well the test goes on, and tells both.
    if call.when != "setup" or call.excinfo is not None:
        told = item.config.stash[_KEY].told(item, whole=call.when == "call")
        if told:
            # An attribute of plain values: pytest and xdist carry it along with the report.
            outcome.get_result().goldlock = told


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Goldens:
    """Check values against stored goldens: `golden.check(value, name=None, rtol=..., atol=..., ...)`.

    Takes arrays, numbers, text, tables (pandas, polars, pyarrow, dicts of arrays) and nested values as of
    JSON. Content, dtype and shape must be those of the golden beside the test file; an absent golden is
    created, and the test fails.
    """
    from goldlock.pytesting.checking import Goldens

    return Goldens(request.node, request.config.stash[_KEY])


def _subject_scope(
    fixture_name: str,  # noqa: ARG001  # pytest passes both by name
    config: pytest.Config,
) -> Literal["session", "module"]:
    return "session" if _named_config(config) else "module"


def _named_config(config: pytest.Config) -> Path | None:
    """The goldlock.toml that the command line or the ini file names."""
    if option := config.getoption("goldlock_config"):
        return Path(config.invocation_params.dir, option)
    if setting := config.getini("goldlock_config"):
        return Path(config.inipath.parent if config.inipath else config.rootpath, setting)
    return None


@pytest.fixture(scope=_subject_scope)
def subject(request: pytest.FixtureRequest) -> Subject:
    """The running subject of the nearest goldlock.toml, one for all tests and workers.

    `subject.ask(case, inputs)` answers with a dict of NumPy arrays; `subject.address` is an HTTP service's
    host and port; `subject.run([...])` runs a command in it; `subject.snapshot` is its environment.
    """
    from goldlock.pytesting.subject import Subject, nearest

    found = _named_config(request.config) or nearest(
        request.path.parent, request.config.rootpath, name=_FILE_NAME
    )
    return Subject(found, request.config.stash[_KEY])
