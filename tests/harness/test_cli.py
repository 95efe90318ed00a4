"""The command line as a user meets it: a real process each time, on a machine without an engine."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.env.values import FULL

from goldlock import __version__, config
from goldlock.render import json as as_json
from goldlock.report import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    "accept",
    "build",
    "check",
    "completion",
    "diff",
    "init",
    "keygen",
    "lock",
    "pack",
    "probe",
    "record",
    "report",
    "reproduce",
    "schema",
    "sealed",
    "verify",
]
PYTHON = ".".join(map(str, sys.version_info[:2]))

# A subject without dependencies; what it does is said by the file beside it.
PREDICT = """\
import csv, sys
if open("said").read():
    sys.exit(open("said").read())
rows = list(csv.DictReader(open(sys.argv[1])))
with open(sys.argv[2], "w") as file:
    file.write("label,p\\n")
    for row in rows:
        p = float(row["a"]) / float(open("divisor").read())
        file.write("%s,%r\\n" % ("low" if p < 0.5 else "high", p))
"""
CONFIG = f"""\
[subject]
name = "tiny"
image = "goldlock-test-absent:1"

[subject.local]
python = "{PYTHON}"
requirements = ["requirements.txt"]

[[case]]
name = "batch"
inputs = "inputs.csv"

[case.command]
run = ["python", "predict.py", "{{input}}", "{{output}}"]
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    unset = {"CI", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "GOLDLOCK_TRACEBACK", "PYTHONUNBUFFERED"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "DOCKER_HOST": "unix:///nonexistent/docker.sock", **(env or {})}


