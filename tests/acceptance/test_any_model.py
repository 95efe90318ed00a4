"""A team that has never seen goldlock: its wheel, their images as they are, a few lines of goldlock.toml."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.acceptance.conftest import SUBJECTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Installed

# What a user writes by hand.
WRITTEN = {
    "flask": """
[subject]
name = "flask"
image = "goldlock-acceptance-flask:1.0"
[[case]]
name = "http"
inputs = "inputs.csv"
http = { port = 5000, path = "/predict", request = "{features: rows}", response = { label = "labels", score = "scores" }, ready = { path = "/health" } }
""",
    "mlflow": """
subject = { name = "iris", image = "goldlock-acceptance-mlflow:1.0" }
[[case]]
name = "http"
inputs = "inputs.csv"
http.path = "/invocations"
http.port = 8080
http.request = "{dataframe_split: {columns: names, data: rows}}"
http.response.label = "predictions"
http.ready.path = "/ping"
""",
    "script": """
[subject]
name = "script"
image = "goldlock-acceptance-script:1.0"
[[case]]
name = "batch"
inputs = "inputs.csv"
command = { run = ["python3", "predict.py", "--input", "{input}", "--output", "{output}"] }
""",
    "static": """
[subject]
name = "static"
image = "goldlock-acceptance-static:1.0"
python = []
[[case]]
name = "batch"
inputs = "inputs.csv"
command = { run = ["/predict"] }
""",
}
DRIFTED: dict[str, dict[str, object]] = {
    "flask": {"changed": {"model.json": ("9.85", "9.86")}},
    "mlflow": {"changed": {"train.py": ("max_iter=500", "max_iter=500, C=0.0001")}},
    "script": {"changed": {"weights.json": ('"petal_width": 0.75', '"petal_width": 0.76')}},
    "static": {"bias": "0.5"},
}
# All four on the newest Python, two of them on the oldest: CI's time is dear.
VERSIONS = [("3.13", each) for each in WRITTEN] + [("3.10", "flask"), ("3.10", "script")]


@pytest.mark.engine
@pytest.mark.parametrize(("version", "name"), VERSIONS, ids=lambda value: value)
def test_four_commands_and_what_init_wrote_are_enough(
    version: str,
    name: str,
    installed: Callable[[str], Installed],
    image: Callable[..., str],
    tmp_path: Path,
) -> None:
    user = installed(version)
    shutil.copy(SUBJECTS / name / "inputs.csv", tmp_path)
    reference = image(name)

    user.must("init", reference, "--yes", cwd=tmp_path)

    lines = (tmp_path / "goldlock.toml").read_text(encoding="utf-8").splitlines()
    assert tomllib.loads("\n".join(lines))["subject"]["image"] == reference
    user.must("record", cwd=tmp_path)
    user.must("lock", cwd=tmp_path)
    assert user.verdict(cwd=tmp_path) == (0, "match")
    assert user.verdict("--image", image(name, **DRIFTED[name]), cwd=tmp_path) == (1, "drift")


@pytest.mark.engine
@pytest.mark.parametrize("name", WRITTEN)
def test_under_ten_lines_by_hand_are_enough(
    name: str, installed: Callable[[str], Installed], image: Callable[..., str], tmp_path: Path
) -> None:
    user = installed("3.13")
    shutil.copy(SUBJECTS / name / "inputs.csv", tmp_path)
    text = WRITTEN[name].lstrip()
    assert len([line for line in text.splitlines() if line.strip()]) < 10
    (tmp_path / "goldlock.toml").write_text(text, encoding="utf-8")
    image(name)

    user.must("record", cwd=tmp_path)
    user.must("lock", cwd=tmp_path)

    assert user.verdict(cwd=tmp_path) == (0, "match")
    assert user.verdict("--image", image(name, **DRIFTED[name]), cwd=tmp_path) == (1, "drift")


def test_the_wheel_holds_no_file_of_the_models_and_the_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {each for each in tops if not each.endswith(".dist-info")} == {"goldlock", "goldlock_env"}
