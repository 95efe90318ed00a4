"""Numeric variables, and the BLAS of a NumPy that may be broken."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.env.subjects import Venv

from goldlock_env.probing import probe_interpreter, probe_source
from goldlock_env.snapshot import Snapshot


def _numerics(snapshot: Snapshot) -> tuple[dict[str, str], str]:
    assert snapshot.numerics is not None
    return dict(snapshot.numerics.environment), snapshot.numerics.blas_unknown


def test_reads_allow_listed_variables_and_no_secret() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD",
        "PYTHONHASHSEED": "7",
        "LD_LIBRARY_PATH": "/nowhere",
        "TF_VAR_db_password": "hunter2",
        "TF_TOKEN_app_terraform_io": "hunter2",
        "MKL_LICENSE_KEY": "hunter2",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "HOME": "/home/somebody",
    }
    seen = probe_interpreter(sys.executable, hash_files=False, environment=environment)
    assert _numerics(seen)[0] == {
        name: environment[name]
        for name in (
            "OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "NPY_DISABLE_CPU_FEATURES", "PYTHONHASHSEED", "LD_LIBRARY_PATH"
        )
    }  # fmt: skip


def test_a_value_that_is_too_long_becomes_its_digest_and_stays_distinct() -> None:
    seen = [
        _numerics(
            probe_interpreter(sys.executable, hash_files=False, environment={"XLA_FLAGS": "x" * 5000 + end})
        )[0]
        for end in ("a", "b")
    ]
    assert seen[0]["XLA_FLAGS"].startswith("sha256:")
    assert seen[0] != seen[1]


def test_control_characters_in_a_value_do_not_reach_a_terminal() -> None:
    seen = probe_interpreter(
        sys.executable, hash_files=False, environment={"OMP_PLACES": "a\x1b[2Jb\u202ec\udc80"}
    )
    value = _numerics(seen)[0]["OMP_PLACES"]
    assert value.isprintable()
    assert value.startswith("a\\x1b[2Jb\\u202ec")


def test_asks_the_numpy_that_the_interpreter_loads() -> None:
    seen = probe_interpreter(sys.executable, hash_files=False, environment={"OPENBLAS_NUM_THREADS": "1"})
    assert seen.numerics is not None
    if seen.numerics.blas is None:
        pytest.fail(seen.numerics.blas_unknown)
    if "openblas" not in seen.numerics.blas.library:
        pytest.skip(f"NumPy {np.__version__} is not built on OpenBLAS here")
    assert seen.numerics.blas.threads == 1
    assert seen.numerics.blas.kernel
    assert (seen.numerics.blas.version or "").startswith("OpenBLAS")
    assert seen.numerics.blas.kernel not in (seen.numerics.blas.version or "").split()


def test_tells_another_kernel_when_another_is_forced() -> None:
    kernels = []
    for forced in ("Haswell", "Nehalem"):
        seen = probe_interpreter(sys.executable, hash_files=False, environment={"OPENBLAS_CORETYPE": forced})
        assert seen.numerics is not None
        if seen.numerics.blas is None or seen.numerics.blas.kernel is None:
            pytest.skip("NumPy is not built on a dynamic OpenBLAS here")
        kernels.append(seen.numerics.blas.kernel)
    assert kernels == ["Haswell", "Nehalem"]


def _plant_numpy(venv: Venv, wheels: Callable[..., Path], source: str) -> None:
    venv.install(wheels("numpy", "9.9", {"numpy/__init__.py": source.encode()}))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('broken')", "exit code 1"),
        ("import os; os.abort()", "signal 6"),
        ("import os; os._exit(0)", "exit code 0"),
        ("import sys; sys.stdout.write('x' * 10_000_000)", "exit code"),
        ("import os\nwhile True: os.write(3, b'x' * 65536)", ""),
        ("print('goldlock-blas:{'); import os; os.write(1, b'\\ngoldlock-blas:{\\n')", ""),
    ],
)
def test_a_broken_numpy_makes_only_blas_unknown(
    venv: Venv, wheels: Callable[..., Path], source: str, reason: str
) -> None:
    _plant_numpy(venv, wheels, source)
    seen = venv.probe()
    assert seen.numerics is not None
    assert seen.numerics.blas is None
    assert seen.numerics.blas_unknown
    assert reason in seen.numerics.blas_unknown
    assert seen.packages is not None
    assert seen.packages.hashed


def test_a_numpy_that_hangs_does_not_hang_the_probe(
    venv: Venv, wheels: Callable[..., Path], tmp_path: Path
) -> None:
    source = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(77)'])\ntime.sleep(77)\n"
    _plant_numpy(venv, wheels, source)
    quick = tmp_path / "probe.py"
    quick.write_text(
        probe_source().replace("BLAS_SECONDS = 30.0", "BLAS_SECONDS = 0.5").replace("+ 5.0)", "+ 0.5)")
    )
    started = time.monotonic()
    import subprocess

    done = subprocess.run([venv.python, quick], capture_output=True, check=True, timeout=30)
    assert time.monotonic() - started < 15
    assert "took more than" in _numerics(Snapshot.from_probe(done.stdout))[1]


def test_without_numpy_there_is_no_blas_and_nothing_unknown(baseline: Snapshot) -> None:
    assert baseline.numerics is not None
    assert baseline.numerics.blas is None
    assert baseline.numerics.blas_unknown == ""
