"""What a sceptical reading of tables, comparison and goldens found, so that it stays found."""

from __future__ import annotations

import io
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.harness.drafts import OUTPUTS, configured, make

from goldlock import golden, received
from goldlock.accept import accept, propose
from goldlock.compare import compare_tables
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.judging import judge
from goldlock.results import Flip, Rung
from goldlock.tables import Format, Table, decode
from goldlock.tolerance import Kind, Loose, Tolerance, UpTo, override


def arrow(column: pa.Array, fmt: Format) -> bytes:
    table, sink = pa.table({"a": column}), io.BytesIO()
    if fmt is Format.PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("fmt", [Format.PARQUET, Format.ARROW])
class TestListsOfNoValues:
    """Their rows hold nothing to compare, so that what is no such list must not be taken for one."""

    @pytest.mark.parametrize(
        "values", [[[], [1.0, 2.0]], [[[], []], [[1.0], [2.0]]], [[[], []], [[]]]], ids=str
    )
    def test_another_length_behind_an_empty_one(self, values: list[object], fmt: Format) -> None:
        deep = isinstance(values[1], list) and isinstance(values[1][0], list)
        kind = pa.list_(pa.list_(pa.float64())) if deep else pa.list_(pa.float64())
        with pytest.raises(CouldNotRunError, match="ragged"):
            decode(arrow(pa.array(values, kind), fmt), fmt, where="x")

    @pytest.mark.parametrize("values", [[None, None], [[], None]], ids=str)
    def test_null_is_no_empty_list(self, values: list[object], fmt: Format) -> None:
        with pytest.raises(CouldNotRunError, match="a null among lists of no values"):
            decode(arrow(pa.array(values, pa.list_(pa.int8())), fmt), fmt, where="x")


class TestWholeNumbersAmongFloats:
    @pytest.mark.parametrize("other", ["null", "0.5"])
    @pytest.mark.parametrize("fmt", [Format.JSON, Format.JSONL])
    def test_one_that_a_float_would_round_is_refused(self, other: str, fmt: Format) -> None:
        data = f'{{"a": 9007199254740993}}\n{{"a": {other}}}\n'
        if fmt is Format.JSON:
            data = f"[{data.strip().replace(chr(10), ',')}]"
        with pytest.raises(CouldNotRunError, match="9007199254740993 in row 0, which a float cannot hold"):
            decode(data.encode(), fmt, where="x")

    @pytest.mark.parametrize("number", ["9007199254740992", "123456789012345680000", "-1" + "0" * 22])
    def test_the_digits_of_a_float_are_taken(self, number: str) -> None:
        found = decode(f'[{{"a": {number}}}, {{"a": 0.5}}]'.encode(), Format.JSON, where="x")
        assert found.columns["a"][0] == float(number)


def test_parquet_whose_names_are_no_text() -> None:
    whole = arrow(pa.array(["x", "y"] * 9), Format.PARQUET)
    name = b"\x19\x18\x01a"  # Thrift: a list of one text of one byte, a chunk's path
    assert name in whole
    with pytest.raises(CouldNotRunError, match="is not whole Parquet"):
        decode(whole.replace(name, name[:-1] + b"\xec"), Format.PARQUET, where="x")


class TestAbsent:
    def test_has_no_name(self) -> None:
        mask = np.arange(8) < 4
        before, after = np.array([0, 0, 0, 1, 0, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 1, 0, 1])
        label = Tolerance(kind=Kind.LABEL, up_to=UpTo.NAMES)
        result = compare_tables(
            Table({"a": before}, {"a": mask}), Table({"a": after}, {"a": mask}), {"a": label}
        )
        assert (result.rung, result.columns[0].count) == (Rung.EQUIVALENT, 0)
        after[7] = 0
        result = compare_tables(
            Table({"a": before}, {"a": mask}), Table({"a": after}, {"a": mask}), {"a": label}
        )
        assert (result.rung, result.columns[0].count) == (Rung.FLIPPED, 1)

    @pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64])
    def test_in_columns_of_two_types(self, dtype: type) -> None:
        half = Table(
            {"a": np.array([1, 2, 3, 4], ml_dtypes.bfloat16)}, {"a": np.array([True, False, False, False])}
        )
        other = Table({"a": np.array([1, 2, 3, 9], dtype)}, {"a": np.array([False, True, False, False])})
        close = Tolerance(kind=Kind.CLOSE, loose=(Loose.DTYPE,))
        for expected, actual in ((half, other), (other, half)):
            (column,) = compare_tables(expected, actual, {"a": close}).columns
            assert [worst.row for worst in column.worst] == [0, 1, 3]
            assert (column.worst[0].expected is None) is (expected is half)

    def test_scores_have_no_margin(self) -> None:
        scores = {"p": np.array([[0.5, 0.5], [0.25, 0.75]])}
        absent = {"p": np.array([[True, False], [False, False]])}
        label = {"l": Tolerance(kind=Kind.LABEL, scores=("p",))}
        old = Table({"l": np.array([0, 0]), **scores}, absent)
        new = Table({"l": np.array([1, 1]), **scores}, absent)
        worst = compare_tables(old, new, label).columns[0].worst
        assert {each.row: each.margin for each in worst} == {0: None, 1: 0.5}

    def test_a_top_that_moved_is_shown_in_its_own_type(self) -> None:
        before = np.array([[1, 5, 3], [1, 2, 3]], dtype=np.int64) * (1 << 60)
        after = before[:, ::-1].copy() + 1
        mask = np.array([[False] * 3, [True, False, False]])
        table = Table({"p": before}, {"p": mask})
        kind = {"p": Tolerance(kind=Kind.PROBABILITY)}
        (column,) = compare_tables(table, Table({"p": np.roll(after, 1, axis=1)}), kind).columns
        assert column.tops_moved == 1
        assert all(type(each.expected) in {int, type(None)} for each in column.worst)


