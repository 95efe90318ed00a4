"""A page of text for a terminal: lines that wrap at words and hang under their beginning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from goldlock.report import Verdict
from goldlock_env.findings import Severity

if TYPE_CHECKING:
    from rich.console import RenderableType

GOOD, BAD, FAINT, STRONG, NOTE = "green", "red", "dim", "bold", "cyan"
VERDICT = {Verdict.MATCH: "bold green", Verdict.DRIFT: "bold red", Verdict.COULD_NOT_RUN: "bold yellow"}
SEVERITY = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


@dataclass(frozen=True)
class Page:
    """Where a report is written to."""

    console: Console
    wraps: bool
    """Whether long lines are broken; without a terminal they stay whole, for logs and grep."""
    ascii_only: bool = False

    def say(self, *parts: str | tuple[str, str], indent: int = 0, hang: int = 4) -> None:
        """Write one line from plain and styled parts; what wraps stands `hang` columns deeper."""
        line = Text.assemble(*parts)
        if not self.wraps:
            self._print(Text(" " * indent).append_text(line))
            return
        room = max(self.console.width - indent, 20)
        first, *rest = self._broken(line, room, room - hang)
        self._print(Text(" " * indent).append_text(first))
        for more in rest:
            self._print(Text(" " * (indent + hang)).append_text(more))

    @staticmethod
    def _broken(line: Text, room: int, later: int) -> list[Text]:
        if line.cell_len <= room:
            return [line]
        # A word that is longer than the page is left to the terminal: it can be copied whole.
        offsets, used = [], 0
        for word in re.finditer(r"\S+\s*", line.plain):
            if used and used + cell_len(word.group().rstrip()) > room:
                offsets.append(word.start())
                used, room = 0, later
            used += cell_len(word.group())
        lines = list(line.divide(offsets))
        for each in lines:
            each.rstrip()
        return lines

    def show(self, what: RenderableType, *, indent: int) -> None:
        """Write a table."""
        self.console.print(Padding(what, (0, 0, 0, indent), expand=False))

    def gap(self) -> None:
        """Write an empty line."""
        self.console.print()

    def _print(self, line: Text) -> None:
        self.console.print(line, soft_wrap=True)
