"""The parts that every plot is made of. Lengths are in the units of the view box, 360 by 270.

Colours are classes of the page's style sheet. Each plot is an image to assistive software, with a title and a
description that says in words what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

NOTHING = Markup()
WIDTH, HEIGHT = 360.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 350.0, 16.0, 228.0
"""Of the space between the axes."""
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def figure(name: str, title: str, told: str, parts: Iterable[Markup], legend: str = "") -> Markup:
    """A plot with its title above; `name` is unique on the page."""
    return Markup(
        '<figure class="plot"><figcaption>{1} <span class="aside">{6}</span></figcaption>'
        '<svg viewBox="0 0 {2} {3}" role="img" aria-labelledby="{0}-t {0}-d">'
        '<title id="{0}-t">{1}</title><desc id="{0}-d">{4}</desc>{5}</svg></figure>'
    ).format(name, title, at(WIDTH), at(HEIGHT), told, Markup().join(parts), legend)


def label(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> Markup:
    """Text; `anchor` is start, middle or end."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, at(x), at(y), anchor, text
    )


def upright(y: float, text: str) -> Markup:
    """The name of a vertical axis, read from below."""
    return Markup(
        '<text class="axis" transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>'
    ).format(at(y), text)


def frame(top: float, bottom: float) -> Markup:
    """The edge of a plot that is as wide as all are."""
    return Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(
        at(LEFT), at(top), at(RIGHT - LEFT), at(bottom - top)
    )


def power(base: int, exponent: int) -> str:
    """``2¹⁴``."""
    return f"{base}{str(exponent).translate(_SUPERSCRIPT)}"


def at(number: float) -> str:
    """A coordinate, to a tenth."""
    return f"{number:.1f}".removesuffix(".0")
