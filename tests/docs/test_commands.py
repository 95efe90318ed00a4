"""Every command in the documentation is typed here, or has a reason why not; every TOML in it is read by goldlock."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.docs.blocks import blocks, follow, seen, typed
from tests.docs.conftest import ROOT

from goldlock import config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker
    from tests.docs.blocks import Block

PAGES = [
    "README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
BLOCKS = {page: list(blocks(ROOT, page)) for page in PAGES}

STORIES = {
    "README.md": "described",
    "docs/pages/how-to/interpreter.md": "locked",
    "docs/pages/how-to/nox.md": "",
    "docs/pages/how-to/policy.md": "locked",
    "docs/pages/how-to/pre-commit.md": "locked",
    "docs/pages/how-to/pytest.md": "drifted",
    "docs/pages/reference/config.md": "",
    "docs/pages/reference/reports.md": "locked",
}
"""Pages whose commands are typed one after the other in one folder, and the project that is there before."""

FLASK, TUTORIAL = "docs/pages/how-to/flask.md", "docs/pages/tutorial.md"
CLIENTS, HAND_OVER = "docs/pages/clients.md", "docs/pages/how-to/hand-over.md"
SUBJECTS = "docs/pages/how-to/subjects.md"
ENGINE_STORIES = (FLASK, TUTORIAL, CLIENTS, HAND_OVER, SUBJECTS)
"""The same on a real engine: the first in an empty folder, the others from both sides of one delivery."""

COMMANDS = "docs/pages/reference/cli.md"
SINGLE = {"docs/pages/explanation/goldens.md": "drifted", COMMANDS: "drifted"}
"""Pages that list commands: each line is typed in a project of its own."""

SNAPSHOT = "goldlock probe && ./venv/bin/python goldlock-probe.py --output goldlock-snapshot.json"
BEFORE = {
    "python goldlock-probe.py": "goldlock probe",
    "goldlock check --snapshot": SNAPSHOT,
    "goldlock diff before.json": f"{SNAPSHOT} && cp goldlock-snapshot.json before.json",
}
"""What is typed before a single line, where it needs more than the project."""

DELIVERED = {
    "goldlock report accepted.json": ("client", "true"),
    "goldlock verify batch --image": (
        "packed",
        "docker tag churn:2 registry.example/model:2.0; mv goldens/command goldens/batch; sed -i 3,9s/command/batch/ *.toml",
    ),
    "goldlock pack --key": ("packed", "rm churn.goldlock"),
    "goldlock verify mlp.goldlock": ("client", "mv churn.goldlock mlp.goldlock && rm accepted.json"),
}
"""Single lines that are typed after the delivery, on an engine: in whose folder, and what is typed before."""

ELSEWHERE = {
    ("README.md", "python -m pip install nox && python -m nox -s verify"): ".ci/run",
    ("README.md", "$ python -m pip install nox && python -m nox -s verify"): ".ci/run",
    ("README.md", "goldlock init churn:1.4"): (
        "tests/harness/test_cli_init.py::test_what_the_user_says_goes_before_what_is_seen "
        "tests/acceptance/test_any_model.py::test_four_commands_and_what_init_wrote_are_enough"
    ),
    ("README.md", "goldlock keygen vendor"): (
        "tests/engine/test_pack.py::test_packing_twice_gives_the_same_bytes"
    ),
    ("README.md", "goldlock verify NAME.goldlock"): (
        "tests/engine/test_pack.py::test_a_client_with_nothing_verifies_it_and_answers"
    ),
    ("README.md", "$ goldlock check --snapshot"): (
        "tests/harness/test_client_story.py::test_the_same_is_told_of_what_the_client_sends_back"
    ),
    (
        "docs/pages/how-to/interpreter.md",
        "$ goldlock check --python /opt/client/venv",
    ): "tests/harness/test_client_story.py::test_the_client_is_told_at_once_what_is_wrong",
    (
        "docs/pages/how-to/mlflow.md",
        "goldlock init iris:1 --yes",
    ): "tests/acceptance/test_any_model.py::test_four_commands_and_what_init_wrote_are_enough",
    (
        COMMANDS,
        "goldlock init registry.example/team/iris:1.2",
    ): "tests/harness/test_cli_init.py::test_what_the_user_says_goes_before_what_is_seen",
    (
        COMMANDS,
        "goldlock init . --run",
    ): "tests/engine/test_init.py::test_a_program_is_told_how_it_is_called",
    (COMMANDS, "goldlock init --yes"): "tests/engine/test_init.py::test_a_dockerfile_is_built_first",
    (
        COMMANDS,
        "goldlock build",
    ): "tests/engine/test_building.py::test_without_the_public_base_the_offline_one_is_built_and_said",
    (
        COMMANDS,
        "goldlock reproduce",
    ): "tests/engine/test_reproduce.py::test_a_seeded_training_matches_what_is_recorded",
}
"""Page and beginning of a block or line that is run by another file, or by tests of it: which ones."""

EXIT = {
    "goldlock lock": 0,
    "goldlock verify": 1,
    "goldlock record batch": 2,
}
"""Exit codes of single lines, in a project whose golden is there and whose answer has drifted; else 0."""


def elsewhere(page: str, text: str) -> str:
    return next(
        (file for (where, start), file in ELSEWHERE.items() if where == page and text.startswith(start)), ""
    )


def shells(pages: list[str]) -> list[Block]:
    return [block for page in pages for block in BLOCKS[page] if block.is_shell]


def lines(page: str) -> Iterator[tuple[str, str]]:
    """Single commands with their place; a comment behind one is not part of it."""
    for block in BLOCKS[page]:
        if block.is_shell and not block.not_run:
            for line in block.text.splitlines():
                yield f"{block.place} {line}", line


def test_every_block_is_accounted_for() -> None:
    played = {*STORIES, *ENGINE_STORIES, *SINGLE}
    for block in shells(PAGES):
        reason = block.not_run or elsewhere(block.page, block.text)
        assert reason or block.page in played, f"{block.place}: nothing runs {block.text!r}"


def test_pages_that_are_played_have_something_to_run() -> None:
    for page in {*STORIES, *ENGINE_STORIES, *SINGLE}:
        assert any(block.is_shell and not block.not_run for block in BLOCKS[page]), page


@pytest.mark.parametrize(("page", "start"), ELSEWHERE)
def test_what_is_run_elsewhere_is_run_there(page: str, start: str) -> None:
    texts = [block.text for block in shells([page])]
    whole = [text for text in texts if text.startswith(start) and page not in SINGLE]
    said = whole or [line for text in texts for line in text.splitlines() if line.startswith(start)]
    assert said, f"{page} does not say {start}"
    typed_there: set[str] = set()
    for place in ELSEWHERE[page, start].split():
        file, _, node = place.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        if not node:
            assert start.rpartition(" && ")[2] in text, file
            return
        around = (ROOT / file).with_name("conftest.py").read_text(encoding="utf-8")
        typed_there |= words_of(ast.parse(text), node, ast.parse(around))
    for line in said[0].splitlines():
        if "goldlock " in line and not line.startswith("goldlock.toml"):
            verb, *others = shlex.split(line, comments=True)[line.startswith("$ ") + 1 :]
            needed = {verb, *(each.partition("=")[0] for each in others if each.startswith("-"))}
            assert needed <= typed_there, f"{ELSEWHERE[page, start]}: no {needed - typed_there}"


def words_of(module: ast.Module, test: str, around: ast.Module) -> set[str]:
    """The texts of a test, and of what it uses of its own file and of the one with the fixtures."""
    own = {each.name: each for each in ast.walk(module) if isinstance(each, ast.FunctionDef)}
    assert test in own, test
    functions = {each.name: each for each in ast.walk(around) if isinstance(each, ast.FunctionDef)} | own
    found: set[str] = set()
    waiting, known = [test], set()
    while waiting:
        name = waiting.pop()
        if name in known or name not in functions:
            continue
        known.add(name)
        for each in ast.walk(functions[name]):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                found.add(each.value)
            elif isinstance(each, ast.Name | ast.Attribute):
                waiting.append(each.id if isinstance(each, ast.Name) else each.attr)
    return found


@pytest.mark.parametrize(("page", "project"), STORIES.items(), ids=STORIES, indirect=["project"])
def test_a_page_is_followed(page: str, project: Path, without_engine: dict[str, str]) -> None:
    for block in BLOCKS[page]:
        if not elsewhere(page, block.text):
            follow(block, project, without_engine)


@pytest.mark.parametrize(
    ("line", "project"),
    [pytest.param(line, SINGLE[page], id=place) for page in SINGLE for place, line in lines(page)],
    indirect=["project"],
)
def test_a_single_command_does_what_it_says(line: str, project: Path, without_engine: dict[str, str]) -> None:
    page = next(page for page in SINGLE if any(line == found for _, found in lines(page)))
    if elsewhere(page, line) or any(line.startswith(start) for start in DELIVERED):
        return
    if before := next((BEFORE[start] for start in BEFORE if line.startswith(start)), ""):
        code, said = typed(before, project, without_engine)
        assert code == 0, said
    inside = {**without_engine, "PATH": f"{project / 'venv' / 'bin'}:{without_engine['PATH']}"}
    code, said = typed(line, project, inside)
    assert code == EXIT.get(line, 0), said
    assert "Traceback" not in said


PUBLIC = "python:3.12-slim"
STAND_IN = """\
FROM {base}
COPY wheels /wheels
RUN printf '[install]\\nno-index = true\\nfind-links = /wheels\\n' > /etc/pip.conf
"""
IN_PAGES = (
    "blinker|click|flask|gunicorn|importlib-metadata|itsdangerous|jinja2|markupsafe|packaging|werkzeug|zipp"
)


@pytest.fixture(scope="module")
def public_base(
    engine_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The offline base in place of python:3.12-slim, where the public image is not there.

    It brings what the pages install, as no package index can be reached from a build here.
    """
    if engine_client.images.list(PUBLIC):
        yield
        return
    base = tool("env/base/build.py").split()[-1]
    folder = tmp_path_factory.mktemp("base")
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins = re.findall(rf"^(?:{IN_PAGES})==\S+", text, re.MULTILINE)
    tool(
        *("-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.8"),
        *("--platform=manylinux2014_x86_64", "--dest", str(folder / "wheels"), *pins),
    )
    (folder / "Dockerfile").write_text(STAND_IN.format(base=base), encoding="utf-8")
    engine_client.images.build(path=str(folder), tag=PUBLIC, network_mode="none", rm=True, forcerm=True)
    yield
    engine_client.images.remove(PUBLIC, force=True)


