"""Goldens: what is in their folders, what is noticed, and what is left behind when writing fails."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock import golden as goldens
from goldlock.golden import (
    MANIFEST,
    ColumnRecord,
    Golden,
    HistoryEntry,
    Provenance,
    accept,
    describe,
    documents,
    golden_id,
    load,
    record,
    restore,
    tolerances_for,
)
from goldlock.tables import Table, from_columns
from goldlock.tolerance import Kind, Tolerance, default_for
from goldlock_env.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock_env.findings import Finding, Layer, Severity, Status

PROVENANCE = Provenance(
    lock_id="sha256:11",
    image_id="sha256:22",
    cpu_level="x86-64-v4",
    goldlock_version="0.1.0",
    recorded="2026-11-21",
)
EXPECTED_TEXT = """\
# Written by goldlock record and goldlock accept. A change by hand is reported: golden-id seals this file,
# and with it the files it names. To change a tolerance, write it under the case in goldlock.toml.
golden-id = "sha256:ID"
golden-version = 1
case = "mlp"

[inputs]
file = "inputs.csv"
sha256 = "a62f38d993a9b6ea7b42c02ea1c0f8a58d34e9a5afba1c3a7be3a9b0d64d9bd8"
size = 14

[outputs]
file = "outputs.csv"
sha256 = "SHA"
size = 36
format = "csv"
rows = 2

[[columns]]
name = "label"
dtype = "str"
shape = []
kind = "label"
scores = "p"

[[columns]]
name = "p"
dtype = "float32"
shape = []
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


