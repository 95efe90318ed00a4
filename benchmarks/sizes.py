"""Sizes of the reference images and the predict container's cold start: `nox -s sizes`.

The plain single-stage build is what most people write first: base, wheels copied in, pip install.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from pathlib import Path

import msgspec

from goldlock import config
from goldlock.building import ensure_image
from goldlock.engines.docker import DockerEngine

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {
    "plain": "plain single-stage build",
    "train": "train",
    "predict": "predict",
    "serve": "serve",
    "pipeline": "scikit-learn-only predict",
}


def main() -> None:
    """Build every target and print the table."""
    loaded = config.load(ROOT / "goldlock.toml")
    build = loaded.subject.build
    if build is None:
        raise SystemExit("goldlock.toml has no [subject.build]")
    sizes = {}
    with contextlib.closing(DockerEngine()) as engine:
        for target in TARGETS:
            stated = msgspec.structs.replace(build, target=target)
            ensure_image(
                engine,
                loaded,
                stated,
                f"goldlock-sizes:{target}",
                lambda line: print(f"  {line}", flush=True),
            )
            sizes[target] = engine.size(f"goldlock-sizes:{target}")
    print("\n| image | MB | against plain |\n|---|---|---|")
    for target, name in TARGETS.items():
        print(f"| {name} | {sizes[target] / 1e6:,.0f} | {sizes[target] / sizes['plain'] - 1:+.0%} |")
    rows = {"warm": False, "page cache dropped": True}
    print("\n| start of the predict container to its answer | median s |\n|---|---|")
    for name, drop in rows.items():
        samples = [cold_start(drop=drop) for _ in range(3)]
        print(f"| {name} | {statistics.median(samples):.2f} |")


def cold_start(*, drop: bool) -> float:
    """Seconds from `docker run` to the predictions of eight flowers."""
    if drop:
        with contextlib.suppress(OSError):
            subprocess.run(["sync"], check=True)
            Path("/proc/sys/vm/drop_caches").write_text("3")
    rows = "SepalLength,SepalWidth,PetalLength,PetalWidth\n" + "5.1,3.5,1.4,0.2\n" * 8
    started = time.perf_counter()
    subprocess.run(
        ["docker", "run", "--rm", "--interactive", "--network", "none", "goldlock-sizes:predict"],
        input=rows,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
