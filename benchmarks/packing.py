"""Packing the reference image beside what cannot be done without: `docker save` and a copy. `nox -s packing`.

Both are measured in turn, on one disk. A pack is on the disk when the command ends (fsync), so the copy is synced too;
the row without that is there for who does not mind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import config as configs
from goldlock.building import ensure_image
from goldlock.delivery import configuration
from goldlock.engines.docker import DockerEngine

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3


def main() -> None:
    """Pack, save and copy in turn; print the table."""
    with tempfile.TemporaryDirectory(
        dir=ROOT / ".goldlock" if (ROOT / ".goldlock").is_dir() else None
    ) as name:
        folder = Path(name)
        image = project(folder)
        rows: dict[str, Callable[[], float]] = {
            "docker save, cp and sync": lambda: saved(folder, image, sync=True),
            "docker save and cp": lambda: saved(folder, image, sync=False),
            "goldlock pack": lambda: packed(folder)[0],
        }
        samples: dict[str, list[float]] = {row: [] for row in rows}
        for _ in range(RUNS):
            for row, measure in rows.items():
                # What the one before left to be written is not this one's work.
                os.sync()
                samples[row].append(measure())
        base = statistics.median(samples["docker save, cp and sync"])
        print(f"\n| {image} | median s | smallest s | ratio |\n|---|---|---|---|")
        for row, values in samples.items():
            print(
                f"| {row} | {statistics.median(values):.1f} | {min(values):.1f} | {statistics.median(values) / base:.2f} |"
            )
        print(f"\npeak memory of goldlock pack: {packed(folder)[1] / 1e6:.0f} MB")


def project(folder: Path) -> str:
    """The reference subject with its goldens, locked as it is on this engine; returns its image's name."""
    loaded = configs.load(ROOT / "goldlock.toml")
    with contextlib.closing(DockerEngine()) as engine:
        assert loaded.subject.build is not None
        ensure_image(engine, loaded, loaded.subject.build, loaded.subject.image, print)
    text = configuration.packed(
        loaded, loaded.subject.image, {case.name: Path(case.inputs).name for case in loaded.case}
    )
    (folder / "goldlock.toml").write_text(text, encoding="utf-8")
    for case in loaded.case:
        shutil.copytree(loaded.resolve(case.golden), folder / configuration.golden_folder(case.name))
    goldlock(folder, "lock", "--engine", "docker")
    return loaded.subject.image


def goldlock(folder: Path, *arguments: str) -> int:
    """Run goldlock; returns its peak memory in bytes."""
    child = subprocess.Popen(
        [sys.executable, "-m", "goldlock", *arguments], cwd=folder, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"goldlock {' '.join(arguments)} ended with {child.returncode}")
    return used.ru_maxrss * 1024


def packed(folder: Path) -> tuple[float, int]:
    """Seconds and peak memory."""
    started = time.perf_counter()
    memory = goldlock(folder, "pack", "--replace", "-o", "a.goldlock")
    return time.perf_counter() - started, memory


def saved(folder: Path, image: str, *, sync: bool) -> float:
    """Seconds."""
    first, second = folder / "saved.tar", folder / "copy.tar"
    started = time.perf_counter()
    subprocess.run(["docker", "save", image, "-o", first], check=True)
    subprocess.run(["cp", first, second], check=True)
    if sync:
        subprocess.run(["sync", second], check=True)
    seconds = time.perf_counter() - started
    first.unlink()
    second.unlink()
    return seconds


if __name__ == "__main__":
    main()
