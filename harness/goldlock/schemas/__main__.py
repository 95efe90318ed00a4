"""`python -m goldlock.schemas` writes the published schemas again, in a clone."""

from __future__ import annotations

import json
from pathlib import Path

from goldlock.schemas import Document, _config, _lock, _report

_MADE = {Document.CONFIG: _config.schema, Document.LOCK: _lock.schema, Document.REPORT: _report.schema}


def render(document: Document) -> str:
    """Return a schema as it stands in its file."""
    return json.dumps(_MADE[document](), indent=2) + "\n"


def main() -> None:
    """Write them all."""
    for document in Document:
        (Path(__file__).parent / document.file).write_text(render(document), encoding="utf-8")


if __name__ == "__main__":
    main()
