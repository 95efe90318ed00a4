"""Images that hold no Python, no shell, or nothing but a model: asked, locked and verified like any other."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.engine.blame import cases

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from tests.engine.conftest import Outcome, Project

pytestmark = pytest.mark.engine

NO_PYTHON = "on both sides: the image has no Python"


def found(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Name to status and note of every finding."""
    listed = outcome.report["findings"]
    assert isinstance(listed, list)
    return {f"{each['layer']}.{each['key']}": (each["status"], each["note"]) for each in listed}


def test_one_static_binary_is_locked_recorded_and_verified(
    static_project: Callable[..., Project], static_image: str
) -> None:
    project = static_project(f'image = "{static_image}"\nartifacts = ["weight"]')
    locked = project.run("lock", "--engine", "docker")
    assert "note: python is unknown: the image has no Python" in locked.stderr
    project.lock_and_record()
    outcome = project.verify()
    assert outcome.code == 0, outcome.stdout
    assert {name: case["rung"] for name, case in cases(outcome).items()} == dict.fromkeys(
        ("files", "streams", "http"), "identical"
    )
    # An unknown is told, and is neither a difference nor a match.
    assert {(name, *said) for name, said in found(outcome).items()} == {
        ("python.all", "unknown", NO_PYTHON),
        ("packages.all", "unknown", NO_PYTHON),
        ("os.all", "unknown", "on both sides: the image has no distribution"),
    }
    snapshot = outcome.report["snapshot"]
    assert isinstance(snapshot, dict)
    assert snapshot["numerics"] == {"environment": {"OMP_NUM_THREADS": "3"}}
    assert [each["path"] for each in snapshot["artifacts"]["files"]] == ["weight"]
    assert snapshot["host"]["architecture"]
    shown = project.run("check", "--engine", "docker")
    assert shown.code == 0
    assert f"unknown  python, packages: {NO_PYTHON}" in shown.stdout
    assert project.run("diff", "goldlock.lock", static_image).code == 0
    assert "is up to date" in project.run("lock", "--engine", "docker").stdout


def test_what_changes_in_it_is_named(
    static_project: Callable[..., Project],
    static_image: str,
    static_model: bytes,
    build_image: Callable[..., str],
) -> None:
    project = static_project(f'image = "{static_image}"\nartifacts = ["/weight"]', "files")
    project.lock_and_record()
    other = build_image(
        "FROM scratch\nCOPY model weight /\nENV OMP_NUM_THREADS=4\n",
        {"model": static_model, "weight": b"0.75\n"},
    )
    outcome = project.verify("--image", other)
    assert outcome.code == 1
    assert {"artifacts./weight", "numerics.OMP_NUM_THREADS", "image.layers"} <= found(outcome).keys()
    assert cases(outcome)["files"]["rung"] == "drifted"


def test_a_distribution_without_python_is_locked(
    static_project: Callable[..., Project], static_model: bytes, build_image: Callable[..., str]
) -> None:
    """As distroless images have it: a package's stanza in a file of its own, os-release as a link."""
    files = {
        "model": static_model,
        "release": b'ID=debian\nVERSION_ID="12"\n',
        "libc6": b"Package: libc6\nVersion: 2.36-9+deb12u7\nArchitecture: amd64\n",
        "libc6.md5sums": b"0  usr/lib/libc.so.6\n",
        "one": b"1",
        "two": b"2",
    }
    # The engine unpacks it, so a link in it is made as a link.
    lines = (
        "FROM scratch\nCOPY model /\nCOPY release /usr/lib/os-release\nADD links.tar /\n"
        "COPY libc6 libc6.md5sums /var/lib/dpkg/status.d/\nCOPY one two /opt/weights/deep/\n"
    )
    files["links.tar"] = _links(
        {"etc/os-release": "../usr/lib/os-release", "opt/weights/current": "deep/one"}
    )
    image = build_image(lines, files)
    project = static_project(f'image = "{image}"\nartifacts = ["/opt/weights/deep"]', "files")
    project.lock_and_record()
    outcome = project.verify()
    assert outcome.code == 0, outcome.stdout
    snapshot = outcome.report["snapshot"]
    assert isinstance(snapshot, dict)
    assert snapshot["os"] == {
        "distribution": "debian 12",
        "libc": "glibc 2.36",
        "packages": {"libc6": "2.36-9+deb12u7"},
    }
    assert [each["path"] for each in snapshot["artifacts"]["files"]] == [
        "/opt/weights/deep/one",
        "/opt/weights/deep/two",
    ]
    files["libc6"] = files["libc6"].replace(b"deb12u7", b"deb12u9")
    assert project.verify("--image", build_image(lines, files)).code == 0
    assert found(project.verify("--image", build_image(lines, files), "--fail-on", "warning"))[
        "os.libc6"
    ] == ("changed", "")
    # A link is not followed from outside: nobody can say what a lock of it would watch.
    project.edit('["/opt/weights/deep"]', '["/opt/weights", "/absent"]')
    refused = project.run("lock", "--engine", "docker")
    assert refused.code == 3
    assert "/opt/weights/current" in refused.stderr
    assert "/absent" in refused.stderr


