"""The miniature subject, built, locked and recorded once; and what makes drifted images of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "tests" / "subjects" / "mini"


@dataclass(frozen=True)
class Outcome:
    """How a goldlock process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, object]:
        """The JSON report on stdout."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document


@dataclass(frozen=True)
class Project:
    """A folder with a goldlock.toml."""

    folder: Path
    within: tuple[str, ...] = ()
    """Command that starts another one elsewhere."""

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start goldlock here, as a user would."""
        variables = {name: value for name, value in os.environ.items() if name not in {"CI", "COLUMNS"}}
        return subprocess.Popen(
            [*self.within, sys.executable, "-m", "goldlock", *arguments],
            cwd=self.folder,
            env={**variables, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 600) -> Outcome:
        """Run goldlock here to its end; a traceback is never right."""
        with self.start(*arguments, env=env) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            finally:
                process.kill()
        assert "Traceback" not in stderr, stderr
        return Outcome(code=process.returncode, stdout=stdout, stderr=stderr)

    def verify(self, *arguments: str) -> Outcome:
        """`goldlock verify` with a JSON report."""
        return self.run("verify", "--engine", "docker", "--format", "json", *arguments)

    def lock_and_record(self) -> None:
        """Lock and record the subject as it is; both must go well."""
        for command in ("lock", "record"):
            outcome = self.run(command, "--engine", "docker")
            assert outcome.code == 0, outcome.stderr

    def edit(self, old: str, new: str) -> None:
        """Replace a text that stands in goldlock.toml."""
        path = self.folder / "goldlock.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in goldlock.toml"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def copy(self, folder: Path) -> Project:
        """The same project elsewhere, with its lock and goldens."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".goldlock"))
        return Project(folder)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, engine_client: docker.DockerClient) -> Project:
    """The miniature subject: image built, environment locked, goldens recorded. Do not change it; `mini` copies it."""
    folder = tmp_path_factory.mktemp("recorded") / "mini"
    shutil.copytree(MINI, folder)
    project = Project(folder)
    project.edit(
        '["python3", "../../../env/base/build.py"]',
        json.dumps([sys.executable, str(ROOT / "env/base/build.py")]),
    )
    for arguments in (["build"], ["lock", "--engine", "docker"], ["record", "--engine", "docker"]):
        outcome = project.run(*arguments)
        assert outcome.code == 0, outcome.stderr
    assert engine_client.images.get("goldlock-test-mini:latest")
    return project


@pytest.fixture
def mini(recorded: Project, tmp_path: Path) -> Project:
    """A copy of the recorded miniature subject that a test may change."""
    return recorded.copy(tmp_path / "mini")


@pytest.fixture(scope="session")
def build_image(engine_client: docker.DockerClient) -> Iterator[Callable[..., str]]:
    """Builds an image from a Dockerfile's text and files; returns its reference. Removed at the end."""
    made: list[str] = []

    def build(dockerfile: str, files: Mapping[str, bytes] | None = None) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in {"Dockerfile": dockerfile.encode(), **(files or {})}.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o755 if content[:2] in {b"#!", b"\x7fE"} else 0o644
                archive.addfile(member, io.BytesIO(content))
        buffer.seek(0)
        tag = f"goldlock-test-drift:{uuid.uuid4().hex[:12]}"
        engine_client.images.build(
            fileobj=buffer, custom_context=True, tag=tag, network_mode="none", rm=True, forcerm=True
        )
        made.append(tag)
        return tag

    yield build
    for tag in made:
        engine_client.images.remove(tag, force=True)


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model as one static executable, which needs nothing of an image."""
    program = tmp_path_factory.mktemp("static") / "model"
    subprocess.run(
        ["gcc", "-O1", "-static", "-s", "-o", str(program), str(ROOT / "tests/subjects/static/model.c")],
        check=True,
    )
    return program.read_bytes()


@pytest.fixture(scope="session")
def static_image(build_image: Callable[..., str], static_model: bytes) -> str:
    """FROM scratch: the model, its weight, and nothing else."""
    return build_image(
        "FROM scratch\nCOPY model weight /\nENV OMP_NUM_THREADS=3\n"
        'ENTRYPOINT ["/model"]\nCMD ["serve", "8000"]\n',
        {"model": static_model, "weight": b"0.25\n"},
    )


@pytest.fixture
def static_project(tmp_path: Path) -> Callable[..., Project]:
    """Writes a project whose `[subject]` holds the given lines, and whose cases ask the static model."""

    def write(subject: str, *names: str, model: str = "/model", more: str = "") -> Project:
        (folder := tmp_path / "static").mkdir()
        (folder / "inputs.csv").write_text("x,y\n1,2\n0.5,0.1\n", encoding="utf-8")
        cases = {
            "files": f'[case.command]\nrun = ["{model}", "{{input}}", "{{output}}"]\n',
            "streams": f'[case.command]\nrun = ["{model}", "-", "-"]\n',
            "http": '[case.http]\npath = "/"\nrequest = "{rows: rows}"\n'
            'response = { label = "labels", score = "scores" }\nready = { timeout = 30 }\n',
        }
        text = f'[subject]\nname = "static"\n{subject}\n'
        for name in names or tuple(cases):
            text += f'\n[[case]]\nname = "{name}"\ninputs = "inputs.csv"\n{cases[name]}'
        (folder / "goldlock.toml").write_text(text + more, encoding="utf-8")
        return Project(folder)

    return write


@pytest.fixture
def drifted(recorded: Project, build_image: Callable[..., str]) -> Callable[..., str]:
    """Builds the miniature subject's image with more Dockerfile lines behind it, run as root."""
    assert recorded.folder.exists()

    def build(lines: str, files: Mapping[str, bytes] | None = None) -> str:
        return build_image(f"FROM goldlock-test-mini:latest\nUSER root\n{lines}\nUSER 65532:65532\n", files)

    return build
