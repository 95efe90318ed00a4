"""Every command in the documentation is typed here, or has a reason why not; every TOML in it is read by goldlock."""

from __future__ import annotations

import re
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
    "docs/pages/clients.md": "locked",
    "docs/pages/how-to/nox.md": "",
    "docs/pages/how-to/pre-commit.md": "locked",
    "docs/pages/how-to/pytest.md": "drifted",
    "docs/pages/reference/config.md": "",
    "docs/pages/reference/reports.md": "locked",
}
"""Pages whose commands are typed one after the other in one folder, and the project that is there before."""

ENGINE_STORIES = ("docs/pages/tutorial.md", "docs/pages/how-to/flask.md")
"""The same in an empty folder, on a real engine."""

SINGLE = {
    "docs/pages/explanation/goldens.md": "drifted",
    "docs/pages/reference/cli.md": "drifted",
}
"""Pages that list commands: each line is typed in a project of its own."""

ELSEWHERE = {
    ("README.md", "python -m pip install nox && python -m nox -s verify"): ".ci/run",
    ("README.md", "$ python -m pip install nox && python -m nox -s verify"): ".ci/run",
    ("docs/pages/reference/cli.md", "goldlock build"): "tests/engine/test_building.py",
    ("docs/pages/reference/cli.md", "goldlock reproduce"): "tests/engine/test_reproduce.py",
    ("docs/pages/reference/cli.md", "goldlock verify batch --image"): "tests/engine/test_commands.py",
}
"""Page and beginning of a block or line that is run by another file: which one."""

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


def test_what_is_run_elsewhere_is_run_there() -> None:
    for (page, start), file in ELSEWHERE.items():
        assert any(line.startswith(start) for block in shells([page]) for line in block.text.splitlines()), (
            start
        )
        text = (ROOT / file).read_text(encoding="utf-8")
        word = re.findall(r"goldlock (\w+)|nox -s (\w+)", start)[0]
        assert "".join(word) in text, file


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
    if elsewhere(page, line):
        return
    code, said = typed(line, project, without_engine)
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


@pytest.mark.engine
@pytest.mark.parametrize("page", ENGINE_STORIES)
@pytest.mark.usefixtures("public_base")
def test_a_page_is_followed_on_an_engine(page: str, tmp_path: Path, user: dict[str, str]) -> None:
    assert shutil.which("docker")
    built = re.findall(r"docker build -t (\S+)", (ROOT / page).read_text(encoding="utf-8"))
    try:
        for block in BLOCKS[page]:
            follow(block, tmp_path, user)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", *built], capture_output=True, check=False)


# -- what is no command -----------------------------------------------------------------------------

TOML = [
    pytest.param(block, id=block.place)
    for page in PAGES
    for block in BLOCKS[page]
    if block.language == "toml"
]
LEAST = 'subject = {name = "s", image = "s:1"}\n'


@pytest.mark.parametrize("block", TOML)
def test_toml_is_read_by_goldlock(block: Block) -> None:
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
    config.loads(text, path=Path(block.place))


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
        ("x (docker 20.10.24 (API 1.41), i)\n", "x (podman 4.3.1 (API 1.40), i)\n", True),
    ],
)
def test_what_is_shown_is_what_was_seen(shown: str, said: str, same: bool) -> None:
    assert seen(shown, said) is same
