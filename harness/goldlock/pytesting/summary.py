"""What a test run says at its end: what failed checks received, how to accept it, and stale goldens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

_MANIFEST = "golden.toml"


class Summary:
    """Gathers what reports carry, of all workers, and writes the last lines."""

    def __init__(self, config: pytest.Config) -> None:
        """Of this test run."""
        self._config = config
        self._received: dict[str, dict[str, str]] = {}
        self._created: dict[str, None] = {}
        self._engines: dict[str, None] = {}
        self._used: set[str] = set()
        self._tests: dict[str, int] = {}
        self._passed: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test's report carries."""
        told: dict[str, Any] = getattr(report, "goldlock", {})
        for each in told.get("received", ()):
            self._received[each["received"]] = each
        self._created.update(dict.fromkeys(told.get("created", ())))
        self._used.update(told.get("used", ()))
        if told.get("engine"):
            self._engines[told["engine"]] = None
        if "file" in told:
            self._tests[told["file"]] = told["tests"]
            if report.passed:
                self._passed.setdefault(told["file"], set()).add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the section, where there is something to say."""
        stale = self._stale()
        if not (self._engines or self._received or self._created or stale):
            return
        terminalreporter.section("goldlock")
        for engine in self._engines:
            terminalreporter.write_line(f"engine {engine}")
        for folder in self._created:
            terminalreporter.write_line(f"created  {folder}")
        shown = self._config.getoption("goldlock_received")
        for each in self._received.values():
            terminalreporter.write_line(f"received {each['received']}")
            if shown and each["preview"]:
                terminalreporter.write_line(each["preview"])
            terminalreporter.write_line(f"  differs from {each['golden']}; if it is right: {each['accept']}")
        if self._received and not shown:
            terminalreporter.write_line("--goldlock-received shows it beside what was expected")
        for folder in stale:
            terminalreporter.write_line(f"stale    {folder}: no test looked at it; remove it if none will")

    def _stale(self) -> list[str]:
        """Goldens of files of which every test ran and passed that none of these tests looked at."""
        found = []
        for file, count in sorted(self._tests.items()):
            if len(self._passed.get(file, ())) < count:
                # A test that did not reach its end may have more goldens than it looked at.
                continue
            path = self._config.rootpath / file
            for manifest in sorted((path.parent / "goldens" / path.stem).glob(f"*/{_MANIFEST}")):
                folder = Path(file).parent / "goldens" / path.stem / manifest.parent.name
                if folder.as_posix() not in self._used:
                    found.append(folder.as_posix())
        return found
