"""Batch programs: how they are called, what they wrote, where their inputs are, and the file that says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.config import loads
from goldlock.formats import Format
from goldlock.proposing import writing
from goldlock.proposing.commands import candidates, is_likely, sniffed
from goldlock.proposing.inside import grouped
from goldlock.proposing.sampling import as_json, records, samples
from goldlock.proposing.seen import Seen
from goldlock.proposing.sourcing import from_config, named, short
from goldlock.proposing.writing import Proposal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ARGPARSE = """
parser.add_argument("-i", "--input-file", required=True)
parser.add_argument("--output", help="where to")
"""
CLICK = """
@click.argument("source")
"""


@pytest.mark.parametrize(
    ("seen", "first"),
    [
        (
            Seen(entrypoint=("python", "predict.py"), sources={"/app/predict.py": ARGPARSE}),
            ("python", "predict.py", "--input-file", "{input}", "--output", "{output}"),
        ),
        (
            Seen(entrypoint=("python", "-m", "model.predict"), sources={"/app/model/predict.py": CLICK}),
            ("python", "-m", "model.predict", "{input}"),
        ),
        (
            Seen(entrypoint=("/bin/sh", "-c", "predict --input /data/in.csv --output=/data/out.csv -v")),
            ("predict", "--input", "{input}", "--output={output}", "-v"),
        ),
        (
            Seen(entrypoint=("python", "p.py"), sources={"/p.py": "for line in sys.stdin: ..."}),
            ("python", "p.py"),
        ),
        (Seen(entrypoint=("/predict",), command=("--help",)), ("/predict", "{input}", "{output}")),
    ],
)
def test_the_likeliest_call_comes_first(seen: Seen, first: tuple[str, ...]) -> None:
    assert next(candidates(seen)) == first


def test_no_call_is_tried_twice_and_none_without_a_command() -> None:
    found = list(candidates(Seen(entrypoint=("/predict",), command=("x",))))
    assert len(found) == len(set(found))
    assert ("/predict",) in found
    assert list(candidates(Seen())) == []


@pytest.mark.parametrize(
    ("seen", "is_program"),
    [
        (Seen(entrypoint=("python", "p.py"), sources={"/app/p.py": ARGPARSE}), True),
        (Seen(entrypoint=("run", "--input", "x")), True),
        (Seen(entrypoint=("python", "p.py"), sources={"/app/p.py": "open(sys.argv[1])"}), True),
        (Seen(entrypoint=("flask", "run"), sources={"/app/app.py": "app = Flask()"}), False),
        (Seen(entrypoint=("/predict",)), False),
    ],
)
def test_what_speaks_for_a_program(seen: Seen, is_program: bool) -> None:
    assert bool(is_likely(seen)) is is_program


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a,b\n1,2\n", Format.CSV),
        (b"value\n1\n", Format.CSV),
        (b'a,b\n"x,y",2\n', Format.CSV),
        (b'[{"a": 1}]', Format.JSON),
        (b'{"a": [1, 2]}', Format.JSON),
        (b'{"a": 1}\n', Format.JSONL),
        (b'{"a": 1}\n{"a": 2}\n', Format.JSONL),
        (b"\x93NUMPY\x01\x00", Format.NPY),
        (b"PK\x03\x04....", Format.NPZ),
        (b"PAR1", Format.PARQUET),
        (b"", None),
        (b"\xff\xfe\x00", None),
        (b"loading, please wait\ndone\n1,2,3\n", None),
        (b"{broken\n", None),
    ],
)
def test_a_format_is_seen_in_what_was_written(data: bytes, found: Format | None) -> None:
    assert sniffed(data) is found


def test_likely_samples_come_first_and_others_are_left_alone() -> None:
    names = [
        "README.md",
        "tests/data.csv",
        "goldens/x/inputs.csv",
        "package.json",
        "data/sample_rows.csv",
        "zeta.csv",
    ]
    assert samples([*names, "inputs.json"]) == (
        "inputs.json",
        "data/sample_rows.csv",
        "tests/data.csv",
        "zeta.csv",
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}',
        '{"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}',
        '{"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}',
        '{"inputs": {"a": [1, 3], "b": [2, 4]}}',
        '[{"a": 1, "b": 2}, {"a": 3, "b": 4}]',
    ],
)
def test_an_example_of_mlflow_is_turned_into_records(text: str) -> None:
    rows = records(text)
    assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert records(as_json(rows)) == rows


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[[1, 2]]", '{"inputs": [[1, 2]]}', '{"a": [1], "b": [1, 2]}', "3"]
)
def test_an_example_without_names_is_none(text: str) -> None:
    assert records(text) is None


def test_model_files_are_proposed_by_folder_where_they_belong_together() -> None:
    found = grouped(
        [
            "/opt/ml/model/MLmodel",
            "/opt/ml/model/model.pkl",
            "/models/iris/1/saved_model.pb",
            "/app/model.joblib",
            *(f"/app/trees/{number}.pkl" for number in range(6)),
        ]
    )
    assert found == ("/app/model.joblib", "/app/trees", "/models/iris", "/opt/ml/model")


def test_what_a_subject_nests_too_deeply_is_no_answer() -> None:
    deep = "[" * 100_000
    assert records(deep) is None
    assert sniffed(deep.encode()) is not Format.JSON


def test_what_the_engine_says_of_an_image() -> None:
    seen = from_config(
        {
            "ExposedPorts": {"9000/tcp": {}, "8080/tcp": {}, "53/udp": {}, "any/tcp": {}, "": {}},
            "Entrypoint": None,
            "Cmd": ["serve"],
            "Env": ["A=1=2", "B="],
            "Labels": None,
            "WorkingDir": "/srv",
            "User": "7",
        }
    )
    assert (seen.ports, seen.words, seen.environment) == ((8080, 9000), ("serve",), {"A": "1=2", "B": ""})
    assert (seen.folder, seen.user, seen.labels) == ("/srv", "7", {})


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("registry.example:5000/team/iris:1.2", "iris"),
        ("iris@sha256:abc", "iris"),
        ("registry.example:5000/Iris_model", "Iris_model"),
    ],
)
def test_a_name_for_an_image(reference: str, name: str) -> None:
    assert named(short(reference)) == name
    assert named("é é") == "model"


HTTP = {
    "port": 80,
    "path": "/p",
    "request": "{inputs: [{name: 'x', data: rows[]}]}",
    "response": {"a b": 'x."a b"', "n": "outputs[?name=='n'].data | [0]"},
    "ready": {"path": "/r", "when": "status == 'READY'"},
}


def test_the_file_says_what_was_proposed_and_is_read_back() -> None:
    proposal = Proposal(
        name="iris",
        subject={"image": "iris:1", "artifacts": ["/m"], "build": {"arguments": {"BASE": "x"}}},
        case="http",
        inputs="in.csv",
        way="http",
        asked=HTTP,
        seen=("flask\n3.0 in the image",),
        unproven=("nobody tried",),
    )
    text = writing.text(proposal)
    config = loads(text, path=Path("goldlock.toml"))
    assert config.subject.build is not None
    assert (config.subject.build.arguments, config.subject.artifacts) == ({"BASE": "x"}, ("/m",))
    assert config.case[0].http is not None
    assert config.case[0].http.response == HTTP["response"]
    assert config.case[0].http.ready.when == "status == 'READY'"
    assert "# seen: flask 3.0 in the image\n# not proven: nobody tried\n" in text


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_values_are_toml(value: object) -> None:
    assert tomllib.loads(f"key = {writing.value(value)}")["key"] == value


def test_a_value_that_toml_does_not_have_is_an_error() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        writing.value(None)