def tool(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def images(public_base: None) -> Iterator[None]:
    """Removes what the pages build."""
    yield
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in ENGINE_STORIES)
    built = {
        *re.findall(r"docker build -t (\S+)", pages),
        *re.findall(r"registry\.example/\S+:\S+", str(DELIVERED)),
    }
    subprocess.run(["docker", "image", "rm", "--force", *built], capture_output=True, check=False)


@pytest.mark.engine
@pytest.mark.usefixtures("images")
def test_a_service_is_followed_on_an_engine(tmp_path: Path, user: dict[str, str]) -> None:
    play(FLASK, tmp_path, user)


@pytest.mark.engine
@pytest.mark.usefixtures("images")
def test_a_delivery_is_followed_from_both_sides_on_an_engine(tmp_path: Path, user: dict[str, str]) -> None:
    """The tutorial, a pack of what it made, the client's page on that, and what comes back."""
    folders = {name: tmp_path / name for name in ("vendor", "packed", "client")}
    vendor, packed, client = folders.values()
    for folder in (vendor, client):
        folder.mkdir()
    play(TUTORIAL, vendor, user)
    shutil.copytree(vendor, packed)
    must("goldlock keygen vendor && goldlock pack --key vendor.key", packed, user)
    must("mv churn.goldlock vendor.pub ../client && rm vendor.key", packed, user)
    play(CLIENTS, client, user)
    must("cp ../client/accepted.json ../client/client.pub .", packed, user)
    play(HAND_OVER, packed, user)
    play(SUBJECTS, vendor, user)
    for start, (name, before) in DELIVERED.items():
        (line,) = (line for _, line in lines(COMMANDS) if line.startswith(start))
        must(before, folders[name], user)
        must(line, folders[name], user)


