"""Another project, with tests of its own, in which pytest is run as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import (
    build_image,
    drifted,
    mini,
    recorded,
    static_image,
    static_model,
    static_project,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fixtures of the miniature subject, for the tests that run it.
__all__ = [
    "build_image",
    "drifted",
    "elsewhere",
    "mini",
    "recorded",
    "static_image",
    "static_model",
    "static_project",
]


@dataclass(frozen=True)
class Ran:
    """How a run of pytest ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def counts(self) -> dict[str, int]:
        """The last line's figures: `{"passed": 3, "failed": 1}`."""
        last = self.stdout.rstrip().rsplit("\n", 1)[-1]
        return {
            what.removesuffix("s") if what == "errors" else what: int(number)
            for number, what in re.findall(r"(\d+) (passed|failed|skipped|deselected|errors?)", last)
        }

    def section(self, test: str) -> str:
        """What is said of a test that failed."""
        found = re.search(
            rf"^_+ (?:ERROR at setup of )?{re.escape(test)} _+$(.*?)(?=^_{{3,}} |^={{3,}} )",
            self.stdout,
            re.MULTILINE | re.DOTALL,
        )
        return found[1] if found else ""

    def outcomes(self) -> dict[str, str]:
        """What the short summary says of each test (`-rA`)."""
        found = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) (?:\[\d+\] )?(\S+)", self.stdout, re.MULTILINE)
        return {node: outcome for outcome, node in found}


@dataclass(frozen=True)
class Elsewhere:
    """A project's folder."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of this process, without what steers pytest and what says CI."""
        kept = {
            n: v for n, v in os.environ.items() if n not in {"CI", "COLUMNS"} and not n.startswith("PYTEST_")
        }
        return {**kept, **(env or {})}

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, plugins: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Start pytest with goldlock's plugin, those named, and no others: each costs every run its import."""
        named = [word for plugin in ("goldlock.pytest_plugin", *plugins) for word in ("-p", plugin)]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-W", "error", *named, *arguments],
            cwd=self.folder,
            env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **self.environment(env)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pytest(
        self, *arguments: str, env: Mapping[str, str] | None = None, plugins: tuple[str, ...] = ()
    ) -> Ran:
        """Run pytest here to its end, with warnings as errors; an internal error is never right."""
        if "-n" in arguments:
            plugins = (*plugins, "xdist.plugin")
        with self.start(*arguments, env=env, plugins=plugins) as process:
            try:
                stdout, stderr = process.communicate(timeout=300)
            finally:
                process.kill()
        assert "INTERNALERROR" not in stdout + stderr, stdout + stderr
        assert "Exception ignored" not in stderr, stderr
        return Ran(code=process.returncode, stdout=stdout, stderr=stderr)

    def python(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run Python here."""
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(code=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)

    def files(self, below: str = ".") -> dict[str, bytes]:
        root = self.folder / below
        return {
            p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()
        }


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    """A project that knows nothing of goldlock."""
    project = Elsewhere(tmp_path / "project")
    project.write("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--strict-markers"\n')
    return project
