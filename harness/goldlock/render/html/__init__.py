"""The report as one HTML page that needs nothing else: no network, no other file, no font of its own.

What a subject said is escaped, and steers nothing: the page allows its own script and style by their digests and
forbids every request. Without a script everything can still be read, and of the rows the first fifty.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from goldlock.render.html import _text, _view
from goldlock.results import Rung

if TYPE_CHECKING:
    from goldlock.report import Report


def render(report: Report) -> str:
    """Return the page, with a final line feed. It can be encoded as UTF-8 whatever the report holds."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    template = _environment().get_template("page.html")
    # Both are this package's own files, and hold nothing of the report.
    return template.render(
        page=_view.page(report),
        policy=policy,
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _read("templates", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "clean": _text.clean,
        "count_of": _text.count,
        "distance": _text.distance,
        "index": _text.index,
        "largest": _text.largest,
        "message": _text.lines,
        "many": _text.many,
        "share": _text.share,
        "short": _text.short,
        "value": _text.value,
    }
    environment.globals["rungs"] = tuple(Rung)
    return environment


def _asset(name: str) -> str:
    return _read("assets", name)


def _read(folder: str, name: str) -> str:
    return (resources.files(__package__) / folder / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """A source expression of Content Security Policy level 3 for an inline element of exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
