"""The generated pages are what the generator writes, and leave out nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.docs.conftest import ROOT

from goldlock.cli import cli
from goldlock.schemas import Document, published

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ROOT / "docs" / "pages" / "reference"
OF = {Document.CONFIG: "config.md", Document.LOCK: "lock.md", Document.REPORT: "report-json.md"}


def test_the_pages_are_current(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import json, runpy; print(json.dumps(runpy.run_path('docs/reference.py')['pages']()))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name, text in json.loads(done.stdout).items():
        assert (PAGES / name).read_text(encoding="utf-8") == text, f"run `python docs/reference.py`: {name}"


@pytest.mark.parametrize("document", Document)
def test_every_key_of_every_table_is_there_once(document: Document) -> None:
    told = re.findall(r"^- `([\w-]+)` \(", (PAGES / OF[document]).read_text(encoding="utf-8"), re.MULTILINE)
    keys = [
        key
        for part in json.loads(published(document))["$defs"].values()
        for key in part.get("properties", ())
    ]
    assert sorted(told) == sorted(keys)


def test_every_command_and_option_is_there() -> None:
    text = (PAGES / "cli.md").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        section = text.partition(f"\n## goldlock {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or f"{parameter.opts[-1]}" in section, (
                name,
                parameter,
            )
