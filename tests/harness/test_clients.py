"""What a client sends back, and how strictly it is judged: from the command line, as both sides meet it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.env.values import FULL
from tests.harness.test_cli import Outcome, run

from goldlock_env import lock
from goldlock_env.probing import probe_source
from goldlock_env.snapshot import Package, Snapshot

TODAY = dt.datetime.now(dt.timezone.utc).date()
CONFIG = """\
[subject]
name = "mini"
image = "mini:1"
"""


def mailed(snapshot: Snapshot) -> str:
    return json.dumps(snapshot.to_mapping(), indent=1)


def with_numpy(version: str, snapshot: Snapshot = FULL) -> Snapshot:
    assert snapshot.packages is not None
    flask, numpy = snapshot.packages.distributions
    packages = replace(snapshot.packages, distributions=(flask, replace(numpy, version=version)))
    return replace(snapshot, packages=packages)


def told_by(folder: Path, snapshot: Snapshot, *arguments: str, config: str = CONFIG) -> Outcome:
    """Check what a client sent against the lock of `FULL`."""
    (folder / "goldlock.toml").write_text(config)
    (folder / "goldlock.lock").write_text(lock.dumps(lock.Lock.of(FULL, subject="mini")))
    (folder / "client.json").write_text(mailed(snapshot))
    return run("check", "--snapshot", "client.json", *arguments, cwd=folder)


def accepted(finding: str, days: int, actual: str = "") -> str:
    only = f'\nactual = "{actual}"' if actual else ""
    until = (TODAY + dt.timedelta(days=days)).isoformat()
    return f'{CONFIG}\n[[accepted]]\nfinding = "{finding}"\nreason = "the client\'s mirror"\nuntil = {until}{only}\n'


# -- handing out, sending back ----------------------------------------------------------------------


def test_the_probe_is_written_byte_for_byte_and_over_no_other_file(tmp_path: Path) -> None:
    done = run("probe", cwd=tmp_path)
    assert done.code == 0
    assert done.stdout.startswith("goldlock-probe.py is written")
    written = tmp_path / "goldlock-probe.py"
    assert written.read_bytes() == probe_source().encode()
    assert run("probe", "-o", "-", cwd=tmp_path).stdout == probe_source()
    written.write_text("mine")
    refused = run("probe", cwd=tmp_path)
    assert (refused.code, written.read_text()) == (2, "mine")
    assert "goldlock-probe.py is there already" in refused.stderr
    assert run("probe", "--replace", cwd=tmp_path).code == 0
    assert written.read_bytes() == probe_source().encode()
    for place, problem in (("no/where.py", "could not be written"), (".", "is a folder")):
        assert problem in run("probe", "-o", place, cwd=tmp_path).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["goldlock-probe.py"]


def test_a_client_sends_back_what_both_sides_then_compare(tmp_path: Path) -> None:
    run("probe", cwd=tmp_path)
    subprocess.run(
        [sys.executable, "goldlock-probe.py", "--no-hash", "--output", "a.json"], cwd=tmp_path, check=True
    )
    done = run("diff", "--no-hash", "a.json", sys.executable, cwd=tmp_path)
    assert done.code == 0, done.stdout
    told = told_by(tmp_path, FULL, "--format", "json")
    report = json.loads(told.stdout)
    assert (told.code, report["verdict"], report["findings"]) == (0, "match", [])
    assert report["engine"] == "told by a file, not looked at"
    assert report["subject"] == "client.json"
    assert "the environment was told by client.json, and not looked at" in report["notes"]


@pytest.mark.parametrize("order", [("goldlock.lock", "mail.txt"), ("mail.txt", "goldlock.lock")])
def test_a_snapshot_is_either_side_of_a_diff(order: tuple[str, str], tmp_path: Path) -> None:
    told_by(tmp_path, FULL)
    mail = tmp_path / "mail.txt"
    mail.write_bytes(f"Hello,\r\n{mailed(with_numpy('1.24.4'))}\r\nBye\r\n".encode("utf-16"))
    # Whatever the file system makes of its mode, it is no program.
    mail.chmod(0o755)
    done = run("diff", *order, "--format", "json", cwd=tmp_path)
    (finding,) = [each for each in json.loads(done.stdout)["findings"] if each["severity"] == "error"]
    values = ("1.24.3", "1.24.4") if order[0] == "goldlock.lock" else ("1.24.4", "1.24.3")
    assert (done.code, finding["key"], finding["expected"], finding["actual"]) == (1, "numpy", *values)


def test_what_comes_through_a_pipe_is_read(tmp_path: Path) -> None:
    told_by(tmp_path, FULL)
    done = subprocess.run(
        [sys.executable, "-m", "goldlock", "check", "--snapshot", "-"],
        cwd=tmp_path,
        input=mailed(FULL).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"MATCH  standard input  (told by a file, not looked at, lock sha256:")


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("--snapshot", "nothing.json"), 2, "there is no file nothing.json"),
        (("--snapshot", "."), 2, ". is a folder"),
        (("--snapshot", "goldlock.toml"), 3, "goldlock.toml: holds no snapshot"),
        (
            ("--snapshot", "client.json", "--python", "python"),
            2,
            "--python and --snapshot exclude each other",
        ),
        (("--snapshot", "client.json", "--image", "x"), 2, "--image and --snapshot exclude each other"),
        (("--snapshot", "client.json", "--fail-on", "outputs"), 2, "could never fail"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], code: int, problem: str, tmp_path: Path
) -> None:
    told_by(tmp_path, FULL)
    done = run("check", *arguments, cwd=tmp_path)
    assert (done.code, done.stdout) == (code, "")
    assert problem in done.stderr


def test_an_environment_folder_of_conda_without_python_is_named(tmp_path: Path) -> None:
    told_by(tmp_path, FULL)
    (tmp_path / "env" / "conda-meta").mkdir(parents=True)
    done = run("check", "--python", "env", cwd=tmp_path)
    assert done.code == 2
    assert "env is a conda environment without an interpreter" in done.stderr


# -- the cause first --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every report of a client whose Python has no room for the locked NumPy."""
    folder = tmp_path_factory.mktemp("other")
    assert FULL.python is not None
    assert FULL.packages is not None
    flask, numpy = FULL.packages.distributions
    locked = replace(FULL.packages, distributions=(flask, replace(numpy, requires_python=">=3.8")))
    client = replace(with_numpy("1.19.5"), python=replace(FULL.python, version="3.6.15"))
    told_by(folder, client)
    expected = lock.Lock.of(replace(FULL, packages=locked), subject="mini")
    (folder / "goldlock.lock").write_text(lock.dumps(expected))
    formats = [
        word for kind in ("json", "html", "junit", "sarif", "markdown") for word in (f"--{kind}", kind)
    ]
    done = run("check", "--snapshot", "client.json", "-o", "text", *formats, cwd=folder)
    assert done.code == 1
    return folder


