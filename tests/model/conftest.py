"""The reference images, built as `goldlock build` builds them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.engine.conftest import build_image

from goldlock import config
from goldlock.building import ensure_image

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

__all__ = ["build_image"]  # a fixture that is defined for the miniature subject

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def reference_image(engine_client: docker.DockerClient) -> Callable[[str], str]:
    """Builds a target of the Dockerfile; its reference."""
    from goldlock.engines.docker import DockerEngine

    loaded = config.load(ROOT / "goldlock.toml")
    build = loaded.subject.build
    assert build is not None
    assert engine_client.ping()

    def ensure(target: str) -> str:
        tag = f"goldlock-{'pipeline' if target.startswith('pipeline') else 'mlp'}:{target}"
        with contextlib.closing(DockerEngine()) as engine:
            ensure_image(engine, loaded, msgspec.structs.replace(build, target=target), tag, print)
        return tag

    return ensure


@pytest.fixture(scope="session")
def serve_image(reference_image: Callable[[str], str]) -> str:
    return reference_image("serve")


@pytest.fixture(scope="session")
def predict_image(reference_image: Callable[[str], str]) -> str:
    return reference_image("predict")


@pytest.fixture(scope="session")
def train_image(reference_image: Callable[[str], str]) -> str:
    return reference_image("train")


@pytest.fixture(scope="session")
def pipeline_image(reference_image: Callable[[str], str]) -> str:
    return reference_image("pipeline")
