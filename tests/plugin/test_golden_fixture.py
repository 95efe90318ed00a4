"""The fixture `golden`, used by the tests of another project."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass

import pytest
from tests.plugin.conftest import Elsewhere, Ran

HEAD = "import numpy as np\n"


def check(project: Elsewhere, value: str, *more: str, head: str = HEAD, tolerance: str = "") -> Ran:
    """Run a project of one test that checks one value."""
    project.write("test_it.py", f"{head}\ndef test_value(golden):\n    golden.check({value}{tolerance})\n")
    return project.pytest(*more)


def changed(project: Elsewhere, before: str, after: str, *, head: str = HEAD, tolerance: str = "") -> Ran:
    """Create a golden of one value, then check another one."""
    assert check(project, before, head=head, tolerance=tolerance).code == 1
    again = check(project, before, head=head, tolerance=tolerance)
    assert again.code == 0, again.stdout
    stood = project.files("goldens")
    ran = check(project, after, head=head, tolerance=tolerance)
    assert project.files("goldens") == stood
    return ran


SEEN = [  # before, after, what the message says
    ("np.arange(3.0)", "np.array([0.0, 1.0, 2.5])", "drifted"),
    ("np.arange(3.0)", "np.arange(3.0, dtype=np.float32)", "float32"),
    ("np.arange(3.0)", "np.arange(3)", "int64"),
    ("np.arange(3.0)", "np.arange(3.0).reshape(3, 1)", "float64[1]"),
    ("np.arange(3.0)", "np.arange(4.0)", "4 rows, expected 3"),
    ("np.zeros((2, 3, 4))", "np.zeros((2, 4, 3))", "float64[4,3]"),
    ("np.float64(1e-9)", "np.float64(9e-9)", "drifted"),
    ("np.float16(1)", "np.float16(1.01)", "drifted"),
    ("np.array([1 + 2j])", "np.array([1 + 3j])", "value.imag"),
    ("np.array([(1, 2.0)], dtype='i4,f8')", "np.array([(2, 2.0)], dtype='i4,f8')", "value.f0"),
    ("1", "1.0", "float64"),
    ("1", "True", "bool"),
    ("2**63", "2**63 - 1", "int64"),
    ("'1'", "1", "of kind text, the value of kind scalar"),
    ("1.0", "np.array([1.0])", "of kind scalar, the value of kind array"),
    ("None", "'None'", "of kind scalar, the value of kind text"),
    ("[]", "{}", "empty parts were"),
    ("{'a': {'b': []}, 'c': 1}", "{'a': {'b': {}}, 'c': 1}", "empty parts were"),
    ("{'a': 1, 'b': 2}", "{'a': 1}", "b"),
    ("{'a': 1}", "{'a': 1, 'b': 2}", "b"),
    ("{'a': [{'x': 1}, {'x': 2}]}", "{'a': [{'x': 1}, {'x': 3}]}", "a[1].x"),
    ("{'a': [1, 2]}", "{'a': [1, 2.5]}", "float64[2]"),
    ("{'a': [True, 1]}", "{'a': [True, True]}", "a[1]"),
    ("{'a b': None}", "{'a b': 'x'}", '["a b"]'),
    ("b'ab'", "b'ac'", "flipped"),
    ("np.datetime64('2026-01-02')", "np.datetime64('2026-01-03')", "2026-01-03"),
    ("np.ma.array([1, 2], mask=[0, 1])", "np.ma.array([1, 2], mask=[0, 0])", "flipped"),
]
LIBRARIES = [  # imports, before, after
    (
        "import pandas as pd",
        "pd.DataFrame({'a': [1, 2], 's': ['x', None]})",
        "pd.DataFrame({'a': [1, 2], 's': ['x', 'y']})",
    ),
    (
        "import pandas as pd",
        "pd.DataFrame({'a': pd.array([1, None], dtype='Int64')})",
        "pd.DataFrame({'a': pd.array([1, 0], dtype='Int64')})",
    ),
    (
        "import pandas as pd",
        "pd.DataFrame({'a': [1.0, 2.0]}, index=['x', 'y'])",
        "pd.DataFrame({'a': [1.0, 2.0]}, index=['x', 'z'])",
    ),
    (
        "import pandas as pd",
        "pd.DataFrame({'c': pd.Categorical(['u', 'v']), 't': pd.to_datetime(['2026-01-02', None])})",
        "pd.DataFrame({'c': pd.Categorical(['u', 'u']), 't': pd.to_datetime(['2026-01-02', None])})",
    ),
    ("import pandas as pd", "pd.Series([1.0, 2.0])", "pd.Series([1.0, 3.0])"),
    (
        "import polars as pl, datetime as dt",
        "pl.DataFrame({'a': [1, None], 's': ['x', None], 'd': [dt.date(2026, 1, 2), None], 'l': [[1.0], [2.0]]})",
        "pl.DataFrame({'a': [1, 0], 's': ['x', None], 'd': [dt.date(2026, 1, 2), None], 'l': [[1.0], [2.0]]})",
    ),
    (
        "import polars as pl, datetime as dt",
        "pl.DataFrame({'t': [dt.datetime(2026, 1, 2, 3), None], 'b': [True, None]})",
        "pl.DataFrame({'t': [dt.datetime(2026, 1, 2, 4), None], 'b': [True, None]})",
    ),
    ("import polars as pl", "pl.Series([1, 2])", "pl.Series([1, 3])"),
    (
        "import pyarrow as pa",
        "pa.table({'a': pa.array([1, None], pa.int8()), 's': ['x', None], 'l': [[1, 2], [3, 4]]})",
        "pa.table({'a': pa.array([1, None], pa.int8()), 's': ['x', None], 'l': [[1, 2], [3, 5]]})",
    ),
    ("import pyarrow as pa", "pa.array([1.5, None])", "pa.array([None, 1.5])"),
]
WITHIN = [  # before, after, tolerance, whether it passes
    ("1.0", "1.0 + 2**-51", "", 0),
    ("1.0", "1.001", ", rtol=0.002", 0),
    ("1.0", "1.001", ", rtol=0.0005", 1),
    ("np.array([10, 20])", "np.array([10, 21])", ", atol=1", 0),
    ("np.array([10, 20])", "np.array([10, 22])", ", atol=1", 1),
    ("1.0", "1.0 + 2**-52", ", kind='exact'", 1),
    ("{'a': 1, 'b': 1.0}", "{'a': 1, 'b': 1.5}", ", atol=1", 0),
    ("{'a': 1, 'b': 1.0}", "{'a': 2, 'b': 1.0}", ", atol=1", 1),
    ("{'a': 1, 'b': 1.0}", "{'a': 2, 'b': 1.0}", ", columns={'a': {'atol': 1}}", 0),
    (
        "{'s': 1.0}",
        "{'s': 9.0}",
        ", columns={'s': {'kind': 'ignore', 'reason': 'a clock'}}",
        0,
    ),
    (
        "{'id': np.array([1, 2]), 'x': np.array([1.0, 2.0])}",
        "{'id': np.array([2, 1]), 'x': np.array([2.0, 1.0])}",
        ", rows_by=['id']",
        0,
    ),
    ("np.arange(3)[::-1]", "np.array([2, 1, 0])", "", 0),
    ("(1.0, 2.0)", "[1.0, 2.0]", "", 0),
    ("float('nan')", "float('nan')", "", 0),
]
MISTAKES = [  # the test's body, what the message says
    ("golden.check(1); golden.check(2)", "this test has two checks without a name"),
    ("golden.check(1, 'a'); golden.check(2, 'a')", "this test has two checks named 'a'"),
    ("golden.check(1, '../a')", "'../a' cannot be the name of a check"),
    ("golden.check(object())", "a builtins.object, which goldlock does not compare"),
    ("golden.check({1: 2})", "has the key 1, a int"),
    ("golden.check({'a': {1, 2}})", "a is a builtins.set"),
    ("golden.check(2**64)", "more than 64 bits"),
    ("golden.check(1.0, rtol=-1)", "rtol is -1"),
    ("golden.check('a', rtol=1)", "which is for numbers"),
    ("golden.check(1.0, columns={'x': {'rtol': 1}})", "column 'x', which the value does not have"),
    ("golden.check(1.0, columns={'value': {'rtoll': 1}})", "rtoll"),
    ("golden.check(1.0, columns={'value': {'kind': 'ignore'}})", "ignored without a reason"),
    ("a = []; a.append(a); golden.check(a)", "holds what holds it"),
]


@dataclass(frozen=True)
class Outcome:
    """What one test of a table of values came to."""

    created: str
    again: str
    after: str
    message: str


class Values:
    """Pairs of values checked by one project: created, checked again, and then the other value of each pair."""

    def __init__(self, project: Elsewhere, pairs: list[tuple[str, str, str, str]]) -> None:
        """`pairs`: imports, the value before, the value after, more arguments; all as source."""
        lines = ["import os", HEAD]
        for number, (head, before, after, more) in enumerate(pairs):
            lines.append(
                f"{head}\ndef test_{number}(golden):\n"
                f"    golden.check({before} if os.environ['PHASE'] == 'before' else {after}{more})\n"
            )
        project.write("test_it.py", "\n".join(lines))
        self.ran = [project.pytest("-rA", env={"PHASE": "before"})]
        stood = project.files("goldens")
        self.ran += [project.pytest("-rA", env={"PHASE": phase}) for phase in ("before", "after")]
        assert project.files("goldens") == stood

    def __getitem__(self, number: int) -> Outcome:
        node = f"test_it.py::test_{number}"
        return Outcome(
            *(ran.outcomes().get(node, "") for ran in self.ran), message=self.ran[2].section(f"test_{number}")
        )


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    """All pairs of this module's tables, in their order."""
    folder = tmp_path_factory.mktemp("values")
    return Values(
        Elsewhere(folder),
        [
            *(("", before, after, "") for before, after, _ in SEEN),
            *((head, before, after, "") for head, before, after in LIBRARIES),
            *(("", before, after, more) for before, after, more, _ in WITHIN),
        ],
    )


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All mistakes, each in a test of its own."""
    project = Elsewhere(tmp_path_factory.mktemp("mistakes"))
    tests = [f"def test_{number}(golden):\n    {body}\n" for number, (body, _) in enumerate(MISTAKES)]
    project.write("test_it.py", "\n".join(tests))
    return project.pytest()


class TestAbsent:
    def test_is_created_and_fails_then_passes(self, elsewhere: Elsewhere) -> None:
        first = check(elsewhere, "np.arange(3.0)")
        assert first.code == 1
        assert "1 golden was created, so nothing was compared" in first.stdout
        assert (
            elsewhere.folder / "goldens/test_it/test_value/outputs.csv"
        ).read_text() == "value\n0.0\n1.0\n2.0\n"
        written = elsewhere.files("goldens")
        assert check(elsewhere, "np.arange(3.0)").code == 0
        assert elsewhere.files("goldens") == written
        assert not (elsewhere.folder / ".goldlock").exists()

    def test_all_goldens_of_a_test_are_created_at_once(self, elsewhere: Elsewhere) -> None:
        elsewhere.write(
            "test_it.py",
            """
            def test_value(golden):
                for name in "abc":
                    golden.check(name, name)
            """,
        )
        assert "3 goldens were created" in elsewhere.pytest().stdout
        assert elsewhere.pytest().code == 0

    def test_a_test_that_fails_by_itself_keeps_its_own_failure(self, elsewhere: Elsewhere) -> None:
        elsewhere.write("test_it.py", "def test_value(golden):\n    golden.check(1)\n    assert 1 == 2\n")
        ran = elsewhere.pytest()
        assert "assert 1 == 2" in ran.stdout
        assert "created  goldens/test_it/test_value" in ran.stdout

    @pytest.mark.parametrize("ci", ["true", "1"])
    def test_in_ci_fails_and_writes_nothing(self, elsewhere: Elsewhere, ci: str) -> None:
        elsewhere.write("test_it.py", "def test_value(golden):\n    golden.check(1)\n")
        ran = elsewhere.pytest(env={"CI": ci})
        assert ran.code == 1
        assert "there is no golden goldens/test_it/test_value, and none is created in CI" in ran.stdout
        assert not (elsewhere.folder / "goldens").exists()

    def test_in_a_fixture_it_fails_too(self, elsewhere: Elsewhere) -> None:
        def written(value: int) -> None:
            elsewhere.write(
                "test_it.py",
                f"""
                import pytest

                @pytest.fixture
                def around(golden):
                    golden.check({value}, "before")
                    yield
                    golden.check({value}, "behind")

                def test_value(around):
                    pass
                """,
            )

        written(1)
        first = elsewhere.pytest()
        assert first.counts == {"failed": 1, "error": 1}, first.stdout
        assert "created  goldens/test_it/test_value-before" in first.stdout
        assert "created  goldens/test_it/test_value-behind" in first.stdout
        again = elsewhere.pytest()
        assert again.counts == {"passed": 1}, again.stdout
        # What the teardown looked at is not stale.
        assert "goldlock" not in again.stdout
        written(2)
        before = elsewhere.pytest()
        assert before.counts == {"error": 1}, before.stdout
        assert (
            "if it is right: goldlock accept goldens/test_it/test_value-before --reason TEXT" in before.stdout
        )


class TestDiffering:
    @pytest.mark.parametrize("number", range(len(SEEN)), ids=[f"{b} {a}" for b, a, _ in SEEN])
    def test_is_seen(self, values: Values, number: int) -> None:
        outcome = values[number]
        assert (outcome.created, outcome.again, outcome.after) == ("FAILED", "PASSED", "FAILED")
        assert "GoldenMismatchError" in outcome.message
        assert SEEN[number][2] in outcome.message

    @pytest.mark.parametrize("number", range(len(LIBRARIES)), ids=[before for _, before, _ in LIBRARIES])
    def test_is_seen_in_tables_of_other_libraries(self, values: Values, number: int) -> None:
        outcome = values[len(SEEN) + number]
        assert (outcome.created, outcome.again, outcome.after) == ("FAILED", "PASSED", "FAILED")
        assert "GoldenMismatchError" in outcome.message

    def test_a_label_that_flips_within_the_scores_tolerance_is_seen(self, elsewhere: Elsewhere) -> None:
        table = "{{'label': np.array({}), 'score': np.array([0.5, 0.50001])}}"
        ran = changed(
            elsewhere, table.format("['a', 'b']"), table.format("['a', 'a']"), tolerance=", rtol=0.1"
        )
        assert ran.code == 1
        assert re.search(r"label\s+flipped", ran.stdout)
        assert not re.search(r"score\s+(flipped|drifted)", ran.stdout)

    def test_the_message_shows_the_call_and_not_goldlock_itself(self, elsewhere: Elsewhere) -> None:
        ran = changed(elsewhere, "np.arange(3.0)", "np.arange(1.0, 4.0)")
        assert ">       golden.check(np.arange(1.0, 4.0))" in ran.stdout.replace(
            "    golden", "       golden", 1
        ) or ("golden.check(np.arange(1.0, 4.0))" in ran.stdout)
        assert "checking.py" not in ran.stdout

    def test_text_is_shown_as_a_difference_of_lines(self, elsewhere: Elsewhere) -> None:
        ran = changed(elsewhere, r"'one\ntwo\nthree\n'", r"'one\n2\nthree\n'")
        assert re.search(r"^E\s+-two$", ran.stdout, re.MULTILINE)
        assert re.search(r"^E\s+\+2$", ran.stdout, re.MULTILINE)

    def test_an_end_of_line_at_the_end_of_text_counts(self, elsewhere: Elsewhere) -> None:
        assert changed(elsewhere, r"'one\n'", "'one'").code == 1

    def test_the_received_value_is_kept_and_forgotten_when_it_matches_again(
        self, elsewhere: Elsewhere
    ) -> None:
        changed(elsewhere, "np.arange(3.0)", "np.arange(1.0, 4.0)")
        received = elsewhere.folder / ".goldlock/received/_tests/goldens/test_it/test_value"
        assert (received / "outputs.csv").read_text() == "value\n1.0\n2.0\n3.0\n"
        assert (elsewhere.folder / ".goldlock/.gitignore").read_text() == "*\n"
        assert check(elsewhere, "np.arange(3.0)").code == 0
        assert not (elsewhere.folder / ".goldlock/received").exists()

    def test_the_summary_says_how_to_accept_and_shows_both_sides_where_asked(
        self, elsewhere: Elsewhere
    ) -> None:
        ran = changed(elsewhere, "np.arange(3.0)", "np.arange(1.0, 4.0)")
        assert "received .goldlock/received/_tests/goldens/test_it/test_value" in ran.stdout
        assert "goldlock accept goldens/test_it/test_value --reason TEXT" in ran.stdout
        told = elsewhere.pytest("--goldlock-received", "--tb=no")
        assert re.search(r"row +expected +actual", told.stdout)


class TestWithin:
    @pytest.mark.parametrize("number", range(len(WITHIN)), ids=[f"{b} {a}{t}" for b, a, t, _ in WITHIN])
    def test_what_the_test_states_decides(self, values: Values, number: int) -> None:
        outcome = values[len(SEEN) + len(LIBRARIES) + number]
        assert (outcome.created, outcome.again) == ("FAILED", "PASSED")
        assert outcome.after == ("FAILED" if WITHIN[number][3] else "PASSED"), outcome.message

    def test_a_tolerance_that_is_no_longer_stated_does_not_linger_in_the_golden(
        self, elsewhere: Elsewhere
    ) -> None:
        check(elsewhere, "1.0", tolerance=", atol=1")
        assert check(elsewhere, "1.5", tolerance=", atol=1").code == 0
        assert check(elsewhere, "1.5").code == 1


class TestLibraries:
    def test_which_library_holds_a_table_makes_no_difference(self, elsewhere: Elsewhere) -> None:
        head = "import numpy as np, pandas as pd, polars as pl, pyarrow as pa"
        columns = "{'a': np.array([1, 2]), 's': np.array(['x', 'y']), 'f': np.array([.5, 1.5], np.float32)}"
        assert check(elsewhere, columns, head=head).code == 1
        for library in ("pd.DataFrame", "pl.DataFrame", "pa.table"):
            ran = check(elsewhere, f"{library}({columns})", head=head)
            assert ran.code == 0, ran.stdout

    def test_an_object_that_says_it_is_an_array(self, elsewhere: Elsewhere) -> None:
        head = (
            "import numpy as np\nclass Tensor:\n    def __array__(self, dtype=None, copy=None):\n"
            "        return np.arange(4.0)\n"
        )
        assert check(elsewhere, "Tensor()", head=head).code == 1
        assert check(elsewhere, "np.arange(4.0)", head=head).code == 0


class TestMistakes:
    @pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[body for body, _ in MISTAKES])
    def test_is_told_where_the_test_makes_it(self, mistakes: Ran, number: int) -> None:
        message = mistakes.section(f"test_{number}")
        assert MISTAKES[number][1] in message
        assert "checking.py" not in message
        assert "values.py" not in message

    def test_a_golden_edited_by_hand_judges_nothing(self, elsewhere: Elsewhere) -> None:
        check(elsewhere, "np.arange(3.0)")
        path = elsewhere.folder / "goldens/test_it/test_value/outputs.csv"
        path.write_text("value\n0.0\n1.0\n3.0\n")
        ran = check(elsewhere, "np.array([0.0, 1.0, 3.0])")
        assert ran.code == 1
        assert "was edited by hand" in ran.stdout
        assert not (elsewhere.folder / ".goldlock").exists()

    def test_two_checks_never_share_a_golden(self, elsewhere: Elsewhere) -> None:
        elsewhere.write(
            "test_it.py",
            """
            import pytest

            @pytest.mark.parametrize("x", ["a"])
            def test_value(golden, x):
                golden.check(1, "b")

            @pytest.mark.parametrize("x", ["a-b"])
            def test_value_too(golden, x):
                golden.check(1)
            """,
        )
        assert elsewhere.pytest().code == 1
        assert elsewhere.pytest().code == 0
        goldens = elsewhere.folder / "goldens/test_it"
        assert {p.name for p in goldens.iterdir()} == {"test_value.a-b", "test_value_too.a-b"}
        shutil.rmtree(goldens / "test_value_too.a-b")
        (goldens / "test_value.a-b").rename(goldens / "test_value_too.a-b")
        assert "is the golden of another check: test_value[a] b" in elsewhere.pytest().stdout


class TestAccepting:
    def test_a_named_golden_with_a_reason(self, elsewhere: Elsewhere) -> None:
        changed(elsewhere, "np.arange(3.0)", "np.arange(1.0, 4.0)")
        accept = ("-m", "goldlock", "accept", "goldens/test_it/test_value")
        for arguments, env, said in (
            ((), {}, "--reason"),
            (("--reason", " "), {}, "--reason is empty"),
            (("--reason", "retrained"), {}, "nobody is there to be asked"),
            (("--reason", "retrained", "--yes"), {"CI": "1"}, "not accepted in CI"),
        ):
            refused = elsewhere.python(*accept, *arguments, env=env)
            assert refused.code == 2, refused.stderr
            assert said in refused.stderr
        accepted = elsewhere.python(*accept, "--reason", "retrained", "--yes")
        assert accepted.code == 0, accepted.stderr
        assert "row" in accepted.stderr
        assert accepted.stdout == "accepted goldens/test_it/test_value\n"
        manifest = (elsewhere.folder / "goldens/test_it/test_value/golden.toml").read_text()
        assert 'reason = "retrained"' in manifest
        assert "[[history]]" in manifest
        assert check(elsewhere, "np.arange(1.0, 4.0)").code == 0
        other = elsewhere.python("-m", "goldlock", "accept", "goldens/nothing", "--reason", "x")
        assert other.code == 2
        assert "goldens/nothing is not the golden of a test" in other.stderr
        again = elsewhere.python(*accept, "--reason", "once more", "--yes")
        assert again.code == 3
        assert "nothing was received" in again.stderr


class TestStale:
    TWO = "def test_one(golden):\n    golden.check(1)\n\ndef test_two(golden):\n    golden.check(2)\n"
    ONE = "def test_one(golden):\n    golden.check(1)\n\ndef test_other():\n    pass\n"

    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_a_golden_that_no_test_of_a_whole_file_looked_at(
        self, elsewhere: Elsewhere, workers: tuple[str, ...]
    ) -> None:
        elsewhere.write("tests/test_it.py", self.TWO)
        elsewhere.pytest(*workers)
        assert "stale   " not in elsewhere.pytest(*workers).stdout
        elsewhere.write("tests/test_it.py", self.ONE)
        ran = elsewhere.pytest(*workers)
        assert ran.code == 0
        assert "stale    tests/goldens/test_it/test_two: no test looked at it" in ran.stdout
        assert "test_one:" not in ran.stdout

    @pytest.mark.parametrize(
        "arguments", [("-k", "one"), ("test_it.py::test_one",), ("--deselect", "test_it.py::test_other")]
    )
    def test_nothing_is_called_stale_where_a_part_ran(
        self, elsewhere: Elsewhere, arguments: tuple[str, ...]
    ) -> None:
        elsewhere.write("test_it.py", self.TWO)
        elsewhere.pytest()
        elsewhere.write("test_it.py", self.ONE)
        assert "stale   " not in elsewhere.pytest(*arguments).stdout

    def test_nothing_is_called_stale_where_a_test_failed(self, elsewhere: Elsewhere) -> None:
        elsewhere.write("test_it.py", self.TWO)
        elsewhere.pytest()
        elsewhere.write("test_it.py", self.TWO.replace("golden.check(2)", "assert 0"))
        assert "stale   " not in elsewhere.pytest().stdout


class TestTogether:
    def test_with_syrupy_and_pytest_regressions(self, elsewhere: Elsewhere) -> None:
        elsewhere.write(
            "test_it.py",
            """
            import numpy as np

            def test_all(golden, snapshot, data_regression, num_regression):
                golden.check({"a": 1})
                assert {"a": 1} == snapshot
                data_regression.check({"a": 1})
                num_regression.check({"a": np.arange(3.0)})
            """,
        )
        plugins = ("syrupy", "pytest_regressions.plugin", "pytest_datadir.plugin")
        elsewhere.pytest("--snapshot-update", "--force-regen", plugins=plugins)
        elsewhere.pytest("--snapshot-update", "--force-regen", plugins=plugins)
        written = elsewhere.files("goldens")
        for workers in ((), ("-n", "2")):
            ran = elsewhere.pytest(*workers, plugins=plugins)
            assert ran.counts == {"passed": 1}, ran.stdout
        assert elsewhere.files("goldens") == written
        elsewhere.write(
            "test_it.py", (elsewhere.folder / "test_it.py").read_text().replace('"a": 1', '"a": 2')
        )
        # Their options update their files, and never a golden.
        assert elsewhere.pytest("--snapshot-update", "--force-regen", plugins=plugins).code == 1
        assert elsewhere.files("goldens") == written

    def test_in_classes_parameters_and_under_xdist(self, elsewhere: Elsewhere) -> None:
        elsewhere.write(
            "test_it.py",
            """
            import pytest

            class TestThing:
                @pytest.mark.parametrize("x", ["a", "b/c", "b c", "\\N{SNOWMAN}", "x" * 300])
                @pytest.mark.xdist_group("one")
                def test_value(self, golden, x):
                    golden.check(x)
            """,
        )
        assert elsewhere.pytest("-n", "2").counts == {"failed": 5}
        assert elsewhere.pytest("-n", "2", "--dist", "loadgroup").counts == {"passed": 5}
        names = {p.name for p in (elsewhere.folder / "goldens/test_it").iterdir()}
        assert len(names) == 5
        assert "TestThing.test_value.a" in names
        assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,140}", name) for name in names)
