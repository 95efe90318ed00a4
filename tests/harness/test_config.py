"""goldlock.toml: strict, and helpful about everything that is wrong with it."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.config import Config, fill, load, loads, parse_size, placeholders
from goldlock.decoding import dotted, key_lines, nearest
from goldlock.errors import ConfigurationError
from goldlock.tables import Format
from goldlock.tolerance import Kind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FULL = """
lock = "locks/here.lock"

[subject]
name = "iris"
image = "registry.example:5000/team/iris:1.2"
python = ["python3", "-I"]
artifacts = ["/opt/model/mlp"]
user = "65534:65534"
writable = false
environment = { OMP_NUM_THREADS = "1" }

[subject.limits]
memory = "1.5 GiB"
cpus = 2
processes = 64
output = "16m"
scratch = "65536"

[subject.build]
context = "."
dockerfile = "Dockerfile"
target = "predict"
python = "3.8.18"
requirements = ["model/mlp/requirements.txt"]
arguments = { PIP_FLAGS = "--quiet" }

[subject.build.base]
argument = "BASE"
offline = ["bash", "env/base/build"]

[subject.local]
python = "3.8"
requirements = ["requirements.txt"]
artifacts = ["artifacts/mlp"]

[[case]]
name = "batch"
inputs = "cases/iris.csv"

[case.command]
run = ["python", "-m", "predict", "{input}"]
output = "jsonl"

[case.columns.label]
kind = "label"
scores = "probabilities"

[case.columns.probabilities]
kind = "probability"
rtol = 1e-5

[case.columns."took ms"]
kind = "ignore"
reason = "a duration"

[[case]]
name = "http"
inputs = "cases/iris.json"
golden = "goldens/served"
rows-by = ["id"]
chunk = "1m"

[case.http]
path = "/predict?probabilities=1"
port = 8000
request = "{features: records[*].features}"
response = { label = "predicted_labels" }
batch = 50
ready = { path = "/healthz", timeout = 30 }
local-start = ["gunicorn", "--bind", "127.0.0.1:{port}", "serve:app"]

[[training]]
name = "pipeline"
image = "iris-train"
run = ["train", "--data", "{iris-csv}", "--to", "{output}"]
recorded = "artifacts/pipeline"
inputs = { iris-csv = "data/iris.csv" }

[policy]
packages = "warning"
"packages.numpy" = "error"
"host.cpu-model" = "ignore"

[[accepted]]
finding = "packages.certifi"
actual = "2026.1"
reason = "root certificates only"
until = 2027-01-31
"""

SMALL = """
[subject]
name = "iris"
image = "iris"

[[case]]
name = "batch"
inputs = "iris.csv"

