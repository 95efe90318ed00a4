"""Goldens to write and projects to accept in, for the tests of goldens."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from goldlock.config import Config, loads
from goldlock.golden import Draft, Key, Provenance
from goldlock.tables import Batches, Table
from goldlock.tolerance import Kind, Tolerance

INPUTS = b"a,b\n1,2\n3,4.5\n"
PROVENANCE = Provenance(
    lock_id="sha256:11",
    image_id="sha256:22",
    cpu_level="x86-64-v4",
    goldlock_version="0.1.0",
    recorded="2026-11-21",
)
OUTPUTS = Table(
    {"label": np.array(["Setosa", "Virginica"]), "p": np.array([0.9, 0.1], dtype=np.float32)},
)
CONFIG = """\
[subject]
name = "mini"
image = "mini:latest"
"""
CASE = """\
[[case]]
name = "{name}"
inputs = "inputs.csv"
[case.command]
run = ["predict", "{{input}}", "{{output}}"]
"""


def make(
    tmp_path: Path,
    outputs: Batches | None = None,
    *,
    inputs: bytes = INPUTS,
    inputs_name: str = "inputs.csv",
    case: str = "mlp",
    provenance: Provenance = PROVENANCE,
    tolerances: dict[str, Tolerance] | None = None,
    name: str = "",
    key: Key | None = None,
    bad: bool = False,
) -> Draft:
    """A draft whose inputs stand in `tmp_path`."""
    asked = tmp_path / "asked.csv"
    asked.write_bytes(inputs)
    if outputs is None:
        tolerances = tolerances or {"label": Tolerance(kind=Kind.LABEL, scores=("p",))}
    return Draft(
        case=case,
        inputs=asked,
        inputs_name=inputs_name,
        outputs=OUTPUTS if outputs is None else outputs,
        tolerances=tolerances or {},
        provenance=provenance,
        name=name,
        key=key or Key(),
        bad=bad,
    )


def configured(folder: Path, *cases: str, columns: str = "", more: str = "") -> Config:
    """A goldlock.toml with these cases, each asked with inputs.csv."""
    (folder / "inputs.csv").write_bytes(INPUTS)
    text = CONFIG + "".join(CASE.format(name=name) + more + columns for name in cases or ("mlp",))
    path = folder / "goldlock.toml"
    path.write_text(text)
    return loads(text, path=path)


def names_in(folder: Path) -> list[str]:
    """The names of what stands in a folder, hidden ones too, sorted."""
    return sorted(path.name for path in folder.iterdir())


def everything_in(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