def make(outputs: Table | None = None, **tolerances: Tolerance) -> Golden:
    if outputs is None:
        outputs = Table(
            {
                "label": np.array(["Setosa", "Virginica"]),
                "p": np.array([0.9, 0.1], dtype=np.float32),
            }
        )
        tolerances = tolerances or {"label": Tolerance(kind=Kind.LABEL, scores="p")}
    return Golden(
        case="mlp",
        inputs_name="inputs.csv",
        inputs=b"a,b\n1,2\n3,4.5\n",
        outputs=outputs,
        columns=describe(outputs, tolerances),
        provenance=PROVENANCE,
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "goldens" / "mlp"


class TestFiles:
    def test_the_text_reads_well_and_is_the_same_every_time(self) -> None:
        files = documents(make())
        assert sorted(files) == [MANIFEST, "inputs.csv", "outputs.csv"]
        assert files["outputs.csv"] == b"label,p\nSetosa,0.9\nVirginica,0.1\n"
        text = files[MANIFEST].decode()
        masked = re.sub(r'(golden-id = "sha256:)\w+', r"\1ID", text)
        sha = re.findall(r'sha256 = "(\w{64})"', text)
        expected = re.sub(r'sha256 = "a62\w+"', f'sha256 = "{sha[0]}"', EXPECTED_TEXT)
        size = len(files["outputs.csv"])
        assert masked == expected.replace("SHA", sha[1]).replace("size = 36", f"size = {size}")
        assert documents(make()) == files

    def test_the_id_is_of_everything(self) -> None:
        one = make()
        others = [
            replace(one, inputs=b"other"),
            replace(one, case="other"),
            replace(one, provenance=replace(PROVENANCE, cpu_level="x86-64-v3")),
            make(p=Tolerance(kind=Kind.CLOSE, rtol=1e-6)),
        ]
        assert len({golden_id(golden) for golden in [one, *others]}) == 5
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", golden_id(one))

    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ([1.5], "outputs.csv"),
            ([[1.5, 2.5]], "outputs.jsonl"),
            (["x", None], "outputs.jsonl"),
            ([], "outputs.csv"),
        ],
    )
    def test_the_simplest_text_that_holds_the_outputs(self, values: list[object], name: str) -> None:
        assert name in documents(make(from_columns({"x": values})))

    def test_large_outputs_are_packed(self) -> None:
        many = np.random.default_rng(1).random(300_000)
        assert "outputs.npz" in documents(make(Table({"x": many})))
        assert "outputs.npz" in documents(make(Table({"x": np.zeros(2_200_000)})))
        assert "outputs.csv" in documents(make(Table({"x": many[:1000]})))

    def test_large_outputs_that_npz_cannot_hold_stay_text(self) -> None:
        column = np.empty(300_000, dtype=object)
        column[:] = "abcdefghij"
        column[0] = None
        assert "outputs.jsonl" in documents(make(Table({"x": column})))

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", MANIFEST, "outputs.csv", "outputs.npz"])
    def test_inputs_have_a_name_of_their_own(self, name: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            documents(replace(make(), inputs_name=name))
        assert repr(name) in caught.value.message

    def test_columns_describe_the_outputs(self) -> None:
        with pytest.raises(CouldNotRunError, match="not those of the outputs"):
            replace(make(), columns={})


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
            Table({}),
        ],
        ids=["text", "float16", "no-rows", "whole", "npz", "nothing"],
    )
    def test_what_is_recorded_is_loaded_bit_for_bit(self, folder: Path, outputs: Table) -> None:
        golden = make(outputs)
        found_id = record(folder, golden)
        loaded = load(folder)
        assert loaded == golden
        assert loaded.integrity == ()
        assert golden_id(loaded) == found_id
        assert loaded.outputs.types == outputs.types

    def test_every_tolerance_survives(self, folder: Path) -> None:
        names = ("a", "b", "c", "d", "e")
        outputs = Table(dict.fromkeys(names, np.array([1.0])))
        tolerances = {
            "a": Tolerance(kind=Kind.EXACT, reason="an id"),
            "b": Tolerance(kind=Kind.CLOSE, rtol=1e-300, atol=5e-324, ulp=2**62),
            "c": Tolerance(kind=Kind.LABEL, scores="d"),
            "d": Tolerance(kind=Kind.PROBABILITY, atol=0.01),
            "e": Tolerance(kind=Kind.IGNORE, reason='a "timestamp"\x7f\n'),
        }
        record(folder, make(outputs, **tolerances))
        assert load(folder).tolerances == tolerances

    @given(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
        st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=10), max_size=3),
    )
    def test_any_text_survives(self, reason: str, history: list[str]) -> None:
        golden = make()
        entries = tuple(
            HistoryEntry(golden_id=text, recorded=text, reason=text, lock_id=text, image_id=text)
            for text in history
        )
        provenance = replace(PROVENANCE, reason=reason, history=entries)
        data = documents(replace(golden, provenance=provenance))[MANIFEST]
        claimed, computed = goldens._manifest.seal_of(data)
        assert claimed == computed
        assert goldens._manifest.loads(data, "here").provenance == provenance

    def test_recording_never_replaces(self, folder: Path) -> None:
        record(folder, make())
        before = everything_in(folder)
        with pytest.raises(ConfigurationError) as caught:
            record(folder, replace(make(), inputs=b"other"))
        assert "goldlock accept mlp --reason" in caught.value.hint
        assert everything_in(folder) == before
        assert [path.name for path in folder.parent.iterdir()] == ["mlp"]

    @pytest.mark.parametrize("kind", ["file", "link"])
    def test_whatever_stands_there_is_left_alone(self, folder: Path, kind: str) -> None:
        folder.parent.mkdir()
        if kind == "file":
            folder.write_text("mine")
        else:
            folder.symlink_to("nowhere")
        with pytest.raises(ConfigurationError, match="there is a golden already"):
            record(folder, make())
        assert [path.name for path in folder.parent.iterdir()] == ["mlp"]

    def test_a_folder_that_appears_meanwhile_is_not_replaced(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def late(_: object) -> bool:
            folder.mkdir()
            (folder / "mine").touch()
            return False

        monkeypatch.setattr(os.path, "lexists", late)
        with pytest.raises(ConfigurationError, match="there is a golden already"):
            record(folder, make())
        assert [path.name for path in folder.iterdir()] == ["mine"]

    def test_permissions_are_those_of_other_files(self, folder: Path) -> None:
        record(folder, make())
        plain = folder.parent / "plain"
        plain.mkdir()
        assert folder.stat().st_mode == plain.stat().st_mode

    def test_tolerances_by_precedence(self) -> None:
        stated = Tolerance(kind=Kind.CLOSE, atol=1e-3)
        assert tolerances_for(make(), {"p": stated}) == {
            "label": Tolerance(kind=Kind.LABEL, scores="p"),
            "p": stated,
        }
        assert tolerances_for(make(), {})["p"] == default_for("float32")


class TestIntegrity:
    def test_outputs_edited_by_hand(self, folder: Path) -> None:
        record(folder, make())
        path = folder / "outputs.csv"
        sealed = goldens._manifest.sha256(path.read_bytes())
        path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8"))
        loaded = load(folder)
        assert loaded.integrity == (
            Finding(
                layer=Layer.GOLDEN,
                key="mlp/outputs.csv",
                expected=f"sha256:{sealed}",
                actual=f"sha256:{goldens._manifest.sha256(path.read_bytes())}",
                status=Status.CHANGED,
                severity=Severity.ERROR,
                note="changed by hand, or damaged, after it was recorded",
            ),
        )
        assert loaded.outputs.columns["p"][0].item() == pytest.approx(0.8)

    def test_inputs_edited_by_hand(self, folder: Path) -> None:
        record(folder, make())
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
        ],
    )
    def test_golden_toml_edited_by_hand(self, folder: Path, old: str, new: str) -> None:
        sealed = record(folder, make())
        path = folder / MANIFEST
        path.write_text(path.read_text().replace(old, new))
        (finding,) = load(folder).integrity
        assert (finding.key, finding.expected) == ("mlp/golden.toml", sealed)
        assert finding.actual is not None
        assert finding.actual != sealed

    def test_a_removed_seal(self, folder: Path) -> None:
        record(folder, make())
        path = folder / MANIFEST
        path.write_text(re.sub(r"golden-id.*\n", "", path.read_text()))
        (finding,) = load(folder).integrity
        assert (finding.key, finding.expected) == ("mlp/golden.toml", None)

    def test_hashes_made_to_fit_are_found_by_the_seal(self, folder: Path) -> None:
        record(folder, make())
        outputs, manifest = folder / "outputs.csv", folder / MANIFEST
        sealed = goldens._manifest.sha256(outputs.read_bytes())
        outputs.write_bytes(outputs.read_bytes().replace(b"0.9", b"0.8"))
        manifest.write_text(
            manifest.read_text().replace(sealed, goldens._manifest.sha256(outputs.read_bytes()))
        )
        assert [finding.key for finding in load(folder).integrity] == ["mlp/golden.toml"]


