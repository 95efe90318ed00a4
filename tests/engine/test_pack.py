"""The delivery in one file, on real engines: made here, checked on a client that has nothing and no network."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from tests.engine.conftest import Project
from tests.engine.traces import files_of, wait_for

from goldlock.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = pytest.mark.engine

IMAGE = "goldlock-test-mini:latest"


@pytest.fixture(scope="module")
def sender(recorded: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The recorded miniature subject, packed and signed."""
    project = recorded.copy(tmp_path_factory.mktemp("sender") / "mini")
    for arguments in (["keygen", "vendor"], ["pack", "--key", "vendor.key"]):
        outcome = project.run(*arguments)
        assert outcome.code == 0, outcome.stderr
    return project


@dataclass(frozen=True)
class Client(Project):
    """A folder, and an engine of its own."""

    address: str = field(kw_only=True)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return super().start(*arguments, env={**(env or {}), "DOCKER_HOST": self.address})

    def images(self) -> list[str]:
        with contextlib.closing(docker.DockerClient(base_url=self.address)) as connected:
            return [str(each["Id"]) for each in connected.api.images(all=True)]

    def forget(self) -> None:
        """Remove every image."""
        with contextlib.closing(docker.DockerClient(base_url=self.address)) as connected:
            for image in self.images():
                with contextlib.suppress(docker.errors.ImageNotFound):
                    connected.api.remove_image(image, force=True)