def run(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "goldlock", *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in outcome.stderr, outcome.stderr
    assert "\x1b" not in outcome.stdout + outcome.stderr
    return outcome


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that can run without an engine; nothing is locked or recorded yet."""
    return write(
        tmp_path,
        goldlock_toml=CONFIG,
        predict_py=PREDICT,
        inputs_csv="a\n1\n2\n3\n",
        requirements_txt="",
        divisor="4",
        said="",
    )


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here, so that the environment is made once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What `--help` says of each command."""
    found = {}
    for command in COMMANDS:
        outcome = run(command, "--help", cwd=ROOT)
        assert (outcome.code, outcome.stderr) == (0, "")
        found[command] = outcome.stdout
    return found


def report_file(folder: Path, name: str, snapshot: object = None) -> Path:
    report = Report(
        goldlock_version="1",
        subject="s",
        engine="e",
        snapshot=snapshot or FULL.to_mapping(),  # type: ignore[arg-type]
    )
    (folder / name).write_text(as_json.render(report), encoding="utf-8")
    return folder / name


def much(folder: Path) -> list[str]:
    """Arguments that make a report that is larger than a pipe takes at once."""
    other = FULL.to_mapping()
    layer = other["os"]
    assert isinstance(layer, dict)
    other = {**other, "os": {**layer, "packages": {f"package-{n}": "1.0" for n in range(3000)}}}
    report_file(folder, "a.json")
    report_file(folder, "b.json", other)
    return ["diff", "a.json", "b.json", "--verbose"]


# -- help, version, usage ----------------------------------------------------------------------------


def test_the_version_is_told(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path) == Outcome(0, f"goldlock {__version__}\n", "")


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("goldlock")
    if not script.exists():
        pytest.skip("goldlock is not installed beside this interpreter")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"goldlock {__version__}\n"


def test_help_and_version_import_nothing_heavy() -> None:
    code = "import sys, goldlock.cli; print(sorted({'numpy', 'docker', 'rich', 'requests', 'msgspec'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def listed(help_text: str) -> list[str]:
    return re.findall(r"^  ([a-z]+) ", help_text.partition("Commands:\n")[2], re.MULTILINE)


def test_help_lists_the_commands_and_the_exit_codes(tmp_path: Path) -> None:
    long, short = run("--help", cwd=tmp_path), run("-h", cwd=tmp_path)
    assert long == short
    assert long.code == 0
    assert listed(long.stdout) == COMMANDS
    assert "Exit codes: 0 match, 1 drift, 2 usage or configuration, 3 could not run." in long.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example_and_explains_each_option(
    command: str, helps: dict[str, str]
) -> None:
    shown = helps[command]
    assert re.search(rf"^  Example:\n(    goldlock .*\n)*    .*goldlock {command}\b", shown, re.MULTILINE)
    options = shown.partition("Options:\n")[2]
    for option in re.split(r"\n(?=  -)", options.rstrip()):
        assert re.fullmatch(r"  -\S.*?(  |\n +)\w.*", option, re.DOTALL), option
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["verify", "--nonsense"],
        ["verify", "--fail-on", "everything"],
        ["verify", "--engine", "podman"],
        ["diff", "one"],
        ["accept", "batch"],
        ["accept", "--reason", "x"],
        ["completion", "tcsh"],
        ["check", "--image", "x", "--python", "y"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_on_stderr(arguments: list[str], project: Path) -> None:
    outcome = run(*arguments, cwd=project)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr


def test_without_arguments_the_help_is_shown(tmp_path: Path) -> None:
    outcome = run(cwd=tmp_path)
    assert "Usage: goldlock" in outcome.stdout + outcome.stderr
    assert outcome.code in {0, 2}  # 0 before Click 8.2


# -- configuration and lock --------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["build", "lock", "record", "verify", "check", "reproduce", "accept"])
def test_without_a_configuration_each_command_says_what_is_missing(command: str, tmp_path: Path) -> None:
    more = ["batch", "--reason", "x"] if command == "accept" else []
    outcome = run(command, *more, cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "goldlock.toml does not exist" in outcome.stderr
    assert "  -> " in outcome.stderr


def test_a_configuration_elsewhere_is_named_with_its_place(tmp_path: Path) -> None:
    outcome = run("verify", "-c", "else/where.toml", cwd=tmp_path)
    assert outcome.code == 2
    assert "else/where.toml does not exist" in outcome.stderr


def test_all_mistakes_of_a_configuration_are_told_at_once(project: Path) -> None:
    text = CONFIG.replace("inputs =", "input =").replace('name = "tiny"', "name = 3")
    write(project, goldlock_toml=text)
    outcome = run("verify", cwd=project)
    assert outcome.code == 2
    assert "goldlock.toml" in outcome.stderr
    assert "did you mean 'inputs'?" in outcome.stderr
    assert "subject.name" in outcome.stderr


@pytest.mark.parametrize("command", ["verify", "check"])
def test_without_a_lock_nothing_can_be_verified(command: str, project: Path) -> None:
    outcome = run(command, cwd=project)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "goldlock.lock: there is no lock" in outcome.stderr
    assert "goldlock lock" in outcome.stderr


def test_a_case_that_is_not_there_gets_the_nearest_name(project: Path) -> None:
    outcome = run("record", "bach", cwd=project)
    assert outcome.code == 2
    assert "no case named 'bach'; did you mean 'batch'?" in outcome.stderr


# -- without an engine -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["build"], ["lock"], ["reproduce"], ["diff", "a:1", "b:1"]], ids=" ".join
)
def test_where_no_engine_answers_and_there_is_no_local_way_that_is_said(
    command: list[str], project: Path
) -> None:
    text = CONFIG.replace(
        CONFIG[CONFIG.index("[subject.local]") : CONFIG.index("[[case]]")], "[subject.build]\n"
    )
    training = '\n[[training]]\nname = "t"\nimage = "i"\nrun = ["x", "{output}"]\nrecorded = "r"\n'
    write(project, goldlock_toml=text + training)
    outcome = run(*command, cwd=project)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "no Docker engine answers at unix:///nonexistent/docker.sock" in outcome.stderr
    assert "  -> " in outcome.stderr


def test_an_engine_that_is_asked_for_is_not_replaced_by_the_local_one(project: Path) -> None:
    outcome = run("lock", "--engine", "docker", cwd=project)
    assert outcome.code == 3
    assert "no Docker engine answers" in outcome.stderr
    assert not (project / "goldlock.lock").exists()


def test_the_local_engine_needs_its_configuration(project: Path) -> None:
    text = CONFIG.replace(CONFIG[CONFIG.index("[subject.local]") : CONFIG.index("[[case]]")], "")
    write(project, goldlock_toml=text)
    outcome = run("lock", "--engine", "local", cwd=project)
    assert outcome.code == 2
    assert "[subject.local]" in outcome.stderr


def test_a_lock_that_would_say_the_same_of_the_environment_says_so(project: Path) -> None:
    assert run("lock", cwd=project).code == 0
    (project / "requirements.txt").write_text("# the same, by another file\n")
    kept = run("lock", cwd=project)
    assert kept.code == 2
    assert "nothing that it says differs; the new lock would say more of it" in kept.stdout
    assert "says something else and was not touched" in kept.stderr


def test_from_lock_to_accept_without_an_engine(project: Path) -> None:
    locked = run("lock", cwd=project)
    assert locked.code == 0, locked.stderr
    assert re.fullmatch(r"wrote goldlock\.lock \(sha256:[0-9a-f]{64}\)\n", locked.stdout)
    assert "falling back to the local engine" in locked.stderr
    assert run("record", cwd=project).stdout == "recorded batch\n"

    same = run("verify", "--json", "report.json", cwd=project)
    assert same.code == 0, same.stdout + same.stderr
    assert same.stdout.startswith("MATCH  tiny  (local, ")
    assert json.loads((project / "report.json").read_text(encoding="utf-8"))["verdict"] == "match"
    assert not (project / ".goldlock" / "received" / "batch").exists()

    write(project, divisor="8")
    golden = (project / "goldens/batch/outputs.csv").read_bytes()
    drifted = run("verify", "-o", "report.txt", cwd=project)
    assert (drifted.code, drifted.stdout) == (1, "")
    text = (project / "report.txt").read_text(encoding="utf-8")
    assert "label  flipped  2 of 3 values" in text
    assert "p  drifted  3 of 3 values" in text
    assert (project / "goldens/batch/outputs.csv").read_bytes() == golden

    for arguments, env, said in (
        (["--yes"], {"CI": "true"}, "not accepted in CI"),
        ([], {}, "nobody is there to be asked"),
    ):
        refused = run("accept", "batch", "--reason", "retrained", *arguments, cwd=project, env=env)
        assert refused.code == 2
        assert said in refused.stderr
    assert (project / "goldens/batch/outputs.csv").read_bytes() == golden

    accepted = run("accept", "batch", "--reason", "retrained", "--yes", cwd=project)
    assert (accepted.code, accepted.stdout) == (0, "accepted batch\n")
    assert "'high' became 'low' 2 times" in accepted.stderr
    assert run("verify", cwd=project).code == 0


def test_what_a_subject_says_does_not_steer_the_terminal(project: Path) -> None:
    write(project, said="\x1b]0;owned\x07\x1b[2Jthe model\n")
    outcome = run("record", cwd=project)
    assert outcome.code == 3
    assert "ended with exit code 1" in outcome.stderr
    assert "\N{REPLACEMENT CHARACTER}[2Jthe model" in outcome.stderr
    assert "\x07" not in outcome.stderr
    assert not (project / "goldens").exists()


# -- where reports go --------------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_complaint(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "goldlock", *much(tmp_path)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"MATCH")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "goldlock", *much(tmp_path)],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_report_that_finds_no_room_is_named_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    words = much(tmp_path)
    before = set(tmp_path.iterdir())
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from goldlock.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, *words, "--html", "page.html"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert "page.html: could not be written: File too large" in done.stderr
    assert "free some space" in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    report_file(tmp_path, "a.json")
    outcome = run("diff", "a.json", "a.json", "-o", "absent/report.txt", cwd=tmp_path)
    assert outcome.code == 2
    assert "there is no folder absent" in outcome.stderr


def test_a_report_replaces_the_file_a_link_points_to_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    report_file(tmp_path, "a.json")
    (tmp_path / "old.txt").write_text("old", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to("old.txt")
    assert run("diff", "a.json", "a.json", "-o", "link.txt", cwd=tmp_path).code == 0
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "old.txt").read_text(encoding="utf-8").startswith("MATCH")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "link.txt", "old.txt"]


def test_a_report_goes_into_a_pipe_and_does_not_replace_it(tmp_path: Path) -> None:
    report_file(tmp_path, "a.json")
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text(encoding="utf-8")))
    reader.start()
    assert run("diff", "a.json", "a.json", "--format", "json", "-o", "pipe", cwd=tmp_path).code == 0
    reader.join(20)
    assert json.loads(read[0])["verdict"] == "match"
    assert (tmp_path / "pipe").is_fifo()


