"""Planted changes of an output, each with the rung that must be found; and clean pairs, of which none is raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from goldlock.compare import compare_tables
from goldlock.results import Rung
from goldlock.tables import Table
from goldlock.tolerance import Kind, Loose, Tolerance, UpTo

Array = npt.NDArray[Any]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = {
    "f16": np.dtype(np.float16),
    "bf16": BFLOAT16,
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
}
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
ROWS = 9


def text(*values: str | None) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def golden() -> Table:
    """A table with every type of column."""
    ramp = np.arange(1, ROWS + 1)
    columns: dict[str, Array] = {name: (ramp / 8).astype(dtype) for name, dtype in FLOATS.items()}
    columns |= {name: ramp.astype(name) for name in WHOLE}
    columns |= {
        "truth": ramp % 2 == 0,
        "label": text("a", "b", "c", "a", "b", "c", "a", "b", None),
        "free": text(*(f"row {row}" for row in ramp)),
        "day": ramp.astype("datetime64[D]"),
        "moment": ramp.astype("datetime64[us]"),
        "p": np.column_stack([ramp / 16, np.full(ROWS, 0.3), np.full(ROWS, 0.1)]),
        "parts": np.column_stack([ramp - 4.5, 3.5 - ramp]),
        "cluster": ramp % 3,
        "id": ramp[::-1] * 10,
        "special": np.array([np.nan, np.inf, -np.inf, 0.0, 5e-324, -5e-324, 1e308, 1.0, -1.0]),
        "maybe": ramp * 1.0,
    }
    return Table(columns, {"maybe": ramp == 5})


@dataclass(frozen=True)
class Output:
    """Columns that a plant changes."""

    columns: dict[str, Array]
    absent: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Table) -> Output:
        return cls(
            {name: array.copy() for name, array in table.columns.items()},
            {name: mask.copy() for name, mask in table.absent.items()},
        )

    def table(self) -> Table:
        return Table(self.columns, self.absent)


Change = Callable[[Output], Output]


def put(name: str, row: int | tuple[int, int], value: object) -> Change:
    """Another value at one place."""

    def change(output: Output) -> Output:
        output.columns[name][row] = value
        return output

    return change


def steps(name: str, row: int, count: int) -> Change:
    """A float moved by some ULP."""

    def change(output: Output) -> Output:
        array = output.columns[name]
        bits = array.view(f"i{array.dtype.itemsize}")
        bits[row] += count
        return output

    return change


def column(name: str, make: Callable[[Array], Array]) -> Change:
    """A whole column changed."""

    def change(output: Output) -> Output:
        return replace(output, columns={**output.columns, name: make(output.columns[name])})

    return change


def rows(*order: int) -> Change:
    """Other rows, or the same in another order."""

    def change(output: Output) -> Output:
        chosen = list(order)
        return Output(
            {name: array[chosen] for name, array in output.columns.items()},
            {name: mask[chosen] for name, mask in output.absent.items()},
        )

    return change


def names(make: Callable[[list[str]], list[str]]) -> Change:
    """Other columns, or the same in another order."""

    def change(output: Output) -> Output:
        chosen = make(list(output.columns))
        return Output(
            {name: output.columns[name] for name in chosen},
            {name: mask for name, mask in output.absent.items() if name in chosen},
        )

    return change


def renamed(old: str, new: str) -> Change:
    def change(output: Output) -> Output:
        return replace(
            output, columns={new if name == old else name: array for name, array in output.columns.items()}
        )

    return change


def mask(name: str, row: int, absent: bool) -> Change:
    def change(output: Output) -> Output:
        output.absent.setdefault(name, np.zeros(ROWS, dtype=np.bool_))[row] = absent
        return output

    return change


def both(*changes: Change) -> Change:
    def change(output: Output) -> Output:
        for each in changes:
            output = each(output)
        return output

    return change


def close(**numbers: float) -> Tolerance:
    return Tolerance(kind=Kind.CLOSE, **numbers)  # type: ignore[arg-type]


EXACT, LABEL = Tolerance(kind=Kind.EXACT), Tolerance(kind=Kind.LABEL)
IGNORED = Tolerance(kind=Kind.IGNORE, reason="a timestamp")
SIGN = Tolerance(kind=Kind.CLOSE, rtol=1e-9, up_to=UpTo.SIGN)
NAMES = Tolerance(kind=Kind.LABEL, up_to=UpTo.NAMES)
TOPS = Tolerance(kind=Kind.PROBABILITY, atol=1.0)
ANY_DTYPE = Tolerance(kind=Kind.CLOSE, rtol=1e-6, loose=(Loose.DTYPE,))
ANY_SHAPE = Tolerance(kind=Kind.CLOSE, loose=(Loose.SHAPE,))
ORDER = tuple(reversed(range(ROWS)))

Plant = tuple[str, Change, Rung, Mapping[str, Tolerance], tuple[str, ...]]
PLANTS: list[Plant] = []


def plant(
    what: str, change: Change, rung: Rung, rows_by: tuple[str, ...] = (), /, **tolerances: Tolerance
) -> None:
    PLANTS.append((what, change, rung, tolerances, rows_by))


plant("nothing", lambda output: output, Rung.IDENTICAL)
plant("nothing, rows by key", lambda output: output, Rung.IDENTICAL, ("id",))
for _name in FLOATS:
    plant(f"{_name}: one ULP inside", steps(_name, 4, 4), Rung.ULP, **{_name: close(ulp=4)})
    plant(f"{_name}: one ULP outside", steps(_name, 4, 5), Rung.DRIFTED, **{_name: close(ulp=4)})
    plant(f"{_name}: one ULP below, inside", steps(_name, 4, -4), Rung.ULP, **{_name: close(ulp=4)})
    plant(f"{_name}: one ULP, none allowed", steps(_name, 0, 1), Rung.DRIFTED, **{_name: close()})
    plant(f"{_name}: one ULP of an exact column", steps(_name, 8, 1), Rung.FLIPPED, **{_name: EXACT})
    plant(f"{_name}: default", steps(_name, 4, 4), Rung.ULP)
    plant(f"{_name}: atol at its bound", put(_name, 7, 1.5), Rung.TOLERANCE, **{_name: close(atol=0.5)})
    plant(
        f"{_name}: atol beyond its bound",
        both(put(_name, 7, 1.5), steps(_name, 7, 1)),
        Rung.DRIFTED,
        **{_name: close(atol=0.5)},
    )
    plant(f"{_name}: rtol at its bound", put(_name, 7, 0.75), Rung.TOLERANCE, **{_name: close(rtol=0.25)})
    plant(
        f"{_name}: rtol beyond its bound",
        both(put(_name, 7, 0.75), steps(_name, 7, -1)),
        Rung.DRIFTED,
        **{_name: close(rtol=0.25)},
    )
    plant(f"{_name}: NaN for a number", put(_name, 2, np.nan), Rung.DRIFTED, **{_name: close(atol=1e300)})
    plant(
        f"{_name}: infinity for a number", put(_name, 2, np.inf), Rung.DRIFTED, **{_name: close(rtol=1e300)}
    )
    plant(f"{_name}: zero for a number", put(_name, 0, 0.0), Rung.DRIFTED)
    plant(f"{_name}: another sign", column(_name, lambda a: -a), Rung.DRIFTED)
for _name in WHOLE:
    plant(f"{_name}: one more", put(_name, 3, 5), Rung.FLIPPED)
    plant(f"{_name}: one more, allowed", put(_name, 3, 5), Rung.TOLERANCE, **{_name: close(atol=1)})
    plant(f"{_name}: two more, one allowed", put(_name, 3, 6), Rung.DRIFTED, **{_name: close(atol=1)})
    plant(f"{_name}: a quarter more, allowed", put(_name, 3, 5), Rung.TOLERANCE, **{_name: close(rtol=0.25)})
    plant(
        f"{_name}: the largest of its type",
        put(_name, 3, np.iinfo(_name).max),
        Rung.DRIFTED,
        **{_name: close(atol=100)},
    )
plant("1e-9 becoming 9e-9", put("f64", 0, 0.125 + 8e-9), Rung.DRIFTED)
plant("true for false", put("truth", 0, True), Rung.FLIPPED)
plant("a label flips", put("label", 0, "b"), Rung.FLIPPED)
plant("a label's case", put("label", 0, "A"), Rung.FLIPPED)
plant("None for a label", put("label", 0, None), Rung.FLIPPED)
plant("a label for None", put("label", 8, "a"), Rung.FLIPPED)
plant("the text None for None", put("label", 8, "None"), Rung.FLIPPED)
plant("empty text for None", put("label", 8, ""), Rung.FLIPPED)
plant("a blank behind a text", put("free", 5, "row 6 "), Rung.FLIPPED)
plant("another form of a letter", put("free", 5, "row 6\u0301"), Rung.FLIPPED)
plant("a day later", column("day", lambda a: a + (np.arange(ROWS) == 3)), Rung.FLIPPED)
plant("a microsecond later", column("moment", lambda a: a + (np.arange(ROWS) == 3)), Rung.FLIPPED)
plant("no date", put("day", 3, np.datetime64("NaT")), Rung.FLIPPED)
plant("probabilities move", put("p", 8, [0.55, 0.3, 0.1]), Rung.TOLERANCE, p=TOPS)
plant(
    "the largest probability moves inside its tolerance", put("p", 8, [0.3, 0.5, 0.1]), Rung.FLIPPED, p=TOPS
)
plant("the others change places", put("p", 8, [0.5625, 0.1, 0.3]), Rung.TOLERANCE, p=TOPS)
plant("a number for NaN", put("special", 0, 0.0), Rung.DRIFTED, special=close(atol=1e300))
plant("NaN of other bits", put("special", 0, np.array(0x7FF8000000000009).view(float)), Rung.IDENTICAL)
plant("an infinity of the other sign", put("special", 1, -np.inf), Rung.DRIFTED, special=close(rtol=1e300))
plant("the largest number for infinity", put("special", 1, 1.7976931348623157e308), Rung.DRIFTED)
plant("-0.0 for 0.0", put("special", 3, -0.0), Rung.ULP)
plant("-0.0 for 0.0, exact", put("special", 3, -0.0), Rung.ULP, special=EXACT)
plant("a denormal for zero, inside", put("special", 3, 2e-323), Rung.ULP, special=close(ulp=4))
plant("a denormal for zero, outside", put("special", 3, 2.5e-323), Rung.DRIFTED, special=close(ulp=4))
plant("across zero, inside", put("special", 4, -1e-323), Rung.ULP, special=close(ulp=3))
plant("across zero, outside", put("special", 4, -1e-323), Rung.DRIFTED, special=close(ulp=2))
plant("a difference beyond float64", put("special", 6, -1.7e308), Rung.DRIFTED, special=close(rtol=1e308))
plant("a value is absent", mask("maybe", 0, True), Rung.DRIFTED, maybe=close(atol=1e300))
plant("a value where none is", mask("maybe", 4, False), Rung.DRIFTED, maybe=close(atol=1e300))
plant("another value under the mask", put("maybe", 4, 77.0), Rung.IDENTICAL)
plant("an ignored column changes", put("f64", 0, 99.0), Rung.IDENTICAL, f64=IGNORED)
plant("an ignored column's type changes", column("f64", lambda a: a.astype("f4")), Rung.SCHEMA, f64=IGNORED)
plant("an ignored column is missing", names(lambda all_: all_[:3] + all_[4:]), Rung.SCHEMA, f64=IGNORED)
plant("components change their sign", column("parts", lambda a: a * [-1, 1]), Rung.EQUIVALENT, parts=SIGN)
plant("components change their sign, untold", column("parts", lambda a: a * [-1, 1]), Rung.DRIFTED)
plant("one value of a component changes its sign", put("parts", (0, 0), 3.5), Rung.DRIFTED, parts=SIGN)
plant("clusters change their names", column("cluster", lambda a: (a + 1) % 3), Rung.EQUIVALENT, cluster=NAMES)
plant("clusters change their names, untold", column("cluster", lambda a: (a + 1) % 3), Rung.FLIPPED)
plant("clusters become one", column("cluster", lambda a: a * 0), Rung.FLIPPED, cluster=NAMES)
plant(
    "labels change their names",
    column("label", lambda a: a[[1, 0, 2, 1, 0, 2, 1, 0, 8]]),
    Rung.EQUIVALENT,
    label=NAMES,
)
plant("float32 for float64", column("f64", lambda a: a.astype("f4")), Rung.SCHEMA)
plant(
    "float32 for float64, any dtype", column("f64", lambda a: a.astype("f4")), Rung.EQUIVALENT, f64=ANY_DTYPE
)
plant("float64 for float32", column("f32", lambda a: a.astype("f8")), Rung.SCHEMA)
plant("bfloat16 for float16", column("f16", lambda a: a.astype(BFLOAT16)), Rung.SCHEMA)
plant("int32 for int64", column("int64", lambda a: a.astype("i4")), Rung.SCHEMA)
plant(
    "int32 for int64, any dtype", column("int64", lambda a: a.astype("i4")), Rung.EQUIVALENT, int64=ANY_DTYPE
)
plant("floats for whole numbers", column("int64", lambda a: a.astype("f8")), Rung.SCHEMA)
plant("unsigned for signed", column("int64", lambda a: a.astype("u8")), Rung.SCHEMA)
plant("whole numbers for truth", column("truth", lambda a: a.astype("i1")), Rung.SCHEMA)
plant("text for numbers", column("int64", lambda a: text(*map(str, a))), Rung.SCHEMA)
plant("a datetime for a date", column("day", lambda a: a.astype("datetime64[us]")), Rung.SCHEMA)
plant("another shape", column("p", lambda a: a[:, :2]), Rung.SCHEMA)
plant("a length of 1 more", column("f64", lambda a: a[:, None]), Rung.SCHEMA)
plant("a length of 1 more, any shape", column("f64", lambda a: a[:, None]), Rung.EQUIVALENT, f64=ANY_SHAPE)
plant("a column is missing", names(lambda all_: all_[:-1]), Rung.SCHEMA)
plant(
    "a column is new",
    lambda output: replace(output, columns={**output.columns, "new": np.zeros(ROWS)}),
    Rung.SCHEMA,
)
plant("a column is renamed", renamed("f64", "g64"), Rung.SCHEMA)
plant("two columns change places", names(lambda all_: [all_[1], all_[0], *all_[2:]]), Rung.SCHEMA)
plant("no column at all", names(lambda _: []), Rung.SCHEMA)
plant("a row is dropped", rows(0, 1, 2, 3, 4, 5, 6, 7), Rung.SCHEMA)
plant("a row in the middle is dropped", rows(0, 1, 2, 4, 5, 6, 7, 8), Rung.SCHEMA)
plant("a row comes twice", rows(0, 1, 1, 2, 3, 4, 5, 6, 7, 8), Rung.SCHEMA)
plant("a row replaces another", rows(0, 1, 1, 3, 4, 5, 6, 7, 8), Rung.FLIPPED)
plant("rows in another order", rows(*ORDER), Rung.FLIPPED)
plant("rows in another order, by key", rows(*ORDER), Rung.EQUIVALENT, ("id",))
plant(
    "rows in another order and a flip, by key",
    both(put("label", 3, "z"), rows(*ORDER)),
    Rung.FLIPPED,
    ("id",),
)
plant("a row is dropped, by key", rows(*ORDER[1:]), Rung.SCHEMA, ("id",))
plant("no rows", rows(), Rung.SCHEMA)


def test_the_table_is_long_enough() -> None:
    assert len({what for what, *_ in PLANTS}) == len(PLANTS) >= 60


@pytest.mark.parametrize(
    ("change", "rung", "tolerances", "rows_by"),
    [each[1:] for each in PLANTS],
    ids=[each[0] for each in PLANTS],
)
def test_a_planted_change_has_its_rung(
    change: Change, rung: Rung, tolerances: Mapping[str, Tolerance], rows_by: tuple[str, ...]
) -> None:
    expected = golden()
    with np.errstate(all="ignore"):
        actual = change(Output.of(expected)).table()
    assert compare_tables(expected, actual, tolerances, rows_by=rows_by).rung is rung


def random_pair(seed: int) -> tuple[Table, Table, dict[str, Tolerance]]:
    """A table and the same one, or one with noise inside what is stated."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(0, 60))
    noise = int(rng.integers(0, 5))
    columns: dict[str, Array] = {}
    moved: dict[str, Array] = {}
    stated: dict[str, Tolerance] = {}
    for name, dtype in FLOATS.items():
        values = rng.normal(0, 10.0 ** rng.integers(-3, 3), size).astype(dtype)
        values[rng.random(size) < 0.05] = rng.choice(np.array([0.0, np.nan, np.inf, -np.inf])).astype(dtype)
        finite = np.isfinite(values.astype(np.float32)) & (values != 0)
        bits = values.view(f"i{dtype.itemsize}") + np.where(finite, rng.integers(-noise, noise + 1, size), 0)
        columns[name], moved[name] = values, bits.astype(f"i{dtype.itemsize}").view(dtype)
        stated[name] = close(ulp=noise) if rng.random() < 0.5 else close(rtol=noise * 2.0**-6, ulp=noise)
    for name in WHOLE:
        info = np.iinfo(name)
        whole = rng.integers(info.min, info.max, size, dtype=name, endpoint=True)
        columns[name] = whole
        moved[name] = np.where(
            whole < info.max - 4, whole + np.asarray(rng.integers(0, noise + 1, size), name), whole
        )
        stated[name] = close(atol=noise)
    labels = text("a", "b", "", None, "\u00e4")
    columns["label"] = moved["label"] = labels[rng.integers(0, 5, size)]
    columns["truth"] = moved["truth"] = rng.random(size) < 0.5
    columns["day"] = moved["day"] = rng.integers(-(10**6), 10**6, size).astype("datetime64[D]")
    p = rng.dirichlet(np.ones(4), size)
    top = np.where(p == p.max(axis=1, keepdims=True, initial=0), 1e-7, 0)
    columns["p"], moved["p"] = p, p + top
    stated["p"] = Tolerance(kind=Kind.PROBABILITY, atol=1.1e-7)
    absent = rng.random(size) < 0.1
    chosen = {"int64", *rng.choice(list(columns), 5).tolist()}
    moved["int64"] = np.where(absent, 0, moved["int64"])
    left, right = (
        Table({name: array for name, array in side.items() if name in chosen}, {"int64": absent})
        for side in (columns, {name: moved[name] for name in columns})
    )
    return left, right, stated


def test_nothing_is_raised_on_a_thousand_clean_pairs() -> None:
    raised = []
    for seed in range(1000):
        expected, actual, stated = random_pair(seed)
        same = compare_tables(expected, Output.of(expected).table(), {} if seed % 2 else stated, worst=3)
        if same.rung is not Rung.IDENTICAL:
            raised.append((seed, "the same", same))
        if not (noisy := compare_tables(expected, actual, stated, worst=3)).passes:
            raised.append((seed, "noise", noisy))
    assert raised == []