def _links(links: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return buffer.getvalue()


def test_an_image_whose_python_goes_by_another_name_is_probed(
    recorded: Project, drifted: Callable[..., str]
) -> None:
    """Many images have python3 and no python; nothing need be said."""
    assert recorded.folder.exists()
    image = drifted(
        "RUN d=$(dirname $(command -v python)) && ln -sf $(readlink -f $d/python) $d/python3"
        " && rm -f $d/python /usr/local/bin/python && ! command -v python"
    )
    outcome = recorded.run("check", "--image", image, "--engine", "docker", "--format", "json")
    assert outcome.report["snapshot"]["python"]["version"] == "3.8.18", outcome.report["findings"]  # type: ignore[index]
    assert outcome.code == 0, outcome.report["findings"]


def test_that_there_is_none_can_be_said(mini: Project) -> None:
    """Then nobody looks for one, though there is."""
    mini.edit('name = "mini"', 'name = "mini"\npython = []')
    outcome = mini.verify("batch", "http")
    assert outcome.code == 0, outcome.stdout
    findings = found(outcome)
    assert findings["python.all"] == ("unknown", "the image has no Python")
    # What the probe saw inside, another look from outside sees too.
    assert not {name for name in findings if name.startswith(("os.", "artifacts."))}


def test_nothing_can_be_written_beside_what_holds_it(
    static_project: Callable[..., Project], static_image: str
) -> None:
    """The folder of goldlock's own program is read-only, also for root."""
    project = static_project(f'image = "{static_image}"\nuser = "0"', "files")
    project.edit('"{input}", "{output}"]', '"{input}", "/goldlock-programs/written"]')
    outcome = project.run("record", "--engine", "docker")
    assert outcome.code == 3
    assert "Read-only file system" in outcome.stderr
    assert "subject.writable = true" in outcome.stderr


def test_nothing_is_left_on_the_engine(
    static_project: Callable[..., Project],
    static_image: str,
    build_image: Callable[..., str],
    engine_client: docker.DockerClient,
) -> None:
    """Nor is a volume that the image asks for, in any container that was tried."""
    image = build_image(f"FROM {static_image}\nVOLUME /data\n")
    project = static_project(f'image = "{image}"')
    before = _everything(engine_client)
    assert project.run("record", "--engine", "docker").code == 0
    assert _everything(engine_client) == before


def _everything(client: docker.DockerClient) -> set[str]:
    volumes = client.api.volumes().get("Volumes") or []
    names = [container["Id"] for container in client.api.containers(all=True)]
    return {*names, *(volume["Name"] for volume in volumes), *(n["Id"] for n in client.api.networks())}


def test_a_subject_that_dies_is_told(static_project: Callable[..., Project], static_image: str) -> None:
    project = static_project(f'image = "{static_image}"', "http", more='start = ["/model"]\n')
    outcome = project.run("record", "--engine", "docker")
    assert outcome.code == 3
    assert "ended with exit code 2" in outcome.stderr
    assert "usage: model INPUT OUTPUT" in outcome.stderr
