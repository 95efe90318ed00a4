"""goldlock's comparison beside its peers, in one run: `python benchmarks/comparing.py [floats] [mixed] [memory]`.

Every row is measured in turn with the others of its table, so that a noisy machine hits all of them; nothing but
the comparison is measured, not how its data came into memory. Prints Markdown; docs/pages/explanation/measurements.md holds a run of
it. Peers that are not installed are listed as such; pytest-regressions runs in a process of its own.
`GOLDLOCK_BENCH_SCALE=0.01` makes everything smaller, to try the script.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from goldlock.compare import compare_tables
from goldlock.formats import Format
from goldlock.results import TableResult
from goldlock.tables import Table, open_table
from goldlock.tolerance import Kind, Tolerance

SCALE = float(os.environ.get("GOLDLOCK_BENCH_SCALE", "1"))
FLOATS = int(50_000_000 * SCALE)
MIXED = int(10_000_000 * SCALE)
PARQUET = int(100_000_000 * SCALE)
FEW = int(2_000_000 * SCALE)
"""Rows for pytest-regressions, which would take minutes for all of them."""
ROUNDS = 5
SLOW = 8.0
RTOL = 1e-5
CLASSES = np.array(["setosa", "versicolor", "virginica"], dtype=object)
GOLDLOCK = "**goldlock**"
READ = "one read of both sides (chunked sums, all cores)"

Row = Callable[[], object]
Numbers = npt.NDArray[Any]


def main(wanted: list[str]) -> None:
    tables = {"floats": bench_floats, "mixed": bench_mixed, "memory": bench_memory}
    for name in wanted or tables:
        if name not in tables:
            sys.exit(f"there is no table {name}; choose from {', '.join(tables)}")
        tables[name]()


def bench_floats() -> None:
    """Float32 in memory: identical, noise of a few ULP everywhere, and a few that drifted."""
    rng = np.random.default_rng(0)
    expected = rng.random(FLOATS, dtype=np.float32) + np.float32(0.01)
    few = expected.copy()
    few[rng.integers(0, FLOATS, 50)] += np.float32(0.1)
    noise = (expected.view(np.int32) + rng.integers(-3, 4, FLOATS, dtype=np.int32)).view(np.float32)
    for title, actual in (("identical", expected.copy()), ("3 ULP of noise", noise), ("50 drifted", few)):
        rows: dict[str, Row | str] = {
            GOLDLOCK: partial(compare_floats, expected, actual),
            READ: partial(read, [expected, actual]),
            "`numpy.testing.assert_allclose`": partial(failing, partial(allclose, expected, actual)),
            "`torch.testing.assert_close`": torch_row({"x": expected}, {"x": actual}),
            "`pandas.testing.assert_frame_equal`": pandas_row({"x": expected}, {"x": actual}),
            "`polars.testing.assert_frame_equal`": polars_row({"x": expected}, {"x": actual}),
        }
        table(f"{FLOATS:,} float32, {title}", rows)
    regressions("NDArraysRegression", {"x": expected[:FEW]}, {"x": noise[:FEW]})


def bench_mixed() -> None:
    """Columns of every kind: whole numbers, floats, truth, text, labels and probabilities of three classes."""
    expected, actual = mixed(0), mixed(1)
    flat, flat_actual = plain(expected), plain(actual)
    tolerances = {
        "label": Tolerance(kind=Kind.LABEL, scores=("p",)),
        "p": Tolerance(kind=Kind.PROBABILITY, rtol=RTOL),
        "score": Tolerance(kind=Kind.CLOSE, rtol=RTOL),
    }
    left, right = Table(expected), Table(actual)
    numbers = [each for side in (expected, actual) for each in side.values() if each.dtype.kind != "O"]
    rows: dict[str, Row | str] = {
        GOLDLOCK: lambda: passing(compare_tables(left, right, tolerances)),
        f"{READ}, without text": lambda: read(numbers),
        "`numpy.testing` (`assert_allclose`, `assert_array_equal`)": lambda: numpy_mixed(expected, actual),
        "`torch.testing.assert_close`, without text": torch_row(
            without_text(flat), without_text(flat_actual)
        ),
        "`pandas.testing.assert_frame_equal`": pandas_row(flat, flat_actual),
        "`polars.testing.assert_frame_equal`": polars_row(flat, flat_actual),
    }
    table(f"{MIXED:,} rows of mixed columns, noise in the floats", rows)
    head = {name: values[: FEW // 2] for name, values in flat.items()}
    moved = {name: values[: FEW // 2] for name, values in flat_actual.items()}
    regressions("DataFrameRegression", head, moved)


def mixed(noise: int) -> dict[str, Numbers]:
    """Return the columns; the same ones again but for some ULP of noise in the floats, as new objects."""
    rng = np.random.default_rng(1)
    score = rng.normal(0, 100, MIXED)
    p = rng.random((MIXED, 3), dtype=np.float32) + np.float32(0.01)
    text = np.empty(MIXED, dtype=object)
    text[:] = [f"sample {row}" for row in range(MIXED)]
    labels = [str(name)[:1] + str(name)[1:] for name in CLASSES]
    columns: dict[str, Numbers] = {
        "id": np.arange(MIXED, dtype=np.int64),
        "score": (score.view(np.int64) + noise).view(np.float64),
        "valid": rng.random(MIXED) < 0.9,
        "text": text,
        "label": np.array(labels, dtype=object)[p.argmax(axis=1)],
        "p": (p.view(np.int32) + noise).view(np.float32),
    }
    return columns


def plain(columns: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return columns with one value a row: data frames have no others."""
    flat = {name: values for name, values in columns.items() if values.ndim == 1}
    for place in range(columns["p"].shape[1]):
        flat[f"p{place}"] = np.ascontiguousarray(columns["p"][:, place])
    return flat


