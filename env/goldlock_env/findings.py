"""One difference, as a value, and the words it is told in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Layer(str, Enum):
    """Which part of the recorded world a finding is about. The order is the order of reports."""

    PYTHON = "python"
    PACKAGES = "packages"
    OS = "os"
    IMAGE = "image"
    NUMERICS = "numerics"
    HOST = "host"
    ARTIFACTS = "artifacts"
    LOCK = "lock"
    GOLDEN = "golden"

    def __str__(self) -> str:
        return self.value

    @property
    def position(self) -> int:
        """Place in a report, from 0."""
        return _LAYERS.index(self)


class Status(str, Enum):
    """What became of the expected value. UNKNOWN is neither a difference nor a match."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


class Severity(str, Enum):
    """How much a finding weighs; ``rank`` 0 is the heaviest."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    def __str__(self) -> str:
        return self.value

    @property
    def rank(self) -> int:
        """0 for error, 1 for warning, 2 for info."""
        return _SEVERITIES.index(self)


_LAYERS = tuple(Layer)
_SEVERITIES = tuple(Severity)
IMPOSSIBLE = "requires-python"
"""Key of the one finding on all locked packages that cannot exist on the interpreter that is there."""
FOLLOWS = "the locked version cannot exist on the Python that is there"
"""Note of a finding that this one explains."""
_CAUSES = frozenset(
    {(Layer.PYTHON, "implementation"), (Layer.PYTHON, "version"), (Layer.PACKAGES, IMPOSSIBLE)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference (or one unknown) between what is expected and what is there."""

    layer: Layer
    key: str
    """What differs, within its layer: ``version``, a package's name, ``numpy: numpy/core/x.so``..."""
    expected: str | None
    """The expected value; None when nothing was expected (EXTRA) or it is not known."""
    actual: str | None
    """The value found; None when nothing was found (MISSING) or it is not known."""
    status: Status
    severity: Severity
    note: str = ""
    """The reason of an unknown, or what the difference means."""
    accepted: str = ""
    """Why this difference is known and accepted; empty where it is not."""

    @property
    def explains(self) -> bool:
        """Whether it is the cause of others of its layer, and stands before them."""
        return (self.layer, self.key) in _CAUSES

    @property
    def follows(self) -> bool:
        """Whether it is explained by another finding and weighs nothing of its own."""
        return self.note == FOLLOWS and self.severity is Severity.INFO

    @property
    def name(self) -> str:
        """Layer and key, as a policy names them: ``python.version``."""
        return f"{self.layer.value}.{self.key}"
