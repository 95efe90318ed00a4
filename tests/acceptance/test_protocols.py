"""Services that speak the protocols of large model servers: recognised, and asked so that the answers can be verified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.acceptance.conftest import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Installed

pytestmark = pytest.mark.engine

KINDS = {
    "kserve": ("KServe v2", "/v2/models/iris/infer", {"scores", "label"}),
    "tfserving": ("TensorFlow Serving", "/v1/models/iris:predict", {"predictions"}),
    "cog": ("Cog", "/predictions", {"label", "scores"}),
    "bentoml": ("BentoML", "/classify", {"value"}),
    "fastapi": ("OpenAPI", "/v2/species", {"label", "best"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_is_recognised_and_what_init_writes_verifies(
    kind: str, installed: Callable[[str], Installed], image: Callable[..., str], tmp_path: Path
) -> None:
    user = installed("3.13")
    shutil.copy(SUBJECTS / "protocols" / "inputs.csv", tmp_path)
    called, path, columns = KINDS[kind]

    user.must("init", image("protocols", target=kind), "--yes", cwd=tmp_path)

    text = (tmp_path / "goldlock.toml").read_text(encoding="utf-8")
    assert f"# seen: {called}: " in text
    assert f'path = "{path}"' in text
    user.must("record", cwd=tmp_path)
    user.must("lock", cwd=tmp_path)
    outcome = user.must("verify", "--format", "json", cwd=tmp_path)
    (case,) = json.loads(outcome.stdout)["cases"]
    assert {column["name"] for column in case["table"]["columns"]} == columns
