"""What GitHub and GitLab do with our files, as far as their shell steps go: read the YAML, run the scripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[a-z]+(?:\.[\w-]+)+")


def read_yaml(name: str) -> Any:  # noqa: ANN401
    """A file of the repository."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Run:
    """How an action ended."""

    code: int
    """Of the first step that failed, else 0."""
    stdout: str
    stderr: str
    summary: str
    outputs: dict[str, str]
    used: dict[str, dict[str, str]]
    """The other actions that were called, by name, with their inputs."""


def variables(**more: str) -> dict[str, str]:
    """The environment of a job: this one's, with this interpreter's commands first on PATH."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GOLDLOCK_", "PYTEST_"))
    }
    kept.pop("COLUMNS", None)
    return {**kept, "CI": "true", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


def run_action(workspace: Path, runner: Path, **inputs: str) -> Run:
    """Run action.yml as a composite action in `workspace`, with the runner's own files in `runner`."""
    action = read_yaml("action.yml")
    given = {name: str(each.get("default", "")) for name, each in action["inputs"].items()}
    wanted = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(wanted) <= set(given)
    context = {f"inputs.{name}": value for name, value in {**given, **wanted}.items()}
    context["github.action_path"] = str(ROOT)
    runner.mkdir()
    files = {name: runner / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_PATH")}
    for file in files.values():
        file.touch()
    environment = variables(
        **{name: str(file) for name, file in files.items()},
        RUNNER_TEMP=str(runner),
        GITHUB_ACTIONS="true",
        GITHUB_WORKSPACE=str(workspace),
    )
    used: dict[str, dict[str, str]] = {}
    code, told = 0, ["", ""]
    for step in action["runs"]["steps"]:
        condition = step.get("if", "success()")
        if not _holds(condition if "()" in condition else f"success() && ({condition})", context, code):
            continue
        if "uses" in step:
            used[step["uses"]] = {key: _expanded(value, context) for key, value in step["with"].items()}
            continue
        # https://docs.github.com/actions: shell bash is `bash --noprofile --norc -eo pipefail {0}`
        assert step["shell"] == "bash"
        script = runner / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=workspace / _expanded(step.get("working-directory", "."), context),
            env={**environment, **{key: _expanded(value, context) for key, value in step["env"].items()}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        code = code or done.returncode
        told = [told[0] + done.stdout, told[1] + done.stderr]
        for folder in files["GITHUB_PATH"].read_text(encoding="utf-8").split():
            environment["PATH"] = f"{folder}:{environment['PATH']}"
        written = _outputs(files["GITHUB_OUTPUT"])
        context.update({f"steps.{step.get('id')}.outputs.{key}": value for key, value in written.items()})
    outputs = {name: _expanded(each["value"], context) for name, each in action["outputs"].items()}
    summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    return Run(code, *told, summary=summary, outputs=outputs, used=used)


def _outputs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


def _expanded(text: str, context: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda match: context.get(match[1], ""), text)


def _holds(condition: str, context: dict[str, str], code: int) -> bool:
    known = condition.replace("always()", "True").replace("success()", str(code == 0))
    known = known.replace("&&", "and").replace("||", "or")
    return bool(eval(_NAME.sub(lambda match: repr(context.get(match[0], "")), known), {}))


def run_gitlab(workspace: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the job of ci/gitlab.yml in `workspace`; without variables for its service, which is not there."""
    job = read_yaml("ci/gitlab.yml")[".goldlock"]
    own = {key: value for key, value in job["variables"].items() if not key.startswith("DOCKER_")}
    return subprocess.run(
        ["sh", "-e"],
        input="\n".join([*job["before_script"], *job["script"]]) + "\n",
        cwd=workspace,
        env=variables(**{**own, **given}, GITLAB_CI="true"),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