[case.command]
run = ["predict"]
"""


def read(text: str) -> Config:
    return loads(text, path=Path("goldlock.toml"))


def complaint(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert caught.value.exit_code == 2
    return caught.value.message


def with_case(lines: str) -> str:
    return SMALL + textwrap.dedent(lines)


def test_everything_that_can_be_said_is_read() -> None:
    config = read(FULL)
    assert config.lock == "locks/here.lock"
    assert config.subject.limits.memory_bytes == 3 << 29
    assert config.subject.limits.output_bytes == 16 << 20
    assert config.subject.limits.scratch_bytes == 65536
    assert config.subject.build is not None
    assert config.subject.build.base is not None
    assert config.subject.build.base.offline == ("bash", "env/base/build")
    assert config.subject.local is not None
    assert config.subject.local.python == "3.8"
    batch, http = config.case
    assert batch.command is not None
    assert (batch.command.input, batch.command.output) == (Format.CSV, Format.JSONL)
    assert (batch.command.reads_stdin, batch.command.writes_stdout) == (False, True)
    assert batch.inputs_format is Format.CSV
    assert batch.columns["took ms"].kind is Kind.IGNORE
    assert http.http is not None
    assert http.http.ready.status == 200
    assert http.http.batch == 50
    assert config.policy["packages.numpy"] == "error"
    assert config.case[1].rows_by == ("id",)
    assert [case.chunk_bytes for case in config.case] == [16 << 20, 1 << 20]
    (accepted,) = config.accepted
    assert (accepted.finding, accepted.actual, accepted.until) == (
        "packages.certifi",
        "2026.1",
        dt.date(2027, 1, 31),
    )
    assert config.training[0].inputs == {"iris-csv": "data/iris.csv"}


@pytest.mark.parametrize(
    ("written", "names"),
    [('"p"', ("p",)), ('["p", "q"]', ("p", "q")), ("[]", ())],
    ids=["one", "many", "none"],
)
def test_scores_are_one_column_or_several(written: str, names: tuple[str, ...]) -> None:
    (batch, _) = read(FULL.replace('scores = "probabilities"', f"scores = {written}")).case
    assert batch.columns["label"].score_names == names


def test_a_golden_folder_follows_from_the_name_unless_it_is_said() -> None:
    batch, http = read(FULL).case
    assert (batch.golden, http.golden) == ("goldens/batch", "goldens/served")


def test_the_least_that_must_be_said_leaves_documented_defaults() -> None:
    config = read('[subject]\nname = "iris"\nimage = "iris"\n')
    assert config.lock == "goldlock.lock"
    assert config.subject.python is None
    assert not config.subject.keep_entrypoint
    assert config.subject.limits.memory_bytes == 4 << 30
    assert config.subject.limits.processes == 512
    assert config.case == ()
    assert config.select() == ()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "goldlock.toml"
    file.write_text(SMALL, encoding="utf-8")
    config = load(file)
    assert config.folder == tmp_path
    assert config.resolve(config.case[0].golden) == tmp_path / "goldens" / "batch"
    assert config.resolve("/elsewhere") == Path("/elsewhere")


def test_a_relative_name_of_the_file_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "goldlock.toml").write_text(SMALL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(Path("goldlock.toml")).folder == tmp_path


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "goldlock.toml"
    file.write_text(SMALL, encoding="utf-8-sig")
    assert load(file).subject.name == "iris"


def test_a_misspelt_key_is_named_with_line_path_and_the_right_key() -> None:
    text = FULL.replace("port = 8000", "prot = 8000")
    line = text.splitlines().index("prot = 8000") + 1
    message = complaint(text)
    assert f"goldlock.toml:{line}: case[1].http.prot is not a known key; did you mean 'port'?" in message
    assert "known here: batch, headers, local-start" in message


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("memory =", "memori =", "subject.limits.memori is not a known key; did you mean 'memory'?"),
        (
            "[subject.build.base]",
            "[subject.build.bse]",
            "subject.build.bse is not a known key; did you mean 'base'?",
        ),
        ("[policy]", "[polcy]", "polcy is not a known key; did you mean 'policy'?"),
        (
            "timeout = 30",
            "timeuot = 30",
            "case[1].http.ready.timeuot is not a known key; did you mean 'timeout'?",
        ),
        (
            'scores = "p',
            'score = "p',
            "case[0].columns.label.score is not a known key; did you mean 'scores'?",
        ),
        (
            'reason = "a',
            'raeson = "a',
            "case[0].columns.\"took ms\".raeson is not a known key; did you mean 'reason'?",
        ),
        (
            "local-start",
            "local_start",
            "case[1].http.local_start is not a known key; did you mean 'local-start'?",
        ),
        ("[[training]]", "[[trainings]]", "trainings is not a known key; did you mean 'training'?"),
    ],
)
def test_a_misspelt_key_is_found_at_any_depth(wrong: str, right: str, said: str) -> None:
    assert FULL.count(wrong) == 1
    assert said in complaint(FULL.replace(wrong, right))


def test_a_key_that_is_like_no_other_gets_the_list_alone() -> None:
    message = complaint("zzz = 1\n" + SMALL)
    assert (
        "goldlock.toml:1: zzz is not a known key; known here: accepted, case, lock, policy, subject, training"
        in message
    )


def test_the_folder_of_the_file_cannot_be_set_in_the_file() -> None:
    assert "path is not a known key" in complaint('path = "/etc"\n' + SMALL)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    message = complaint('lokc = 1\n[subject]\nimage = 5\n[[case]]\nname = "a"\n')
    assert message.splitlines() == [
        "goldlock.toml:1: lokc is not a known key; did you mean 'lock'? (known here: accepted, case, lock, policy, subject, training)",
        "goldlock.toml:2: subject.name is missing; it has no default",
        'goldlock.toml:3: subject.image must be text in quotes, not the number 5; write "5"',
        "goldlock.toml:4: case[0].inputs is missing; it has no default",
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (
            'python = "3.8"',
            "python = 3.8",
            'subject.local.python must be text in quotes, not the number 3.8; write "3.8"',
        ),
        ("writable = false", 'writable = "no"', "subject.writable must be true or false, not 'no'"),
        (
            "processes = 64",
            "processes = 6.5",
            "subject.limits.processes must be a whole number, not the number 6.5",
        ),
        ("cpus = 2", "cpus = true", "subject.limits.cpus must be a number, not true"),
        (
            "port = 8000",
            "port = 1979-05-27",
            "case[1].http.port must be a whole number, not 1979-05-27 (a date or time)",
        ),
        (
            'output = "jsonl"',
            'output = "josnl"',
            "case[0].command.output cannot be 'josnl'; did you mean 'jsonl'?",
        ),
        ('kind = "label"', "kind = []", "case[0].columns.label.kind cannot be a list; one of exact, close"),
        (
            'artifacts = ["/opt/model/mlp"]',
            'artifacts = "/m"',
            "subject.artifacts must be a list in [brackets], not '/m'",
        ),
        (
            'run = ["python", "-m", "predict", "{input}"]',
            'run = ["a", 1]',
            "case[0].command.run[1] must be text in quotes",
        ),
        (
            'environment = { OMP_NUM_THREADS = "1" }',
            'environment = ["A"]',
            "subject.environment must be a table of keys",
        ),
        ('scores = "probabilities"', "scores = 1", "case[0].columns.label.scores must be text in quotes"),
        ('scores = "probabilities"', 'scores = ["p", 1]', "columns.label.scores[1] must be text in quotes"),
        ("[[training]]", "[training]", "training must be a list in [brackets], not a table"),
        ("[subject.limits]", "[[subject.limits]]", "subject.limits must be a table, [subject.limits]"),
        ('"packages.numpy" = "error"', 'python.version = "error"', "a key with a dot in it needs quotes"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_belongs_there(
    wrong: str, right: str, said: str
) -> None:
    assert FULL.count(wrong) == 1
    assert said in complaint(FULL.replace(wrong, right))


def test_a_list_of_tables_written_as_one_table_is_explained() -> None:
    text = SMALL.replace("[[case]]", "[case]")
    assert "goldlock.toml:6: case must be a list in [brackets], not a table" in complaint(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[subject]\nname = "iris\n', "goldlock.toml:2:"),
        ("[subject\n", "goldlock.toml:1:9:"),
        ("a = 1\na = 2\n", "goldlock.toml:2:"),
        ("a = [1,\n", "goldlock.toml:"),
        ("name = iris\n", "goldlock.toml:1:8:"),
    ],
)
def test_a_syntax_error_has_line_and_column(text: str, where: str) -> None:
    message = complaint(text)
    assert message.startswith(where)
    assert "not valid TOML" in message


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "goldlock.toml")
    assert "does not exist" in caught.value.message
    assert "goldlock init" in caught.value.hint
    assert "goldlock schema config" in caught.value.hint


def test_a_folder_and_a_binary_file_are_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder"):
        load(tmp_path)
    (tmp_path / "goldlock.toml").write_bytes(b"\xff\xfe[")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(tmp_path / "goldlock.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "goldlock.toml" / "beneath")


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('name = "iris"', 'name = "../iris"', "subject.name cannot be '../iris'"),
        ('name = "batch"', 'name = ""', "case[0].name cannot be ''"),
        ('name = "batch"', 'name = "http"', "case[1].name is 'http', as in case[0]; each needs its own"),
        (
            'golden = "goldens/served"',
            'golden = "goldens/batch"',
            "case[1].golden is 'goldens/batch', as in case[0]",
        ),
        ('image = "iris-train"', 'image = "iris train"', "training[0].image must be an image reference"),
        ('memory = "1.5 GiB"', 'memory = "lots"', "subject.limits.memory must be a size such as 512m or 4g"),
        ('scratch = "65536"', 'scratch = "0"', "subject.limits.scratch must be a size"),
        ("cpus = 2", "cpus = 0", "subject.limits.cpus must be more than 0, not 0"),
        ("cpus = 2", "cpus = nan", "subject.limits.cpus must be more than 0, not nan"),
        ("processes = 64", "processes = -1", "subject.limits.processes must be more than 0, not -1"),
        ("timeout = 30", "timeout = -1", "case[1].http.ready.timeout must be more than 0, not -1"),
        ("timeout = 30", "timeout = inf", "case[1].http.ready.timeout must be more than 0, not inf"),
        ("timeout = 30", "status = 99", "case[1].http.ready.status must be an HTTP status"),
        ("batch = 50", "batch = 0", "case[1].http.batch must be more than 0"),
        ("port = 8000", "port = 65536", "case[1].http.port must be from 1 to 65535"),
        ("port = 8000", 'method = "post"', "case[1].http.method must be an HTTP method in capitals"),
        ("port = 8000", 'headers = { "a b" = "c" }', 'case[1].http.headers."a b" is not a header'),
        ("port = 8000", 'headers = { a = "b\\r\\nc: d" }', "case[1].http.headers.a is not a header"),
        ('path = "/healthz"', 'path = "healthz"', "case[1].http.ready.path must start with /"),
        (
            '"/predict?probabilities=1"',
            '"/pre dict"',
            "case[1].http.path must start with / and hold no spaces",
        ),
        ('{ label = "predicted_labels" }', "{}", "case[1].http.response names no output column"),
        ('"predicted_labels"', '"predicted_labels["', "case[1].http.response.label is not JMESPath"),
        ("timeout = 30", 'when = "a ~ b"', "case[1].http.ready.when is not JMESPath"),
        ("{features: records[*].features}", "{features", "case[1].http.request is not JMESPath"),
        ("{features: records[*].features}", "", "case[1].http.request is not JMESPath"),
        ("{features: records[*].features}", "a ~ b", "case[1].http.request is not JMESPath"),
        ("127.0.0.1:{port}", "127.0.0.1:80", "case[1].http.local-start must hold {port}"),
        ("127.0.0.1:{port}", "{prot}:{port}", "has the placeholder {prot}; did you mean 'port'?"),
        (
            '"predict", "{input}"',
            '"predict", "{inputs}"',
            "case[0].command.run[3] has the placeholder {inputs}; did you mean 'input'?",
        ),
        (
            '"{iris-csv}", "--to"',
            '"{iris_csv}", "--to"',
            "training[0].run[2] has the placeholder {iris_csv}; did you mean 'iris-csv'?",
        ),
        (
            'inputs = { iris-csv = "data/iris.csv" }',
            'inputs = { iris-csv = "a", output = "b" }',
            "cannot be a placeholder's name",
        ),
        ('"--to", "{output}"', '"--to", "out"', "training[0].run must hold {output}"),
        ('python = "3.8.18"', "", "subject.build.python must be a version such as"),
        ('recorded = "artifacts/pipeline"', 'recorded = " "', "training[0].recorded must not be empty"),
        ('reason = "a duration"', 'reason = " "', 'case[0].columns."took ms".reason is missing'),
        ('reason = "a duration"', 'reason = "x"\natol = 1', "means nothing for kind 'ignore'"),
        ("rtol = 1e-5", "rtol = -1e-5", "case[0].columns.probabilities.rtol must be a number from 0 up"),
        ("rtol = 1e-5", "ulp = -1", "case[0].columns.probabilities.ulp must be a number from 0 up"),
        ("rtol = 1e-5", 'scores = "label"', "case[0].columns.probabilities.scores is for kind 'label'"),
        (
            'scores = "probabilities"',
            'scores = "label"',
            "case[0].columns.label.scores must name another column",
        ),
        (
            'inputs = "cases/iris.csv"',
            'inputs = "cases/iris.xlsx"',
            "case[0].inputs must end in one of .csv, .json",
        ),
        ('user = "65534:65534"', 'user = "a b"', "subject.user must be a user or user:group"),
        ('OMP_NUM_THREADS = "1"', '"A=B" = "1"', 'subject.environment."A=B" is not the name of a variable'),
        ('OMP_NUM_THREADS = "1"', 'A = "\\u0000"', "subject.environment.A must not hold a NUL"),
        ('python = "3.8"', 'python = "three"', "subject.local.python must be a version"),
        (
            'artifacts = ["artifacts/mlp"]',
            'artifacts = ["a", "b"]',
            "subject.local.artifacts must name this host's path for each of subject.artifacts",
        ),
        (
            'argument = "BASE"',
            'argument = "B-S"',
            "subject.build.base.argument must be the name of a build argument",
        ),
        (
            'target = "predict"',
            'wheelhouse = "../w"',
            "subject.build.wheelhouse must be a folder inside the build context",
        ),
        ('context = "."', 'context = ""', "subject.build.context must not be empty"),
        ('lock = "locks/here.lock"', 'lock = ""', "lock must not be empty"),
        ('python = ["python3", "-I"]', 'python = [""]', "subject.python[0] must be the program to run"),
        ('python = ["python3", "-I"]', 'python = ["p", "\\u0000"]', "subject.python[1] must not hold a NUL"),
        ('packages = "warning"', 'packages = "warn"', "policy.packages is no rule: 'warn'"),
        (
            'golden = "goldens/served"',
            'golden = "goldens/served@v3"',
            "case[1].golden must not hold @, behind which other goldens of a case are named",
        ),
        ('chunk = "1m"', 'chunk = "much"', "case[1].chunk must be a size such as 512m or 4g"),
        ('rows-by = ["id"]', 'rows-by = [""]', "case[1].rows-by[0] must not be empty"),
        (
            'finding = "packages.certifi"',
            'finding = "certifi"',
            "accepted[0].finding must be layer and key as reports name them",
        ),
        (
            'reason = "root certificates only"',
            'reason = " "',
            "accepted[0].reason is empty: a difference is accepted for a reason that others can read",
        ),
        ("until = 2027-01-31", 'until = "soon"', "accepted[0].until must be a date, not 'soon'"),
        (
            'packages = "warning"',
            'package = "error"',
            "policy.package is no rule: there is no layer 'package'",
        ),
    ],
)
def test_values_that_cannot_work_are_named(wrong: str, right: str, said: str) -> None:
    message = complaint(FULL.replace(wrong, right, 1))
    assert said in message
    assert len(message.splitlines()) == 1


def test_a_case_is_asked_in_exactly_one_way() -> None:
    neither = SMALL.replace("[case.command]", "").replace('run = ["predict"]', "")
    assert "goldlock.toml:6: case[0] does not say how to ask: add [case.command] or [case.http]" in complaint(
        neither
    )
    both = with_case('[case.http]\npath = "/"\nrequest = "@"\nresponse = { a = "a" }\n')
    assert "case[0] has both command and http" in complaint(both)


def test_cases_are_selected_by_name_in_the_order_of_the_file() -> None:
    config = read(FULL)
    assert [case.name for case in config.select()] == ["batch", "http"]
    assert [case.name for case in config.select(["http", "batch", "http"])] == ["batch", "http"]
    assert [case.name for case in config.select(["http"])] == ["http"]
    assert [each.name for each in config.select_training(["pipeline"])] == ["pipeline"]


def test_an_unknown_case_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(FULL).select(["bacth"])
    assert "no case named 'bacth'; did you mean 'batch'? (known here: batch, http)" in caught.value.message
    with pytest.raises(ConfigurationError, match="no training named 'x'; known here: pipeline"):
        read(FULL).select_training(["x"])
    with pytest.raises(ConfigurationError, match="nothing is known here"):
        read('[subject]\nname = "i"\nimage = "i"\n').select(["x"])


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("64m", 64 << 20),
        ("64MB", 64 << 20),
        ("64MiB", 64 << 20),
        ("4g", 4 << 30),
        ("0.5k", 512),
        ("10 B", 10),
    ],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "m", "-1m", "1x", "1 m b", "0", "0.1", "1e3", "nan", "\uff11m"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_placeholders_are_ours_and_not_the_shells() -> None:
    assert placeholders(["{input}", "a{output}b{input}", "${HOME}", "{ print }", "{}", '{"a": 1}']) == (
        "input",
        "output",
    )


def test_filling_replaces_what_has_a_value() -> None:
    command = ["x", "--in={input}", "{output}", "${input}", "{}"]
    assert fill(command, {"input": "/a{output}", "port": "1"}) == [
        "x",
        "--in=/a{output}",
        "{output}",
        "${input}",
        "{}",
    ]


def test_lines_are_found_through_quotes_comments_and_values_of_many_lines() -> None:
    text = textwrap.dedent('''\
        # first
        a.b = """
        [not.a.table]
        x = 1
        """
        "k = y" = [  # = is quoted
          1,
          2,
        ]

        [[case]]   # one
        name = 'a'
        [case.http]
        headers = { x = "1", y = "2" }
        [[case]]
        "na.me" = 1
        [case.columns."p q"]
        kind = 1
        [other."dotted.key".deep]
        ''')
    tomllib.loads(text)
    assert key_lines(text) == {
        ("a",): 2,
        ("a", "b"): 2,
        ("k = y",): 6,
        ("case",): 11,
        ("case", 0): 11,
        ("case", 0, "name"): 12,
        ("case", 0, "http"): 13,
        ("case", 0, "http", "headers"): 14,
        ("case", 1): 15,
        ("case", 1, "na.me"): 16,
        ("case", 1, "columns"): 17,
        ("case", 1, "columns", "p q"): 17,
        ("case", 1, "columns", "p q", "kind"): 18,
        ("other",): 19,
        ("other", "dotted.key"): 19,
        ("other", "dotted.key", "deep"): 19,
    }


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4))
def test_any_key_path_is_written_as_toml_reads_it(keys: list[str]) -> None:
    # TOML has no surrogates, and control characters only escaped, which paths in messages do not need.
    if not all(key.isprintable() for key in keys):
        return
    value: object = tomllib.loads(dotted(tuple(keys)) + " = 1")
    for key in keys:
        assert isinstance(value, dict)
        value = value[key]
    assert value == 1


@given(st.text(alphabet="abcd", min_size=1, max_size=6))
def test_the_nearest_name_is_a_known_one(name: str) -> None:
    known = ["abcd", "dcba", "Aabb"]
    assert nearest(name, known) in {None, *known}
    assert nearest("aabb", known) == "Aabb"


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_an_explanation(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert caught.value.message.startswith("goldlock.toml:")


@given(st.data())
def test_a_character_missing_anywhere_never_crashes(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(FULL) - 1))
    with contextlib.suppress(ConfigurationError):
        read(FULL[:position] + FULL[position + 1 :])
