"""The project's jobs; CI runs the same ones (.ci/run).

python -m nox -l                      lists them
python -m nox -s verify               the main job: is the reference model still the same?
python -m nox -s tests -- -k probe    what follows -- goes to the program that the session runs
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

import nox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
REFERENCE_IMAGES = {"goldlock-mlp", "goldlock-pipeline"}
# Reports, logs and coverage of each part of the tests.
RESULTS = Path(".nox").resolve() / "results"

# What of the engine tests is run on Podman, too. Not yet: those of containers that somebody else runs and of the pytest
# plugin, which look at the engine in ways that Podman answers otherwise, and those of the reference images.
ON_PODMAN = (
    "tests/acceptance",
    "tests/docs",
    "tests/engine",
    "--ignore=tests/engine/test_running_containers.py",
)

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
    """All tests, on Docker and on Podman; lint, types and import rules before, coverage of the pure core after."""
    install(session, "test", "lint", "types")
    check_lint(session)
    check_types(session)
    engine_if_possible(session)
    if session.posargs:
        session.run("pytest", *session.posargs)
        session.log("a part of the tests ran, on one engine: coverage is not judged")
        return
    podman = podman_if_possible(session)
    shutil.rmtree(RESULTS, ignore_errors=True)
    began = time.monotonic()
    run_tests(session, Part("plain", ("-m", "not engine", "--numprocesses=2")))
    if podman:
        carry_over(session, podman)
    arguments = ("-m", "engine", *ON_PODMAN)
    on_podman = [Part("podman", arguments, {"DOCKER_HOST": podman})] if podman else []
    run_tests(session, Part("docker", ("-m", "engine")), *on_podman)
    failed, closing = counted(sorted(RESULTS.glob("*.xml")), time.monotonic() - began)
    # In pytest's own words: all parts in one line.
    print(closing, flush=True)
    if failed:
        session.error("tests failed; the summary of their part names them")
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
    """The tables of docs/pages/explanation/measurements.md."""
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
    """The comparison beside its peers, and its memory: the section Comparing of the same page."""
    install(session)
    session.install("pandas", "polars", "pyarrow", "pytest", "pytest-regressions", "torch")
    session.run("python", "benchmarks/comparing.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation's site, in .nox/site; it needs no server and no network to be read."""
    install(session, "docs")
    # mkdocs-material says on stderr that it will have a successor; that is nothing to be done here.
    session.run(
        "mkdocs",
        "build",
        "--strict",
        "-f",
        "docs/mkdocs.yml",
        *session.posargs,
        env={"NO_MKDOCS_2_WARNING": "1"},
    )


def podman_if_possible(session: nox.Session) -> str:
    """Starts a Podman service; its DOCKER_HOST. Where none can be had, empty; on CI, an error."""
    said = session.run("python", "-m", "goldlock.bootstrap", "--podman", success_codes=[0, 3], silent=True)
    address = re.search("^DOCKER_HOST=(.+)$", str(said), re.MULTILINE)
    if address:
        return address[1]
    session.log(f"{said}\nthe engine tests are run on Docker only")
    if os.environ.get("CI"):
        session.error("on CI they have to run on Podman, too")
    return ""


def carry_over(session: nox.Session, podman: str) -> None:
    """Give Podman the reference images that Docker has built; tests of building build their own on each."""
    if shutil.which("docker") is None:
        return
    listing = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]
    done = subprocess.run(listing, capture_output=True, text=True, check=False)
    for image in done.stdout.split():
        if image.partition(":")[0] in REFERENCE_IMAGES:
            session.log(f"carrying {image} over to Podman")
            loading = ["docker", "--host", podman, "load", "--quiet"]
            with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
                subprocess.run(loading, stdin=saved.stdout, stdout=subprocess.DEVNULL, check=False)


class Part(NamedTuple):
    """A run of pytest over a part of the tests."""

    name: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = MappingProxyType({})


def run_tests(session: nox.Session, first: Part, *others: Part) -> None:
    """Run parts at the same time, each on an engine of its own; the others' output is shown when they end.

    What failed is written in the reports of each, and counted from there.
    """
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(in_background(session, part)) for part in others]
        command, variables = prepared(first)
        session.run(*command, env=variables, success_codes=[0, 1])
        for part, process in zip(others, running, strict=True):
            code = process.wait()
            session.log(f"meanwhile: {' '.join(prepared(part)[0])}")
            print((RESULTS / f"{part.name}.log").read_text(encoding="utf-8", errors="replace"), flush=True)
            if code not in (0, 1):
                session.error(f"the tests on {part.name} ended with {code}")


def prepared(part: Part) -> tuple[list[str], dict[str, str]]:
    """Command and variables of a part; what it measures lies apart from that of the others."""
    place = RESULTS / part.name
    place.mkdir(parents=True, exist_ok=True)
    command = ["pytest", *part.arguments, "--cov", "--cov-report=", f"--junit-xml={place}.xml"]
    return command, {**part.variables, "COVERAGE_FILE": str(place / ".coverage")}


@contextlib.contextmanager
def in_background(session: nox.Session, part: Part) -> Iterator[subprocess.Popen[bytes]]:
    command, variables = prepared(part)
    session.log(f"at the same time: {' '.join(command)}")
    given = {name: value for name, value in {**os.environ, **session.env}.items() if value is not None}
    # The session's own programs come first, as session.run has it.
    given["PATH"] = f"{session.bin}{os.pathsep}{given['PATH']}"
    program = shutil.which(command[0], path=given["PATH"]) or command[0]
    with (
        (RESULTS / f"{part.name}.log").open("wb") as log,
        subprocess.Popen(
            [program, *command[1:]],
            env={**given, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)


def counted(reports: Iterable[Path], seconds: float) -> tuple[bool, str]:
    """Whether any test failed; and all JUnit reports as the one line that pytest ends with."""
    counts = Counter[str]()
    for report in reports:
        for suite in ET.parse(report).iter("testsuite"):  # noqa: S314  # our own pytest wrote it
            for kind in ("tests", "failures", "errors", "skipped"):
                counts[kind] += int(suite.get(kind, 0))
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    told = [
        f"{count} {word}"
        for count, word in (
            (counts["failures"], "failed"),
            (passed, "passed"),
            (counts["skipped"], "skipped"),
            (counts["errors"], "error" if counts["errors"] == 1 else "errors"),
        )
        if count
    ]
    minutes = f" ({dt.timedelta(seconds=int(seconds))})" if seconds >= 60 else ""
    line = f" {', '.join(told) or 'no tests ran'} in {seconds:.2f}s{minutes} "
    return bool(counts["failures"] + counts["errors"]), f"{line:=^80}"


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
    report = RESULTS / "coverage.json"
    session.run("coverage", "combine", "--quiet", *map(str, sorted(RESULTS.glob("*/.coverage"))))
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
