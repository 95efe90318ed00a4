"""What a Podman service does otherwise than Docker, as far as it can be told without one."""

from __future__ import annotations

import os

import pytest

from goldlock.engines.docker import _podman

DOCKER = {"Version": "28.2.2", "Components": [{"Name": "Engine", "Version": "28.2.2"}]}
PODMAN = {
    "Version": "4.3.1",
    "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon", "Version": "2.1.6"}],
}


@pytest.mark.parametrize(("answer", "version"), [(PODMAN, "4.3.1"), (DOCKER, None), ({}, None)])
def test_an_engine_is_known_by_its_components(answer: dict[str, object], version: str | None) -> None:
    assert _podman.version_of(answer) == version


def test_a_volume_is_limited_in_the_words_that_each_takes() -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    assert _podman.tmpfs_size(10 * page + 1, podman=False, here=True) == f"size={10 * page + 1}"
    assert _podman.tmpfs_size(10 * page, podman=True, here=True) == "nr_blocks=10"
    assert _podman.tmpfs_size(10 * page + 1, podman=True, here=True) == "nr_blocks=11"
    assert _podman.tmpfs_size(8192, podman=True, here=False) == "nr_blocks=2"


def test_podman_is_told_the_limits_that_it_would_raise() -> None:
    assert _podman.ulimits(podman=False) == {"core": (0, 0)}
    assert _podman.ulimits(podman=True).keys() == {"core", "nofile", "nproc"}


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ("docker.io/library/churn:2", "churn:2"),
        ("docker.io/team/churn:2", "team/churn:2"),
        ("localhost/churn:2", "churn:2"),
        ("registry.example:5000/churn:2", "registry.example:5000/churn:2"),
    ],
)
def test_a_reference_is_told_as_it_was_given(told: str, given: str) -> None:
    assert _podman.as_given(told) == given


@pytest.mark.parametrize(
    ("reference", "digest"), [("python:3.8", None), ("python:3.8@sha256:00ff", "sha256:00ff")]
)
def test_only_a_pinned_reference_tells_a_registrys_digest(reference: str, digest: str | None) -> None:
    assert _podman.registry_digest(reference) == digest
