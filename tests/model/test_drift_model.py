"""One bit of one weight of the reference network, in its real image, behind the same interpreter and packages."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import Blame, blamed, cases, columns, rungs, unknown
from tests.engine.conftest import Project
from tests.engine.images import content

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

pytestmark = [pytest.mark.engine, pytest.mark.model]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "/app/model/mlp/artifacts"
PLANT = b"""
import hashlib, json, sys
import h5py
folder = sys.argv[1]
weights = []
with h5py.File(folder + "/model.h5", "r") as file:
    file["model_weights"].visititems(lambda name, item: weights.append(item) if isinstance(item, h5py.Dataset) else None)
    offset = max(weights, key=lambda item: item.size).id.get_offset()
with open(folder + "/model.h5", "rb") as file:
    data = bytearray(file.read())
before = hashlib.sha256(data).hexdigest()
data[offset + 2] ^= 0x80  # the lowest bit of a float32's exponent: half or twice the weight
with open(folder + "/model.h5", "wb") as file:
    file.write(data)
if sys.argv[2:]:
    with open(folder + "/manifest.json") as file:
        text = file.read()
    assert before in text
    with open(folder + "/manifest.json", "w") as file:
        file.write(text.replace(before, hashlib.sha256(data).hexdigest()))
"""


@pytest.fixture(scope="module")
def reference(serve_image: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The reference subject with its committed goldens, locked on this machine."""
    folder = tmp_path_factory.mktemp("reference")
    text = (ROOT / "goldlock.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[subject\.build\].*?(?=\[subject\.local\])", "", text, flags=re.DOTALL)
    text = text.partition("[[training]]")[0]
    (folder / "goldlock.toml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "tests" / "golden", folder / "tests" / "golden")
    shutil.copy(ROOT / "requirements.txt", folder)
    (folder / "model" / "mlp").mkdir(parents=True)
    shutil.copy(ROOT / "model" / "mlp" / "requirements.txt", folder / "model" / "mlp")
    project = Project(folder)
    project.edit('image = "goldlock-mlp:serve"', f'image = "{serve_image}"')
    locked = project.run("lock", "--engine", "docker")
    assert locked.code == 0, locked.stderr
    return project


@pytest.fixture
def planted(
    serve_image: str, build_image: Callable[..., str], engine_client: docker.DockerClient
) -> Callable[..., tuple[str, dict[str, Blame]]]:
    """An image with the changed bit, and what must be blamed for each artifact that changed."""

    def build(*names: str) -> tuple[str, dict[str, Blame]]:
        image = build_image(
            f"FROM {serve_image}\nUSER root\nCOPY plant.py /tmp/\n"
            f"RUN python /tmp/plant.py {FOLDER} {' '.join(set(names) - {'model.h5'})} && rm /tmp/plant.py\n"
            "USER 65532:65532\n",
            {"plant.py": PLANT},
        )
        blames = {}
        for name in names:
            pair = [content(engine_client, source, f"{FOLDER}/{name}") for source in (serve_image, image)]
            digests = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in pair]
            blames[name] = Blame("artifacts", f"{FOLDER}/{name}", digests[0], digests[1])
        before, after = (
            content(engine_client, source, f"{FOLDER}/model.h5") for source in (serve_image, image)
        )
        assert sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True)) == 1
        return image, blames

    return build


def test_one_bit_of_one_weight_is_named_and_the_predictor_refuses_it(
    reference: Project, planted: Callable[..., tuple[str, dict[str, Blame]]]
) -> None:
    image, blames = planted("model.h5")
    outcome = reference.verify("batch", "--fail-on", "warning", "--no-hash", "--image", image)
    assert outcome.code == 1
    assert blamed(outcome) == set(blames.values())
    case = cases(outcome)["batch"]
    assert case["verdict"] == "could not run"
    assert "model.h5" in str(case["failure"])


def test_one_bit_behind_a_rewritten_manifest_is_named_and_moves_the_outputs(
    reference: Project, planted: Callable[..., tuple[str, dict[str, Blame]]]
) -> None:
    image, blames = planted("model.h5", "manifest.json")
    outcome = reference.verify("--fail-on", "warning", "--no-hash", "--image", image)
    assert outcome.code == 1
    assert blamed(outcome) == set(blames.values())
    assert unknown(outcome) == {("packages", "files")}
    for name in ("batch", "http"):
        assert cases(outcome)[name]["verdict"] == "drift"
        moved = {
            column: rung for column, rung in rungs(outcome, name).items() if column.startswith("probability")
        }
        assert set(moved.values()) <= {"drifted", "flipped"}
        assert columns(outcome, name).keys() == rungs(outcome, name).keys()
