"""Changes around the packages: numeric variables, packages of the operating system, the model's weights."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import BATCH, HTTP, Blame, blamed, columns, rungs, unknown
from tests.engine.conftest import MINI

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

QUICK = {("packages", "files")}
"""What is unknown where files are not hashed."""


@pytest.mark.parametrize(
    ("name", "expected", "actual"),
    [("TF_ENABLE_ONEDNN_OPTS", None, "0"), ("OMP_NUM_THREADS", "1", "2")],
    ids=["set", "changed"],
)
def test_a_numeric_variable_of_the_image_is_named(
    mini: Project, drifted: Callable[..., str], name: str, expected: str | None, actual: str
) -> None:
    outcome = mini.verify("--fail-on", "warning", "--no-hash", "--image", drifted(f"ENV {name}={actual}"))
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("numerics", name, expected, actual)}
    assert unknown(outcome) == QUICK
    assert (rungs(outcome), rungs(outcome, "http")) == (BATCH, HTTP)


def test_a_numeric_variable_that_is_no_longer_set_is_named(
    mini: Project, engine_client: docker.DockerClient
) -> None:
    """Nothing unsets an image's variable but a Dockerfile without it, which verify builds as any changed input."""
    dockerfile = mini.folder / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    assert " OMP_NUM_THREADS=1\n" in text
    dockerfile.write_text(text.replace(" OMP_NUM_THREADS=1\n", "\n"), encoding="utf-8")
    mini.edit("goldlock-test-mini:latest", "goldlock-test-drift:unset")
    try:
        outcome = mini.verify("--fail-on", "warning")
    finally:
        engine_client.images.remove("goldlock-test-drift:unset", force=True)
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("numerics", "OMP_NUM_THREADS", "1", None)}
    assert unknown(outcome) == set()
    assert (rungs(outcome), rungs(outcome, "http")) == (BATCH, HTTP)


def test_a_numeric_variable_of_the_configuration_is_named(mini: Project) -> None:
    mini.edit("[subject.build]", '[subject.environment]\nNPY_DISABLE_SVML = "1"\n\n[subject.build]')
    outcome = mini.verify("batch", "--no-hash")
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("numerics", "NPY_DISABLE_SVML", None, "1")}


def test_a_variable_that_is_not_numeric_is_nobodys_business(
    mini: Project, drifted: Callable[..., str]
) -> None:
    image = drifted("ENV GREETING=hello API_TOKEN=sesame")
    outcome = mini.verify("batch", "--fail-on", "warning", "--no-hash", "--image", image)
    assert (outcome.code, blamed(outcome)) == (0, set())
    assert "sesame" not in outcome.stdout + outcome.stderr


def _deb(package: str, version: str) -> str:
    """Dockerfile lines that make a package with dpkg-deb and install it with dpkg."""
    control = (
        f"Package: {package}\\nVersion: {version}\\nArchitecture: all\\n"
        "Maintainer: goldlock tests <nobody@invalid>\\nDescription: planted\\n"
    )
    return (
        f"RUN mkdir -p /tmp/d/DEBIAN && printf '{control}' > /tmp/d/DEBIAN/control"
        f" && dpkg-deb --build /tmp/d /tmp/d.deb && dpkg --force-all --install /tmp/d.deb && rm -r /tmp/d /tmp/d.deb"
    )


def _locked_system_package(project: Project, name: str) -> str:
    lock = (project.folder / "goldlock.lock").read_text(encoding="utf-8")
    found = re.search(rf'^"?{re.escape(name)}"? = "(.*)"$', lock.partition("[os.packages]")[2], re.MULTILINE)
    assert found, f"{name} is not locked"
    return found[1]


def test_an_added_system_package_is_named(mini: Project, drifted: Callable[..., str]) -> None:
    outcome = mini.verify(
        "batch", "--fail-on", "warning", "--image", drifted(_deb("goldlock-planted", "1:2.5-1"))
    )
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("os", "goldlock-planted", None, "1:2.5-1", "warning")}
    assert unknown(outcome) == set()
    assert rungs(outcome) == BATCH


def test_a_system_package_of_another_version_is_named(mini: Project, drifted: Callable[..., str]) -> None:
    image = drifted(_deb("tzdata", "2999z-1"))
    outcome = mini.verify("batch", "--fail-on", "warning", "--no-hash", "--image", image)
    assert outcome.code == 1
    was = _locked_system_package(mini, "tzdata")
    assert blamed(outcome) == {Blame("os", "tzdata", was, "2999z-1", "warning")}
    assert rungs(outcome) == BATCH
    # A warning is told, and fails only where the policy or --fail-on says so.
    mini.edit("[subject.build]", '[policy]\n"os.tzdata" = "error"\n\n[subject.build]')
    strict = mini.run("check", "--engine", "docker", "--no-hash", "--format", "json", "--image", image)
    assert (strict.code, blamed(strict)) == (1, {Blame("os", "tzdata", was, "2999z-1", "error")})


def test_a_removed_system_package_is_named(mini: Project, drifted: Callable[..., str]) -> None:
    image = drifted("RUN dpkg --force-all --purge tzdata")
    outcome = mini.verify("batch", "--no-hash", "--image", image)
    assert outcome.code == 0, "a warning does not fail by default"
    assert blamed(outcome) == {Blame("os", "tzdata", _locked_system_package(mini, "tzdata"), None, "warning")}
    assert rungs(outcome) == BATCH


def test_one_bit_of_one_weight_is_named_and_moves_the_outputs(
    mini: Project, drifted: Callable[..., str]
) -> None:
    before = (MINI / "weights.json").read_bytes()
    after = before.replace(b"0.05]", b"0.04]")
    assert sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True)) == 1
    outcome = mini.verify(
        "--fail-on", "warning", "--image", drifted("COPY weights.json /app/", {"weights.json": after})
    )
    assert outcome.code == 1
    assert blamed(outcome) == {
        Blame(
            "artifacts",
            "/app/weights.json",
            *(f"sha256:{hashlib.sha256(d).hexdigest()}" for d in (before, after)),
        )
    }
    assert unknown(outcome) == set()
    drifting = dict.fromkeys(("p_ash", "p_birch", "p_cedar"), "drifted")
    assert rungs(outcome) == {"label": "identical", **drifting}
    assert rungs(outcome, "http") == {"label": "identical", "probability": "drifted"}
    assert columns(outcome)["p_cedar"]["count"] == 8


def test_a_missing_artifact_is_named(mini: Project, drifted: Callable[..., str]) -> None:
    """The model cannot be asked; the environment still says why, and that is a drift, not a failure."""
    image = drifted("RUN rm /app/weights.json")
    outcome = mini.verify("batch", "--no-hash", "--image", image)
    assert outcome.code == 1
    (blame,) = blamed(outcome)
    assert (blame.layer, blame.key, blame.actual) == ("artifacts", "/app/weights.json", None)
