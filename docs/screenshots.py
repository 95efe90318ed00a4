"""Make the pictures of the HTML report again: `python docs/screenshots.py` in a clone with the test dependencies.

The report is made up, and its comparison is real: an image with a newer numpy, on another CPU, answers a little
differently, and five labels flip. Fonts are the machine's; the pictures here were made with Inter and JetBrains Mono
(Debian: fonts-inter, fonts-jetbrains-mono).
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "env"), str(ROOT / "harness")]

import numpy as np  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from tests import browser  # noqa: E402

from goldlock import __version__  # noqa: E402
from goldlock.compare import compare_tables  # noqa: E402
from goldlock.render import html  # noqa: E402
from goldlock.report import CaseReport, Failure, Report, sorted_findings  # noqa: E402
from goldlock.results import InputRows, TableResult  # noqa: E402
from goldlock.tables import Table  # noqa: E402
from goldlock.tolerance import Kind, Tolerance  # noqa: E402
from goldlock_env.findings import Finding, Layer, Severity, Status  # noqa: E402

IMAGES = ROOT / "docs" / "pages" / "images"
SIZES = {390: 1600, 1280: 2120}
"""Width to height in CSS pixels: the top of the page, not all of it."""
SPECIES = np.array(["Setosa", "Versicolor", "Virginica"])
MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROWS = 4000


def digest(word: str) -> str:
    """A digest that looks like one."""
    return f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"


def answers() -> tuple[Table, Table, Table]:
    """What was asked, the golden answer, and the one that drifted."""
    random = np.random.default_rng(7)
    measured = Table({name: np.round(random.uniform(0.1, 7.9, ROWS), 1) for name in MEASURES})
    logits = random.normal(0, 2.2, (ROWS, 3)).astype(np.float32)
    moved = logits + random.normal(0, 2e-7, logits.shape).astype(np.float32)
    # An older kernel rounds some rows differently; a few lie on the edge between two answers.
    some = random.choice(ROWS, 160, replace=False)
    moved[some] += random.normal(0, 0.02, (160, 3)).astype(np.float32)
    edge = np.argsort(np.diff(np.sort(logits, axis=1)[:, 1:])[:, 0])[:5]
    first, second = np.argsort(logits[edge], axis=1)[:, ::-1][:, :2].T
    moved[edge, first], moved[edge, second] = logits[edge, second], logits[edge, first]
    return measured, _answer(logits), _answer(moved)


def _answer(logits: np.ndarray) -> Table:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)
    return Table(
        {
            "row_id": np.arange(len(logits)),
            "label": SPECIES[probability.argmax(axis=1)],
            **{f"probability_{name}": probability[:, place] for place, name in enumerate(SPECIES)},
            "milliseconds": np.round(np.random.default_rng(len(logits)).uniform(1, 3) + logits[:, 0], 2),
        }
    )


def case(name: str, table: TableResult | None, inputs: Table | None = None, **fields: object) -> CaseReport:
    """A case with the inputs of the rows that it shows."""
    rows = sorted({worst.row for column in table.columns for worst in column.worst}) if table else []
    asked = (
        InputRows(
            names=tuple(inputs.columns),
            rows={row: tuple(values[row].item() for values in inputs.columns.values()) for row in rows},
        )
        if inputs is not None
        else None
    )
    return CaseReport(
        name=name,
        way="http" if name == "http" else "command",
        golden=f"goldens/{name}",
        seconds=2.71,
        table=table,
        inputs=asked,
        **fields,  # type: ignore[arg-type]
    )


def finding(
    severity: Severity, layer: Layer, key: str, expected: str | None, actual: str | None, **fields: object
) -> Finding:
    """A difference; missing and extra follow from what is not there."""
    status = Status.MISSING if actual is None else Status.EXTRA if expected is None else Status.CHANGED
    return Finding(
        layer=layer,
        key=key,
        expected=expected,
        actual=actual,
        severity=severity,
        **{"status": status, **fields},  # type: ignore[arg-type]
    )


def sample() -> Report:
    """A drift in outputs and environment, with something of everything that a report can say."""
    measured, golden, drifted = answers()
    probability = Tolerance(kind=Kind.PROBABILITY, rtol=1e-4, atol=1e-6, ulp=4)
    tolerances = {
        "label": Tolerance(kind=Kind.LABEL, scores=tuple(f"probability_{name}" for name in SPECIES)),
        "milliseconds": Tolerance(kind=Kind.IGNORE, reason="a stopwatch"),
        **{f"probability_{name}": probability for name in SPECIES},
    }
    near = Table(
        {
            **golden.columns,
            "probability_Setosa": np.nextafter(golden.columns["probability_Setosa"], np.float32(1)),
        }
    )
    few = {name: values[:150] for name, values in near.columns.items()}
    first = {name: values[:150] for name, values in golden.columns.items()}
    return Report(
        goldlock_version=__version__,
        subject="flowers",
        engine="docker 27.1.1 (API 1.46)",
        image="client/flowers:1.1",
        lock_id=digest("lock"),
        created="2026-11-22T03:10:42Z",
        command="goldlock verify --image client/flowers:1.1 --html report.html",
        layers=(Layer.PYTHON, Layer.PACKAGES, Layer.OS, Layer.IMAGE, Layer.NUMERICS, Layer.HOST, Layer.ARTIFACTS),
        findings=sorted_findings(
            (
                finding(
                    Severity.ERROR, Layer.PACKAGES, "numpy", "1.24.3", "1.24.4",
                    note="not the locked version",
                ),
                finding(Severity.ERROR, Layer.NUMERICS, "environment.TF_ENABLE_ONEDNN_OPTS", "0", None),
                finding(
                    Severity.WARNING, Layer.NUMERICS, "blas.kernel", "SkylakeX", "Haswell",
                    note="another kernel rounds in another order; differences of some ULP follow",
                ),
                finding(Severity.WARNING, Layer.HOST, "cpu-level", "x86-64-v4", "x86-64-v3"),
                finding(Severity.INFO, Layer.IMAGE, "config-id", digest("a"), digest("b")),
                finding(Severity.INFO, Layer.PACKAGES, "left-pad", None, "1.0.0"),
                finding(
                    Severity.ERROR, Layer.OS, "packages.libssl3", "3.0.11-1", "3.0.17-1",
                    accepted="security update of the base image, outputs checked by hand on 3 November",
                ),
                finding(
                    Severity.ERROR, Layer.ARTIFACTS, "/app/model/model.h5", digest("m"), None,
                    status=Status.UNKNOWN, note="the file cannot be read by the container's user",
                ),
            )
        ),
        cases=(
            case("batch", compare_tables(golden, drifted, tolerances), measured),
            case("http", compare_tables(Table(first), Table(few), tolerances), variant="x86-64-v3"),
            case("explain", None, failure=Failure(
                message="`python -m flowers.explain --input {input}` ended with exit code 1:\nModuleNotFoundError: No module named 'shap'",
                hint="install what is missing into the image, or remove the case",
            )),
        ),
        notes=("the golden of case http was recorded on another CPU level",),
        snapshot={
            "python": {"version": "3.8.18"},
            "image": {"config-id": digest("b")},
            "host": {"cpu-model": "AMD EPYC 7763 64-Core Processor", "cpu-level": "x86-64-v3"},
            "numerics": {"blas": {"version": "OpenBLAS 0.3.23", "kernel": "Haswell"}},
        },
    )  # fmt: skip


def main() -> None:
    """Write the pictures, light and dark, at both widths."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        page.write_text(html.render(sample()), encoding="utf-8")
        chromium = browser.launch(playwright)
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                view = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                view.goto(page.as_uri())
                target = IMAGES / f"report-{width}-{scheme}.png"
                view.screenshot(path=target)
                print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KB")
        chromium.close()


if __name__ == "__main__":
    main()
