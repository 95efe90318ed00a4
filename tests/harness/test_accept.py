"""Accepting: what is named and nothing else, for a reason, by somebody, never in CI."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.harness.drafts import INPUTS, OUTPUTS, PROVENANCE, configured, everything_in, make

from goldlock import accept as accepting
from goldlock import golden, received
from goldlock.accept import Change, Proposal, accept, in_ci, parse_rows, propose, who
from goldlock.config import Config
from goldlock.errors import ConfigurationError, CouldNotRunError, GoldlockError
from goldlock.golden import Key, load, load_all, sibling
from goldlock.results import Rung
from goldlock.tables import Batches, Table, whole
from goldlock.tolerance import Kind, Tolerance

ANSWER = Table({"label": np.array(["Setosa", "Setosa"]), "p": np.array([0.5, 0.25], dtype=np.float32)})
TIGHT = Tolerance(kind=Kind.CLOSE, rtol=1e-6, reason="measured")


@pytest.fixture(autouse=True)
def _on_a_workstation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = configured(tmp_path)
    golden.record(config.resolve("goldens/mlp"), make(tmp_path, tolerances={"p": TIGHT}))
    return config


def receive(
    config: Config,
    outputs: Batches = ANSWER,
    *,
    lock_id: str = "sha256:33",
    cpu_level: str = "x86-64-v3",
    blamed: tuple[str, ...] = (),
    case: str = "mlp",
) -> None:
    told = received.settle(
        config,
        case,
        load(config.resolve(f"goldens/{case}")),
        outputs,
        passes=False,
        lock_id=lock_id,
        image_id="sha256:44",
        cpu_level=cpu_level,
        blamed=blamed,
    )
    assert told == ""


def one(config: Config, **selection: object) -> Proposal:
    (proposal,) = propose(config, config.case, **selection)  # type: ignore[arg-type]
    return proposal


def first(config: Config) -> golden.Golden:
    return load(config.resolve("goldens/mlp"))


class TestAll:
    def test_a_preview_writes_nothing(self, config: Config) -> None:
        receive(config)
        before = everything_in(config.folder)
        proposal = one(config)
        assert (proposal.case, proposal.folder) == ("mlp", config.resolve("goldens/mlp"))
        assert proposal.change is Change.REPLACES
        assert proposal.result.rung is Rung.FLIPPED
        assert everything_in(config.folder) == before

    def test_the_answer_takes_the_place_with_its_reason(self, config: Config) -> None:
        receive(config)
        before = first(config)
        assert accept(config, [one(config)], "retrained") == ("mlp",)
        now = first(config)
        assert whole(now.outputs) == ANSWER
        assert now.integrity == ()
        assert (now.reason, now.provenance.accepted_by) == ("retrained", who(config.folder))
        assert now.provenance.lock_id == "sha256:33"
        assert now.provenance.cpu_level == "x86-64-v3"
        assert [entry.golden_id for entry in now.provenance.history] == [before.id]
        assert now.tolerances == before.tolerances
        assert now.inputs.read_bytes() == INPUTS
        assert now.key == Key()
        with pytest.raises(CouldNotRunError, match="has no received outputs"):
            propose(config, config.case)

    def test_one_that_changes_nothing_says_so_and_writes_nothing(self, config: Config) -> None:
        receive(config, OUTPUTS)
        before = everything_in(config.folder)
        proposal = one(config)
        assert proposal.change is Change.NOTHING
        assert accept(config, [proposal], "why") == ()
        assert everything_in(config.folder) == before

    def test_a_column_of_another_type_or_a_new_one_has_the_tolerance_of_goldlock_toml(
        self, tmp_path: Path
    ) -> None:
        config = configured(tmp_path, columns="[case.columns]\np = { atol = 0.5 }\n")
        golden.record(config.resolve("goldens/mlp"), make(tmp_path, tolerances={"p": TIGHT}))
        receive(config, Table({"p": np.array([0.5, 0.25]), "q": np.array([1, 2])}))
        accept(config, [one(config)], "doubles")
        assert first(config).tolerances["p"].atol == 0.5
        assert first(config).tolerances["q"] == Tolerance(kind=Kind.EXACT)

    def test_an_unnamed_case_is_not_touched(self, tmp_path: Path) -> None:
        config = configured(tmp_path, "mlp", "other")
        for name in ("mlp", "other"):
            golden.record(config.resolve(f"goldens/{name}"), make(tmp_path, case=name))
            receive(config, case=name)
        before = everything_in(config.resolve("goldens/other"))
        accept(config, propose(config, config.select(["mlp"])), "why")
        assert everything_in(config.resolve("goldens/other")) == before
        assert received.folder(config, "other").exists()

    def test_what_was_accepted_before_a_failure_is_told(self, tmp_path: Path) -> None:
        config = configured(tmp_path, "mlp", "other")
        for name in ("mlp", "other"):
            golden.record(config.resolve(f"goldens/{name}"), make(tmp_path, case=name))
            receive(config, case=name)
        proposals = propose(config, config.case)
        golden.accept(config.resolve("goldens/other"), make(tmp_path, case="other"), "somebody else")
        with pytest.raises(CouldNotRunError, match=r"has changed since .* \(accepted before that: mlp\)"):
            accept(config, proposals, "why")
        assert whole(first(config).outputs) == ANSWER


class TestParts:
    def test_columns(self, config: Config) -> None:
        receive(config)
        proposal = one(config, columns=["p"])
        assert proposal.change is Change.MERGES
        assert {column.name: column.rung for column in proposal.result.columns} == {
            "label": Rung.IDENTICAL,
            "p": Rung.DRIFTED,
        }
        accept(config, [proposal], "the other scale")
        now = whole(first(config).outputs)
        assert now == Table({"label": OUTPUTS.columns["label"], "p": ANSWER.columns["p"]})
        assert first(config).tolerances["p"] == TIGHT

    def test_the_rest_can_be_accepted_for_another_reason(self, config: Config) -> None:
        receive(config)
        accept(config, [one(config, columns=["p"])], "the other scale")
        accept(config, [one(config, columns=["label"])], "the other labels")
        now = first(config)
        assert whole(now.outputs) == ANSWER
        assert [entry.reason for entry in now.provenance.history] == ["", "the other scale"]
        assert one(config).change is Change.NOTHING

    def test_rows(self, config: Config) -> None:
        receive(config)
        accept(config, [one(config, rows=parse_rows("1"))], "row 1 was labelled wrongly")
        now = whole(first(config).outputs)
        assert now.columns["label"].tolist() == ["Setosa", "Setosa"]
        assert now.columns["p"].tolist() == [OUTPUTS.columns["p"][0], 0.25]

    def test_a_column_that_is_gone_and_one_that_is_new(self, config: Config) -> None:
        receive(config, Table({"q": np.array([1.0, 2.0]), "p": ANSWER.columns["p"]}))
        accept(config, [one(config, columns=["q", "label"])], "scores instead of labels")
        assert first(config).outputs.names == ("q", "p")
        assert whole(first(config).outputs).columns["p"].tolist() == OUTPUTS.columns["p"].tolist()

    def test_rows_in_another_order_are_not_mixed(self, tmp_path: Path) -> None:
        config = configured(tmp_path, more="", columns="")
        text = (
            (tmp_path / "goldlock.toml")
            .read_text()
            .replace('name = "mlp"\n', 'name = "mlp"\nrows-by = ["label"]\n')
        )
        from goldlock.config import loads

        config = loads(text, path=tmp_path / "goldlock.toml")
        golden.record(config.resolve("goldens/mlp"), make(tmp_path))
        turned = Table({name: array[::-1] for name, array in OUTPUTS.columns.items()})
        receive(config, turned)
        with pytest.raises(CouldNotRunError, match="stand in another order than the golden's"):
            propose(config, config.case, columns=["p"])
        receive(config, Table({**OUTPUTS.columns, "p": ANSWER.columns["p"]}))
        assert one(config, columns=["p"]).change is Change.MERGES

    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            ("3", (range(3, 4),)),
            ("3,5-9", (range(3, 4), range(5, 10))),
            (" 0 - 0 , 2", (range(1), range(2, 3))),
        ],
    )
    def test_rows_in_words(self, text: str, rows: tuple[range, ...]) -> None:
        assert parse_rows(text) == rows

    @pytest.mark.parametrize("text", ["", ",", "x", "3-", "-3", "5-4", "1.5", "3,,4", "\u0663", "9" * 30])
    def test_what_names_no_rows(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match="names no rows"):
            parse_rows(text)


class TestAnother:
    def test_a_right_one_is_keyed_by_what_gave_it(self, config: Config) -> None:
        receive(config)
        before = everything_in(config.resolve("goldens/mlp"))
        proposal = one(config, variant="v3")
        assert proposal.change is Change.ADDS
        assert proposal.notes == ("it will hold for lock sha256:33, x86-64-v3",)
        assert proposal.result.rung is Rung.FLIPPED
        accept(config, [proposal], "a CPU without AVX-512")
        assert everything_in(config.resolve("goldens/mlp")) == before
        (other,) = load_all(config.resolve("goldens/mlp")).others
        assert (other.name, other.key) == ("v3", Key(lock_id="sha256:33", cpu_level="x86-64-v3"))
        assert (other.reason, other.provenance.accepted_by) == ("a CPU without AVX-512", who(config.folder))
        assert whole(other.outputs) == ANSWER
        assert other.tolerances["p"] == TIGHT

    def test_accepting_it_again_keeps_its_history_and_moves_its_key(self, config: Config) -> None:
        receive(config)
        accept(config, [one(config, variant="v3")], "one")
        receive(config, lock_id="sha256:55")
        proposal = one(config, variant="v3")
        assert proposal.change is Change.REPLACES
        assert proposal.notes == (
            "it will hold for lock sha256:55, x86-64-v3, no longer for lock sha256:33, x86-64-v3",
        )
        accept(config, [proposal], "two")
        (other,) = load_all(config.resolve("goldens/mlp")).others
        assert (other.key.lock_id, other.reason) == ("sha256:55", "two")
        assert [entry.reason for entry in other.provenance.history] == ["one"]
        receive(config, lock_id="sha256:55")
        assert one(config, variant="v3").change is Change.NOTHING

    def test_where_there_is_one_for_this_machine_the_first_is_not_replaced_by_accident(
        self, config: Config
    ) -> None:
        receive(config)
        accept(config, [one(config, variant="v3")], "one")
        receive(config, OUTPUTS)
        with pytest.raises(ConfigurationError) as caught:
            propose(config, config.case)
        assert "mlp@v3" in caught.value.message
        assert caught.value.hint == "goldlock accept mlp --as v3"
        receive(config, OUTPUTS, cpu_level="x86-64-v4")
        assert one(config).change is Change.NOTHING

    def test_it_needs_something_to_be_told_apart_by(self, config: Config) -> None:
        receive(config, lock_id="", cpu_level="")
        with pytest.raises(CouldNotRunError, match="neither the lock nor the CPU is known"):
            propose(config, config.case, variant="v3")

    @pytest.mark.parametrize("selection", [{"columns": ["p"]}, {"rows": [range(1)]}])
    def test_a_new_one_takes_the_whole_answer(self, config: Config, selection: dict[str, object]) -> None:
        receive(config)
        with pytest.raises(ConfigurationError, match="selected of a right golden that stands already"):
            one(config, variant="v3", **selection)

    def test_one_that_is_damaged(self, config: Config) -> None:
        receive(config)
        accept(config, [one(config, variant="v3")], "one")
        receive(config)
        (sibling(config.resolve("goldens/mlp"), "v3") / "outputs.csv").write_text("label,p\nx,1\n")
        with pytest.raises(CouldNotRunError, match="has changed since"):
            propose(config, config.case, variant="v3")


class TestBad:
    def test_it_is_kept_beside_the_right_one(self, config: Config) -> None:
        receive(config, blamed=("packages.numpy",))
        proposal = one(config, variant="old-numpy", bad=True)
        assert (proposal.change, proposal.notes) == (Change.ADDS_BAD, ())
        accept(config, [proposal], "numpy 1.22 flips labels")
        (bad,) = load_all(config.resolve("goldens/mlp")).bad
        assert (bad.name, bad.reason, bad.key) == ("old-numpy", "numpy 1.22 flips labels", Key())
        # The lock is not what made it.
        assert (bad.provenance.lock_id, bad.provenance.cpu_level) == ("", "x86-64-v3")

    def test_one_that_would_pass_is_refused(self, config: Config) -> None:
        near = Table({**OUTPUTS.columns, "p": OUTPUTS.columns["p"] * np.float32(1 + 5e-7)})
        receive(config, near)
        before = everything_in(config.folder)
        with pytest.raises(
            ConfigurationError, match=r"would pass as right \(mlp\): the tolerance is too wide"
        ):
            propose(config, config.case, variant="bad", bad=True)
        assert everything_in(config.folder) == before

    def test_what_is_known_to_be_bad_does_not_become_right(self, config: Config) -> None:
        receive(config)
        accept(config, [one(config, variant="wrong", bad=True)], "wrong scaler")
        receive(config)
        for variant in ("", "v3"):
            with pytest.raises(ConfigurationError, match="match the known-bad golden 'wrong': wrong scaler"):
                propose(config, config.case, variant=variant)

    def test_names_are_of_one_kind(self, config: Config) -> None:
        receive(config)
        accept(config, [one(config, variant="x", bad=True)], "wrong")
        receive(config)
        with pytest.raises(ConfigurationError, match="a known-bad golden has that name"):
            propose(config, config.case, variant="x")
        with pytest.raises(ConfigurationError, match="needs a name"):
            propose(config, config.case, bad=True)


class TestRefused:
    @pytest.mark.parametrize(
        ("value", "expected"), [("true", True), ("1", True), ("", False), ("0", False), ("False", False)]
    )
    def test_in_ci(self, config: Config, monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
        receive(config)
        monkeypatch.setenv("CI", value)
        assert in_ci() is expected
        if expected:
            with pytest.raises(ConfigurationError, match="not accepted in CI"):
                propose(config, config.case)
        else:
            assert one(config).change is Change.REPLACES

    def test_without_a_reason(self, config: Config) -> None:
        receive(config)
        proposal = one(config)
        before = everything_in(config.folder)
        with pytest.raises(ConfigurationError, match="without a reason"):
            accept(config, [proposal], " ")
        assert everything_in(config.folder) == before

    def test_from_an_environment_that_is_not_the_locked_one(self, config: Config) -> None:
        receive(config, blamed=("packages.numpy",))
        with pytest.raises(CouldNotRunError, match=r"not the locked one \(packages.numpy\)"):
            propose(config, config.case)

    def test_a_golden_that_changed_since(self, config: Config, tmp_path: Path) -> None:
        receive(config)
        golden.accept(config.resolve("goldens/mlp"), make(tmp_path), "somebody else")
        with pytest.raises(CouldNotRunError, match="has changed since its outputs were received"):
            propose(config, config.case)

    def test_a_golden_that_was_edited(self, config: Config) -> None:
        receive(config)
        path = config.resolve("goldens/mlp") / "outputs.csv"
        path.write_text(path.read_text().replace("0.9", "0.8"))
        with pytest.raises(CouldNotRunError, match="has changed since its outputs were received"):
            propose(config, config.case)

    def test_half_a_golden_and_none(self, config: Config) -> None:
        receive(config)
        place = config.resolve("goldens/mlp")
        (place / "golden.toml").unlink()
        with pytest.raises(GoldlockError, match=r"half a golden stands there: golden.toml is missing"):
            propose(config, config.case)
        place.rename(place.with_name("gone"))
        with pytest.raises(ConfigurationError, match="there is no golden to replace"):
            propose(config, config.case)

    def test_an_accept_that_was_cut_off_is_brought_back(self, config: Config) -> None:
        receive(config)
        place = config.resolve("goldens/mlp")
        place.rename(place.with_name(".mlp.old"))
        assert one(config).change is Change.REPLACES
        assert first(config).provenance == PROVENANCE


class TestWho:
    def test_as_git_would_sign(self, tmp_path: Path) -> None:
        subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
        subprocess.run(["git", "config", "user.name", "Ann \u00c5"], cwd=tmp_path, check=True)
        subprocess.run(["git", "config", "user.email", "ann@example.org"], cwd=tmp_path, check=True)
        assert who(tmp_path) == "Ann \u00c5 <ann@example.org>"

    def test_else_who_is_logged_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", os.fspath(tmp_path))
        monkeypatch.setattr(getpass, "getuser", lambda: "ann")
        assert who(tmp_path) == "ann"

    def test_else_nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown() -> str:
            raise KeyError("uid")

        monkeypatch.setattr(accepting, "_git", lambda *_: "")
        monkeypatch.setattr(getpass, "getuser", unknown)
        assert who(tmp_path) == ""