class TestUnreadable:
    @pytest.mark.parametrize(
        ("damage", "expected"),
        [
            (shutil.rmtree, "there is no golden"),
            (lambda f: (f / MANIFEST).unlink(), "golden.toml: could not be read: No such file"),
            (lambda f: (f / "outputs.csv").unlink(), "outputs.csv: could not be read: No such file"),
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
        ids=["folder", "manifest", "outputs", "cut", "bytes", "toml", "nested", "large"],
    )
    def test_it_says_what_and_what_to_do(
        self, folder: Path, damage: Callable[[Path], object], expected: str
    ) -> None:
        record(folder, make())
        damage(folder)
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert expected in caught.value.message
        assert caught.value.hint

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ("golden-version = 1", "golden-version = 2", "golden-version is 2, and this goldlock reads 1"),
            ("golden-version = 1", "golden-version = 0", "golden-version is 0, and this goldlock reads 1"),
            (
                "golden-version = 1",
                "golden-version = true",
                "golden-version is missing, or not a whole number",
            ),
            ('case = "mlp"', "case = 3", "case is missing, or not text"),
            (
                'file = "inputs.csv"',
                'file = "../../etc/passwd"',
                "inputs.file is '../../etc/passwd', not the name",
            ),
            ('format = "csv"', 'format = "xml"', "outputs.format 'xml' is not a valid Format"),
            ('kind = "label"', 'kind = "lable"', "columns[0].kind 'lable' is not a valid Kind"),
            ("rtol = 1e-05", "rtol = -1", "columns[1].kind rtol is -1.0"),
            ("rtol = 1e-05", 'rtol = "x"', "columns[1].rtol is not a number"),
            ("shape = []", 'shape = ["x"]', "columns[0].shape is missing, or not a list"),
            ('name = "p"', 'name = "label"', "columns names one column twice"),
            ("[inputs]", "[[inputs]]", "inputs is missing, or not a table"),
            ("[[columns]]", "[columns.x]", None),
            ('dtype = "float32"', 'dtype = "datetime64"', "'datetime64' is not a type a column can have"),
        ],
    )
    def test_a_manifest_that_makes_no_sense(
        self, folder: Path, old: str, new: str, expected: str | None
    ) -> None:
        record(folder, make())
        path = folder / MANIFEST
        path.write_text(path.read_text().replace(old, new, 1 if expected else -1))
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert (expected or "") in caught.value.message
        assert caught.value.hint

    def test_columns_that_are_no_list(self) -> None:
        data = documents(make())[MANIFEST].split(b"[[columns]]", 1)[0] + b"[columns]\nx = 1\n[provenance]\n"
        with pytest.raises(CouldNotRunError, match="columns is not a list of tables"):
            goldens._manifest.loads(data, "here")


