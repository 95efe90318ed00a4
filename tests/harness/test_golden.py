"""One golden: what is in its folder, what is noticed, and what takes its place."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.drafts import INPUTS, OUTPUTS, PROVENANCE, everything_in, make, names_in

from goldlock import golden as goldens
from goldlock.golden import (
    MANIFEST,
    ColumnRecord,
    HistoryEntry,
    Key,
    accept,
    check_sealed,
    is_there,
    load,
    record,
    restore,
    tolerances_for,
)
from goldlock.golden import _manifest as manifests
from goldlock.tables import Format, Table, content, from_columns, whole
from goldlock.tolerance import Kind, Loose, Tolerance, UpTo, default_for
from goldlock_env.errors import ConfigurationError, CouldNotRunError
from goldlock_env.findings import Finding, Layer, Severity, Status

EXPECTED_TEXT = """\
# Written by goldlock record and goldlock accept. A change by hand is reported: golden-id seals this file,
# and with it the files it names. To change a tolerance, write it under the case in goldlock.toml.
golden-id = "{id}"
golden-version = 2
case = "mlp"

[inputs]
file = "inputs.csv"
sha256 = "{inputs}"
size = 14

[outputs]
file = "outputs.csv"
sha256 = "{outputs}"
size = 33
format = "csv"
rows = 2

[[columns]]
name = "label"
dtype = "str"
shape = []
content = "{label}"
kind = "label"
scores = ["p"]

[[columns]]
name = "p"
dtype = "float32"
shape = []
content = "{p}"
kind = "close"
rtol = 1e-05
atol = 0.0
ulp = 4

[provenance]
lock-id = "sha256:11"
image-id = "sha256:22"
cpu-level = "x86-64-v4"
goldlock-version = "0.1.0"
recorded = "2026-11-21"
reason = ""
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "goldens" / "mlp"


