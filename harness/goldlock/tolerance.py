"""How far an output may be from its golden: one tolerance per column, and where it comes from.

Precedence: the case's ``columns`` in goldlock.toml, then golden.toml, then `default_for` the column's type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from goldlock_env.errors import ConfigurationError

DEFAULT_ULP = 4
"""Two libraries that both round their last operation correctly rarely differ by more."""

_DEFAULT_RTOL = {"bfloat16": 1e-5, "float16": 1e-5, "float32": 1e-5, "float64": 1e-9}
_WITHOUT_DISTANCE = frozenset(("bool", "str", "date", "datetime"))


class Kind(str, Enum):
    """What a column means, and so what counts as a difference."""

    EXACT = "exact"
    """Every value is the same value."""
    CLOSE = "close"
    """Numbers within rtol, atol or ulp."""
    LABEL = "label"
    """The answer itself: compared exactly, a difference is a flip, shown with its margin where scores are known."""
    PROBABILITY = "probability"
    """As close; a row that holds several (one a class) must also keep its largest one at the same place."""
    IGNORE = "ignore"
    """Values are not judged. Presence, type, shape and row count still are."""

    @property
    def numeric(self) -> bool:
        """Whether rtol, atol and ulp mean anything for this kind."""
        return self in {Kind.CLOSE, Kind.PROBABILITY}


class UpTo(str, Enum):
    """Another answer that is taken for the same one: reported as equivalent, never as identical."""

    NOTHING = "nothing"
    """No other answer; takes back what golden.toml recorded."""
    SIGN = "sign"
    """A whole column times -1; for a column whose rows hold several values, each of these places by itself
    (the components of a PCA)."""
    NAMES = "names"
    """Labels under other names, one to one (the numbers of clusters)."""


class Loose(str, Enum):
    """What of a column's type may be another one."""

    DTYPE = "dtype"
    """Numbers of another width or kind are compared by value."""
    SHAPE = "shape"
    """Lengths of 1 are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """The tolerance of one column.

    A number `a` passes for the expected `e` when ``|a - e| <= atol + rtol * |e|`` or when at most `ulp`
    representable numbers lie between them. NaN passes for NaN only, an infinity for itself only.

    Raises ConfigurationError for a number that is negative or not finite, an ignored column without a
    reason, scores for anything but a label, and an `up_to` that means nothing for the kind.
    """

    kind: Kind
    rtol: float = 0.0
    """Relative to the expected value; no unit."""
    atol: float = 0.0
    """In the column's own unit."""
    ulp: int = 0
    """Units in the last place, of the column's own dtype."""
    reason: str = ""
    """Why the column is ignored, or why its tolerance is what it is."""
    scores: tuple[str, ...] = ()
    """For a label, the columns whose values chose it: one a class; or a single one of shape (rows, classes),
    or (rows,) for two classes."""
    up_to: UpTo = UpTo.NOTHING
    loose: tuple[Loose, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not (math.isfinite(value) and value >= 0):
                message = f"{name} is {value!r}; a tolerance is a finite number, zero or larger"
                raise ConfigurationError(
                    message, hint=f"write it as a plain number, for example {name} = 1e-6"
                )
        if self.ulp < 0:
            message = f"ulp is {self.ulp!r}; a distance is zero or larger"
            raise ConfigurationError(
                message, hint=f"write it as a whole number, for example ulp = {DEFAULT_ULP}"
            )
        if self.kind is Kind.IGNORE and not self.reason.strip():
            raise ConfigurationError(
                "a column is ignored without a reason",
                hint='say why in the same table, for example reason = "a timestamp"',
            )
        if self.scores and self.kind is not Kind.LABEL:
            raise ConfigurationError(
                f"scores = {_listed(self.scores)} stands on a column of kind {self.kind.value!r};"
                " only a label has scores",
                hint='set kind = "label", or remove scores',
            )
        kinds = _UP_TO_KINDS[self.up_to]
        if self.kind not in kinds:
            raise ConfigurationError(
                f"up-to = {self.up_to.value!r} stands on a column of kind {self.kind.value!r}",
                hint=f"it is for the kinds {' and '.join(sorted(kind.value for kind in kinds))}; or remove up-to",
            )

    def check(self, column: str, dtype: str) -> None:
        """Raise ConfigurationError where this tolerance cannot be applied to a column of type `dtype`."""
        if self.kind.numeric and dtype in _WITHOUT_DISTANCE:
            raise ConfigurationError(
                f"column {column!r} holds {dtype}, and its kind is {self.kind.value!r}, which is for numbers",
                hint='use kind = "label" or kind = "exact" for it',
            )
        if self.up_to is UpTo.SIGN and "float" not in dtype:
            raise ConfigurationError(
                f"column {column!r} holds {dtype}, and up-to is 'sign', which is for floats",
                hint="remove up-to for it",
            )
        if self.up_to is UpTo.NAMES and "float" in dtype:
            raise ConfigurationError(
                f"column {column!r} holds {dtype}, and up-to is 'names', which is for names of groups",
                hint="use it for text, whole numbers or true/false",
            )

    def stated(self) -> str:
        """Return the tolerance in a few words, such as "close, rtol 1e-05, ulp 4"; what is zero is left out."""
        parts = [self.kind.value]
        for name, value in (("rtol", self.rtol), ("atol", self.atol), ("ulp", self.ulp)):
            parts += [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"] if value else []
        parts += [f"scores {', '.join(self.scores)}"] if self.scores else []
        parts += [f"up to {self.up_to.value}"] if self.up_to is not UpTo.NOTHING else []
        parts += [f"any {each.value}" for each in self.loose]
        return ", ".join(parts)


_UP_TO_KINDS = {
    UpTo.NOTHING: frozenset(Kind),
    UpTo.SIGN: frozenset((Kind.EXACT, Kind.CLOSE)),
    UpTo.NAMES: frozenset((Kind.EXACT, Kind.LABEL)),
}


def _listed(names: Sequence[str]) -> str:
    return repr(names[0]) if len(names) == 1 else repr(list(names))


def default_for(dtype: str) -> Tolerance:
    """Return the tolerance of a column that nobody stated one for: floats close, text a label, the rest exact."""
    if dtype in _DEFAULT_RTOL:
        return Tolerance(kind=Kind.CLOSE, rtol=_DEFAULT_RTOL[dtype], ulp=DEFAULT_ULP)
    return Tolerance(kind=Kind.LABEL if dtype == "str" else Kind.EXACT)


def override(
    base: Tolerance,
    *,
    kind: Kind | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    ulp: int | None = None,
    reason: str = "",
    scores: Sequence[str] = (),
    up_to: UpTo | None = None,
    loose: Sequence[Loose] | None = None,
) -> Tolerance:
    """Return `base` with what is given replaced; what is None or empty stays.

    Another kind starts afresh: the numbers of a close column mean nothing for a label. A number given for
    a column of a kind without numbers makes it close.
    """
    numbers = rtol is not None or atol is not None or ulp is not None
    if kind is None:
        kind = Kind.CLOSE if numbers and not base.kind.numeric else base.kind
    afresh = kind is not base.kind and not (kind.numeric and base.kind.numeric)
    start = Tolerance(kind=Kind.EXACT) if afresh else base
    kept = start.up_to if kind in _UP_TO_KINDS[start.up_to] else UpTo.NOTHING
    return Tolerance(
        kind=kind,
        rtol=start.rtol if rtol is None else rtol,
        atol=start.atol if atol is None else atol,
        ulp=start.ulp if ulp is None else ulp,
        reason=reason or start.reason,
        scores=tuple(scores) or start.scores,
        up_to=kept if up_to is None else up_to,
        loose=base.loose if loose is None else tuple(loose),
    )


def effective(
    dtypes: Mapping[str, str], recorded: Mapping[str, Tolerance], configured: Mapping[str, Tolerance]
) -> dict[str, Tolerance]:
    """Return one tolerance for each column of `dtypes` (name to dtype), by the precedence of this module.

    Raises ConfigurationError for a configured column that the golden does not have.
    """
    for name in configured:
        if name not in dtypes:
            raise ConfigurationError(
                f"a tolerance is configured for column {name!r}, which the golden does not have",
                hint=f"its columns are: {', '.join(map(repr, dtypes)) or 'none'}",
            )
    chosen = {**recorded, **configured}
    return {name: chosen.get(name) or default_for(dtype) for name, dtype in dtypes.items()}