CAUSES = (
    "Python 3.6.15, where 3.8.18 is expected",
    "1 of 2 locked packages cannot exist on Python 3.6: numpy 1.24.3 (needs >=3.8)",
)


def test_the_first_line_names_the_interpreter_and_the_next_what_cannot_exist(other_python: Path) -> None:
    first, second, third, *_ = (other_python / "text").read_text().splitlines()
    assert first.startswith(f"DRIFT  client.json: {CAUSES[0]}  (told by a file, not looked at, lock sha256:")
    assert (second, third) == (f"  {CAUSES[1]}", "")
    assert "1 of packages follow from packages.requires-python" in (other_python / "text").read_text()


@pytest.mark.parametrize("kind", ["json", "html", "junit", "sarif", "markdown"])
def test_every_format_names_the_causes_before_anything_else(kind: str, other_python: Path) -> None:
    text = (other_python / kind).read_text()
    for escaped, plain in (("&gt;", ">"), ("&#62;", ">")):
        text = text.replace(escaped, plain)
    if kind == "sarif":
        (found,) = json.loads(text)["runs"]
        assert found["properties"]["gist"] == list(CAUSES)
        messages = [result["message"]["text"] for result in found["results"]]
        assert [message.partition(":")[0] for message in messages] == [
            "python.version",
            "packages.requires-python",
        ]
        return
    places = [text.find(cause) for cause in CAUSES]
    assert -1 < places[0] < places[1] < text.find("numpy", places[1] + len(CAUSES[1]))
    if kind == "json":
        assert json.loads(text)["gist"] == list(CAUSES)


def test_the_same_is_said_when_the_report_is_rendered_again(other_python: Path) -> None:
    again = run("report", "json", cwd=other_python)
    assert again.stdout == (other_python / "text").read_text()


# -- policy -----------------------------------------------------------------------------------------


