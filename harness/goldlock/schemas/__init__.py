"""The JSON Schemas (draft 2020-12) of goldlock.toml, goldlock.lock and the JSON report.

They are made from what reads and writes the files: the types of the configuration and of the report, and the reader
of the lock; what a key means is the docstring under its field. `python -m goldlock.schemas` writes them again beside
this file, where they are shipped; `goldlock schema` prints them. Making them needs goldlock's sources, reading them
does not.
"""

from __future__ import annotations

from enum import Enum
from importlib import resources


class Document(str, Enum):
    """A kind of file that has a schema."""

    CONFIG = "config"
    LOCK = "lock"
    REPORT = "report"

    @property
    def file(self) -> str:
        """The schema's file, beside this one."""
        return f"{self.value}.schema.json"


def published(document: Document) -> str:
    """Return the schema's text as it is shipped."""
    return (resources.files(__name__) / document.file).read_text(encoding="utf-8")
