"""Text tables in blocks of rows: one pass finds types and rows, each further one reads values."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from goldlock.tables._batches import BATCH_ROWS, rechunked
from goldlock.tables._source import Source
from goldlock.tables._table import Table
from goldlock.tables._types import ColumnType

LONGEST_LINE = 1 << 26
"""Characters: more is no line, and would fill memory."""


_PIECE = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some rows of a text table."""

    first: int
    """Number of the first row."""
    lines: Sequence[int]
    """Line of each row."""
    columns: Mapping[str, Sequence[object]]


class Reader(Protocol):
    """One text format's way to read a source."""

    def blocks(self) -> Iterator[Block]:
        """Yield the rows from the beginning. Raises CouldNotRunError for what is not this format."""

    def table(self, block: Block, types: Mapping[str, ColumnType]) -> Table:
        """Return a block's columns `types`. Raises CouldNotRunError for values that are not of their type."""


class TextBatches:
    """A text table whose types are known, as `Batches`."""

    def __init__(
        self, source: Source, reader: Reader, types: Mapping[str, ColumnType], kept: KeptBlocks
    ) -> None:
        self._source = source
        self._reader = reader
        self._kept = kept.blocks
        self.types = types
        self.rows = kept.rows

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.types)

    def batches(self, names: Sequence[str] | None = None, *, rows: int = BATCH_ROWS) -> Iterator[Table]:
        chosen = {name: self.types[name] for name in (self.names if names is None else names)}
        return rechunked(self._tables(chosen), tuple(chosen), self.types, rows)

    def _tables(self, chosen: Mapping[str, ColumnType]) -> Iterator[Table]:
        read = 0
        for block in self._reader.blocks() if self._kept is None else self._kept:
            yield self._reader.table(block, chosen)
            read += len(block.lines)
        if read != self.rows:
            raise self._source.fault(
                f"had {self.rows} rows, and has {read} now", "let nothing write to the file while it is read"
            )


class KeptBlocks:
    """What the first pass leaves behind: the number of rows, and the rows where one block has them all."""

    def __init__(self) -> None:
        self.rows = 0
        self.blocks: list[Block] | None = []

    def add(self, block: Block) -> None:
        self.rows += len(block.lines)
        if self.blocks:
            self.blocks = None
        elif self.blocks is not None:
            self.blocks.append(block)


def lines(source: Source, newline: str) -> Iterator[str]:
    r"""Yield the lines of UTF-8 text with their ends, without a byte order mark.

    `newline` is as `open` has it: ``""`` for ends of any kind, ``"\n"`` for that only.
    """
    number, rest = 1, ""
    for piece in _decoded(source):
        text = rest + piece
        # A \r at the very end may be half of \r\n.
        end = max(text.rfind("\n"), -1 if newline else text.rfind("\r", 0, len(text) - 1)) + 1
        yield from io.StringIO(text[:end], newline=newline)
        number += text.count("\n", 0, end)
        rest = text[end:]
        if len(rest) >= LONGEST_LINE:
            raise source.fault(
                f"line {number} is longer than {LONGEST_LINE - 1} characters", "write one row in each line"
            )
    yield from io.StringIO(rest, newline=newline)


def _decoded(source: Source) -> Iterator[str]:
    # Not utf-8-sig, whose decoder passes over a byte order mark that is cut off.
    decoder = codecs.getincrementaldecoder("utf-8")()
    with source.open() as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        try:
            while data := file.read(_PIECE):
                yield decoder.decode(data)
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise source.not_utf8() from error
