"""Answers that differ: kept as they are, in a place that version control passes over, never over a golden."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.harness.drafts import OUTPUTS, configured, everything_in, make, names_in

from goldlock import golden, received
from goldlock.config import Config
from goldlock.errors import CouldNotRunError
from goldlock.tables import Batches, Table, whole


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = configured(tmp_path)
    golden.record(config.resolve("goldens/mlp"), make(tmp_path))
    return config


def settle(config: Config, outputs: Batches, *, passes: bool = False) -> str:
    return received.settle(
        config,
        "mlp",
        golden.load(config.resolve("goldens/mlp")),
        outputs,
        passes=passes,
        lock_id="sha256:33",
        image_id="sha256:44",
        cpu_level="x86-64-v3",
        blamed=("packages.numpy",),
    )


@pytest.mark.parametrize(
    "outputs",
    [
        OUTPUTS,
        Table({"s": np.array([None, "", "x\0", "\u00e4"], dtype=object)}),
        Table({"p": np.array([[np.nan, -0.0], [np.inf, 5e-324]])}),
        Table({"h": np.array([0.1], dtype=np.float16), "n": np.array([2**64 - 1], dtype=np.uint64)}),
        Table({"d": np.array(["2026-11-22", "NaT"], dtype="datetime64[D]")}),
        Table({"n": np.array([1, 2])}, {"n": np.array([False, True])}),
        Table({"x": np.random.default_rng(1).random(250_000)}),
        Table({"x": np.zeros((0, 3))}),
    ],
    ids=["plain", "text", "shape", "types", "date", "absent", "large", "no-rows"],
)
def test_every_table_comes_back_as_it_was(config: Config, outputs: Table) -> None:
    assert settle(config, outputs) == ""
    found = received.load(config, "mlp")
    assert whole(found.outputs) == outputs
    assert found.outputs.types == outputs.types
    assert found.golden_id == golden.load(config.resolve("goldens/mlp")).id
    assert (found.lock_id, found.image_id, found.cpu_level) == ("sha256:33", "sha256:44", "x86-64-v3")
    assert found.blamed == ("packages.numpy",)


def test_the_last_answer_takes_the_place_of_the_one_before(config: Config) -> None:
    settle(config, Table({"x": np.zeros((1, 2))}))
    settle(config, OUTPUTS)
    assert whole(received.load(config, "mlp").outputs) == OUTPUTS
    place = received.folder(config, "mlp")
    assert names_in(place) == ["outputs.csv", "received.json"]
    assert names_in(place.parent) == ["mlp"]


def test_a_match_forgets_it(config: Config) -> None:
    settle(config, OUTPUTS)
    assert settle(config, OUTPUTS, passes=True) == ""
    assert not received.folder(config, "mlp").exists()
    received.forget(config, "mlp")


def test_version_control_passes_over_it(config: Config) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=config.folder, check=True)
    settle(config, OUTPUTS)
    told = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=config.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "goldens/mlp/golden.toml" in told
    assert ".goldlock" not in told


def test_a_file_of_ones_own_is_kept(config: Config) -> None:
    (config.folder / ".goldlock").mkdir()
    (config.folder / ".goldlock" / ".gitignore").write_text("mine\n")
    settle(config, OUTPUTS)
    assert (config.folder / ".goldlock" / ".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize("passes", [True, False])
def test_never_over_a_golden(config: Config, passes: bool) -> None:
    place = received.folder(config, "mlp")
    golden.record(place, make(config.folder))
    before = everything_in(place)
    told = settle(config, OUTPUTS, passes=passes)
    assert passes or "a golden stands where received outputs are kept" in told
    assert everything_in(place) == before


def test_a_place_that_cannot_be_written_is_told(config: Config) -> None:
    (config.folder / ".goldlock").write_text("mine")
    assert settle(config, OUTPUTS)
    assert (config.folder / ".goldlock").read_text() == "mine"


@pytest.mark.parametrize(
    "text", [None, "", "nonsense", "[]", "{}", '{"file": "outputs.csv", "format": "csv", "columns": [{}]}']
)
def test_what_is_not_there_or_not_ours(config: Config, text: str | None) -> None:
    settle(config, OUTPUTS)
    about = received.folder(config, "mlp") / "received.json"
    about.unlink() if text is None else about.write_text(text)
    with pytest.raises(CouldNotRunError) as caught:
        received.load(config, "mlp")
    assert "has no received outputs" in caught.value.message
    assert "goldlock verify mlp" in caught.value.hint


def test_a_file_beside_is_the_only_one_that_is_read(config: Config) -> None:
    settle(config, OUTPUTS)
    about = received.folder(config, "mlp") / "received.json"
    (config.folder / "outputs.csv").write_text("label,p\nx,1\n")
    about.write_text(json.dumps({**json.loads(about.read_text()), "file": "../../../outputs.csv"}))
    assert whole(received.load(config, "mlp").outputs) == OUTPUTS


def test_it_can_be_set_beside_a_newer_golden(config: Config) -> None:
    settle(config, OUTPUTS)
    received.rebase(config, "mlp", "sha256:55")
    found = received.load(config, "mlp")
    assert (found.golden_id, whole(found.outputs)) == ("sha256:55", OUTPUTS)
