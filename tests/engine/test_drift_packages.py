"""Changed packages and changed installed files: each named, with what was locked and what is there."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import BATCH, Blame, blamed, findings, rungs, unknown
from tests.engine.images import content
from tests.env.subjects import DEMO, wheel_bytes

from goldlock import wheelhouse
from goldlock.errors import CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import docker
    from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

NUMPY = "1.24.3"
NEWER_NUMPY = (
    "1.24.4",
    "numpy==1.24.4 --hash=sha256:dd80e219fd4c71fc3699fc1dadac5dcf4fd882bfc6f7ec53d30fa197b8ee22dc\n",
)
SITE = "/opt/env/lib/python3.8/site-packages"
# Neither is imported by a prediction: what is found is found by looking at files.
SOURCE = "numpy/matlib.py"
LIBRARY = "numpy/core/_struct_ufunc_tests.cpython-38-x86_64-linux-gnu.so"
PIP = "/usr/local/bin/python3 -m pip --disable-pip-version-check --python /opt/env/bin/python"
PLANT = b"""
import base64, csv, hashlib, io, sys
site, path = sys.argv[1], sys.argv[2]
with open(site + "/" + path, "rb") as file:
    data = bytearray(file.read())
data[len(data) // 2] ^= 1
with open(site + "/" + path, "wb") as file:
    file.write(data)
if sys.argv[3:]:
    record = site + "/" + sys.argv[3]
    with open(record, newline="") as file:
        rows = list(csv.reader(file))
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    changed = [row for row in rows if row[0] == path]
    changed[0][1] = "sha256=" + digest
    with open(record, "w", newline="") as file:
        csv.writer(file, lineterminator="\\n").writerows(rows)
"""


def _installing(wheels: Mapping[str, bytes]) -> str:
    return (
        f"COPY {' '.join(wheels)} /wheels/\nRUN {PIP} install --no-index --no-deps --no-compile --no-cache-dir --quiet "
        + " ".join(f"/wheels/{name}" for name in wheels)
    )


def _wheels(*packages: tuple[str, str]) -> dict[str, bytes]:
    return {
        f"{name}-{version}-py3-none-any.whl": wheel_bytes(
            name, version, DEMO if name == "demo" else {f"{name}.py": f"VERSION = {version!r}\n".encode()}
        )
        for name, version in packages
    }


@pytest.fixture(scope="session")
def packaged(
    recorded: Project, build_image: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, str]:
    """The miniature subject with two small packages more, locked so; and its image."""
    project = recorded.copy(tmp_path_factory.mktemp("packaged") / "mini")
    wheels = _wheels(("demo", "1.0"), ("other", "2.1"))
    image = build_image(
        f"FROM goldlock-test-mini:latest\nUSER root\n{_installing(wheels)}\nUSER 65532:65532\n", wheels
    )
    project.edit("goldlock-test-mini:latest", image)
    path = project.folder / "goldlock.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(r"\[subject\.build\].*?(?=\[subject\.local\])", "", text, flags=re.DOTALL), encoding="utf-8"
    )
    locked = project.run("lock", "--replace")
    assert locked.code == 0, locked.stderr
    return project, image


@pytest.fixture
def repackaged(packaged: tuple[Project, str], build_image: Callable[..., str]) -> Callable[..., str]:
    """Builds that image with more Dockerfile lines behind it, run as root."""

    def build(lines: str, files: Mapping[str, bytes] | None = None) -> str:
        return build_image(f"FROM {packaged[1]}\nUSER root\n{lines}\nUSER 65532:65532\n", files)

    return build


def test_the_packaged_subject_itself_matches(packaged: tuple[Project, str]) -> None:
    outcome = packaged[0].verify("batch", "--fail-on", "warning")
    assert (outcome.code, findings(outcome), rungs(outcome)) == (0, [], BATCH)


@pytest.mark.parametrize(
    ("package", "expected", "actual", "severity"),
    [
        pytest.param("other", "2.1", "2.2", "error", id="newer"),
        pytest.param("other", "2.1", "2.0.9", "error", id="older"),
        pytest.param("demo", "1.0", "1.0.post1", "error", id="same-files-another-version"),
        pytest.param("extra", None, "3.0", "warning", id="added"),
    ],
)
def test_a_package_of_another_version_is_named(
    packaged: tuple[Project, str],
    repackaged: Callable[..., str],
    package: str,
    expected: str | None,
    actual: str,
    severity: str,
) -> None:
    wheels = _wheels((package, actual))
    outcome = packaged[0].verify(
        "batch", "--fail-on", "warning", "--image", repackaged(_installing(wheels), wheels)
    )
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("packages", package, expected, actual, severity)}
    assert unknown(outcome) == set()
    assert rungs(outcome) == BATCH


def test_a_missing_package_is_named(packaged: tuple[Project, str], repackaged: Callable[..., str]) -> None:
    outcome = packaged[0].verify("batch", "--image", repackaged(f"RUN {PIP} uninstall --yes --quiet other"))
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("packages", "other", "2.1", None)}
    assert unknown(outcome) == set()
    assert rungs(outcome) == BATCH


def test_a_newer_numpy_is_named_and_its_outputs_are_told_apart(
    mini: Project, drifted: Callable[..., str], tmp_path: Path
) -> None:
    version, line = NEWER_NUMPY
    (tmp_path / "newer.txt").write_text(line, encoding="utf-8")
    try:
        (wheel,) = wheelhouse.ensure([tmp_path / "newer.txt"], "3.8", lambda _: None)
    except CouldNotRunError as error:
        pytest.skip(f"numpy {version} can't be had: {error.message}")
    wheels = {wheel.name: wheel.read_bytes()}
    outcome = mini.verify("--image", drifted(_installing(wheels), wheels))
    assert outcome.code == 1
    assert blamed(outcome) == {Blame("packages", "numpy", NUMPY, version)}
    assert unknown(outcome) == set()
    assert all(
        column in {"identical", "ulp"}
        for case in ("batch", "http")
        for column in rungs(outcome, case).values()
    )


@pytest.mark.parametrize("path", [SOURCE, LIBRARY], ids=["py", "so"])
def test_one_changed_byte_of_an_installed_file_is_found(
    mini: Project, drifted: Callable[..., str], engine_client: docker.DockerClient, path: str
) -> None:
    before = content(engine_client, "goldlock-test-mini:latest", f"{SITE}/{path}")
    after = bytearray(before)
    after[len(after) // 2] ^= 1
    image = drifted(f"COPY plant.py /\nRUN python /plant.py {SITE} {path}", {"plant.py": PLANT})
    outcome = mini.verify("batch", "--image", image)
    assert outcome.code == 1
    assert blamed(outcome) == {
        Blame(
            "packages",
            f"numpy: {path}",
            *(f"sha256:{hashlib.sha256(d).hexdigest()}" for d in (before, after)),
        )
    }
    assert unknown(outcome) == set()
    assert rungs(outcome) == BATCH


@pytest.mark.parametrize("path", [SOURCE, LIBRARY], ids=["py", "so"])
def test_one_changed_byte_is_found_behind_a_rewritten_record(
    mini: Project, drifted: Callable[..., str], path: str
) -> None:
    record = f"numpy-{NUMPY}.dist-info/RECORD"
    image = drifted(f"COPY plant.py /\nRUN python /plant.py {SITE} {path} {record}", {"plant.py": PLANT})
    lock = (mini.folder / "goldlock.lock").read_text(encoding="utf-8")
    locked = re.search(r'name = "numpy".*?record-sha256 = "(.*?)"', lock, re.DOTALL)
    assert locked
    outcome = mini.verify("batch", "--image", image)
    assert outcome.code == 1
    (blame,) = blamed(outcome)
    assert (blame.layer, blame.key, blame.expected, blame.severity) == (
        "packages",
        "numpy: RECORD",
        locked[1],
        "error",
    )
    assert blame.actual is not None
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", blame.actual)
    assert blame.actual != locked[1]
    assert unknown(outcome) == set()
    assert rungs(outcome) == BATCH
    # RECORD is read, not hashed again: even a quick look finds it.
    quick = mini.run("check", "--engine", "docker", "--no-hash", "--format", "json", "--image", image)
    assert (quick.code, blamed(quick)) == (1, {blame})


def test_a_removed_installed_file_is_found(mini: Project, drifted: Callable[..., str]) -> None:
    outcome = mini.verify("batch", "--image", drifted(f"RUN rm {SITE}/{SOURCE}"))
    assert outcome.code == 1
    (blame,) = blamed(outcome)
    assert blame == Blame("packages", f"numpy: {SOURCE}", "installed", None)
    assert rungs(outcome) == BATCH
