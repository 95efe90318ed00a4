"""The examples in docs/pages/reference/reports.md are what goldlock writes."""

from __future__ import annotations

import re

import pytest
from tests.harness.reports import EVERYTHING
from tests.harness.runners import ROOT

from goldlock.render import ReportFormat, rendered, terminal

DOCUMENT = (ROOT / "docs" / "pages" / "reference" / "reports.md").read_text(encoding="utf-8")
SECTIONS = {
    "Text": ReportFormat.TEXT,
    "JSON": ReportFormat.JSON,
    "JUnit XML": ReportFormat.JUNIT,
    "SARIF": ReportFormat.SARIF,
    "Markdown": ReportFormat.MARKDOWN,
}


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_is_what_is_written(title: str) -> None:
    section = DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    section = section if title != "Markdown" else DOCUMENT.partition("\n## Markdown\n")[2]
    (example,) = re.findall(r"\n```\w+\n(.*?)\n```\n", section, re.DOTALL)
    kind = SECTIONS[title]
    written = (
        terminal.render(EVERYTHING, colour=False, width=100)
        if kind is ReportFormat.TEXT
        else rendered(EVERYTHING, kind)
    )
    for part in example.split("\n...\n"):
        assert part in written
        written = written[written.index(part) + len(part) :]


@pytest.mark.parametrize("kind", ReportFormat)
def test_every_format_is_documented(kind: ReportFormat) -> None:
    assert re.search(rf"^\| {kind.value}\b", DOCUMENT, re.MULTILINE | re.IGNORECASE)
