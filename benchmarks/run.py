"""goldlock beside its peers, in one run: `python benchmarks/run.py [version] [check] [verify]`.

Every row is measured alternately with the others of its table, so that a noisy machine hits all of them.
Prints Markdown; docs/pages/explanation/measurements.md holds a run of it. Run it through `nox -s bench`, in whose environment
goldlock is installed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
GOLDLOCK = [sys.executable, "-m", "goldlock"]
_IMPORTLIB = (
    "import importlib.metadata as m; print(len([(d.metadata['Name'], d.version) for d in m.distributions()]))"
)


def timed(command: Sequence[str], *, codes: Sequence[int] = (0,), cwd: Path = ROOT) -> float:
    """Seconds of one run of a command; stops the benchmark where it fails."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode not in codes:
        sys.exit(
            f"{' '.join(command[:6])} ended with {done.returncode}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        )
    return seconds


def table(title: str, rows: Mapping[str, Callable[[], float]], base: str, runs: int) -> dict[str, float]:
    """Measure rows alternately after one warm-up each, and print medians with their ratio to a base row."""
    for measure in rows.values():
        measure()
    samples: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(runs):
        for name, measure in rows.items():
            samples[name].append(measure())
    medians = {name: statistics.median(values) for name, values in samples.items()}
    print(f"\n### {title}\n\n| what | median s | smallest s | ratio |\n|---|---|---|---|")
    for name, median in medians.items():
        print(
            f"| {name} | {median:.3f} | {min(samples[name]):.3f} | {median / medians[base]:.2f} |", flush=True
        )
    return medians


def bench_version() -> None:
    """`goldlock --version` beside an interpreter that does nothing."""
    script = shutil.which("goldlock", path=str(Path(sys.executable).parent)) or shutil.which("goldlock")
    rows: dict[str, Callable[[], float]] = {
        "`python -c pass`": lambda: timed([sys.executable, "-c", "pass"]),
        "`goldlock --version`": lambda: timed([script or "goldlock", "--version"]),
        "`pip --version`": lambda: timed([sys.executable, "-m", "pip", "--version"]),
    }
    table("Start", rows, "`python -c pass`", 11)


def bench_check() -> None:
    """The probe with and without hashing, beside what lists or hashes the same environment."""
    from goldlock import config
    from goldlock.engines.local import environment
    from goldlock_env.probing import probe_arguments

    loaded = config.load(ROOT / "goldlock.toml")
    if loaded.subject.local is None:
        sys.exit("goldlock.toml has no [subject.local]")
    venv = environment(loaded.subject.local, ROOT, print)
    site = next((venv / "lib").glob("python*/site-packages"))
    python = str(venv / "bin" / "python")
    files = [path for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    size = sum(path.stat().st_size for path in files)
    print(f"\n{len(files):,} files, {size / 1e9:.2f} GB, {os.cpu_count()} cores", flush=True)
    listing = Path(tempfile.mkdtemp()) / "files"
    listing.write_bytes(b"\0".join(os.fsencode(path) for path in files))
    pip = [sys.executable, "-m", "pip", "--python", python]
    check = [*GOLDLOCK, "check", "--python", python]
    hashing = ["sh", "-c", f"xargs -0 -n 256 -P {os.cpu_count()} sha256sum < {listing}"]
    probe = probe_arguments([python])
    rows: dict[str, Callable[[], float]] = {
        "plain hashing, all cores (`xargs -P sha256sum`)": lambda: timed(hashing),
        "plain hashing, all cores (`hashlib`, threads)": lambda: hash_all(files),
        "the probe alone, hashing": lambda: timed(probe),
        "the probe alone, not hashing": lambda: timed([*probe, "--no-hash"]),
        "`goldlock check`": lambda: timed(check, codes=(0, 1)),
        "`goldlock check --no-hash`": lambda: timed([*check, "--no-hash"], codes=(0, 1)),
        "`importlib.metadata`": lambda: timed([python, "-c", _IMPORTLIB]),
        "`pip list`": lambda: timed([*pip, "list", "--format=json"]),
        "`pip inspect`": lambda: timed([*pip, "inspect", "--local"]),
    }
    table("Looking at an environment", rows, "plain hashing, all cores (`hashlib`, threads)", 5)
    shutil.rmtree(listing.parent)


def hash_all(files: Sequence[Path]) -> float:
    """Seconds to hash files with hashlib on all cores; it releases the interpreter's lock."""
    import hashlib
    from concurrent.futures import ThreadPoolExecutor

    def digest(path: Path) -> str:
        with path.open("rb", buffering=0) as file:
            state = hashlib.sha256()
            while piece := file.read(1 << 20):
                state.update(piece)
        return state.hexdigest()

    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(digest, files, chunksize=64):
            pass
    return time.perf_counter() - started


def bench_verify() -> None:
    """A warm verify of the mlp batch case beside a bare `docker run` of the same command."""
    subprocess.run([*GOLDLOCK, "verify", "batch"], cwd=ROOT, check=True)
    inputs = ROOT / "tests" / "golden" / "mlp-batch" / "inputs.csv"
    bare = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--volume",
        f"{inputs}:/input.csv:ro",
        "--entrypoint",
        "python",
        "goldlock-mlp:serve",
        "-m",
        "model.mlp.predict",
        "--input",
        "/input.csv",
        "--output",
        "/dev/shm/output.csv",  # noqa: S108  # inside the container
    ]
    rows: dict[str, Callable[[], float]] = {
        "`docker run` of the command": lambda: timed(bare),
        "`goldlock verify batch`": lambda: timed([*GOLDLOCK, "verify", "batch", "--engine", "docker"]),
        "`goldlock verify batch --no-hash`": lambda: timed(
            [*GOLDLOCK, "verify", "batch", "--engine", "docker", "--no-hash"]
        ),
    }
    medians = table("Verifying", rows, "`docker run` of the command", 7)
    extra = medians["`goldlock verify batch`"] - medians["`docker run` of the command"]
    print(f"\nverify costs {extra:+.2f} s, {extra / medians['`docker run` of the command']:+.0%}")


TABLES = {"version": bench_version, "check": bench_check, "verify": bench_verify}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(TABLES)
    for name in wanted:
        if name not in TABLES:
            sys.exit(f"there is no table {name}; choose from {', '.join(TABLES)}")
        TABLES[name]()
