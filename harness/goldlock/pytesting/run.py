"""One process's share of a test run: its settings, what its tests did, and its way to the broker."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from goldlock.pytesting.summary import Summary

if TYPE_CHECKING:
    from goldlock.pytesting.client import Client
    from goldlock.pytesting.home import Home
    from goldlock.pytesting.requests import Request, Settings
    from goldlock.report import Report


@dataclass(slots=True)
class Notes:
    """What one test did with goldens; paths are relative to the root folder, with `/`."""

    used: list[str] = field(default_factory=list)
    """Golden folders that it looked at."""
    created: list[str] = field(default_factory=list)
    received: list[dict[str, str]] = field(default_factory=list)
    """Checks that failed: `golden` and `received` folders, the `accept` command, a `preview`."""
    engine: str = ""
    """What ran the subject."""

    def created_message(self) -> str:
        """Why a test that created goldens fails."""
        listed = "".join(f"\n  {folder}" for folder in self.created)
        return (
            f"{len(self.created)} golden{'s were' if len(self.created) > 1 else ' was'} created, so nothing was"
            f" compared:{listed}\n  -> look at the outputs in it, commit the folder, and run the test again"
        )


class Run:
    """What this process knows of the run; the hooks share it through the configuration's stash."""

    def __init__(self, config: pytest.Config) -> None:
        """Open nothing yet."""
        self.config = config
        self.summary = Summary(config)
        self.notes: dict[str, Notes] = {}
        """By node id."""
        self.deselected: set[Path] = set()
        self.files: dict[Path, int] = {}
        """Test files with goldens that run as a whole, and the number of their tests."""
        self.selected: dict[Path, tuple[str, ...]] = {}
        """Cases of each goldlock.toml that are to be asked."""
        self._reports: dict[Path, Report] = {}
        self._client: Client | None = None

    @cached_property
    def home(self) -> Home:
        """The private folder of this run; made when it is first needed."""
        from goldlock.pytesting.home import Home

        return Home()

    @cached_property
    def settings(self) -> Settings:
        """What options and ini settings say."""
        from goldlock.pytesting.requests import Settings

        return Settings(
            engine=self._setting("engine") or "auto",
            image=self.config.getoption("goldlock_image"),
            fail_on=self._setting("fail_on") or "error",
        )

    def _setting(self, name: str) -> str:
        return str(self.config.getoption(f"goldlock_{name}") or self.config.getini(f"goldlock_{name}"))

    def notes_of(self, item: pytest.Item) -> Notes:
        """What a test did, to be added to."""
        return self.notes.setdefault(item.nodeid, Notes())

    def told(self, item: pytest.Item, *, whole: bool) -> dict[str, Any]:
        """A test's notes as plain values, for the process that writes the summary; forgets them.

        `whole`: of the test itself, which counts as one of its file; else of its setup or teardown.
        """
        told: dict[str, Any] = {}
        notes = self.notes.pop(item.nodeid, None)
        if notes is not None:
            told = {
                "used": notes.used,
                "created": notes.created,
                "received": notes.received,
                "engine": notes.engine,
            }
        if whole and (count := self.files.get(item.path)) is not None:
            told["file"] = self.shown(item.path)
            told["tests"] = count
        return told

    def shown(self, path: Path) -> str:
        """A path as messages name it: relative to the root folder where it is below it."""
        return Path(os.path.relpath(path, self.config.rootpath)).as_posix()

    def report(self, path: Path) -> Report:
        """The one report on a goldlock.toml: of its selected cases, or of the environment alone.

        Raises GoldlockError.
        """
        if path not in self._reports:
            from goldlock.pytesting.requests import Check, Verify
            from goldlock.render import json

            cases = self.selected.get(path, ())
            request = (
                Verify(config=str(path), settings=self.settings, cases=cases)
                if cases
                else Check(config=str(path), settings=self.settings)
            )
            self._reports[path] = json.parse(cast("bytes", self.ask(request)), where="goldlock's own process")
        return self._reports[path]

    def ask(self, request: Request) -> object:
        """Ask the broker; raises GoldlockError."""
        __tracebackhide__ = True
        if self._client is None:
            from goldlock.pytesting.client import Client

            self._client = Client(self._meeting(), self._note)
        return self._client.ask(request)

    def _meeting(self) -> Path:
        given = getattr(self.config, "workerinput", {}).get("goldlock_home")
        # A worker on another machine has that folder's path, and not the folder.
        return Path(given) if given and Path(given).is_dir() else self.home.folder

    def _note(self, line: str) -> None:
        """A line of progress, past the capture of what tests print."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if capture is None or self.config.getoption("verbose") < 0:
            return
        with capture.global_and_fixture_disabled():
            if reporter is not None:
                reporter.ensure_newline()
                reporter.write_line(f"goldlock: {line}")
            else:
                # A worker of xdist: its stderr is the terminal's.
                print(f"goldlock: {line}", file=sys.stderr, flush=True)  # noqa: T201

    def end(self) -> None:
        """Close the connection and, where this process owns the run, everything that was started."""
        if self._client is not None:
            self._client.close()
        # Not asked through `self.home`, which would make one to end it.
        home = self.__dict__.pop("home", None)
        if home is not None:
            home.end()