@pytest.fixture(scope="module")
def client(sender: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A folder with the pack and the public key only, and an engine of its own without images or network."""
    folder = tmp_path_factory.mktemp("client")
    for name in ("mini.goldlock", "vendor.pub"):
        os.link(sender.folder / name, folder / name)
    home = tmp_path_factory.mktemp("engine")
    address = f"unix://{home}/engine.sock"
    with (home / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                # On a network of its own: a second dockerd takes the first one's bridge away.
                *("unshare", "--net", "dockerd"),
                *("--data-root", home / "data", "--exec-root", home / "exec", "--pidfile", home / "pid"),
                *("--host", address, "--bridge=none", "--iptables=false", "--ip6tables=false"),
                *("--default-address-pool", "base=10.231.0.0/16,size=24"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: answers(address) or daemon.poll() is not None, "engine for the client")
        assert daemon.poll() is None, (home / "log").read_text(encoding="utf-8")[-2000:]
        yield Client(folder, ("nsenter", f"--net=/proc/{daemon.pid}/ns/net"), address=address)
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as stream:
        try:
            stream.connect(address.removeprefix("unix://"))
        except OSError:
            return False
    return True


def test_packing_twice_gives_the_same_bytes(sender: Project) -> None:
    again = sender.run("pack", "--key", "vendor.key", "-o", "again.goldlock")
    assert again.code == 0, again.stderr
    assert f"file {sha256_of(sender.folder / 'again.goldlock')}" in again.stdout.splitlines()
    assert (sender.folder / "again.goldlock").read_bytes() == (sender.folder / "mini.goldlock").read_bytes()
    (sender.folder / "again.goldlock").unlink()


def test_what_does_not_pass_the_check_never_reaches_the_engine(client: Client) -> None:
    pack = client.folder / "mini.goldlock"
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    (client.folder / "changed.goldlock").write_bytes(content)
    outcome = client.run("verify", "changed.goldlock", "--key", "vendor.pub")
    (client.folder / "changed.goldlock").unlink()
    assert outcome.code == 3
    assert "was changed or damaged" in outcome.stderr
    assert client.images() == []


def test_a_client_with_nothing_verifies_it_and_answers(client: Client, sender: Project) -> None:
    before = files_of(client.folder)
    outcome = client.run(
        "verify", "mini.goldlock", "--key", "vendor.pub", "--record", "accepted.json", "--format", "json"
    )
    assert outcome.code == 0, outcome.stderr
    assert "signed with vendor.pub" in outcome.stderr
    assert "the image stays on the engine" in outcome.stderr
    report = outcome.report
    assert (report["verdict"], report["findings"], report["notes"]) == ("match", [], [])
    assert files_of(client.folder) == before | {"accepted.json"}
    assert len(client.images()) == 1
    record = json.loads((client.folder / "accepted.json").read_bytes())
    assert record["predicate"]["result"] == "PASSED"
    shutil.move(client.folder / "accepted.json", sender.folder / "accepted.json")
    assert "MATCH" in sender.run("report", "accepted.json").stdout


def test_drift_is_found_there_too(
    client: Client, sender: Project, drifted: Callable[..., str], tmp_path: Path
) -> None:
    """A pack whose golden is another model's: sealed and whole, so that only asking the model tells."""
    project = sender.copy(tmp_path / "mini")
    weights = (project.folder / "weights.json").read_text(encoding="utf-8")
    other = drifted(
        "COPY weights.json /app/weights.json", {"weights.json": weights.replace("0.", "0.9").encode()}
    )
    text = (project.folder / "goldlock.toml").read_text(encoding="utf-8")
    start, end = text.index("[subject.build]"), text.index("[[case]]")
    unbuilt = text[:start] + text[end:]
    shutil.rmtree(project.folder / "goldens" / "batch")
    steps = (
        (other, ("lock", "--engine", "docker", "--replace")),
        (other, ("record", "batch")),
        (IMAGE, ("lock", "--engine", "docker", "--replace")),
        (IMAGE, ("pack", "-o", "drifted.goldlock")),
    )
    for image, command in steps:
        (project.folder / "goldlock.toml").write_text(unbuilt.replace(IMAGE, image), encoding="utf-8")
        outcome = project.run(*command)
        assert outcome.code == 0, outcome.stderr
    os.link(project.folder / "drifted.goldlock", client.folder / "drifted.goldlock")
    before = files_of(client.folder)
    outcome = client.run("verify", "drifted.goldlock", "batch", "--format", "json")
    assert outcome.code == 1, outcome.stderr
    assert outcome.report["verdict"] == "drift"
    assert "unsigned" in str(outcome.report["notes"])
    assert files_of(client.folder) == before


def test_the_image_goes_where_that_is_asked_for(client: Client) -> None:
    client.forget()
    outcome = client.run("verify", "mini.goldlock", "--rm-image", "--key", "vendor.pub")
    assert outcome.code == 0, outcome.stderr
    assert client.images() == []


def test_an_image_that_was_there_before_stays_and_that_is_said(client: Client) -> None:
    first = client.run("verify", "mini.goldlock", "--key", "vendor.pub")
    assert f"`docker image rm {client.images()[0][:19]}` removes it" in first.stderr
    second = client.run("verify", "mini.goldlock", "--rm-image", "--key", "vendor.pub")
    assert second.code == 0, second.stderr
    assert "the image was on the engine before, and stays there" in second.stderr
    assert len(client.images()) == 1
    client.forget()


def test_subjects_out_of_archives(client: Client, sender: Project, tmp_path: Path) -> None:
    """On an engine that has no image: what `docker save` wrote, and the OCI layout that a pack holds."""
    project = Client(sender.copy(tmp_path / "mini").folder, client.within, address=client.address)
    subprocess.run(["tar", "-xf", "mini.goldlock", "image"], cwd=project.folder, check=True)
    text = (project.folder / "goldlock.toml").read_text(encoding="utf-8")
    start, end = text.index("[subject.build]"), text.index("[[case]]")
    text = text[:start] + text[end:]
    (project.folder / "goldlock.toml").write_text(
        text.replace(f'image = "{IMAGE}"', 'archive = "image"'), encoding="utf-8"
    )
    outcome = project.verify("--no-hash")
    assert outcome.code == 0, outcome.stderr
    assert "loading" in outcome.stderr
    subprocess.run(["tar", "-cf", "../oci.tar", "."], cwd=project.folder / "image", check=True)
    outcome = project.run("check", "--image", "oci.tar")
    assert outcome.code == 0, outcome.stderr
    outcome = project.run("diff", "goldlock.lock", "oci.tar")
    assert outcome.code == 0, outcome.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_whoever_ends_it_finds_no_half_file(number: signal.Signals, sender: Project, tmp_path: Path) -> None:
    project = sender.copy(tmp_path / "mini")
    (project.folder / "mini.goldlock").unlink()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = files_of(project.folder)
    for moment in (0.3, 1.0, 1.6):
        process = project.start("pack", env={"TMPDIR": str(temporary)})
        time.sleep(moment)
        process.send_signal(number)
        process.communicate(timeout=120)
        after = files_of(project.folder)
        if process.returncode == 0:
            (project.folder / "mini.goldlock").unlink()
            after -= {"mini.goldlock"}
        assert after == before
        assert files_of(temporary) == set()
