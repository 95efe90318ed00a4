"""The CI pieces: what they say, and what they do where goldlock cannot run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.harness.runners import ROOT, read_yaml, run_action, run_gitlab, variables

from goldlock.report import FailOn, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_TO = ROOT / "docs" / "pages" / "how-to"


def test_no_input_is_a_part_of_a_script() -> None:
    for step in read_yaml("action.yml")["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_other_actions_are_pinned_to_a_commit() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert len(used) == 2
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v[\d.]+", each) for each in used)


def test_every_input_output_and_variable_is_used_and_documented() -> None:
    action = read_yaml("action.yml")
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    documented = (HOW_TO / "github-actions.md").read_text(encoding="utf-8")
    for name in action["inputs"]:
        assert f"inputs.{name}" in text
        assert f"| `{name}` |" in documented
    for name in action["outputs"]:
        assert f"`{name}`" in documented
    assert all(f"`{verdict.value}`" in documented for verdict in Verdict)
    job = read_yaml("ci/gitlab.yml")[".goldlock"]
    documented = (HOW_TO / "gitlab-ci.md").read_text(encoding="utf-8")
    for name in job["variables"]:
        assert name.startswith("DOCKER_") or (f"${name}" in str(job) and f"`{name}`" in documented)
    fail_on = {each.value for each in FailOn if each is not FailOn.STRICT}
    assert all(value in action["inputs"]["fail-on"]["description"] for value in fail_on)
    assert "--strict" in action["inputs"]["args"]["description"]


def test_the_gitlab_job_keeps_its_reports_however_it_ends() -> None:
    artifacts = read_yaml("ci/gitlab.yml")[".goldlock"]["artifacts"]
    assert artifacts["when"] == "always"
    (folder,) = artifacts["paths"]
    assert artifacts["reports"]["junit"] == f"{folder}goldlock.xml"


def test_an_action_that_cannot_start_says_why(tmp_path: Path) -> None:
    done = run_action(tmp_path, tmp_path / "runner", version="installed", config="absent.toml")
    assert done.code == 2
    assert done.outputs == {
        "verdict": "error",
        "exit-code": "2",
        "reports": str(tmp_path / "goldlock-reports"),
    }
    assert done.summary.startswith("## goldlock: did not run\n\nIt ended with exit code 2:\n\n    goldlock: ")
    assert "absent.toml" in done.summary
    assert "absent.toml" in done.stderr
    assert list(done.used) == ["actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02"]


def test_an_input_is_never_run(tmp_path: Path) -> None:
    bad = "$(touch owned); `touch owned` && touch owned"
    done = run_action(
        tmp_path,
        tmp_path / "runner",
        version="installed",
        config=bad,
        cases=bad,
        args="",
        reports='r" $(touch owned)',
        artifact="",
    )
    assert done.code == 2
    assert done.used == {}
    assert not list(tmp_path.rglob("owned"))


def test_a_requested_python_is_set_up(tmp_path: Path) -> None:
    done = run_action(
        tmp_path, tmp_path / "runner", version="installed", config="absent.toml", python_version="3.12"
    )
    assert done.used["actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065"] == {
        "python-version": "3.12"
    }


def test_a_gitlab_job_that_cannot_start_fails(tmp_path: Path) -> None:
    done = run_gitlab(tmp_path, GOLDLOCK_INSTALL="", GOLDLOCK_CONFIG="absent.toml")
    assert done.returncode == 2
    assert "absent.toml" in done.stderr


# -- the pre-commit hook ----------------------------------------------------------------------------


class Repository:
    """A git repository of a user."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.environment = variables(PRE_COMMIT_HOME=str(home), PRE_COMMIT_COLOR="never")
        for name in list(self.environment):
            if name.startswith("GIT_"):
                del self.environment[name]
        self.run("git", "init", "--quiet", "--initial-branch=main")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def commit(self) -> str:
        self.run("git", "add", "--all")
        self.run(
            "git",
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.invalid",
            "commit",
            "--quiet",
            "-m",
            "a commit",
        )
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def hook(self) -> subprocess.CompletedProcess[str]:
        return self.run(
            sys.executable, "-m", "pre_commit", "run", "goldlock-sealed", "--all-files", check=False
        )


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A project with goldlock's own lock and goldens, and the hook installed from a repository of this tree."""
    folder = tmp_path_factory.mktemp("hook")
    tool = Repository(folder / "goldlock", folder / "home")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, tool.folder / name)
    for name in ("env", "harness"):
        shutil.copytree(ROOT / name, tool.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    revision = tool.commit()
    project = Repository(folder / "project", folder / "home")
    (project.folder / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {tool.folder}\n    rev: {revision}\n    hooks:\n      - id: goldlock-sealed\n",
        encoding="utf-8",
    )
    shutil.copy(ROOT / "goldlock.lock", project.folder)
    shutil.copytree(ROOT / "tests" / "golden" / "mlp-batch", project.folder / "goldens" / "batch")
    project.commit()
    return project


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.timeout(600)
def test_the_hook_passes_what_goldlock_wrote_and_refuses_what_a_hand_did(user: Repository) -> None:
    clean = user.hook()
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "Passed" in clean.stdout
    for name, old, new in (
        ("goldlock.lock", 'version = "1.24.3"', 'version = "1.24.4"'),
        ("goldens/batch/golden.toml", "atol = 1e-06", "atol = 1e-02"),
    ):
        path = user.folder / name
        before = path.read_bytes()
        edited(path, old, new)
        refused = user.hook()
        assert refused.returncode == 1, name
        assert "Failed" in refused.stdout
        assert name in refused.stdout
        path.write_bytes(before)
    assert user.hook().returncode == 0


def test_the_hook_looks_at_locks_and_goldens_only() -> None:
    (hook,) = read_yaml(".pre-commit-hooks.yaml")
    pattern = re.compile(hook["files"])
    for name in ("goldlock.lock", "a/goldlock.lock", "a/b@bad/golden.toml", "golden.toml"):
        assert pattern.search(name)
    for name in ("goldlock.toml", "my-goldlock.lock", "golden.toml.orig", "outputs.csv"):
        assert not pattern.search(name)