def play(page: str, folder: Path, user: dict[str, str]) -> None:
    for block in BLOCKS[page]:
        follow(block, folder, user)


def must(command: str, folder: Path, user: dict[str, str]) -> None:
    code, said = typed(command, folder, user)
    assert code == 0, f"{command}\nended with {code}:\n{said}"


# -- what is no command -----------------------------------------------------------------------------

TOML = [
    pytest.param(block, id=block.place)
    for page in PAGES
    for block in BLOCKS[page]
    if block.language == "toml"
]
LEAST = 'subject = {name = "s", image = "s:1"}\n'


@pytest.mark.parametrize("block", TOML)
def test_toml_is_read_by_goldlock(block: Block, tmp_path: Path) -> None:
    for other in BLOCKS[block.page]:
        if other.language == "yaml" and other.title:
            (tmp_path / other.title).write_text(other.text, encoding="utf-8")
    found = tomllib.loads(block.text)
    if block.title == "golden.toml":
        return
    text = block.text
    if "subject" not in found:
        text = LEAST + text
    elif found["subject"].keys() == {"local"}:
        text = f'[subject]\nname = "s"\nimage = "s:1"\n{text}'
    if "case" in found and isinstance(found["case"], dict):
        # A table of a case alone, such as [case.columns.NAME].
        text = f'{LEAST}[[case]]\nname = "c"\ninputs = "c.csv"\ncommand = {{run = ["x"]}}\n{block.text}'
    config.loads(text, path=tmp_path / "goldlock.toml")


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=block.place)
        for page in PAGES
        for block in BLOCKS[page]
        if block.language == "yaml"
    ],
)
def test_yaml_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


