"""Every way in which a subject can be asked, each written down in goldlock.toml, against one real model."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.engine.blame import cases, rungs
from tests.engine.conftest import MINI

from goldlock import golden
from goldlock.tables import whole

if TYPE_CHECKING:
    from tests.engine.conftest import Outcome, Project

    from goldlock.tables import Table

pytestmark = pytest.mark.engine

FORMATS = ("csv", "json", "jsonl", "npz")
FILES = {f"file-{name}": ("inputs.csv", name, name, "{input}", "{output}") for name in FORMATS}
STREAMS = {f"stream-{name}": ("inputs.csv", name, name, f"-.{name}", f"-.{name}") for name in FORMATS}
MIXED = {
    "file-to-stream": ("inputs.csv", "npz", "jsonl", "{input}", "-.jsonl"),
    "stream-to-file": ("inputs.csv", "json", "npz", "-.json", "{output}"),
}
# As they lie in the project: handed to the subject as they are.
GIVEN = {
    f"given-{name}": (f"inputs.{name}", name, "csv", "{input}", "{output}")
    for name in ("json", "jsonl", "npz")
}
COMMANDS = {**FILES, **STREAMS, **MIXED, **GIVEN}

READY = 'port = 8080\nready = { path = "/health", timeout = 30 }\n'
SERVICES = {
    "flask": (
        'path = "/predict"\nrequest = "{features: rows}"\n'
        'response = { label = "predicted_labels", probability = "probabilities" }\n'
    ),
    "flask-in-batches": (
        'path = "/predict/"\nrequest = "{features: rows}"\nbatch = 3\n'
        'response = { label = "predicted_labels", probability = "probabilities" }\n'
    ),
    "mlflow": (
        'path = "/invocations"\nrequest = "{dataframe_split: {columns: names, data: rows}}"\n'
        'response = { label = "predictions" }\n'
    ),
    "tensorflow-serving": (
        'path = "/v1/models/mini:predict"\nrequest = "{instances: rows}"\nresponse = { probability = "predictions" }\n'
    ),
    "cog": (
        'path = "/predictions"\nrequest = "{input: record}"\nbatch = 1\n'
        'response = { label = "output.label", score = "output.score" }\n'
    ),
}


def _configured() -> str:
    lines = []
    for name, (inputs, given, produced, source, target) in COMMANDS.items():
        lines.append(f'\n[[case]]\nname = "{name}"\ninputs = "{inputs}"\n[case.command]\n')
        lines.append(f'run = ["python", "predict.py", "{source}", "{target}"]\n')
        lines.append(f'input = "{given}"\noutput = "{produced}"\n')
    for name, mapping in SERVICES.items():
        lines.append(f'\n[[case]]\nname = "{name}"\ninputs = "inputs.csv"\n[case.http]\n{READY}{mapping}')
    return "".join(lines)


def _write_inputs(project: Project) -> None:
    """The same inputs in the other formats, as another program would write them."""
    rows = list(csv.DictReader(io.StringIO((MINI / "inputs.csv").read_text(encoding="utf-8"))))
    records = [{name: float(value) for name, value in row.items()} for row in rows]
    (project.folder / "inputs.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    (project.folder / "inputs.jsonl").write_text(
        "".join(f"{json.dumps(r)}\n" for r in records), encoding="utf-8"
    )
    arrays = {name: np.array([record[name] for record in records]) for name in records[0]}
    np.savez_compressed(project.folder / "inputs.npz", **arrays)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def asked(recorded: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """All ways in one goldlock.toml, recorded; and one verify of all of them."""
    project = recorded.copy(tmp_path_factory.mktemp("contracts") / "mini")
    path = project.folder / "goldlock.toml"
    path.write_text(path.read_text(encoding="utf-8") + _configured(), encoding="utf-8")
    _write_inputs(project)
    outcome = project.run("record", "--engine", "docker")
    assert outcome.code == 0, outcome.stderr
    assert set(outcome.stdout.splitlines()) == {f"recorded {name}" for name in (*COMMANDS, *SERVICES)}
    return project, project.verify("--no-hash")


def _golden(project: Project, name: str) -> Table:
    return whole(golden.load(project.folder / "goldens" / name).outputs)


def test_all_of_them_match_in_one_run(asked: tuple[Project, Outcome]) -> None:
    _, outcome = asked
    assert outcome.code == 0, outcome.stdout
    assert {name: case["rung"] for name, case in cases(outcome).items()} == dict.fromkeys(
        ("batch", "http", *COMMANDS, *SERVICES), "identical"
    )


def test_each_way_of_asking_costs_one_start(asked: tuple[Project, Outcome]) -> None:
    _, outcome = asked
    assert outcome.stderr.count("starting mini for") == 2, outcome.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_format_carries_every_value_exactly(asked: tuple[Project, Outcome], name: str) -> None:
    project, outcome = asked
    assert set(rungs(outcome, name).values()) == {"identical"}
    expected, actual = _golden(project, "batch"), _golden(project, name)
    assert actual.types == expected.types
    for column, values in expected.columns.items():
        assert actual.columns[column].tolist() == values.tolist(), column


@pytest.mark.parametrize("name", SERVICES)
def test_a_dialect_gives_the_same_answers(asked: tuple[Project, Outcome], name: str) -> None:
    project, outcome = asked
    assert cases(outcome)[name]["way"] == "http"
    expected, actual = _golden(project, "http"), _golden(project, name)
    assert actual.rows == 8
    known = {**expected.columns, "score": expected.columns["probability"].max(axis=1)}
    assert actual.columns.keys() <= known.keys()
    for column, values in actual.columns.items():
        if values.dtype.kind == "f":
            # BLAS multiplies one row, three rows and eight rows in other ways: the last bit may differ.
            np.testing.assert_array_max_ulp(values, known[column], maxulp=4)  # type: ignore[arg-type]
        else:
            assert values.tolist() == known[column].tolist(), column


def test_the_dialects_say_what_they_were_asked_for(asked: tuple[Project, Outcome]) -> None:
    project, _ = asked
    assert {name: list(_golden(project, name).columns) for name in SERVICES} == {
        "flask": ["label", "probability"],
        "flask-in-batches": ["label", "probability"],
        "mlflow": ["label"],
        "tensorflow-serving": ["probability"],
        "cog": ["label", "score"],
    }


def test_an_answer_without_a_mapped_column_is_told(mini: Project) -> None:
    """The mapping asks for what this service does not say."""
    mini.edit('probability = "probabilities"', 'probability = "scores"')
    outcome = mini.verify("http", "--no-hash")
    assert outcome.code == 1
    assert rungs(outcome, "http") == {"label": "identical", "probability": "schema"}


def test_a_number_of_rows_that_no_batch_has_is_told(mini: Project) -> None:
    mini.edit(
        'response = { label = "predicted_labels",', 'batch = 4\nresponse = { label = "predicted_labels[:3]",'
    )
    outcome = mini.verify("http", "--no-hash")
    assert outcome.code == 3
    failure = cases(outcome)["http"]["failure"]
    assert isinstance(failure, dict)
    assert failure["message"] == "the answer to rows 0 to 3 has 3 values for column label, not 4"
