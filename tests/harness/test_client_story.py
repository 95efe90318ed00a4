"""The story that goldlock is for: Python 3.8 was agreed on, and the client runs 3.6.

The client's environment is a real one, with the newest TensorFlow that Python 3.6 can have; some 450 MB are downloaded
once, into uv's cache.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.env.subjects import interpreter, uv
from tests.harness.test_cli import ROOT, Outcome, run

from goldlock_env import lock
from goldlock_env.probing import probe_source

PINS = ROOT / "tests" / "subjects" / "client" / "requirements.txt"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("client") / "venv"
    uv("venv", "--python", str(interpreter("3.6")), str(root))
    uv("pip", "install", "--python", str(root / "bin" / "python"), "--no-deps", "-r", str(PINS))
    return root


def check(*arguments: str | Path) -> Outcome:
    return run("check", "-c", str(ROOT / "goldlock.toml"), *map(str, arguments), cwd=ROOT)


def version_of(client: Path) -> str:
    said = subprocess.run(
        [client / "bin" / "python", "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()[-1]


def told(lines: list[str], subject: Path, version: str) -> None:
    """The interpreter first, then every locked package that cannot exist on it."""
    assert lines[0].startswith(f"DRIFT  {subject}: Python {version}, where 3.8.18 is expected  (")
    assert " of 32 locked packages cannot exist on Python 3.6: " in lines[1]
    assert lines[2] == ""
    packages = lock.read(ROOT / "goldlock.lock").snapshot.packages
    assert packages is not None
    needy = [
        each for each in packages.distributions if (each.requires_python or "").startswith((">=3.8", ">=3.7"))
    ]
    assert len(needy) > 20
    for package in needy:
        assert f"{package.name} {package.version}" in lines[1]
    assert "numpy 1.24.3, " in lines[1]
    assert "tensorflow-cpu 2.13.1, " in lines[1]


def test_the_client_is_told_at_once_what_is_wrong(client: Path) -> None:
    done = check("--python", client)
    assert done.code == 1
    lines = done.stdout.splitlines()
    told(lines, client, version_of(client))
    # 850 MB in one file: what it takes its time for is left out, and that is said.
    assert "note: the installed files were not hashed: the Python is another one; --hash hashes them" in lines
    assert "  unknown  packages.files: the installed files were not hashed in this run" in lines
    errors = [line.split()[1] for line in lines if line.startswith("  error ")]
    assert errors[:2] == ["python.version", "packages.requires-python"]
    # What could exist there and does not stays an error; six and flatbuffers run on any Python.
    assert {name for name in errors if name.startswith("packages.")} == {
        "packages.requires-python",
        "packages.flatbuffers",
        "packages.six",
    }


def test_the_same_is_told_of_what_the_client_sends_back(client: Path, tmp_path: Path) -> None:
    probe = tmp_path / "goldlock-probe.py"
    probe.write_text(probe_source())
    sent = tmp_path / "sent.json"
    subprocess.run(
        [client / "bin" / "python", probe, "--no-hash", "--output", sent], check=True, capture_output=True
    )
    done = check("--snapshot", sent)
    assert done.code == 1
    told(done.stdout.splitlines(), sent, version_of(client))
    # Named one by one where it is asked for.
    verbose = check("--snapshot", sent, "--verbose").stdout
    assert "info     packages.numpy  expected 1.24.3, actual 1.19.5" in verbose
    assert "info     packages.tensorflow-cpu  missing (expected 2.13.1)" in verbose
    report = json.loads(check("--snapshot", sent, "--format", "json").stdout)
    assert len(report["gist"]) == 2


def test_a_diff_says_the_same_from_either_side(client: Path) -> None:
    version, locked = version_of(client), str(ROOT / "goldlock.lock")
    there = run("diff", locked, str(client), cwd=ROOT).stdout.splitlines()
    assert there[0] == f"DRIFT  {locked} and {client}: Python {version}, where 3.8.18 is expected"
    assert " of 32 locked packages cannot exist on Python 3.6: " in there[1]
    back = run("diff", str(client), locked, cwd=ROOT).stdout.splitlines()
    assert back[0] == f"DRIFT  {client} and {locked}: Python 3.8.18, where {version} is expected"
