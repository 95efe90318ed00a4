"""The wheel holds both packages whole, and the folders keep to themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (ROOT / "env" / "goldlock_env", ROOT / "harness" / "goldlock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.iterdir()
    assert built.name == "goldlock-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(built) as archive:
        archive.testzip()
    return archive


def test_every_file_of_both_packages_is_in_the_wheel_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(file.relative_to(package.parent))
        for package in PACKAGES
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected
    assert {"goldlock_env/probe.py", "goldlock_env/py.typed", "goldlock/py.typed"} <= expected
    schemas = {f"goldlock/schemas/{each}.schema.json" for each in ("config", "lock", "report")}
    assert schemas <= expected
    assert not {name for name in wheel.namelist() if name.startswith(("docs/", "tests/", "model/"))}


def test_the_wheel_has_its_license_and_its_command(wheel: zipfile.ZipFile) -> None:
    names = [name.partition(".dist-info/")[2] for name in wheel.namelist()]
    assert "licenses/LICENSE" in names
    assert "entry_points.txt" in names


def test_env_is_not_ignored() -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not {"env", "env/", "/env", "/env/"}.intersection(line.strip() for line in lines)


def test_the_reference_models_import_nothing_of_ours() -> None:
    ours = {"goldlock", "goldlock_env"}
    for file in sorted((ROOT / "model").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert not modules & ours, f"{file.relative_to(ROOT)}, line {node.lineno}"


def test_the_probe_is_never_imported() -> None:
    for package in PACKAGES:
        for file in sorted(package.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = (
                    [name.name for name in node.names]
                    if isinstance(node, (ast.Import, ast.ImportFrom))
                    else []
                )
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                assert "probe" not in [part for name in [*names, module] for part in name.split(".")], file