def test_nan_flips_are_counted_together() -> None:
    label = {"a": Tolerance(kind=Kind.LABEL)}
    expected, actual = Table({"a": np.full(5, np.nan)}), Table({"a": np.ones(5)})
    (flip,) = compare_tables(expected, actual, label).columns[0].flips
    assert isinstance(flip, Flip)
    assert isinstance(flip.expected, float)
    assert (math.isnan(flip.expected), flip.actual, flip.count) == (True, 1.0, 5)


def test_no_tolerance_is_named_that_would_not_pass() -> None:
    ends = np.iinfo(np.int64)
    expected, actual = Table({"a": np.array([ends.min])}), Table({"a": np.array([ends.max])})
    close = Tolerance(kind=Kind.CLOSE, atol=1)
    assert compare_tables(expected, actual, {"a": override(close, atol=1e300)}).rung is Rung.DRIFTED
    (column,) = compare_tables(expected, actual, {"a": close}).columns
    assert column.would_pass == ""
    assert column.distances is not None
    (bucket,) = column.distances.buckets
    assert bucket.high == 1 << 64


def test_what_an_edited_golden_says_of_its_content_is_not_believed(tmp_path: Path) -> None:
    config = configured(tmp_path)
    folder = config.resolve("goldens/mlp")
    golden.record(folder, make(tmp_path))
    outputs = next(folder.glob("outputs.*"))
    outputs.write_text(outputs.read_text(encoding="utf-8").replace("0.9", "0.5"), encoding="utf-8")
    goldens = golden.load_all(folder)
    assert goldens.integrity
    found = judge(config.case[0], goldens, OUTPUTS, lock_id="", cpu_level="", worst=5)
    assert not found.passes


class TestAccept:
    @pytest.fixture(autouse=True)
    def _on_a_workstation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CI", raising=False)

    def test_a_label_whose_scores_are_gone(self, tmp_path: Path) -> None:
        config = configured(tmp_path)
        folder = config.resolve("goldens/mlp")
        golden.record(folder, make(tmp_path, tolerances={"label": Tolerance(kind=Kind.LABEL, scores=("p",))}))
        answer = Table({"label": OUTPUTS.columns["label"]})
        received.settle(
            config, "mlp", golden.load(folder), answer, passes=False, lock_id="", image_id="", cpu_level=""
        )
        accept(config, propose(config, config.case), "no scores any more")
        other = Table({"label": OUTPUTS.columns["label"][::-1]})
        found = judge(config.case[0], golden.load_all(folder), other, lock_id="", cpu_level="", worst=5)
        assert found.table is not None
        assert found.table.rung is Rung.FLIPPED

    def test_a_reason_that_is_no_unicode(self, tmp_path: Path) -> None:
        folder = tmp_path / "golden"
        golden.record(folder, make(tmp_path))
        before = golden.load(folder).id
        with pytest.raises(ConfigurationError, match="not valid Unicode"):
            golden.accept(folder, make(tmp_path), "measured \udcff")
        assert golden.load(folder).id == before


def test_probabilities_whose_classes_are_not_the_last_length() -> None:
    expected, actual = (Table({"p": np.array([[[a], [1 - a]]])}) for a in (0.51, 0.49))
    result = compare_tables(expected, actual, {"p": Tolerance(kind=Kind.PROBABILITY, atol=1.0)})
    assert (result.rung, result.columns[0].tops_moved) == (Rung.FLIPPED, 1)