def on_a_terminal(arguments: list[str], cwd: Path, env: Mapping[str, str]) -> str:
    """What a terminal gets to see."""
    leader, follower = pty.openpty()
    seen = b""
    with subprocess.Popen(
        [sys.executable, "-m", "goldlock", *arguments],
        cwd=cwd,
        env=environment({"TERM": "xterm-256color", **env}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    ):
        os.close(follower)
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
    os.close(leader)
    return seen.decode()


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    env: dict[str, str], coloured: bool, tmp_path: Path
) -> None:
    report_file(tmp_path, "a.json")
    assert ("\x1b[" in on_a_terminal(["diff", "a.json", "a.json"], tmp_path, env)) is coloured
    if "TERM" not in env:
        assert ("\x1b[" in on_a_terminal(["lock", "-c", "absent"], tmp_path, env)) is coloured


@pytest.mark.parametrize(
    ("encoding", "shown"),
    # click takes "ascii" for a locale that was not set, and writes UTF-8.
    [("latin-1", "\\u2603"), ("ascii", "\N{SNOWMAN}")],
)
def test_a_report_is_written_whatever_the_encoding(encoding: str, shown: str, tmp_path: Path) -> None:
    other = FULL.to_mapping()
    layer = other["os"]
    assert isinstance(layer, dict)
    report_file(tmp_path, "a.json")
    report_file(tmp_path, "b.json", {**other, "os": {**layer, "distribution": "\N{SNOWMAN}" * 100}})
    outcome = run("diff", "a.json", "b.json", cwd=tmp_path, env={"PYTHONIOENCODING": encoding})
    assert (outcome.code, outcome.stderr) == (0, "")
    assert shown in outcome.stdout


