"""What failed checks received: golden folders of their own in the git-ignored `.goldlock/received/`.

::

    .goldlock/received/_tests/tests/goldens/test_model/test_predict/

No case of a goldlock.toml can have a name that starts with `_`, so its answers never stand there.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from goldlock.errors import CouldNotRunError

ABOUT = "check.json"
"""Stands where a case's golden has its inputs: which test checked what kind of value."""

_PLACE = Path(".goldlock", "received", "_tests")


def folder(root: Path, golden: Path) -> Path:
    """Where the value that differs from a golden is kept, below the root folder of the test run."""
    try:
        below = golden.relative_to(root)
    except ValueError:
        # Tests outside of the root folder have theirs beside them.
        return golden.parent / _PLACE / golden.name
    return root / _PLACE / below


def found(golden: Path) -> Path:
    """The folder of what was received for a golden, looked for from there upwards.

    Raises CouldNotRunError: there is none.
    """
    golden = golden.absolute()
    for above in golden.parents:
        place = folder(above, golden)
        if place.is_dir():
            return place
    raise CouldNotRunError(
        f"nothing was received for {golden}", hint="run its test first: it keeps what differs from the golden"
    )


def forget(place: Path) -> None:
    """Remove what was received, and the folders that this leaves empty."""
    shutil.rmtree(place, ignore_errors=True)
    parent = place.parent
    with contextlib.suppress(OSError):
        while parent.name != ".goldlock":
            parent.rmdir()
            parent = parent.parent


def ignored_by_git(place: Path, root: Path) -> None:
    """See to it that git does not offer what was received, where nobody has said so."""
    marker = root / ".goldlock" / ".gitignore"
    if place.is_relative_to(marker.parent) and not marker.exists():
        with contextlib.suppress(OSError):
            marker.write_text("*\n", encoding="utf-8")
