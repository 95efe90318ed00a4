"""A virtual environment to damage, made once and copied."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.env.subjects import DEMO, Venv, uv, wheel_bytes

from goldlock_env.snapshot import Snapshot


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("wheels")

    def make(name: str, version: str, files: Mapping[str, bytes] | None = None) -> Path:
        path = folder / f"{name}-{version}-py3-none-any.whl"
        path.write_bytes(wheel_bytes(name, version, {f"{name}.py": b"x = 1\n"} if files is None else files))
        return path

    return make


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, wheels: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("template") / "venv"
    uv("venv", "--python", sys.executable, "--no-cache", "--offline", str(root))
    venv = Venv(root)
    venv.install(wheels("demo", "1.0", DEMO), wheels("other", "2.1"))
    return root


@pytest.fixture
def venv(template: Path, tmp_path: Path) -> Venv:
    root = tmp_path / "venv"
    shutil.copytree(template, root, symlinks=True)
    return Venv(root)


@pytest.fixture(scope="session")
def baseline(template: Path) -> Snapshot:
    return Venv(template).probe()