def test_the_comment_on_a_pull_request_is_cut_to_what_github_takes(
    tmp_path: Path, without_engine: dict[str, str]
) -> None:
    found = [
        yaml.safe_load(block.text)
        for block in BLOCKS["docs/pages/how-to/github-actions.md"]
        if block.language == "yaml"
    ]
    (step,) = (step for steps in found if isinstance(steps, list) for step in steps if "run" in step)
    cut, post = step["run"].strip().splitlines()
    assert post.startswith("gh pr comment ")  # GitHub's own program, which posts to GitHub
    report = tmp_path / "goldlock.md"
    report.write_text("\u00e9" * 40_000 + "x", encoding="utf-8")
    code, said = typed(f"REPORT={report}; {cut}", tmp_path, without_engine)
    assert code == 0, said
    assert (tmp_path / "comment.md").read_text(encoding="utf-8") == "\u00e9" * 32_500


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_to_files_of_the_repository_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_image_for_mlflow_is_the_one_that_is_tested() -> None:
    shown = {block.title: block.text for block in BLOCKS["docs/pages/how-to/mlflow.md"] if block.title}
    tested = ROOT / "tests" / "acceptance" / "mlflow"
    assert shown["inputs.csv"] == (tested / "inputs.csv").read_text(encoding="utf-8")
    assert (tested / "train.py").read_text(encoding="utf-8").endswith(shown["train.py"])
    lines_tested = (tested / "Dockerfile").read_text(encoding="utf-8").splitlines()
    others = [line for line in shown["Dockerfile"].splitlines() if line not in lines_tested]
    assert [line.split()[0] for line in others] == ["FROM", "RUN"], "the base, and where pip looks"


# -- the comparison itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\n", False),
        ("a\n", "a\nb\n", False),
        ("a 1.5 s\n", "a  20.25 s\n", True),
        ("sha256:aa\n", "sha256:bb\n", True),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\nc\n", "a\nb\n", False),
        ("a\n...\nc\n", "a\nc\nb\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("...\nc\n", "a\nb\nc\n", True),
        ("key id 0123456789abcdef\n", "key id fedcba9876543210\n", True),
        ("x (docker 20.10.24 (API 1.41), i)\n", "x (podman 4.3.1 (API 1.40), i)\n", True),
    ],
)
def test_what_is_shown_is_what_was_seen(shown: str, said: str, same: bool) -> None:
    assert seen(shown, said) is same