def test_strictly_a_warning_counts(tmp_path: Path) -> None:
    assert FULL.packages is not None
    more = (*FULL.packages.distributions, Package(name="zzz", version="1"))
    client = replace(FULL, packages=replace(FULL.packages, distributions=more))
    assert told_by(tmp_path, client).code == 0
    assert told_by(tmp_path, client, "--strict").code == 1


def test_strictly_what_nobody_could_look_at_does_not_pass_unless_nobody_needs_to(tmp_path: Path) -> None:
    client = replace(FULL, image=None, unknown=(("image", "only the engine knows it"),))
    assert told_by(tmp_path, client).code == 0
    done = told_by(tmp_path, client, "--strict", "--json", "s.json", "--junit", "s.xml")
    assert done.code == 3
    assert done.stdout.startswith("COULD NOT RUN  client.json")
    assert "unknown  image: only the engine knows it\n  strict   what could not" in done.stdout
    assert run("report", "s.json", cwd=tmp_path).stdout == done.stdout
    assert '<error message="all is unknown: only the engine' in (tmp_path / "s.xml").read_text()
    ignored = f'{CONFIG}\n[policy]\nimage = "ignore"\n'
    assert told_by(tmp_path, client, "--strict", config=ignored).code == 0


def test_strictness_and_outputs_only_exclude_each_other(tmp_path: Path) -> None:
    told_by(tmp_path, FULL)
    done = run("verify", "--strict", "--fail-on", "outputs", cwd=tmp_path)
    assert done.code == 2
    assert "exclude each other" in done.stderr


def test_an_accepted_difference_is_shown_and_does_not_count_unless_strictly(tmp_path: Path) -> None:
    client, config = with_numpy("1.24.4"), accepted("packages.numpy", 100)
    formats = ("--html", "h", "--junit", "j", "--sarif", "s", "--markdown", "m", "--json", "r")
    done = told_by(tmp_path, client, *formats, config=config)
    assert done.code == 0
    assert "accepted  1 known difference, not counted" in done.stdout
    assert "note:" not in done.stdout.replace("note: the environment was told by", "")
    for name in "hjsmr":
        assert "the client" in (tmp_path / name).read_text(), name
    strictly = told_by(tmp_path, client, "--strict", *formats, config=config)
    assert strictly.code == 1
    assert "accepted  1 known difference, accepted, but --strict counts them" in strictly.stdout
    assert run("report", "r", cwd=tmp_path).stdout == strictly.stdout
    for name in "hm":
        assert "strict" in (tmp_path / name).read_text(), name
    suppressed = json.loads((tmp_path / "s").read_text())["runs"][0]["results"][0]["suppressions"]
    assert suppressed[0]["status"] == "rejected"


def test_it_comes_back_when_it_expires_and_is_told_before(tmp_path: Path) -> None:
    client = with_numpy("1.24.4")
    soon = told_by(tmp_path, client, config=accepted("packages.numpy", 3))
    assert soon.code == 0
    assert "only, which ends in 3 days: the client's mirror" in soon.stdout
    # A run that begins before midnight may end behind it: neither yesterday nor today.
    gone = told_by(tmp_path, client, config=accepted("packages.numpy", -2))
    assert gone.code == 1
    assert "which has passed" in gone.stdout


def test_one_that_did_nothing_is_told(tmp_path: Path) -> None:
    other = told_by(tmp_path, with_numpy("1.24.5"), config=accepted("packages.numpy", 90, "1.24.4"))
    assert other.code == 1
    assert "and it is 1.24.5: the entry did nothing" in other.stdout
    none = told_by(tmp_path, FULL, config=accepted("packages.numpy", 90))
    assert none.code == 0
    assert "and it does not differ: the entry did nothing" in none.stdout


def test_a_diff_is_judged_by_a_configuration_where_one_is_named(tmp_path: Path) -> None:
    told_by(tmp_path, with_numpy("1.24.4"), config=accepted("packages.numpy", 100))
    words = ("diff", "goldlock.lock", "client.json")
    assert run(*words, cwd=tmp_path).code == 1
    done = run(*words, "-c", "goldlock.toml", cwd=tmp_path)
    assert done.code == 0
    assert "accepted  1 known difference" in done.stdout
    assert run(*words, "-c", "goldlock.toml", "--strict", cwd=tmp_path).code == 1
    assert run(*words, "--fail-on", "outputs", cwd=tmp_path).code == 2
