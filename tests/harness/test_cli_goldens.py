"""Goldens and reports from the command line: a real process each time, with the local engine."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.harness.test_cli import CONFIG, PREDICT, run, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is locked and recorded. Do not change it; `project` copies it."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        write(
            folder,
            goldlock_toml=CONFIG,
            predict_py=PREDICT,
            inputs_csv="a\n1\n2\n3\n",
            requirements_txt="",
            divisor="4",
            said="",
        )
        assert run("lock", cwd=folder).code == 0
        assert run("record", cwd=folder).stdout == "recorded batch\n"
    return folder


@pytest.fixture
def project(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recorded project whose answer has changed, and was received."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    shutil.copytree(recorded, folder)
    write(folder, divisor="8")
    return folder


def outputs(folder: Path, name: str = "batch") -> str:
    return (folder / "goldens" / name / "outputs.csv").read_text(encoding="utf-8")


def test_every_format_in_one_run_and_again_from_the_saved_report(project: Path) -> None:
    files = {name: f"report.{name}" for name in ("json", "html", "junit", "sarif", "markdown")}
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    first = run("verify", *options, cwd=project)
    assert first.code == 1, first.stderr
    assert first.stdout.startswith("DRIFT  tiny")
    written = {name: (project / file).read_text(encoding="utf-8") for name, file in files.items()}
    saved = json.loads(written["json"])
    assert (saved["verdict"], saved["report-version"]) == ("drift", "2.0")
    assert saved["command"] == "goldlock verify " + " ".join(options)
    assert saved["created"].endswith("+00:00")
    assert saved["cases"][0]["inputs"] == {"names": ["a"], "rows": {"0": [1], "1": [2], "2": [3]}}
    assert ET.fromstring(written["junit"]).tag == "testsuites"  # our own
    assert json.loads(written["sarif"])["version"] == "2.1.0"
    assert written["html"].lstrip().lower().startswith("<!doctype html>")
    assert "DRIFT" in written["markdown"].upper()

    for name, text in written.items():
        again = run("report", "report.json", "--format", name, cwd=project)
        assert (again.code, again.stdout) == (0, text)
    text = run("report", "report.json", cwd=project)
    assert (text.code, text.stdout) == (0, first.stdout)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "is not JSON"),
        ("[]", "is not a report of version 2"),
        ('{"report-version": "1.0"}', "but of 1.0"),
        ('{"report-version": "2.0"}', "missing required field"),
    ],
)
def test_what_is_no_saved_report_is_told_apart(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    outcome = run("report", "report.json", cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.stderr
    assert "  -> name a report that" in outcome.stderr


def test_as_many_worst_rows_as_are_asked_for(project: Path) -> None:
    few = run("verify", "--worst", "1", "--format", "json", cwd=project)
    columns = json.loads(few.stdout)["cases"][0]["table"]["columns"]
    assert [(column["count"], len(column["worst"])) for column in columns] == [(2, 1), (3, 1)]


def test_one_column_is_accepted_and_the_other_stays(project: Path) -> None:
    assert run("verify", cwd=project).code == 1
    accepted = run("accept", "batch", "--column", "p", "--reason", "halved", "--yes", cwd=project)
    assert (accepted.code, accepted.stdout) == (0, "accepted batch\n"), accepted.stderr
    assert outputs(project) == "label,p\nlow,0.125\nhigh,0.25\nhigh,0.375\n"


def test_one_row_is_accepted_and_the_others_stay(project: Path) -> None:
    assert run("verify", cwd=project).code == 1
    accepted = run("accept", "batch", "--rows", "1", "--reason", "row 1 was wrong", "--yes", cwd=project)
    assert accepted.code == 0, accepted.stderr
    assert outputs(project) == "label,p\nlow,0.25\nlow,0.25\nhigh,0.75\n"


def test_another_right_golden_and_a_known_bad_one(project: Path) -> None:
    before = outputs(project)
    assert run("verify", cwd=project).code == 1
    bad = run("accept", "batch", "--bad", "halved", "--reason", "the divisor was 8", "--yes", cwd=project)
    assert (bad.code, bad.stdout) == (0, "accepted batch as halved\n"), bad.stderr
    named = run("verify", cwd=project)
    assert named.code == 1
    assert "halved: the divisor was 8" in named.stdout
    shutil.rmtree(project / "goldens" / "batch@halved")

    other = run("accept", "batch", "--as", "eighths", "--reason", "both are right", "--yes", cwd=project)
    assert (other.code, other.stdout) == (0, "accepted batch as eighths\n"), other.stderr
    assert outputs(project) == before
    assert outputs(project, "batch@eighths") == "label,p\nlow,0.125\nlow,0.25\nlow,0.375\n"
    right = run("verify", "--format", "json", cwd=project)
    assert right.code == 0
    assert json.loads(right.stdout)["cases"][0]["variant"] == "eighths"
    write(project, divisor="4")
    assert run("verify", cwd=project).code == 0


def test_two_ways_to_keep_the_golden_exclude_each_other(project: Path) -> None:
    outcome = run("accept", "batch", "--as", "a", "--bad", "b", "--reason", "x", cwd=project)
    assert outcome.code == 2
    assert "--as and --bad exclude each other" in outcome.stderr


@pytest.mark.parametrize(
    ("option", "said"), [("--as", "--as is empty"), ("--bad", "needs a name"), ("--rows", "'' names no rows")]
)
def test_an_option_without_its_value_replaces_no_golden(option: str, said: str, project: Path) -> None:
    before = outputs(project)
    assert run("verify", cwd=project).code == 1
    outcome = run("accept", "batch", option, "", "--reason", "x", "--yes", cwd=project)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert outputs(project) == before


def test_a_preview_shows_flips_first(project: Path) -> None:
    predict = (project / "predict.py").read_text(encoding="utf-8")
    swapped = predict.replace("label,p", "p,label").replace(
        '%s,%r\\n" % ("low" if p < 0.5 else "high", p)', '%r,%s\\n" % (p, "low" if p < 0.5 else "high")'
    )
    write(project, predict_py=swapped, divisor="4")
    shutil.rmtree(project / "goldens")
    assert run("record", cwd=project).code == 0
    write(project, divisor="8")
    assert run("verify", cwd=project).code == 1
    preview = run("accept", "batch", "--reason", "x", cwd=project).stderr
    assert preview.index("  label  flipped") < preview.index("  p  drifted")


def test_verify_says_where_the_answer_is_and_how_it_is_accepted(project: Path) -> None:
    hint = "  -> the answer of batch is kept in .goldlock/received/batch"
    (project / "goldlock.toml").rename(project / "my lock.toml")
    assert (
        f"{hint}; if it is right: goldlock accept batch -c 'my lock.toml' --reason TEXT\n"
        in run("verify", "-c", "my lock.toml", cwd=project).stderr
    )
    # Nobody can accept it there.
    assert f"{hint}\n" in run("verify", "-c", "my lock.toml", cwd=project, env={"CI": "1"}).stderr
    write(project, divisor="4")
    assert "->" not in run("verify", "-c", "my lock.toml", cwd=project).stderr


@pytest.mark.parametrize(
    ("path", "said"), [("-", "--html - is no file"), ("goldens", "--html goldens is a folder")]
)
def test_a_report_that_cannot_be_written_there_is_refused_before_the_work(
    path: str, said: str, project: Path
) -> None:
    outcome = run("verify", "--html", path, cwd=project)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.stderr
    assert "starting" not in outcome.stderr


def test_what_is_accepted_already_asks_nobody(project: Path) -> None:
    assert run("verify", cwd=project).code == 1
    nothing = run("accept", "batch", "--rows", "2-1", "--reason", "x", "--yes", cwd=project)
    assert nothing.code == 2
    assert "2-1" in nothing.stderr


def test_a_golden_that_no_case_uses_is_told(project: Path) -> None:
    write(project, divisor="4")
    shutil.copytree(project / "goldens" / "batch", project / "goldens" / "forgotten")
    outcome = run("verify", cwd=project)
    assert outcome.code == 0
    assert "goldens/forgotten" in outcome.stdout


def test_sealed_says_what_was_edited_by_hand(project: Path) -> None:
    assert run("sealed", cwd=project).code == 0
    golden = project / "goldens" / "batch" / "golden.toml"
    golden.write_text(
        golden.read_text(encoding="utf-8").replace("rtol = 1e-09", "rtol = 1.0"), encoding="utf-8"
    )
    lock = project / "goldlock.lock"
    lock.write_text(lock.read_text(encoding="utf-8").replace("x86_64", "aarch64"), encoding="utf-8")
    edited = run("sealed", cwd=project)
    assert edited.code == 1
    assert [line.partition(": ")[0] for line in edited.stdout.splitlines()] == [
        str(lock),
        str(golden),
    ]
    one = run("sealed", str(golden), cwd=project)
    assert one.code == 1
    assert len(one.stdout.splitlines()) == 1


def test_an_accepted_difference_is_no_drift_until_its_day_has_passed(project: Path) -> None:
    write(project, divisor="4")
    changed = CONFIG.replace("[[case]]", '[subject.local.environment]\nOMP_NUM_THREADS = "3"\n\n[[case]]', 1)
    entry = '\n[[accepted]]\nfinding = "numerics.OMP_NUM_THREADS"\nreason = "a test"\nuntil = {}\n'
    write(project, goldlock_toml=changed)
    assert run("verify", cwd=project).code == 1
    write(project, goldlock_toml=changed + entry.format("2999-12-31"))
    accepted = run("verify", cwd=project)
    assert accepted.code == 0, accepted.stdout
    assert "a test (until 2999-12-31)" in accepted.stdout
    assert run("check", cwd=project).code == 0
    write(project, goldlock_toml=changed + entry.format("2020-01-01"))
    expired = run("verify", cwd=project)
    assert expired.code == 1
    assert "was accepted until 2020-01-01, which has passed" in expired.stdout
