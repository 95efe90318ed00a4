"""Several goldens of one case: other right ones, known-bad ones, stale ones; and parts of two tables in one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.drafts import OUTPUTS, PROVENANCE, make

from goldlock.golden import MANIFEST, Key, check_sealed, load, load_all, merged, record, sibling, stale
from goldlock.tables import Batches, Table, content, whole
from goldlock_env.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock_env.findings import Layer, Severity, Status

OTHER = Table({"label": np.array(["Setosa", "Setosa"]), "p": np.array([0.8, 0.2], dtype=np.float32)})
KEYS = {
    "cpu": Key(cpu_level="x86-64-v3"),
    "lock": Key(lock_id="sha256:33"),
    "both": Key(lock_id="sha256:33", cpu_level="x86-64-v3"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "goldens" / "mlp"
    record(place, make(tmp_path))
    return place


@pytest.fixture
def three(folder: Path, tmp_path: Path) -> Path:
    for name, key in KEYS.items():
        record(sibling(folder, name), make(tmp_path, OTHER, name=name, key=key))
    return folder


class TestSeveral:
    def test_one_alone(self, folder: Path) -> None:
        goldens = load_all(folder)
        assert (goldens.first.id, goldens.first.folder) == (load(folder).id, folder)
        assert (goldens.others, goldens.bad, goldens.integrity) == ((), (), ())
        assert goldens.for_environment("sha256:33", "x86-64-v3") == (goldens.first,)

    @pytest.mark.parametrize(
        ("lock_id", "cpu_level", "expected"),
        [
            ("sha256:33", "x86-64-v3", ["both", "lock", "cpu", ""]),
            ("sha256:33", "x86-64-v4", ["lock", ""]),
            ("sha256:11", "x86-64-v3", ["cpu", ""]),
            ("sha256:11", "", [""]),
            ("", "", [""]),
        ],
    )
    def test_the_most_specific_first(
        self, three: Path, lock_id: str, cpu_level: str, expected: list[str]
    ) -> None:
        found = load_all(three).for_environment(lock_id, cpu_level)
        assert [golden.name for golden in found] == expected

    def test_another_holds_its_outputs_and_names_the_inputs_of_the_first(self, three: Path) -> None:
        golden = load_all(three).by_name("cpu")
        assert golden is not None
        assert (golden.label, golden.key, golden.bad) == ("mlp@cpu", KEYS["cpu"], False)
        assert golden.inputs == three / "inputs.csv"
        assert whole(golden.outputs) == OTHER
        assert sorted(path.name for path in golden.folder.iterdir()) == [MANIFEST, "outputs.csv"]
        assert check_sealed(golden.folder / MANIFEST) == ()
        assert load_all(three).by_name("gone") is None

    def test_known_bad_ones_are_right_nowhere(self, three: Path, tmp_path: Path) -> None:
        provenance = replace(PROVENANCE, reason="the scaler was left out")
        record(
            sibling(three, "no-scaler"),
            make(tmp_path, OTHER, name="no-scaler", bad=True, provenance=provenance),
        )
        goldens = load_all(three)
        (bad,) = goldens.bad
        assert (bad.name, bad.bad, bad.reason) == ("no-scaler", True, "the scaler was left out")
        assert bad not in goldens.for_environment("sha256:33", "x86-64-v3")
        assert goldens.by_name("no-scaler") == bad
        assert [golden.name for golden in goldens.right] == ["", "both", "cpu", "lock"]

    @pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a b", "x" * 65, "caf\u00e9"])
    def test_names_that_are_none(self, folder: Path, name: str) -> None:
        with pytest.raises(ConfigurationError, match="cannot be the name of a golden"):
            sibling(folder, name)

    def test_keys_in_words(self) -> None:
        assert str(Key()) == "any lock, any CPU"
        assert str(Key(lock_id="sha256:" + "a" * 64, cpu_level="x86-64-v3")) == (
            "lock sha256:aaaaaaaaaaaa, x86-64-v3"
        )


class TestDamaged:
    @pytest.mark.parametrize(
        ("file", "old", "new", "key"),
        [
            ("outputs.csv", "0.8", "0.7", "mlp@cpu/outputs.csv"),
            (MANIFEST, 'cpu-level = "x86-64-v3"', 'cpu-level = "x86-64-v2"', "mlp@cpu/golden.toml"),
            (MANIFEST, "golden-version = 2", "golden-version = 1", "mlp@cpu"),
            (MANIFEST, 'name = "cpu"', 'name = "gpu"', "mlp@cpu"),
            (MANIFEST, 'case = "mlp"', 'case = "other"', "mlp@cpu"),
        ],
    )
    def test_it_is_told_and_the_others_are_used(
        self, three: Path, file: str, old: str, new: str, key: str
    ) -> None:
        path = sibling(three, "cpu") / file
        path.write_text(path.read_text().replace(old, new, 1))
        goldens = load_all(three)
        (finding,) = goldens.integrity
        assert (finding.layer, finding.key, finding.status, finding.severity) == (
            Layer.GOLDEN,
            key,
            Status.CHANGED,
            Severity.ERROR,
        )
        assert finding.note
        assert [golden.name for golden in goldens.others] == ["both", "lock"]
        assert goldens.first.integrity == ()

    def test_half_of_one(self, three: Path) -> None:
        (sibling(three, "cpu") / "outputs.csv").unlink()
        goldens = load_all(three)
        (finding,) = goldens.integrity
        assert "half a golden stands there: outputs.csv is missing" in str(finding.actual)
        assert [golden.name for golden in goldens.others] == ["both", "lock"]

    def test_one_that_answers_other_inputs(self, three: Path, tmp_path: Path) -> None:
        shutil.rmtree(three)
        record(three, make(tmp_path, inputs=b"a,b\n9,9\n8,8\n"))
        goldens = load_all(three)
        assert goldens.others == ()
        assert [finding.key for finding in goldens.integrity] == [
            "mlp@both/inputs.csv",
            "mlp@cpu/inputs.csv",
            "mlp@lock/inputs.csv",
        ]
        assert "not those that this golden answers" in goldens.integrity[0].note
        assert check_sealed(sibling(three, "cpu") / MANIFEST) == (goldens.integrity[1],)

    def test_the_first_one(self, three: Path) -> None:
        path = three / "outputs.csv"
        path.write_text(path.read_text().replace("0.9", "0.7"))
        goldens = load_all(three)
        assert goldens.integrity == goldens.first.integrity != ()
        assert len(goldens.others) == 3

    def test_without_the_first_there_are_none(self, three: Path) -> None:
        shutil.rmtree(three)
        with pytest.raises(CouldNotRunError, match="there is no golden"):
            load_all(three)
        with pytest.raises(CouldNotRunError, match="there is no golden"):
            load(sibling(three, "cpu"))

    def test_a_folder_that_was_renamed(self, three: Path) -> None:
        sibling(three, "cpu").rename(sibling(three, "gpu"))
        (finding,) = load_all(three).integrity
        assert finding.key == "mlp@gpu"
        assert "says that this is golden 'cpu' of its case" in str(finding.actual)


class TestStale:
    def test_goldens_that_no_case_uses_are_told(self, three: Path, tmp_path: Path) -> None:
        for name in ("old", "used"):
            record(three.with_name(name), make(tmp_path, case=name))
        record(sibling(three.with_name("old"), "v3"), make(tmp_path, case="old", name="v3"))
        three.with_name("notes").mkdir()
        shutil.copytree(three, three.with_name(".mlp.old"))
        found = stale([three, three.with_name("used")])
        assert [finding.key for finding in found] == ["goldens/old", "goldens/old@v3"]
        assert {(finding.layer, finding.status, finding.severity) for finding in found} == {
            (Layer.GOLDEN, Status.EXTRA, Severity.WARNING)
        }
        assert "no case uses it" in found[0].note

    def test_none(self, three: Path, tmp_path: Path) -> None:
        assert stale([three]) == ()
        assert stale([]) == ()
        assert stale([tmp_path / "nowhere" / "mlp"]) == ()


def table(rows: int, start: int = 0, **more: np.ndarray) -> Table:
    numbers = np.arange(start, start + rows)
    return Table(
        {
            "i": numbers,
            "x": numbers / 7,
            "s": np.array([str(number) for number in numbers], dtype=object),
            "v": np.stack([numbers, -numbers], axis=1).astype(np.float32),
            **more,
        }
    )


def rows_of(outputs: Batches, rows: int) -> Table:
    return Table.joined(outputs.names, outputs.types, list(outputs.batches(rows=rows)))


class TestMerged:
    def test_columns(self) -> None:
        old, new = table(5), table(5, 100)
        part = merged(old, new, columns=["x", "v"])
        assert (part.names, part.rows) == (old.names, 5)
        assert whole(part) == Table(
            {"i": old.columns["i"], "x": new.columns["x"], "s": old.columns["s"], "v": new.columns["v"]}
        )
        digests = content(part)
        assert digests["i"] == content(old)["i"]
        assert digests["x"] == content(new)["x"]

    def test_a_column_of_another_type(self) -> None:
        new = Table({"i": np.zeros(5), "x": np.zeros(5, dtype=np.float32)})
        part = merged(table(5), new, columns=["x"])
        assert part.types["x"].dtype == "float32"
        assert part.types["i"].dtype == "int64"

    def test_columns_that_are_new_or_gone(self) -> None:
        old, new = table(3), Table({"a": np.zeros(3), "i": np.ones(3), "b": np.zeros(3), "x": np.ones(3)})
        part = merged(old, new, columns=["a", "b", "s"])
        assert part.names == ("a", "i", "b", "x", "v")
        assert whole(part).columns["x"].tolist() == old.columns["x"].tolist()
        assert merged(old, new, columns=["b"]).names == ("i", "b", "x", "s", "v")

    def test_everything_is_the_new_one_whatever_its_order_and_rows(self) -> None:
        new = Table({"x": np.zeros(9), "i": np.ones(9)})
        for columns in ((), ("i", "x", "s", "v")):
            part = merged(table(3), new, columns=columns)
            assert whole(part) == new

    @given(
        st.integers(0, 40),
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5),
        st.sets(st.sampled_from(["i", "x", "s", "v", "n"])),
        st.integers(1, 50),
    )
    def test_rows(self, count: int, spans: list[tuple[int, int]], columns: set[str], batch: int) -> None:
        def nulls(start: int, odd: int) -> Table:
            numbers = table(count, start, n=np.arange(start, start + count))
            places = np.arange(count) % 3 == odd
            return Table(numbers.columns, {"n": places} if places.any() else {})

        old, new = nulls(0, 1), nulls(1000, 2)
        rows = [range(min(a, b, count), min(max(a, b), count)) for a, b in spans]
        part = merged(old, new, columns=sorted(columns), rows=rows)
        chosen = columns or set(old.names)
        picked = {row for each in rows for row in each} if rows else set(range(count))
        expected, absent = {}, {}
        for name in old.names:
            sources = [new if name in chosen and row in picked else old for row in range(count)]
            expected[name] = old.columns[name].copy()
            for row, source in enumerate(sources):
                expected[name][row] = source.columns[name][row]
            if name == "n":
                places = np.array(
                    [
                        source.absent.get(name, np.zeros(count, dtype=np.bool_))[row]
                        for row, source in enumerate(sources)
                    ],
                    dtype=np.bool_,
                )
                absent = {name: places} if places.any() else {}
        assert rows_of(part, batch) == Table(expected, absent)
        assert part.rows == count

    def test_batches_of_some_columns_only(self) -> None:
        part = merged(table(7), table(7, 100), columns=["x"], rows=[range(2, 4)])
        assert [batch.names for batch in part.batches(["s", "x"], rows=4)] == [("s", "x")] * 2
        assert [batch.names for batch in part.batches(["s"], rows=4)] == [("s",)] * 2
        assert [batch.rows for batch in part.batches(["x"], rows=4)] == [4, 3]

    @pytest.mark.parametrize(
        ("new", "columns", "rows", "told"),
        [
            (table(5), ["y"], [], "there is no column 'y'"),
            (table(4), ["x"], [], "the golden has 5 rows, what was received 4"),
            (table(4), [], [range(2)], "the golden has 5 rows, what was received 4"),
            (table(5), [], [range(4, 6)], "there are no rows 4 to 5: the golden has 5 rows"),
            (
                Table({"i": np.zeros(5)}),
                ["i"],
                [range(2)],
                "column 'i' is int64 in the golden, and float64 in",
            ),
            (
                Table({"i": np.arange(5)}),
                [],
                [range(2)],
                "column 'x' is float64 in the golden, and absent in",
            ),
            (
                table(5, 0, y=np.zeros(5)),
                ["y"],
                [range(2)],
                "column 'y' is absent in the golden, and float64",
            ),
        ],
    )
    def test_what_does_not_fit(self, new: Table, columns: list[str], rows: list[range], told: str) -> None:
        with pytest.raises(GoldlockError) as caught:
            merged(table(5), new, columns=columns, rows=rows)
        assert told in caught.value.message
        assert caught.value.hint


def test_a_merged_table_is_recorded_like_any_other(tmp_path: Path) -> None:
    folder = tmp_path / "mlp"
    record(folder, make(tmp_path, merged(OUTPUTS, OTHER, columns=["label"])))
    assert whole(load(folder).outputs).columns["label"].tolist() == ["Setosa", "Setosa"]
