"""A goldlock.toml among the files of another project's tests; no engine can be reached here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.plugin.conftest import Elsewhere

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "mlp-batch"

TOML = """
[subject]
name = "thing"
image = "example/thing:1"

[[case]]
name = "batch"
inputs = "inputs.csv"
[case.command]
run = ["predict", "{input}", "{output}"]

[[case]]
name = "environment"
inputs = "inputs.csv"
[case.command]
run = ["predict", "{input}", "{output}"]
"""

LAYERS = ("python", "packages", "os", "image", "numerics", "host", "artifacts", "lock", "golden")
COLUMNS = ("label", "probability_Setosa", "probability_Versicolor", "probability_Virginica")


@pytest.fixture
def thing(elsewhere: Elsewhere) -> Elsewhere:
    """A project with a goldlock.toml: one case with a golden, one without."""
    elsewhere.write("goldlock.toml", TOML)
    elsewhere.write("inputs.csv", "a\n1\n")
    shutil.copytree(GOLDEN, elsewhere.folder / "goldens/batch")
    elsewhere.write("test_own.py", "def test_own():\n    pass\n")
    return elsewhere


def collected(project: Elsewhere, *arguments: str) -> list[str]:
    ran = project.pytest("--collect-only", "-q", *arguments)
    assert ran.code in {0, 5}, ran.stdout
    return [line for line in ran.stdout.splitlines() if "::" in line]


class TestNodes:
    def test_an_item_a_column_one_a_table_one_a_layer(self, thing: Elsewhere) -> None:
        assert collected(thing) == [
            "goldlock.toml::batch::table",
            *(f"goldlock.toml::batch::{column}" for column in COLUMNS),
            "goldlock.toml::environment~2::table",
            *(f"goldlock.toml::environment::{layer}" for layer in LAYERS),
            "test_own.py::test_own",
        ]

    @pytest.mark.parametrize(
        ("arguments", "count"),
        [
            (("goldlock.toml",), 15),
            (("test_own.py",), 1),
            (("goldlock.toml::batch::label",), 1),
            (("goldlock.toml::batch",), 5),
            (("-k", "Setosa"), 1),
            (("-m", "goldlock"), 15),
            (("-m", "not goldlock"), 1),
            (("--ignore", "goldlock.toml"), 1),
        ],
    )
    def test_are_selected_as_any_others(
        self, thing: Elsewhere, arguments: tuple[str, ...], count: int
    ) -> None:
        assert len(collected(thing, *arguments)) == count

    def test_a_column_may_have_any_name(self, thing: Elsewhere) -> None:
        manifest = thing.folder / "goldens/batch/golden.toml"
        text = manifest.read_text()
        text = text.replace('"label"', '"a::b [x]\\u001b"', 1).replace('"probability_Setosa"', '"table"', 1)
        manifest.write_text(text)
        nodes = collected(thing, "-k", "batch")
        assert nodes[1:3] == [
            "goldlock.toml::batch::a:b [x]\N{REPLACEMENT CHARACTER}",
            "goldlock.toml::batch::table~2",
        ]

    def test_a_broken_golden_has_its_table_left(self, thing: Elsewhere) -> None:
        (thing.folder / "goldens/batch/golden.toml").write_text("golden-version = ")
        assert collected(thing, "-k", "batch") == ["goldlock.toml::batch::table"]

    def test_a_broken_configuration_is_an_error_of_collecting(self, thing: Elsewhere) -> None:
        thing.write("goldlock.toml", TOML.replace("[subject]", "[subjekt]"))
        ran = thing.pytest()
        assert ran.code == 2
        assert "subjekt" in ran.stdout
        assert "Traceback" not in ran.stdout


class TestOutcomes:
    def test_a_case_without_a_golden_fails_and_says_to_record(self, thing: Elsewhere) -> None:
        ran = thing.pytest("goldlock.toml::environment~2::table")
        assert ran.counts == {"failed": 1}
        assert "case 'environment' has no golden: there is no goldens/environment/golden.toml" in ran.stdout
        assert "goldlock record environment -c goldlock.toml" in ran.stdout

    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_what_could_not_run_is_an_error_and_not_a_failure(
        self, thing: Elsewhere, workers: tuple[str, ...]
    ) -> None:
        ran = thing.pytest("-k", "batch or python", *workers)
        assert ran.counts.get("error") == 6, ran.stdout
        assert "failed" not in ran.counts
        # There is no lock.
        assert "could not run: " in ran.stdout
        assert "goldlock lock" in ran.stdout
        assert "Traceback" not in ran.stdout

    def test_the_first_error_ends_the_run_where_asked(self, thing: Elsewhere) -> None:
        ran = thing.pytest("-x", "--durations=2", "--durations-min=0", "-k", "batch")
        assert ran.counts["error"] == 1
        assert "setup    goldlock.toml::batch::table" in ran.stdout

    def test_without_an_engine_the_reason_is_told(self, thing: Elsewhere) -> None:
        thing.write(
            "test_asks.py",
            """
            def test_asks(subject):
                subject.ask("batch")
            """,
        )
        ran = thing.pytest("test_asks.py")
        assert ran.counts == {"failed": 1}
        assert "connect to the Docker engine" in ran.stdout
        assert "client.py" not in ran.stdout

    def test_a_golden_edited_by_hand_fails_its_layer_without_an_engine(self, thing: Elsewhere) -> None:
        # Its own format of before is refused or read; either way an edit shows.
        outputs = thing.folder / "goldens/batch/outputs.csv"
        outputs.write_bytes(outputs.read_bytes().replace(b"Setosa", b"Virginica", 1))
        ran = thing.pytest("goldlock.toml::environment::golden")
        assert ran.counts == {"failed": 1}
        assert "outputs.csv" in ran.stdout


class TestNeighbours:
    def test_the_installed_plugin_is_found_by_its_entry_point_and_switched_off_by_its_name(
        self, thing: Elsewhere
    ) -> None:
        ran = thing.python("-m", "pytest", "-W", "error", "--collect-only", "-q", "goldlock.toml")
        assert "goldlock.toml::batch::table" in ran.stdout, ran.stdout
        thing.write("test_own.py", "def test_own(golden):\n    pass\n")
        off = thing.python("-m", "pytest", "-p", "no:goldlock")
        assert off.counts == {"error": 1}
        assert "fixture 'golden' not found" in off.stdout

    def test_a_project_that_does_not_use_it_imports_nothing_for_it(self, elsewhere: Elsewhere) -> None:
        elsewhere.write("test_own.py", "def test_own():\n    pass\n")
        elsewhere.write(
            "conftest.py",
            """
            import sys

            def pytest_sessionfinish():
                heavy = {"numpy", "msgspec", "rich", "docker", "requests", "multiprocessing", "click", "jmespath"}
                print("\\nIMPORTED", sorted(heavy & sys.modules.keys()))
                own = sorted(name for name in sys.modules if name.startswith("goldlock"))
                print("OWN", own)
            """,
        )
        # Measuring coverage imports something of its own.
        unmeasured = dict.fromkeys((name for name in os.environ if name.startswith("COVERAGE")), "")
        ran = elsewhere.pytest("-s", env=unmeasured)
        assert "IMPORTED []" in ran.stdout
        assert (
            "OWN ['goldlock', 'goldlock.pytest_plugin', 'goldlock.pytesting', 'goldlock.pytesting.run',"
            " 'goldlock.pytesting.summary']" in ran.stdout
        )
        assert "goldlock" not in ran.stdout.partition("OWN [")[2].partition("]")[2]

    def test_options_settings_and_the_marker_are_described(self, elsewhere: Elsewhere) -> None:
        told = elsewhere.pytest("--help").stdout
        for option in ("config", "engine", "fail-on", "image", "received"):
            assert f"--goldlock-{option}" in told
        for setting in ("config", "engine", "fail_on"):
            assert f"goldlock_{setting} (string)" in told
        assert (
            "@pytest.mark.goldlock: what a collected goldlock.toml asks for"
            in elsewhere.pytest("--markers").stdout
        )
        assert "check values against stored goldens" in elsewhere.pytest("--fixtures", "-q").stdout.lower()

    def test_a_wrong_setting_is_a_usage_error(self, elsewhere: Elsewhere) -> None:
        ran = elsewhere.pytest("-o", "goldlock_engine=podman")
        assert ran.code == 4
        assert "goldlock_engine is 'podman'; it can be auto, docker, local" in ran.stderr

    def test_no_goldlock_toml_for_the_subject_is_told(self, elsewhere: Elsewhere) -> None:
        elsewhere.write("tests/test_asks.py", "def test_asks(subject):\n    pass\n")
        ran = elsewhere.pytest()
        assert ran.counts == {"error": 1}
        assert "there is no goldlock.toml in" in ran.stdout
        assert "--goldlock-config FILE" in ran.stdout
