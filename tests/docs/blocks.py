"""The documentation as a user follows it: files are written as they are shown, commands are typed, answers compared.

In Markdown a fenced block is
- a command, or several, where its language is `sh` (or where README names none);
- commands with what they answered where it is `console`: lines that start with `$ `, and what was seen below them,
  `...` for any lines that were left out; numbers, digests and versions may be others;
- a file where it has a title: ```` ```toml title="goldlock.toml" ````.

An HTML comment right before it, which no reader sees, says what is not plain: `<!-- exit 1 -->` is the exit code of its
last command, `<!-- not run: REASON -->` why it is not run here.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SHELL = ("sh", "bash", "shell", "console", "")
_COMMENT = re.compile(r"<!-- (exit|not run:) (.+?) -->")
_SAME = (
    (re.compile(r"(?:docker|podman) \S+ \(API [\d.]+\)|local \([^)]*\)"), "ENGINE"),
    (re.compile(r"sha256:[0-9a-f]+|\b[0-9a-f]{16,64}\b"), "DIGEST"),
    (re.compile(r"\d[\d.]*(?:e[+-]?\d+)?"), "#"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block."""

    page: str
    """Relative to the repository."""
    line: int
    language: str
    title: str
    text: str
    exit_code: int
    not_run: str
    """Why; empty where it is run."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL and not self.title

    def commands(self) -> list[tuple[str, str | None]]:
        """Each command with what was seen below it; None where nothing is shown."""
        if self.language != "console":
            return [(self.text, None)]
        typed = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        assert not typed[0], f"{self.place}: does not start with a command"
        return [(first, rest) for first, _, rest in (each.partition("\n") for each in typed[1:])]


def blocks(root: Path, page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    comment = ("", "")
    for token in MarkdownIt().parse((root / page).read_text(encoding="utf-8")):
        if token.type == "html_block":
            found = _COMMENT.search(token.content)
            comment = (found[1], found[2]) if found else ("", "")
        elif token.type == "code_block":
            raise AssertionError(f"{page}: an indented block; fence it and say what it is:\n{token.content}")
        elif token.type == "fence":
            assert token.map is not None
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            yield Block(
                page=page,
                line=token.map[0] + 1,
                language=language,
                title=title[1] if title else "",
                text=token.content,
                exit_code=int(comment[1]) if comment[0] == "exit" else 0,
                not_run=comment[1] if comment[0].startswith("not") else "",
            )
            comment = ("", "")
        elif token.block and token.nesting >= 0:
            comment = ("", "")


def typed(command: str, folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Type a command in a folder, and answer y where it asks; its exit code, and what a terminal would show."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"y\n" * 8)
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=dict(env),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout


def follow(block: Block, folder: Path, env: Mapping[str, str]) -> None:
    """Do what a block says: write its file, or type its commands and look at what they answer."""
    if block.title:
        (folder / block.title).write_text(block.text, encoding="utf-8")
        return
    if not block.is_shell or block.not_run:
        return
    commands = block.commands()
    for number, (command, shown) in enumerate(commands, 1):
        code, said = typed(command, folder, env)
        expected = block.exit_code if number == len(commands) else 0
        assert code == expected, f"{block.place}: {command}\nended with {code}, not {expected}:\n{said}"
        if shown is not None:
            assert seen(shown, said), f"{block.place}: {command}\nshown:\n{shown}\nseen:\n{said}"


def seen(shown: str, said: str) -> bool:
    """Whether what is shown was said, but for numbers, digests, versions, and what `...` leaves out."""
    parts = [
        [_shape(line) for line in part.splitlines()]
        for part in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE)
    ]
    lines = [_shape(line) for line in said.splitlines()]
    position = 0
    for number, part in enumerate(parts):
        places = range(position, len(lines) - len(part) + 1)
        if number == 0:
            places = places[:1]
        if number == len(parts) - 1:
            places = places[-1:] if number else range(len(lines) == len(part))
        found = next((place for place in places if lines[place : place + len(part)] == part), None)
        if found is None:
            return False
        position = found + len(part)
    return True


def _shape(line: str) -> str:
    for pattern, instead in _SAME:
        line = pattern.sub(instead, line)
    return line.strip()
