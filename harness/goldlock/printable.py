"""Text of a subject on a terminal: nothing in it may steer that terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """One line of text with every control, format and line-ending character replaced by U+FFFD."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.expandtabs())