def without_text(columns: Mapping[str, Numbers]) -> dict[str, Numbers]:
    return {name: values for name, values in columns.items() if values.dtype.kind != "O"}


def compare_floats(expected: Numbers, actual: Numbers) -> None:
    compare_tables(Table({"x": expected}), Table({"x": actual}), {"x": Tolerance(kind=Kind.CLOSE, rtol=RTOL)})


def allclose(expected: Numbers, actual: Numbers) -> None:
    np.testing.assert_allclose(actual, expected, rtol=RTOL, atol=0)


def numpy_mixed(expected: Mapping[str, Numbers], actual: Mapping[str, Numbers]) -> None:
    for name, values in expected.items():
        if values.dtype.kind == "f":
            allclose(values, actual[name])
        else:
            np.testing.assert_array_equal(actual[name], values)


def torch_row(expected: Mapping[str, Numbers], actual: Mapping[str, Numbers]) -> Row | str:
    torch = imported("torch.testing")
    if torch is None:
        return "not installed"
    from_numpy = importlib.import_module("torch").from_numpy
    left = {name: from_numpy(values) for name, values in expected.items()}
    right = {name: from_numpy(values) for name, values in actual.items()}

    def run() -> None:
        for name, values in left.items():
            failing(partial(torch.assert_close, right[name], values, rtol=RTOL, atol=0))

    return run


def pandas_row(expected: Mapping[str, Numbers], actual: Mapping[str, Numbers]) -> Row | str:
    pandas = imported("pandas")
    if pandas is None:
        return "not installed"
    left, right = pandas.DataFrame(expected), pandas.DataFrame(actual)
    check = importlib.import_module("pandas.testing").assert_frame_equal
    return lambda: failing(lambda: check(left, right, check_exact=False, rtol=RTOL, atol=0))


def polars_row(expected: Mapping[str, Numbers], actual: Mapping[str, Numbers]) -> Row | str:
    polars = imported("polars")
    if polars is None:
        return "not installed"
    left, right = polars.DataFrame(dict(expected)), polars.DataFrame(dict(actual))
    check = importlib.import_module("polars.testing").assert_frame_equal
    return lambda: failing(lambda: check(left, right, check_exact=False, rel_tol=RTOL, abs_tol=0))