# -- completion --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_right_for_their_shell(shell: str, tmp_path: Path) -> None:
    outcome = run("completion", shell, cwd=tmp_path)
    assert outcome.code == 0
    assert "_GOLDLOCK_COMPLETE" in outcome.stdout
    if shutil.which(shell):
        flag = "--no-execute" if shell == "fish" else "-n"
        (tmp_path / "script").write_text(outcome.stdout, encoding="utf-8")
        subprocess.run([shell, flag, tmp_path / "script"], check=True, timeout=60)


def test_completion_completes_commands_and_options(tmp_path: Path) -> None:
    def completed(words: str, number: int) -> set[str]:
        env = {"_GOLDLOCK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        return {line.partition(",")[2] for line in run(cwd=tmp_path, env=env).stdout.splitlines()}

    assert completed("goldlock re", 1) == {"record", "report", "reproduce"}
    assert completed("goldlock verify --fail-on w", 3) == {"warning"}
    assert "--no-hash" in completed("goldlock check --n", 2)


# -- documentation -----------------------------------------------------------------------------------


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_exactly_the_commands_of_the_help() -> None:
    table = readme().partition("| command | does |")[2].partition("\n\n")[0]
    assert sorted(set(re.findall(r"^\| `goldlock (\w+)", table, re.MULTILINE))) == COMMANDS


def test_the_readme_names_no_option_that_its_command_does_not_have(helps: dict[str, str]) -> None:
    table = readme().partition("| command | does |")[2].partition("\n\n")[0]
    for command, rest in re.findall(r"^\| `goldlock (\w+)(.*)$", table, re.MULTILINE):
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in helps[command], (command, option)
    assert (
        "`verify`, `check`, `diff` and `reproduce` take `--format json`, `--json FILE`, `-o FILE`" in readme()
    )
    for command, text in helps.items():
        reports = command in {"verify", "check", "diff", "reproduce", "report"}
        for option in ("--format", "--json", "--html", "--junit", "--sarif", "--markdown"):
            assert (option in text) is reports, (command, option)
        assert ("-o, --output" in text) is (reports or command in {"pack", "probe"})
        assert ("--fail-on" in text) is (command in {"verify", "check", "diff"})
        assert ("--strict" in text) is ("--fail-on" in text)


def test_the_configuration_in_the_readme_is_right() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", readme(), re.DOTALL)
    found = config.loads(text, path=Path("goldlock.toml"))
    assert [case.name for case in found.case] == ["batch", "service"]
