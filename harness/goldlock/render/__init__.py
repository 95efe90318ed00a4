"""Renderers: each turns a `goldlock.report.Report` into text, and reads nothing else."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goldlock.report import Report


class ReportFormat(str, Enum):
    """What a report can be written as."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    JUNIT = "junit"
    SARIF = "sarif"
    MARKDOWN = "markdown"


def rendered(report: Report, kind: ReportFormat, *, verbose: bool = False) -> str:
    """The report in that format, with a final line feed; text is without colour and as wide as the terminal.

    Each renderer is imported when it is asked for: HTML wants jinja2, text wants rich, and the others neither.
    `verbose`: whether text shows every finding.
    """
    match kind:
        case ReportFormat.TEXT:
            from goldlock.render import terminal

            return terminal.render(report, colour=False, verbose=verbose)
        case ReportFormat.JSON:
            from goldlock.render import json

            return json.render(report)
        case ReportFormat.HTML:
            from goldlock.render import html

            return html.render(report)
        case ReportFormat.JUNIT:
            from goldlock.render import junit

            return junit.render(report)
        case ReportFormat.SARIF:
            from goldlock.render import sarif

            return sarif.render(report)
        case ReportFormat.MARKDOWN:
            from goldlock.render import markdown

            return markdown.render(report)