def imported(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def failing(check: Row) -> None:
    """Run a check that may say no; how long it takes to say so counts too."""
    try:
        check()
    except AssertionError:
        return


def passing(result: TableResult) -> None:
    if not result.passes:
        sys.exit("what should pass does not")


def read(arrays: list[Numbers]) -> None:
    """Read arrays from memory once, on all cores."""
    words = [values.reshape(-1).view(np.uint8) for values in arrays]
    wide = [each[: len(each) // 8 * 8].view(np.uint64) for each in words]
    step = 1 << 16

    def piece(task: tuple[int, int]) -> int:
        number, start = task
        return sum(int(wide[number][at : at + step].sum()) for at in range(start, start + 16 * step, step))

    tasks = [(number, at) for number, each in enumerate(wide) for at in range(0, len(each), 16 * step)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sum(pool.map(piece, tasks))


def table(title: str, rows: Mapping[str, Row | str]) -> None:
    """Measure the rows in turn after one warm-up each; print medians, and their ratios to goldlock's.

    What takes longer than `SLOW` is measured once.
    """
    work = {name: row for name, row in rows.items() if not isinstance(row, str)}
    samples = {name: [seconds(run)] for name, run in work.items()}
    slow = {name for name, (first,) in samples.items() if first > SLOW}
    samples = {name: first if name in slow else [] for name, first in samples.items()}
    for _ in range(ROUNDS):
        for name, run in work.items():
            if name not in slow:
                samples[name].append(seconds(run))
    base = statistics.median(samples[GOLDLOCK])
    print(f"\n### {title}\n\n| what | median s | smallest s | times goldlock's |\n|---|---|---|---|")
    for name, row in rows.items():
        if isinstance(row, str):
            print(f"| {name} | {row} | | |")
            continue
        median = statistics.median(samples[name])
        print(f"| {name} | {median:.3f} | {min(samples[name]):.3f} | {median / base:.2f} |", flush=True)


def seconds(run: Row) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


REGRESSION = """
import json, os, time
import numpy as np
import pandas as pd

def test_it({fixture}):
    data = np.load(os.environ["BENCH_DATA"], allow_pickle=True)
    columns = {{name: data[name] for name in data.files}}
    given = columns if "{fixture}" == "ndarrays_regression" else pd.DataFrame(columns)
    started = time.perf_counter()
    try:
        {fixture}.check(given, default_tolerance=dict(rtol={rtol}, atol=0))
    finally:
        with open(os.environ["BENCH_TIME"], "a") as file:
            file.write(json.dumps(time.perf_counter() - started) + "\\n")
"""


def regressions(kind: str, expected: Mapping[str, Numbers], actual: Mapping[str, Numbers]) -> None:
    """pytest-regressions' own check of so many rows, beside goldlock's of the same."""
    rows = len(next(iter(expected.values())))
    title = f"{rows:,} rows in pytest-regressions' `{kind}` (its golden is a file, written and read)"
    left, right = Table(expected), Table(actual)
    stated = {
        name: Tolerance(kind=Kind.CLOSE, rtol=RTOL)
        for name, values in expected.items()
        if values.dtype.kind == "f"
    }
    checks: list[float] = []
    if imported("pytest_regressions") is not None:
        with tempfile.TemporaryDirectory(prefix="goldlock-bench-") as name:
            checks = regression_seconds(Path(name), kind, expected, actual)
    print(f"\n### {title}\n\n| what | median s | times goldlock's |\n|---|---|---|")
    own = [seconds(lambda: compare_tables(left, right, stated)) for _ in range(ROUNDS)]
    base = statistics.median(own)
    print(f"| {GOLDLOCK}, in memory | {base:.3f} | 1.00 |")
    if checks:
        median = statistics.median(checks)
        print(f"| `{kind}.check` | {median:.3f} | {median / base:.0f} |", flush=True)
    else:
        print(f"| `{kind}.check` | not installed | |")


def regression_seconds(
    folder: Path, kind: str, expected: Mapping[str, Numbers], actual: Mapping[str, Numbers]
) -> list[float]:
    fixture = {"NDArraysRegression": "ndarrays_regression", "DataFrameRegression": "dataframe_regression"}[
        kind
    ]
    (folder / "test_it.py").write_text(REGRESSION.format(fixture=fixture, rtol=RTOL))
    (folder / "pytest.ini").write_text("[pytest]\n")
    times = folder / "times"
    for number, (columns, options) in enumerate([(expected, ["--force-regen"]), *[(actual, [])] * 3]):
        data = folder / f"data{number}.npz"
        texts: dict[str, Any] = {name: as_text(values) for name, values in columns.items()}
        np.savez(data, **texts)
        environment = {**os.environ, "BENCH_DATA": str(data), "BENCH_TIME": str(times)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:goldlock",
            "-p",
            "no:cacheprovider",
            *options,
        ]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if not options and done.returncode:
            sys.exit(f"pytest-regressions failed:\n{done.stdout[-2000:]}")
    return [json.loads(line) for line in times.read_text().splitlines()][1:]


def as_text(values: Numbers) -> Numbers:
    return values.astype(np.str_) if values.dtype.kind == "O" else values


def bench_memory() -> None:
    """Peak memory of comparing Parquet files, above an interpreter that does nothing."""
    pyarrow = imported("pyarrow")
    print(f"\n### {PARQUET:,} rows of Parquet, 4 columns, each side a file\n")
    if pyarrow is None:
        print("pyarrow is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="goldlock-bench-") as name:
        files = [write_parquet(Path(name) / f"{noise}.parquet", noise) for noise in (0, 1)]
        idle = json.loads(child("print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"))
        found = json.loads(child(f"import sys; sys.argv = {['', 'child', *map(str, files)]!r}\n{RUN}"))
        size = sum(path.stat().st_size for path in files) / 1e9
    print("| what | |\n|---|---|")
    print(f"| both files | {size:.1f} GB |")
    print(f"| peak above an idle interpreter | {(found['peak'] - idle) / 1024:.0f} MiB |")
    print(
        f"| of that, before a row is read (goldlock, NumPy, pyarrow) | {(found['start'] - idle) / 1024:.0f} MiB |"
    )
    print(f"| seconds | {found['seconds']:.1f} |")
    print(f"| result | {found['rung']}, {found['differing']:,} values differ |", flush=True)


RUN = f"import runpy; runpy.run_path({str(Path(__file__).resolve())!r}, run_name='__main__')"


def child(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def peak_memory() -> int:
    """KiB that this process had in memory at most; what getrusage says begins with the parent's."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def write_parquet(path: Path, noise: int) -> Path:
    """Write the rows block by block."""
    pa, pq = imported("pyarrow"), imported("pyarrow.parquet")
    rng = np.random.default_rng(2)
    block = 1_000_000
    writer = None
    for start in range(0, PARQUET, block):
        rows = min(block, PARQUET - start)
        score, p = rng.normal(0, 1, rows), rng.random(rows, dtype=np.float32)
        columns = {
            "id": np.arange(start, start + rows, dtype=np.int64),
            "score": (score.view(np.int64) + noise).view(np.float64),
            "p": p,
            "label": (p * 3).astype(np.int8),
        }
        batch = pa.table(columns)
        if writer is None:
            writer = pq.ParquetWriter(path, batch.schema, compression="none")
        writer.write_table(batch)
    if writer is not None:
        writer.close()
    return path


def compare_files(expected: str, actual: str) -> None:
    """Compare two Parquet files; print what it took as JSON."""
    importlib.import_module("pyarrow.parquet")
    left, right = (open_table(Path(name), Format.PARQUET, where=name) for name in (expected, actual))
    start = peak_memory()
    started = time.perf_counter()
    result = compare_tables(left, right, {})
    print(
        json.dumps(
            {
                "start": start,
                "peak": peak_memory(),
                "seconds": time.perf_counter() - started,
                "rung": result.rung.value,
                "differing": sum(column.differing for column in result.columns),
            }
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        compare_files(*sys.argv[2:])
    else:
        main(sys.argv[1:])
