"""Starting the probe on what may not be a Python at all."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tests.env.subjects import Venv

from goldlock_env import probing
from goldlock_env.errors import ConfigurationError, CouldNotRunError
from goldlock_env.probing import probe_arguments, probe_interpreter


def _script(folder: Path, body: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _error(path: Path | str, **options: float) -> CouldNotRunError:
    with pytest.raises(CouldNotRunError) as caught:
        probe_interpreter(path, **options)  # type: ignore[arg-type]
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3
    return caught.value


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in _error(tmp_path / "nothing").message


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CouldNotRunError) as caught:
        probe_interpreter(sys.executable, folder=tmp_path / "gone")
    assert caught.value.message.startswith(str(tmp_path / "gone"))


def test_a_file_that_may_not_be_run(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    assert "could not be started" in _error(tmp_path / "text").message


def test_a_program_that_is_no_python(tmp_path: Path) -> None:
    assert "no snapshot" in _error("/bin/true").message
    assert "exit code 7: odd" in _error(_script(tmp_path, "echo odd >&2; exit 7")).message


def test_a_program_that_is_killed(tmp_path: Path) -> None:
    assert "signal 9" in _error(_script(tmp_path, "kill -9 $$")).message


def test_a_program_that_hangs_ends_with_all_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    assert "within 0.5 seconds" in _error(_script(tmp_path, "sleep 60 & sleep 60"), timeout=0.5).message
    assert time.monotonic() - started < 10


def test_a_program_that_closes_its_output_and_stays(tmp_path: Path) -> None:
    assert "within 1 seconds" in _error(_script(tmp_path, "exec >&- 2>&-; sleep 60"), timeout=1.0).message


def test_a_program_that_floods_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing.framing, "LARGEST_OUTPUT", 1_000_000)
    assert "printed more than" in _error(_script(tmp_path, "yes")).message


def test_a_flood_of_errors_is_cut_and_made_harmless(tmp_path: Path) -> None:
    message = _error(
        _script(tmp_path, "head -c 3000000 /dev/zero >&2; printf '\\033[2Jend' >&2; exit 1")
    ).message
    assert len(message) < 1000
    assert message.isprintable()
    assert message.endswith("\\x1b[2Jend")


def test_a_start_up_that_prints_is_no_matter(venv: Venv) -> None:
    (venv.site / "noise.pth").write_text(
        "import sys; sys.stdout.write('noise==goldlock-probe:1 begin\\n' * 9)\n"
    )
    assert venv.probe().python is not None


@pytest.mark.parametrize("artifact", ["a\0b", "x" * 200_000])
def test_an_argument_that_no_system_accepts(artifact: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        probe_arguments(["python"], artifacts=[artifact])
    assert "argument" in caught.value.message
    assert len(caught.value.message) < 200


def test_an_option_the_probe_does_not_know(tmp_path: Path) -> None:
    import subprocess

    done = subprocess.run([*probe_arguments([sys.executable]), "--odd"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"no option '--odd'" in done.stderr
