"""Each command as its user runs it: what it writes, what it refuses, and its exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import Blame, blamed, findings
from tests.engine.conftest import MINI

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.blame import Drifted
    from tests.engine.conftest import Outcome, Project

pytestmark = pytest.mark.engine

IMAGE = "goldlock-test-mini:latest"
ENVIRONMENT = '[subject.environment]\nOMP_NUM_THREADS = "2"\n\n[subject.build]'
THREADS = Blame("numerics", "OMP_NUM_THREADS", "1", "2")


def _lock(project: Project) -> Path:
    return project.folder / "goldlock.lock"


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def drifting(drifted: Drifted) -> str:
    """An image whose code adds to the offset: all probabilities move, no label does; the environment is as locked."""
    model = (MINI / "model.py").read_bytes()
    moved = model.replace(b'weights["offset"]', b'weights["offset"] - np.array([0, 0, 0.01])')
    assert moved != model
    return drifted("COPY model.py /app/", {"model.py": moved})


class TestLock:
    def test_up_to_date_is_said_and_nothing_is_written(self, mini: Project) -> None:
        before = _lock(mini).stat()
        outcome = mini.run("lock", "--engine", "docker")
        assert outcome.code == 0
        assert re.fullmatch(r"goldlock\.lock is up to date \(sha256:[0-9a-f]{64}\)\n", outcome.stdout)
        assert (_lock(mini).stat().st_ino, _lock(mini).stat().st_mtime_ns) == (
            before.st_ino,
            before.st_mtime_ns,
        )

    def test_a_lock_that_says_something_else_is_kept_and_shown_until_replace(self, mini: Project) -> None:
        mini.edit("[subject.build]", ENVIRONMENT)
        before = _lock(mini).read_bytes()
        refused = mini.run("lock", "--engine", "docker")
        assert refused.code == 2
        assert "numerics.OMP_NUM_THREADS  expected 1, actual 2" in refused.stdout
        assert "goldlock.lock says something else and was not touched" in refused.stderr
        assert "goldlock lock --replace" in refused.stderr
        assert _lock(mini).read_bytes() == before
        replaced = mini.run("lock", "--engine", "docker", "--replace")
        assert replaced.code == 0
        assert replaced.stdout.startswith("wrote goldlock.lock (sha256:")
        assert _lock(mini).read_bytes() != before
        assert mini.run("check", "--engine", "docker", "--fail-on", "warning").code == 0

    def test_the_same_subject_gives_the_same_bytes(self, mini: Project) -> None:
        before = _lock(mini).read_bytes()
        _lock(mini).unlink()
        assert mini.run("lock", "--engine", "docker").code == 0
        assert _lock(mini).read_bytes() == before
        assert [path.name for path in mini.folder.iterdir() if path.name.startswith(".goldlock.lock")] == []

    def test_an_edited_lock_is_not_up_to_date(self, mini: Project) -> None:
        text = _lock(mini).read_text(encoding="utf-8")
        _lock(mini).write_text(text.replace('subject = "mini"', 'subject = "other"'), encoding="utf-8")
        outcome = mini.run("lock", "--engine", "docker")
        assert outcome.code == 2
        assert "was not touched" in outcome.stderr

    def test_without_a_lock_there_is_nothing_to_verify(self, mini: Project) -> None:
        _lock(mini).unlink()
        for command in ("verify", "check"):
            outcome = mini.run(command, "--engine", "docker")
            assert (outcome.code, outcome.stdout) == (3, "")
            assert "goldlock lock" in outcome.stderr


class TestRecord:
    def test_existing_goldens_are_never_overwritten(self, mini: Project) -> None:
        before = _tree(mini.folder / "goldens")
        outcome = mini.run("record", "--engine", "docker")
        assert (outcome.code, outcome.stdout) == (0, "all 2 cases have a golden; nothing to record\n")
        assert _tree(mini.folder / "goldens") == before

    def test_an_existing_one_that_is_named_is_refused(self, mini: Project) -> None:
        before = _tree(mini.folder / "goldens")
        outcome = mini.run("record", "--engine", "docker", "batch")
        assert (outcome.code, outcome.stdout) == (2, "")
        assert "there already is a golden for batch" in outcome.stderr
        assert "goldlock accept" in outcome.stderr
        assert _tree(mini.folder / "goldens") == before

    def test_only_what_is_missing_is_recorded_and_comes_out_the_same(self, mini: Project) -> None:
        before = _tree(mini.folder / "goldens")
        for path in (mini.folder / "goldens/batch").iterdir():
            path.unlink()
        (mini.folder / "goldens/batch").rmdir()
        outcome = mini.run("record", "--engine", "docker")
        assert (outcome.code, outcome.stdout) == (0, "recorded batch\n")
        assert _tree(mini.folder / "goldens") == before

    def test_an_environment_that_is_not_the_locked_one_records_nothing(self, mini: Project) -> None:
        mini.edit("[subject.build]", ENVIRONMENT)
        mini.edit('name = "batch"', 'name = "again"')
        outcome = mini.run("record", "--engine", "docker", "again")
        assert (outcome.code, outcome.stdout) == (3, "")
        assert "numerics.OMP_NUM_THREADS is 2, locked is 1" in outcome.stderr
        assert not (mini.folder / "goldens/again").exists()

    def test_an_unknown_case_is_a_usage_error(self, mini: Project) -> None:
        for command in ("record", "verify"):
            outcome = mini.run(command, "--engine", "docker", "bacth")
            assert outcome.code == 2
            assert "batch" in outcome.stderr


class TestAccept:
    def _verified(self, mini: Project, image: str) -> None:
        outcome = mini.verify("batch", "--no-hash", "--image", image)
        assert outcome.code == 1

    def test_from_drift_to_match_with_its_reason_kept(self, mini: Project, drifting: str) -> None:
        self._verified(mini, drifting)
        folder = mini.folder / "goldens/batch"
        old = tomllib.loads((folder / "golden.toml").read_text(encoding="utf-8"))
        inputs = (folder / "inputs.csv").read_bytes()
        http = _tree(mini.folder / "goldens/http")
        outcome = mini.run("accept", "batch", "--reason", 'offset "0.04", as measured', "--yes")
        assert (outcome.code, outcome.stdout) == (0, "accepted batch\n")
        assert "batch (replaces the golden): drifted" in outcome.stderr
        new = tomllib.loads((folder / "golden.toml").read_text(encoding="utf-8"))
        assert new["provenance"]["reason"] == 'offset "0.04", as measured'
        assert new["provenance"]["lock-id"] == old["provenance"]["lock-id"]
        assert new["provenance"]["image-id"] != old["provenance"]["image-id"]
        assert [entry["golden-id"] for entry in new["history"]] == [old["golden-id"]]
        assert new["history"][0]["image-id"] == old["provenance"]["image-id"]
        assert [{**column, "content": ""} for column in new["columns"]] == [
            {**column, "content": ""} for column in old["columns"]
        ]
        assert (folder / "inputs.csv").read_bytes() == inputs
        assert _tree(mini.folder / "goldens/http") == http
        assert mini.verify("batch", "--no-hash", "--image", drifting).code == 0
        # The old image now is the one that drifts.
        assert mini.verify("batch", "--no-hash").code == 1

    def test_once_accepted_there_is_nothing_left_to_accept(self, mini: Project, drifting: str) -> None:
        self._verified(mini, drifting)
        assert mini.run("accept", "batch", "--reason", "one", "--yes").code == 0
        again = mini.run("accept", "batch", "--reason", "two", "--yes")
        assert (again.code, again.stdout) == (3, "")
        assert "has no received outputs" in again.stderr
        assert "goldlock verify batch" in again.stderr

    def test_every_reason_stays_in_the_history(self, mini: Project, drifting: str) -> None:
        self._verified(mini, drifting)
        assert mini.run("accept", "batch", "--reason", "the first", "--yes").code == 0
        assert mini.verify("batch", "--no-hash").code == 1
        assert mini.run("accept", "batch", "--reason", "the second", "--yes").code == 0
        golden = tomllib.loads((mini.folder / "goldens/batch/golden.toml").read_text(encoding="utf-8"))
        assert [entry["reason"] for entry in golden["history"]] == ["", "the first"]
        assert golden["provenance"]["reason"] == "the second"
        assert mini.verify("batch", "--no-hash").code == 0

    @pytest.mark.parametrize(
        ("arguments", "env", "told"),
        [
            pytest.param(
                ["batch", "--reason", "x", "--yes"], {"CI": "true"}, "not accepted in CI", id="in-ci"
            ),
            pytest.param(["batch", "--reason", "  ", "--yes"], {}, "--reason is empty", id="empty-reason"),
            pytest.param(["batch", "--yes"], {}, "Missing option '--reason'", id="no-reason"),
            pytest.param(["--reason", "x", "--yes"], {}, "Missing argument 'CASE...'", id="no-case"),
            pytest.param(["batch", "--reason", "x"], {}, "nobody is there to be asked", id="nobody-asked"),
        ],
    )
    def test_what_is_refused_changes_nothing(
        self, mini: Project, drifting: str, arguments: list[str], env: dict[str, str], told: str
    ) -> None:
        self._verified(mini, drifting)
        before = _tree(mini.folder)
        outcome = mini.run("accept", *arguments, env=env)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert told in outcome.stderr
        assert _tree(mini.folder) == before

    def test_a_golden_that_has_changed_since_is_refused(self, mini: Project, drifting: str) -> None:
        self._verified(mini, drifting)
        path = mini.folder / "goldens/batch/golden.toml"
        path.write_text(
            path.read_text(encoding="utf-8").replace("rtol = 1e-09", "rtol = 0.5"), encoding="utf-8"
        )
        before = _tree(mini.folder)
        outcome = mini.run("accept", "batch", "--reason", "x", "--yes")
        assert (outcome.code, outcome.stdout) == (3, "")
        assert "has changed since its outputs were received" in outcome.stderr
        assert _tree(mini.folder) == before

    def test_a_match_forgets_what_was_received(self, mini: Project, drifting: str) -> None:
        self._verified(mini, drifting)
        assert (mini.folder / ".goldlock/received/batch").exists()
        assert mini.verify("batch", "--no-hash").code == 0
        assert mini.run("accept", "batch", "--reason", "x", "--yes").code == 3


class TestCheck:
    def test_the_subject_as_locked(self, mini: Project, engine_name: str) -> None:
        outcome = mini.run("check", "--engine", "docker", "--fail-on", "warning")
        assert outcome.code == 0
        assert outcome.stdout.startswith(f"MATCH  mini  ({engine_name} ")
        assert "environment  as locked\n" in outcome.stdout
        assert "case " not in outcome.stdout

    def test_another_image(self, mini: Project, drifted: Drifted) -> None:
        image = drifted("ENV OMP_NUM_THREADS=2")
        outcome = mini.run("check", "--image", image, "--format", "json", "--no-hash")
        assert (outcome.code, blamed(outcome)) == (1, {THREADS})
        assert outcome.report["cases"] == []
        # A rebuilt image is told, and is no cause.
        assert {f["key"] for f in findings(outcome) if f["layer"] == "image"} <= {
            "reference",
            "config-id",
            "layers",
        }

    def test_an_interpreter_and_what_it_cannot_vouch_for(self, mini: Project) -> None:
        outcome = mini.run("check", "--python", sys.executable, "--format", "json", "--no-hash")
        assert outcome.code == 1
        assert (outcome.report["subject"], outcome.report["image"]) == (sys.executable, None)
        layers = {(f["layer"], f["key"]) for f in findings(outcome) if f["status"] == "unknown"}
        assert ("image", "all") in layers
        blames = {(blame.layer, blame.key): blame for blame in blamed(outcome)}
        here = ".".join(map(str, sys.version_info[:3]))
        if sys.version_info[:2] != (3, 8):
            assert blames["python", "version"].actual == here
        assert blames["packages", "numpy"].expected == "1.24.3"

    def test_an_interpreter_named_relatively_or_by_its_environment(self, mini: Project) -> None:
        (mini.folder / "link").symlink_to(Path(sys.prefix))
        by_folder = mini.run("check", "--python", "link", "--format", "json", "--no-hash")
        assert (by_folder.code, by_folder.stderr) == (1, "")
        # A name without a folder is a command on PATH, and what it finds there.
        path = {"PATH": f"{mini.folder}/link/bin:{os.environ['PATH']}"}
        by_name = mini.run("check", "--python", "python3", "--format", "json", "--no-hash", env=path)
        assert blamed(by_name) == blamed(by_folder)
        by_path = mini.run("check", "--python", "./link/bin/python", "--format", "json", "--no-hash")
        assert blamed(by_path) == blamed(by_folder)

    @pytest.mark.parametrize(
        ("arguments", "code", "told"),
        [
            (["--image", IMAGE, "--python", "python3"], 2, "exclude each other"),
            (["--image", "goldlock-test-absent:1"], 3, "the engine has no image goldlock-test-absent:1"),
            (["--image", "Not An Image"], 2, "'Not An Image' is not an image reference"),
            (["--python", "./absent/python"], 2, "there is no interpreter absent/python"),
            (["--python", IMAGE], 2, f"there is no interpreter {IMAGE}"),
            (["--python", "goldlock.lock"], 3, "goldlock.lock: could not be started: Permission denied"),
            (["--engine", "podman"], 2, "'podman' is not one of"),
        ],
    )
    def test_what_is_not_there(self, mini: Project, arguments: list[str], code: int, told: str) -> None:
        outcome = mini.run("check", *arguments)
        assert (outcome.code, outcome.stdout) == (code, "")
        assert told in outcome.stderr

    def test_a_report_goes_where_it_is_asked_to(self, mini: Project) -> None:
        outcome = mini.run(
            "check", "--engine", "docker", "--no-hash", "-o", "report.txt", "--json", "report.json"
        )
        assert (outcome.code, outcome.stdout) == (0, "")
        assert (mini.folder / "report.txt").read_text(encoding="utf-8").startswith("MATCH  mini")
        report = json.loads((mini.folder / "report.json").read_text(encoding="utf-8"))
        assert (report["verdict"], report["report-version"]) == ("match", "2.0")
        assert [path.name for path in mini.folder.iterdir() if path.name.startswith(".report")] == []


class TestDiff:
    @pytest.fixture
    def saved(self, mini: Project, drifted: Drifted) -> tuple[str, str]:
        """An image with another variable, and the saved report of a check of it."""
        image = drifted("ENV OMP_NUM_THREADS=2")
        assert mini.run("check", "--image", image, "--no-hash", "--json", "other.json").code == 1
        return image, "other.json"

    def test_any_two_kinds_of_environment_give_the_same_answer(
        self, mini: Project, saved: tuple[str, str]
    ) -> None:
        for first in ("goldlock.lock", IMAGE):
            for second in saved:
                outcome = mini.run("diff", first, second, "--no-hash", "--format", "json")
                assert (outcome.code, blamed(outcome)) == (1, {THREADS}), (first, second, outcome.stderr)

    def test_the_first_is_the_expected_one(self, mini: Project, saved: tuple[str, str]) -> None:
        outcome = mini.run("diff", saved[1], "goldlock.lock", "--format", "json")
        assert blamed(outcome) == {Blame("numerics", "OMP_NUM_THREADS", "2", "1")}

    @pytest.mark.parametrize("word", ["goldlock.lock", IMAGE, sys.executable])
    def test_nothing_differs_from_itself(self, mini: Project, word: str) -> None:
        outcome = mini.run("diff", word, word, "--no-hash", "--fail-on", "warning", "--format", "json")
        assert (outcome.code, blamed(outcome)) == (0, set())

    def test_two_interpreters(self, mini: Project) -> None:
        lock = mini.run("diff", "goldlock.lock", sys.executable, "--no-hash", "--format", "json")
        folder = mini.run("diff", "goldlock.lock", sys.prefix, "--no-hash", "--format", "json")
        assert lock.code == folder.code == 1
        assert blamed(lock) == blamed(folder)
        assert ("packages", "numpy") in {(blame.layer, blame.key) for blame in blamed(lock)}

    def test_it_needs_no_configuration(self, mini: Project, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "goldlock", "diff", str(_lock(mini)), str(_lock(mini))],
            cwd=tmp_path / "elsewhere",
            env={**os.environ, "DOCKER_HOST": "unix:///nonexistent.sock"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("word", "code", "told"),
        [
            ("goldens", 2, "a folder without an interpreter"),
            ("./absent.lock", 2, "there is no file ./absent.lock"),
            ("weights.json", 3, "is not a report saved by goldlock"),
            ("inputs.csv", 3, "inputs.csv"),
            ("goldlock-test-absent:1", 3, "the engine has no image goldlock-test-absent:1"),
        ],
    )
    def test_what_is_no_environment(self, mini: Project, word: str, code: int, told: str) -> None:
        outcome = mini.run("diff", "goldlock.lock", word)
        assert (outcome.code, outcome.stdout) == (code, "")
        assert told in outcome.stderr


def test_verify_in_a_terminal_says_the_verdict_first(mini: Project, drifting: str, engine_name: str) -> None:
    clean = mini.run("verify", "batch", "--engine", "docker", "--no-hash")
    assert clean.code == 0
    assert clean.stdout.startswith(f"MATCH  mini  ({engine_name} ")
    assert "case batch  identical" in clean.stdout
    other = mini.run("verify", "batch", "--engine", "docker", "--no-hash", "--image", drifting)
    assert other.code == 1
    assert other.stdout.startswith(f"DRIFT  mini  ({engine_name} ")
    assert "p_ash  drifted" in other.stdout
    assert "case batch  drifted" in other.stdout


def test_verify_fails_on_what_it_is_told_to(mini: Project, drifted: Callable[..., str]) -> None:
    image = drifted("ENV OMP_NUM_THREADS=2")
    codes: dict[str, Outcome] = {
        on: mini.verify("batch", "--no-hash", "--fail-on", on, "--image", image)
        for on in ("outputs", "error")
    }
    assert {on: outcome.code for on, outcome in codes.items()} == {"outputs": 0, "error": 1}
    assert all(blamed(outcome) == {THREADS} for outcome in codes.values())


class TestNothingIsSealedThatSaysNothing:
    """What a new user met: typing errors that were locked and recorded as if they were right."""

    def test_a_lock_of_an_absent_artifact_is_refused(self, mini: Project) -> None:
        mini.edit('artifacts = ["/app/weights.json"]', 'artifacts = ["/app/wieghts.json"]')
        outcome = mini.run("lock", "--engine", "docker", "--replace")
        assert outcome.code == 3
        assert "/app/wieghts.json" in outcome.stderr

    def test_an_answer_without_columns_is_not_recorded(self, mini: Project) -> None:
        mini.edit('label = "predicted_labels", probability = "probabilities"', 'label = "predictd"')
        shutil.rmtree(mini.folder / "goldens" / "http")
        outcome = mini.run("record", "http", "--engine", "docker")
        assert outcome.code == 3
        assert "no columns" in outcome.stderr
        assert not (mini.folder / "goldens" / "http").exists()

    def test_inputs_changed_after_recording_are_told(self, mini: Project) -> None:
        inputs = mini.folder / "inputs.csv"
        inputs.write_text(inputs.read_text(encoding="utf-8").replace("0.5,1.5", "0.6,1.5"), encoding="utf-8")
        outcome = mini.verify("batch")
        assert outcome.code == 0
        found = [(f["layer"], f["key"], f["severity"]) for f in outcome.report["findings"]]  # type: ignore[attr-defined]
        assert ("golden", "batch: inputs.csv", "warning") in found

    def test_outputs_of_another_environment_are_not_accepted(
        self, mini: Project, drifted: Callable[..., str]
    ) -> None:
        weights = (mini.folder / "weights.json").read_bytes().replace(b"0.9", b"-0.9")
        image = drifted("COPY weights.json /app/", {"weights.json": weights})
        assert mini.verify("batch", "--image", image).code == 1
        outcome = mini.run("accept", "batch", "--reason", "looks right", "--yes")
        assert outcome.code == 3
        assert "artifacts./app/weights.json" in outcome.stderr

    def test_diff_of_a_lock_and_an_image_compares_the_artifacts(
        self, mini: Project, drifted: Callable[..., str]
    ) -> None:
        image = drifted("RUN echo >> /app/weights.json")
        outcome = mini.run("diff", "goldlock.lock", image, "--format", "json", "--no-hash")
        assert outcome.code == 1
        found = outcome.report["findings"]
        assert isinstance(found, list)
        assert ("artifacts", "/app/weights.json") in [(f["layer"], f["key"]) for f in found]
