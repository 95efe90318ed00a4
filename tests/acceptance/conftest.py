"""What a user has: goldlock's wheel in an environment of its own, images made elsewhere, and a folder with inputs."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv

from goldlock import wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Installed:
    """An environment that holds goldlock and what it needs, and nothing else."""

    folder: Path

    def goldlock(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Outcome:
        """Run the installed command; a traceback is never right."""
        keep = {"PATH", "HOME", "LANG", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "TMPDIR"}
        variables = {name: value for name, value in os.environ.items() if name in keep}
        done = subprocess.run(
            [str(self.folder / "bin" / "goldlock"), *arguments],
            cwd=cwd,
            env={**variables, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def must(self, *arguments: str, cwd: Path) -> Outcome:
        """Run a command that has to end with exit code 0."""
        outcome = self.goldlock(*arguments, cwd=cwd)
        assert outcome.code == 0, f"goldlock {' '.join(arguments)}\n{outcome.stdout}\n{outcome.stderr}"
        return outcome

    def verdict(self, *arguments: str, cwd: Path) -> tuple[int, str]:
        """Exit code and verdict of `goldlock verify`."""
        outcome = self.goldlock("verify", "--format", "json", *arguments, cwd=cwd)
        assert outcome.stdout, outcome.stderr
        return outcome.code, json.loads(outcome.stdout)["verdict"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Installed]:
    """Makes an empty environment of a Python version and installs the wheel there; once for each version."""
    made: dict[str, Installed] = {}

    def install(version: str) -> Installed:
        if version not in made:
            folder = tmp_path_factory.mktemp(f"python{version}") / "venv"
            program = uv.find_uv_bin()
            subprocess.run(
                [program, "venv", "--quiet", "--python", _python(version), str(folder)], check=True
            )
            subprocess.run(
                [program, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), str(wheel)],
                check=True,
                timeout=600,
            )
            made[version] = Installed(folder)
        return made[version]

    return install


def _python(version: str) -> str:
    """An interpreter of that version: PATH, then pyenv's; else uv finds or installs one."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for each in [
        shutil.which(f"python{version}"),
        *map(str, sorted(root.glob(f"versions/{version}.*/bin/python"))),
    ]:
        if each and subprocess.run([each, "--version"], capture_output=True, check=False).returncode == 0:
            return each
    return version


@pytest.fixture(scope="session")
def base_image(docker_engine: object) -> str:
    """The base on which the users' images are built, where no registry can be reached."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "env" / "base" / "build.py")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    return done.stdout.split()[-1]


@pytest.fixture(scope="session")
def image(
    engine_client: docker.DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., str]]:
    """Builds a subject as its team would, from its folder alone; returns the reference. Removed at the end."""
    made: dict[str, str] = {}

    def build(
        name: str,
        *,
        target: str = "",
        changed: Mapping[str, tuple[str, str]] | None = None,
        bias: str = "0.0",
    ) -> str:
        tag = f"goldlock-acceptance-{target or name}:{'drifted' if changed or bias != '0.0' else '1.0'}"
        if tag in made:
            return tag
        folder = tmp_path_factory.mktemp("context") / name
        shutil.copytree(SUBJECTS / name, folder)
        for file, (old, new) in (changed or {}).items():
            text = (folder / file).read_text(encoding="utf-8")
            assert old in text
            (folder / file).write_text(text.replace(old, new), encoding="utf-8")
        if (folder / "requirements.txt").exists():
            (folder / "wheelhouse").mkdir()
            for each in wheelhouse.ensure([folder / "requirements.txt"], "3.8", print):
                shutil.copy(each, folder / "wheelhouse")
        if (folder / "predict.c").exists():
            program = [str(folder / "predict"), str(folder / "predict.c")]
            subprocess.run(["gcc", "-static", "-O2", f"-DBIAS={bias}", "-o", *program], check=True)
        text = (folder / "Dockerfile").read_text(encoding="utf-8")
        arguments = {"BASE": request.getfixturevalue("base_image")} if "ARG BASE" in text else {}
        engine_client.images.build(
            fileobj=_tar(folder),
            custom_context=True,
            tag=tag,
            target=target,
            buildargs=arguments,
            network_mode="none",
            rm=True,
            forcerm=True,
        )
        made[tag] = name
        return tag

    yield build
    for tag in made:
        engine_client.images.remove(tag, force=True)


def _tar(folder: Path) -> io.BytesIO:
    """A build context whose times are fixed, so that the engine's cache holds from one run to the next."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".", filter=_timeless)
    buffer.seek(0)
    return buffer


def _timeless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    return member