class TestAccept:
    def test_the_old_one_goes_into_the_history(self, folder: Path) -> None:
        first = record(folder, make())
        better = replace(
            make(Table({"x": np.array([1.0])})), provenance=replace(PROVENANCE, lock_id="sha256:33")
        )
        second = accept(folder, better, "a newer wheel")
        third = accept(folder, make(), "back again")
        loaded = load(folder)
        assert loaded.integrity == ()
        assert loaded.provenance.reason == "back again"
        assert [entry.golden_id for entry in loaded.provenance.history] == [first, second]
        assert [entry.reason for entry in loaded.provenance.history] == ["", "a newer wheel"]
        assert [entry.lock_id for entry in loaded.provenance.history] == ["sha256:11", "sha256:33"]
        assert golden_id(loaded) == third
        assert [path.name for path in folder.parent.iterdir()] == ["mlp"]

    def test_files_of_the_old_golden_go_and_others_stay(self, folder: Path) -> None:
        record(folder, make())
        (folder / "README.md").write_text("ours")
        (folder / "notes").mkdir()
        (folder / "notes" / "a.txt").write_text("more")
        (folder / "link").symlink_to("nowhere")
        accept(
            folder, replace(make(from_columns({"x": [[1.5]]})), inputs_name="inputs.json"), "another shape"
        )
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md",
            MANIFEST,
            "inputs.json",
            "link",
            "notes",
            "outputs.jsonl",
        ]
        assert (folder / "notes" / "a.txt").read_text() == "more"

    def test_an_edited_golden_can_be_replaced(self, folder: Path) -> None:
        record(folder, make())
        (folder / "outputs.csv").write_bytes(b"label,p\nx,0.5\n")
        accept(folder, make(), "repaired")
        assert load(folder).integrity == ()

    @pytest.mark.parametrize("reason", ["", " \n"])
    def test_without_a_reason_nothing_happens(self, folder: Path, reason: str) -> None:
        record(folder, make())
        with pytest.raises(ConfigurationError, match="without a reason"):
            accept(folder, make(), reason)

    def test_there_must_be_one_to_replace(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            accept(folder, make(), "first")
        assert "goldlock record mlp" in caught.value.hint
        assert not folder.parent.exists()

    def test_a_failing_exchange_leaves_the_old_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(folder, make())
        before = everything_in(folder.parent)
        plain = Path.rename

        def failing(self: Path, target: Path) -> Path:
            if ".new-" in self.name:
                raise OSError(errno.EIO, "Input/output error")
            return plain(self, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(CouldNotRunError, match="Input/output error"):
            accept(folder, replace(make(), inputs=b"other"), "why not")
        assert everything_in(folder.parent) == before

    @pytest.mark.parametrize("moment", ["before", "between", "after"])
    def test_interrupted_at_any_moment_one_whole_golden_stands(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        record(folder, make())
        plain = Path.rename
        calls: list[Path] = []

        def interrupted(self: Path, target: Path) -> Path:
            calls.append(self)
            if len(calls) > 2:
                return plain(self, target)
            if moment == "before":
                raise KeyboardInterrupt
            moved = plain(self, target)
            if moment == "between" or len(calls) == 2:
                raise KeyboardInterrupt
            return moved

        monkeypatch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            accept(folder, replace(make(), inputs=b"other"), "why not")
        monkeypatch.undo()
        assert [path.name for path in folder.parent.iterdir()] == ["mlp"]
        assert load(folder).inputs == (b"other" if moment == "after" else make().inputs)
        assert load(folder).integrity == ()

    def test_killed_between_its_renames(self, folder: Path) -> None:
        record(folder, make())
        program = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from dataclasses import replace\n"
            "from goldlock.golden import accept, load\n"
            "plain = Path.rename\n"
            "def kill(self, target):\n"
            "    plain(self, target)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "Path.rename = kill\n"
            "folder = Path(sys.argv[1])\n"
            "accept(folder, replace(load(folder), inputs=b'other'), 'why not')\n"
        )
        root = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONPATH": f"{root / 'env'}:{root / 'harness'}"}
        done = subprocess.run([sys.executable, "-c", program, str(folder)], env=environment, check=False)
        assert done.returncode == -9
        with pytest.raises(CouldNotRunError) as caught:
            load(folder)
        assert "cut off" in caught.value.message
        assert f"mv {folder.parent / '.mlp.old'} {folder}" in caught.value.hint
        with pytest.raises(ConfigurationError, match="cut off"):
            record(folder, make())
        shutil.copytree(folder.parent, folder.parent.parent / "copy")
        accept(folder, replace(make(), inputs=b"other"), "again")
        assert load(folder).provenance.history[0].recorded == PROVENANCE.recorded
        again = folder.parent.parent / "copy" / "mlp"
        assert restore(again)
        assert load(again) == make()
        assert not restore(again)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip(f"cannot mount a small disk here: {mount.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


class TestFullDisk:
    LARGE = bytes(1_000_000)

    def test_recording_leaves_nothing_behind(self, small_disk: Path) -> None:
        with pytest.raises(CouldNotRunError) as caught:
            record(small_disk / "goldens" / "mlp", replace(make(), inputs=self.LARGE))
        assert "No space left on device" in caught.value.message
        assert "free some space" in caught.value.hint
        assert list(small_disk.iterdir()) == []

    def test_accepting_leaves_the_old_one(self, small_disk: Path) -> None:
        folder = small_disk / "mlp"
        record(folder, make())
        with pytest.raises(CouldNotRunError, match="No space left"):
            accept(folder, replace(make(), inputs=self.LARGE), "larger")
        assert load(folder) == make()
        assert [path.name for path in small_disk.iterdir()] == ["mlp"]

    def test_a_file_size_limit(self, folder: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(CouldNotRunError) as caught:
                record(folder, replace(make(), inputs=self.LARGE))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "File too large" in caught.value.message
        assert not folder.parent.exists()


class TestUnwritable:
    def test_a_file_where_the_folder_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "goldens").write_text("mine")
        with pytest.raises(GoldlockError) as caught:
            record(tmp_path / "goldens" / "mlp", make())
        assert caught.value.hint
        assert (tmp_path / "goldens").read_text() == "mine"

    def test_a_read_only_disk(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Path, *args: object, **kwargs: object) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(CouldNotRunError) as caught:
            record(folder, make())
        assert "make the folder writable" in caught.value.hint

    def test_a_backup_that_cannot_be_brought_back(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(folder, make())
        folder.rename(folder.with_name(".mlp.old"))

        def refuse(self: Path, target: Path) -> Path:
            raise OSError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "rename", refuse)
        with pytest.raises(CouldNotRunError, match="Permission denied"):
            restore(folder)


def test_a_column_record_knows_its_type() -> None:
    found = ColumnRecord(dtype="float32", shape=(3,), tolerance=default_for("float32"))
    assert str(found.type) == "float32[3]"