class TestFiles:
    def test_the_text_reads_well_and_is_the_same_every_time(self, tmp_path: Path, folder: Path) -> None:
        golden_id = record(folder, make(tmp_path))
        files = everything_in(folder)
        assert sorted(files) == [MANIFEST, "inputs.csv", "outputs.csv"]
        assert files["outputs.csv"] == b"label,p\nSetosa,0.9\nVirginica,0.1\n"
        assert files["inputs.csv"] == INPUTS
        assert files[MANIFEST].decode() == EXPECTED_TEXT.format(
            id=golden_id,
            inputs=sha256(INPUTS),
            outputs=sha256(files["outputs.csv"]),
            **content(OUTPUTS),
        )
        record(folder.with_name("again"), make(tmp_path))
        assert everything_in(folder.with_name("again")) == files

    def test_the_id_is_of_everything(self, tmp_path: Path) -> None:
        other = replace(PROVENANCE, cpu_level="x86-64-v3")
        ids = {
            record(tmp_path / str(number), make(tmp_path, **changed))
            for number, changed in enumerate(
                (
                    {},
                    {"inputs": b"other"},
                    {"case": "other"},
                    {"provenance": other},
                    {"tolerances": {"p": Tolerance(kind=Kind.CLOSE, rtol=1e-6)}},
                    {"outputs": Table({"p": np.array([0.9, 0.1], dtype=np.float32)})},
                )
            )
        }
        assert len(ids) == 6
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", golden_id) for golden_id in ids)

    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ([1.5], "outputs.csv"),
            ([[1.5, 2.5]], "outputs.jsonl"),
            (["x", None], "outputs.jsonl"),
            (["x\0"], "outputs.jsonl"),
            ([], "outputs.csv"),
        ],
    )
    def test_the_simplest_text_that_holds_the_outputs(
        self, tmp_path: Path, folder: Path, values: list[object], name: str
    ) -> None:
        outputs = from_columns({"x": values})
        record(folder, make(tmp_path, outputs))
        assert (folder / name).exists()
        assert whole(load(folder).outputs) == outputs

    @pytest.mark.parametrize(
        "values", [np.random.default_rng(1).random(1000), np.zeros(6000)], ids=["digits", "count"]
    )
    def test_large_outputs_are_packed(
        self,
        tmp_path: Path,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        values: npt.NDArray[np.float64],
    ) -> None:
        monkeypatch.setattr(goldens._outputs, "LARGEST_TEXT", 10_000)
        outputs = Table({"x": values})
        record(folder, make(tmp_path, outputs))
        assert names_in(folder) == [MANIFEST, "inputs.csv", "outputs.parquet"]
        assert load(folder).content == content(outputs)

    def test_without_pyarrow_they_are_npz(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        outputs = Table({"x": np.zeros(2_200_000)})
        record(folder, make(tmp_path, outputs))
        assert (folder / "outputs.npz").exists()
        assert load(folder).content == content(outputs)

    def test_what_npz_cannot_hold_stays_text(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        monkeypatch.setattr(goldens._outputs, "LARGEST_TEXT", 10_000)
        column = np.full(1000, "abcdefghijklmn", dtype=object)
        column[0] = None
        record(folder, make(tmp_path, Table({"x": column})))
        assert names_in(folder) == [MANIFEST, "inputs.csv", "outputs.jsonl"]
        assert load(folder).content == content(Table({"x": column}))

    def test_a_format_that_gives_other_values_back_is_not_taken(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = goldens._outputs.write_table

        def lossy(outputs: Table, path: Path, fmt: Format) -> None:
            plain(outputs if fmt is Format.NPZ else Table({"x": np.zeros(1)}), path, fmt)

        monkeypatch.setattr(goldens._outputs, "write_table", lossy)
        record(folder, make(tmp_path, Table({"x": np.array([1.5])})))
        assert names_in(folder) == [MANIFEST, "inputs.csv", "outputs.npz"]

    def test_a_table_that_no_format_holds(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = goldens._outputs.write_table
        monkeypatch.setattr(
            goldens._outputs, "write_table", lambda _, path, fmt: plain(Table({"x": np.zeros(1)}), path, fmt)
        )
        with pytest.raises(CouldNotRunError) as caught:
            record(folder, make(tmp_path, Table({"x": np.array([1.5])})))
        assert "no format holds these outputs exactly (csv: gives other values back; " in caught.value.message
        assert not folder.parent.exists()

    @pytest.mark.parametrize(
        "name", ["", ".", "..", "a/b", "a\\b", MANIFEST, "outputs.csv", "outputs.npz", "outputs.parquet"]
    )
    def test_inputs_have_a_name_of_their_own(self, tmp_path: Path, folder: Path, name: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            record(folder, make(tmp_path, inputs_name=name))
        assert repr(name) in caught.value.message

    def test_inputs_that_are_gone(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(CouldNotRunError, match=r"can't be read: .*asked.csv: No such file"):
            record(folder, replace(make(tmp_path), inputs=tmp_path / "gone" / "asked.csv"))
        assert not folder.parent.exists()

    def test_inputs_that_changed_since_they_were_asked(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(CouldNotRunError, match="have changed since the subject was asked"):
            record(folder, replace(make(tmp_path), inputs_sha256=sha256(b"others")))
        assert not folder.parent.exists()
        record(folder, replace(make(tmp_path), inputs_sha256=sha256(INPUTS)))

    @pytest.mark.parametrize(
        "more", [{"name": "a/b"}, {"name": "-x"}, {"bad": True}, {"key": Key(cpu_level="x86-64-v3")}]
    )
    def test_a_draft_that_makes_no_sense(self, tmp_path: Path, folder: Path, more: dict[str, object]) -> None:
        with pytest.raises(ConfigurationError):
            record(folder, replace(make(tmp_path), **more))


class TestRecordAndLoad:
    @pytest.mark.parametrize(
        "outputs",
        [
            Table(
                {
                    "label": np.array(["\u00e4", 'a "quote"', "line\nend"]),
                    "p": np.array([np.nan, -0.0, np.inf]),
                }
            ),
            Table({"p": np.array([[0.1, 0.9], [5e-8, np.nan]], dtype=np.float16)}),
            Table({"p": np.zeros((0, 3), dtype=np.float32), "label": np.array([], dtype=object)}),
            Table({"n": np.array([2**64 - 1], dtype=np.uint64), "": np.array([-3], dtype=np.int8)}),
            Table({"t": np.random.default_rng(1).random((100_000, 4), dtype=np.float32)}),
            Table({"d": np.array(["2026-11-22", "NaT", "0001-01-01"], dtype="datetime64[D]")}),
            Table({"d": np.array(["2026-11-22T01:02:03.000004"], dtype="datetime64[us]")}),
            Table({"n": np.array([1, 2])}, {"n": np.array([False, True])}),
            Table({"b": np.array([True, False])}, {"b": np.array([True, False])}),
            Table({}),
        ],
        ids=[
            "text",
            "float16",
            "no-rows",
            "whole",
            "large",
            "date",
            "datetime",
            "absent",
            "truth",
            "nothing",
        ],
    )
    def test_what_is_recorded_is_loaded_bit_for_bit(
        self, tmp_path: Path, folder: Path, outputs: Table
    ) -> None:
        golden_id = record(folder, make(tmp_path, outputs))
        loaded = load(folder)
        assert whole(loaded.outputs) == outputs
        assert (loaded.integrity, loaded.id, loaded.types) == ((), golden_id, outputs.types)
        assert loaded.content == content(outputs)
        assert loaded.inputs.read_bytes() == INPUTS
        assert loaded.inputs_sha256 == sha256(INPUTS)
        assert (loaded.case, loaded.name, loaded.label, loaded.bad, loaded.key) == (
            "mlp",
            "",
            "mlp",
            False,
            Key(),
        )
        assert loaded.provenance == PROVENANCE

    def test_every_tolerance_survives(self, tmp_path: Path, folder: Path) -> None:
        tolerances = {
            "a": Tolerance(kind=Kind.EXACT, reason="an id"),
            "b": Tolerance(kind=Kind.CLOSE, rtol=1e-300, atol=5e-324, ulp=2**62),
            "c": Tolerance(kind=Kind.LABEL, scores=("d", 'e"')),
            "d": Tolerance(kind=Kind.PROBABILITY, atol=0.01),
            "e": Tolerance(kind=Kind.IGNORE, reason='a "timestamp"\x7f\n'),
            "f": Tolerance(kind=Kind.CLOSE, atol=1.0, up_to=UpTo.SIGN, loose=(Loose.DTYPE, Loose.SHAPE)),
            "g": Tolerance(kind=Kind.LABEL, up_to=UpTo.NAMES),
        }
        outputs = Table(dict.fromkeys(tolerances, np.array([1.0])))
        record(folder, make(tmp_path, outputs, tolerances=tolerances))
        assert load(folder).tolerances == tolerances
        assert b'up-to = "sign"\nloose = ["dtype", "shape"]\n' in (folder / MANIFEST).read_bytes()

    @given(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
        st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=10), max_size=3),
        st.booleans(),
    )
    def test_any_text_survives(self, reason: str, history: list[str], bad: bool) -> None:
        entries = tuple(
            HistoryEntry(
                golden_id=text, recorded=text, reason=text, accepted_by=text, lock_id=text, image_id=text
            )
            for text in history
        )
        provenance = replace(PROVENANCE, reason=reason, accepted_by=reason, history=entries)
        file = manifests.FileRecord(file="x", sha256="", size=0)
        manifest = manifests.Manifest(
            case=reason,
            name="v3",
            key=Key(lock_id=reason, cpu_level=reason),
            bad=bad,
            inputs=file,
            outputs=file,
            format=Format.CSV,
            rows=0,
            columns={},
            provenance=provenance,
        )
        data, golden_id = manifests.dumps(manifest)
        assert manifests.seal_of(data) == (golden_id, golden_id)
        assert manifests.loads(data, "here") == manifest

    def test_recording_never_replaces(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        before = everything_in(folder)
        with pytest.raises(ConfigurationError) as caught:
            record(folder, make(tmp_path, inputs=b"other"))
        assert "goldlock accept mlp --reason" in caught.value.hint
        assert everything_in(folder) == before
        assert names_in(folder.parent) == ["mlp"]

    def test_whatever_stands_there_is_left_alone(self, tmp_path: Path, folder: Path) -> None:
        folder.parent.mkdir()
        folder.symlink_to("nowhere")
        with pytest.raises(ConfigurationError, match="stands there"):
            record(folder, make(tmp_path))
        assert names_in(folder.parent) == ["mlp"]

    def test_a_folder_that_appears_meanwhile_is_not_replaced(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def late(_: Path) -> None:
            folder.mkdir()
            (folder / "mine").touch()

        monkeypatch.setattr(goldens._folder, "_sync_all", late)
        with pytest.raises(ConfigurationError, match=r"stands there: golden.toml is missing"):
            record(folder, make(tmp_path))
        assert names_in(folder) == ["mine"]

    def test_permissions_are_those_of_other_files(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        plain = folder.parent / "plain"
        plain.mkdir()
        assert folder.stat().st_mode == plain.stat().st_mode

    def test_tolerances_by_precedence(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        stated = Tolerance(kind=Kind.CLOSE, atol=1e-3)
        assert tolerances_for(load(folder), {"p": stated}) == {
            "label": Tolerance(kind=Kind.LABEL, scores=("p",)),
            "p": stated,
        }
        assert tolerances_for(load(folder), {})["p"] == default_for("float32")


class TestIntegrity:
    def test_outputs_edited_by_hand(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        path = folder / "outputs.csv"
        sealed = sha256(path.read_bytes())
        path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8"))
        loaded = load(folder)
        assert loaded.integrity == (
            Finding(
                layer=Layer.GOLDEN,
                key="mlp/outputs.csv",
                expected=f"sha256:{sealed}",
                actual=f"sha256:{sha256(path.read_bytes())}",
                status=Status.CHANGED,
                severity=Severity.ERROR,
                note="changed by hand, or damaged, after it was recorded",
            ),
        )
        assert whole(loaded.outputs).columns["p"][0].item() == pytest.approx(0.8)
        assert check_sealed(folder / MANIFEST) == loaded.integrity

    def test_inputs_edited_by_hand(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        (folder / "inputs.csv").write_bytes(b"a\r\n1\r\n")
        (finding,) = load(folder).integrity
        assert finding.key == "mlp/inputs.csv"
        assert ".gitattributes" in finding.note

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("rtol = 1e-05", "rtol = 0.5"),
            ("# Written", "# Rewritten"),
            ('cpu-level = "x86-64-v4"', 'cpu-level = "x86-64-v3"'),
            ('content = "sha256:', 'content = "sha256:' + "0" * 64 + '"\nwas = "'),
        ],
    )
    def test_golden_toml_edited_by_hand(self, tmp_path: Path, folder: Path, old: str, new: str) -> None:
        sealed = record(folder, make(tmp_path))
        path = folder / MANIFEST
        path.write_text(path.read_text().replace(old, new, 1))
        (finding,) = check_sealed(path)
        assert (finding.key, finding.expected) == ("mlp/golden.toml", sealed)
        assert finding.actual is not None
        assert finding.actual != sealed
        assert load(folder).integrity == (finding,)

    def test_a_removed_seal(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        path = folder / MANIFEST
        path.write_text(re.sub(r"golden-id.*\n", "", path.read_text()))
        (finding,) = load(folder).integrity
        assert (finding.key, finding.expected) == ("mlp/golden.toml", None)

    def test_hashes_made_to_fit_are_found_by_the_seal(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        outputs, manifest = folder / "outputs.csv", folder / MANIFEST
        sealed = sha256(outputs.read_bytes())
        outputs.write_bytes(outputs.read_bytes().replace(b"0.9", b"0.8"))
        manifest.write_text(manifest.read_text().replace(sealed, sha256(outputs.read_bytes())))
        assert [finding.key for finding in load(folder).integrity] == ["mlp/golden.toml"]

    def test_another_number_of_rows_than_recorded(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        (folder / "outputs.csv").write_bytes(b"label,p\nSetosa,0.9\n")
        with pytest.raises(CouldNotRunError, match="holds 1 rows, not the 2 recorded; the file was changed"):
            load(folder)


HALF = "half a golden stands there: {} is missing"


class TestUnreadable:
    @pytest.mark.parametrize(
        ("damage", "expected"),
        [
            (shutil.rmtree, "there is no golden"),
            (lambda f: (f / MANIFEST).unlink(), HALF.format("golden.toml")),
            (lambda f: (f / "outputs.csv").unlink(), HALF.format("outputs.csv")),
            (lambda f: (f / "inputs.csv").unlink(), HALF.format("inputs.csv")),
            (
                lambda f: ((f / MANIFEST).unlink(), (f / MANIFEST).mkdir()),
                "could not be read: Is a directory",
            ),
            (
                lambda f: (f / "outputs.csv").write_bytes(b"label,p\nSetosa\n"),
                "changed after it was recorded",
            ),
            (lambda f: (f / MANIFEST).write_bytes(b"\xff"), "is not readable TOML"),
            (lambda f: (f / MANIFEST).write_bytes(b"golden-version = "), "is not readable TOML"),
            (lambda f: (f / MANIFEST).write_bytes(b"x = " + b"[" * 100_000), "is not readable TOML"),
            (
                lambda f: (f / MANIFEST).write_bytes(b"\n" * 17_000_000),
                "golden.toml: larger than 16777216 bytes",
            ),
        ],
        ids=["folder", "manifest", "outputs", "inputs", "odd", "cut", "bytes", "toml", "nested", "large"],
    )
    def test_it_says_what_and_what_to_do(
        self, tmp_path: Path, folder: Path, damage: Callable[[Path], object], expected: str
    ) -> None:
        record(folder, make(tmp_path))
        damage(folder)
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert expected in caught.value.message
        assert caught.value.hint

    @pytest.mark.parametrize("missing", [MANIFEST, "inputs.csv", "outputs.csv"])
    def test_half_a_golden_is_told_alike_wherever_it_is_met(
        self, tmp_path: Path, folder: Path, missing: str
    ) -> None:
        record(folder, make(tmp_path))
        (folder / missing).unlink()
        before = everything_in(folder)
        for meet in (
            lambda: load(folder),
            lambda: record(folder, make(tmp_path)),
            lambda: accept(folder, make(tmp_path), "why"),
            lambda: is_there(folder),
        ):
            with pytest.raises((ConfigurationError, CouldNotRunError)) as caught:
                meet()
            assert caught.value.message == f"{folder}: {HALF.format(missing)}"
            assert caught.value.hint == (
                "take the folder from version control again; if it was never committed, remove it"
                f" (rm -r {folder}) and run goldlock record"
            )
        assert everything_in(folder) == before

    def test_whether_one_is_there(self, tmp_path: Path, folder: Path) -> None:
        assert not is_there(folder)
        record(folder, make(tmp_path))
        assert is_there(folder)
        (folder / MANIFEST).write_text("nonsense")
        assert is_there(folder)
        folder.rename(folder.with_name(".mlp.old"))
        assert is_there(folder)

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ("golden-version = 2", "golden-version = 3", "golden-version is 3, and this goldlock reads 2"),
            ("golden-version = 2", "golden-version = 1", "golden-version is 1, and this goldlock reads 2"),
            (
                "golden-version = 2",
                "golden-version = true",
                "golden-version is missing, or not a whole number",
            ),
            ('case = "mlp"', "case = 3", "case is missing, or not text"),
            ('case = "mlp"', 'case = "mlp"\nname = "../x"', "name is '../x', which cannot be the name"),
            ('case = "mlp"', 'case = "mlp"\nname = "v3"', "says that this is golden 'v3' of its case"),
            ('case = "mlp"', 'case = "mlp"\nbad = 1', "bad is not true or false"),
            ('case = "mlp"', 'case = "mlp"\nkey = 1', "key is missing, or not a table"),
            (
                'file = "inputs.csv"',
                'file = "../../etc/passwd"',
                "inputs.file is '../../etc/passwd', not the name",
            ),
            ('format = "csv"', 'format = "xml"', "outputs.format 'xml' is not a valid Format"),
            ('kind = "label"', 'kind = "lable"', "columns[0].kind 'lable' is not a valid Kind"),
            ('scores = ["p"]', 'scores = "p"', "columns[0].scores is not a list of texts"),
            ('scores = ["p"]', 'loose = ["x"]', "columns[0].kind 'x' is not a valid Loose"),
            ('content = "sha256:', 'content = "md5:', "columns[0].content is not sha256:"),
            ("rtol = 1e-05", "rtol = -1", "columns[1].kind rtol is -1.0"),
            ("rtol = 1e-05", 'rtol = "x"', "columns[1].rtol is not a number"),
            ("shape = []", 'shape = ["x"]', "columns[0].shape is missing, or not a list"),
            ('name = "p"', 'name = "label"', "columns names one column twice"),
            ("[inputs]", "[[inputs]]", "inputs is missing, or not a table"),
            ('dtype = "float32"', 'dtype = "datetime64"', "'datetime64' is not a type a column can have"),
        ],
    )
    def test_a_manifest_that_makes_no_sense(
        self, tmp_path: Path, folder: Path, old: str, new: str, expected: str
    ) -> None:
        record(folder, make(tmp_path))
        path = folder / MANIFEST
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert expected in caught.value.message
        assert caught.value.hint

    def test_the_first_version_says_how_to_go_on(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        path = folder / MANIFEST
        path.write_text(path.read_text().replace("golden-version = 2", "golden-version = 1"))
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert caught.value.hint == "remove the golden's folder and record it again with goldlock record"

    def test_columns_that_are_no_list(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        data = (folder / MANIFEST).read_bytes().split(b"[[columns]]", 1)[0]
        with pytest.raises(CouldNotRunError, match="columns is not a list of tables"):
            manifests.loads(data + b"[columns]\nx = 1\n[provenance]\n", "here")


class TestAccept:
    def test_the_old_one_goes_into_the_history(self, tmp_path: Path, folder: Path) -> None:
        first = record(folder, make(tmp_path))
        newer = replace(PROVENANCE, lock_id="sha256:33")
        better = make(tmp_path, Table({"x": np.array([1.0])}), provenance=newer)
        second = accept(folder, better, "a newer wheel", "Ann <ann@example.org>")
        third = accept(folder, make(tmp_path), "back again")
        loaded = load(folder)
        assert loaded.integrity == ()
        assert (loaded.reason, loaded.provenance.accepted_by) == ("back again", "")
        history = loaded.provenance.history
        assert [entry.golden_id for entry in history] == [first, second]
        assert [entry.reason for entry in history] == ["", "a newer wheel"]
        assert [entry.accepted_by for entry in history] == ["", "Ann <ann@example.org>"]
        assert [entry.lock_id for entry in history] == ["sha256:11", "sha256:33"]
        assert loaded.id == third
        assert names_in(folder.parent) == ["mlp"]

    def test_files_of_the_old_golden_go_and_others_stay(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        (folder / "README.md").write_text("ours")
        (folder / "notes").mkdir()
        (folder / "notes" / "a.txt").write_text("more")
        (folder / "link").symlink_to("nowhere")
        accept(
            folder, make(tmp_path, from_columns({"x": [[1.5]]}), inputs_name="inputs.json"), "another shape"
        )
        assert names_in(folder) == [
            "README.md",
            MANIFEST,
            "inputs.json",
            "link",
            "notes",
            "outputs.jsonl",
        ]
        assert (folder / "notes" / "a.txt").read_text() == "more"

    def test_an_edited_golden_can_be_replaced(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        (folder / "outputs.csv").write_bytes(b"label,p\nx,0.5\n")
        accept(folder, make(tmp_path), "repaired")
        assert load(folder).integrity == ()

    def test_but_not_by_what_was_made_to_replace_another(self, tmp_path: Path, folder: Path) -> None:
        golden_id = record(folder, make(tmp_path))
        before = everything_in(folder)
        with pytest.raises(CouldNotRunError, match="has changed since its outputs were received"):
            accept(folder, replace(make(tmp_path), replaces="sha256:00"), "why")
        assert everything_in(folder) == before
        (folder / "outputs.csv").write_bytes(b"label,p\nx,0.5\ny,0.5\n")
        with pytest.raises(CouldNotRunError, match="has changed since its outputs were received"):
            accept(folder, replace(make(tmp_path), replaces=golden_id), "why")

    def test_a_golden_that_changes_at_the_last_moment(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(folder, make(tmp_path))
        plain = goldens._folder.exchange

        def late(place: Path, fill: Callable[[Path], str], owned: frozenset[str]) -> str:
            (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b"# more\n")
            return plain(place, fill, owned)

        monkeypatch.setattr(goldens._folder, "exchange", late)
        with pytest.raises(CouldNotRunError, match="has changed since its outputs were received"):
            accept(folder, make(tmp_path, inputs=b"other"), "why")
        assert (folder / "inputs.csv").read_bytes() == INPUTS

    @pytest.mark.parametrize("reason", ["", " \n"])
    def test_without_a_reason_nothing_happens(self, tmp_path: Path, folder: Path, reason: str) -> None:
        record(folder, make(tmp_path))
        with pytest.raises(ConfigurationError, match="without a reason"):
            accept(folder, make(tmp_path), reason)

    def test_there_must_be_one_to_replace(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            accept(folder, make(tmp_path), "first")
        assert "goldlock record mlp" in caught.value.hint
        assert not folder.parent.exists()

    def test_one_that_was_cut_off_is_brought_back_first(self, tmp_path: Path, folder: Path) -> None:
        record(folder, make(tmp_path))
        folder.rename(folder.with_name(".mlp.old"))
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert "cut off" in caught.value.message
        assert f"mv {folder.parent / '.mlp.old'} {folder}" in caught.value.hint
        accept(folder, make(tmp_path, inputs=b"other"), "again")
        assert load(folder).provenance.history[0].recorded == PROVENANCE.recorded
        assert names_in(folder.parent) == ["mlp"]

    def test_recording_where_an_accept_was_cut_off_replaces_nothing(
        self, tmp_path: Path, folder: Path
    ) -> None:
        record(folder, make(tmp_path))
        before = everything_in(folder)
        folder.rename(folder.with_name(".mlp.old"))
        with pytest.raises(ConfigurationError, match="there is a golden already"):
            record(folder, make(tmp_path, inputs=b"other"))
        assert everything_in(folder) == before
        assert not restore(folder)


def test_a_column_record_knows_its_type() -> None:
    found = ColumnRecord(dtype="float32", shape=(3,), content="sha256:00", tolerance=default_for("float32"))
    assert str(found.type) == "float32[3]"
