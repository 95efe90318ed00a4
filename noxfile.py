"""The project's jobs; CI runs the same ones (.ci/run).

python -m nox -l                      lists them
python -m nox -s verify               the main job: is the reference model still the same?
python -m nox -s tests -- -k probe    what follows -- goes to the program that the session runs
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["verify"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
PROBE = "env/goldlock_env/probe.py"

# The pure core: values in, values out. Branches and lines of each of these are covered to MINIMUM percent in all.
PURE_CORE = (
    "env/goldlock_env/*",
    "harness/goldlock/compare/*",
    "harness/goldlock/config/*",
    "harness/goldlock/decoding.py",
    "harness/goldlock/golden/*",
    "harness/goldlock/judging.py",
    "harness/goldlock/report.py",
    "harness/goldlock/results.py",
    "harness/goldlock/tables/*",
    "harness/goldlock/tolerance.py",
)
MINIMUM = 95.0

# The reference image's lock. pip-tools 7.5.2 is the last that runs on Python 3.8, where the lock must be resolved.
LOCK_PYTHON = "3.8"
LOCK_TOOL = "pip-tools==7.5.2"
LOCKS = (".", "model/mlp", "model/pipeline")  # the first one constrains the others


def install(session: nox.Session, *groups: str) -> None:
    session.install("-e", ".", *nox.project.dependency_groups(PYPROJECT, *groups))


def engine_if_possible(session: nox.Session) -> None:
    """Starts a Docker engine where that is allowed; where it is not, 3 says so and the session goes on."""
    session.run("python", "-m", "goldlock.bootstrap", success_codes=[0, 3])


@nox.session
def verify(session: nox.Session) -> None:
    """The main job: build the pinned image, compare environment and predictions with what was recorded."""
    install(session)
    engine_if_possible(session)
    session.run("goldlock", "verify", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, on a real engine; lint, types and import rules before, coverage of the pure core after."""
    install(session, "test", "lint", "types")
    check_lint(session)
    check_types(session)
    engine_if_possible(session)
    session.run("pytest", "--cov", "--cov-report=", "--junit-xml=.nox/tests.xml", *session.posargs)
    if session.posargs:
        session.log("a part of the tests ran: coverage is not judged")
    else:
        check_coverage(session)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, import rules, and the probe's minimum Python."""
    install(session, "lint")
    check_lint(session)


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict."""
    install(session, "types", "test")
    check_types(session)


@nox.session
def lock(session: nox.Session) -> None:
    """Resolve requirements.in for Python 3.8 into requirements.txt, with every hash."""
    python = find_python(session, LOCK_PYTHON)
    folder = Path(session.create_tmp()).resolve() / "pip-tools"
    if not (folder / "bin" / "pip-compile").exists():
        session.run(python, "-m", "venv", str(folder), external=True)
        session.run(
            str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", LOCK_TOOL, external=True
        )
    for place in LOCKS:
        with session.chdir(place):
            session.run(
                str(folder / "bin" / "pip-compile"),
                "--generate-hashes",
                # setuptools and wheel are locked too; the parts leave out what their .pip-tools.toml calls unsafe.
                *(["--allow-unsafe"] if place == LOCKS[0] else []),
                "--strip-extras",
                "--no-emit-index-url",
                "--no-emit-trusted-host",
                "--no-emit-find-links",
                "--quiet",
                *session.posargs,
                "--output-file=requirements.txt",
                "requirements.in",
                env={"CUSTOM_COMPILE_COMMAND": "nox -s lock"},
                external=True,
            )


@nox.session
def image(session: nox.Session) -> None:
    """Build the reference image from its locked requirements."""
    install(session)
    engine_if_possible(session)
    session.run("goldlock", "build", *session.posargs)


@nox.session
def train(session: nox.Session) -> None:
    """Train again in fresh containers, compare the artifacts with the recorded ones, say what moved."""
    install(session)
    engine_if_possible(session)
    session.run("goldlock", "reproduce", *session.posargs)


@nox.session
def record(session: nox.Session) -> None:
    """Record the goldens that do not exist yet."""
    install(session)
    engine_if_possible(session)
    session.run("goldlock", "record", *session.posargs)


@nox.session
def sizes(session: nox.Session) -> None:
    """The table of image sizes."""
    install(session)
    engine_if_possible(session)
    session.run("python", "benchmarks/sizes.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The measurements of docs/benchmarks.md."""
    install(session, "test")
    engine_if_possible(session)
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session
def packing(session: nox.Session) -> None:
    """Time and memory of packing the reference image, beside docker save and a copy."""
    session.install("-e", ".[pack]")
    engine_if_possible(session)
    session.run("python", "benchmarks/packing.py", *session.posargs)


@nox.session
def comparing(session: nox.Session) -> None:
    """The comparison beside its peers, and its memory: the section Comparing of docs/benchmarks.md."""
    install(session)
    session.install("pandas", "polars", "pyarrow", "pytest", "pytest-regressions", "torch")
    session.run("python", "benchmarks/comparing.py", *session.posargs)


def check_lint(session: nox.Session) -> None:
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache")
    session.run("vermin", "--no-tips", "--violations", "-t=2.7", "-t=3.4-", PROBE)


def check_types(session: nox.Session) -> None:
    session.run("mypy")


def check_coverage(session: nox.Session) -> None:
    """Branches alone, too: statements covered many times over would hide branches that never were."""
    pure = f"--include={','.join(PURE_CORE)}"
    report = Path(session.create_tmp()) / "coverage.json"
    session.run("coverage", "json", "--quiet", pure, "-o", str(report))
    session.run("coverage", "report", pure)
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    for what, covered, number in (
        ("branches", totals["covered_branches"], totals["num_branches"]),
        ("lines", totals["covered_lines"], totals["num_statements"]),
    ):
        percent = 100 * covered / number if number else 0.0
        session.log(f"pure core: {percent:.1f} % of {number} {what} covered")
        if percent < MINIMUM:
            session.error(f"{percent:.1f} % of the pure core's {what} covered, {MINIMUM:g} % wanted")


def find_python(session: nox.Session, version: str) -> str:
    """An interpreter of that version: PATH, then pyenv's (whose shims refuse versions that are not activated)."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        shutil.which(f"python{version}"),
        *map(str, sorted(root.glob(f"versions/{version}.*/bin/python"))),
    ]
    found = next((each for each in candidates if each and runs(each, version)), None)
    if found is None:
        session.error(f"Python {version} not found; install it, for example with `pyenv install {version}`")
    return found


def runs(python: str, version: str) -> bool:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [python, "-c", question], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version
