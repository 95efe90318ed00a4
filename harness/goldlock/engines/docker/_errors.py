"""The SDK's errors as ours, and requests whose failure means nothing."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from goldlock.errors import CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException)
"""What a request to the engine may raise: its own refusal, or that of the way to it."""


def quietly(action: Callable[[], object]) -> None:
    """Ask the engine for something that may as well fail: what is removed may be gone already."""
    with contextlib.suppress(*ERRORS):
        action()


@contextlib.contextmanager
def translated(what: str, hint: str = "see the engine's own log for more") -> Iterator[None]:
    """Turn the SDK's errors into ours, saying what to do next."""
    try:
        yield
    except (*ERRORS, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        where = os.environ.get("DOCKER_HOST", "the default socket")
        # What the engine itself says may hold these words too; it answers, then.
        unanswered = not isinstance(error, docker.errors.APIError)
        if unanswered and "Permission denied" in text and not getattr(error, "filename", None):
            raise CouldNotRunError(
                f"not permitted to use the Docker engine at {where}",
                hint="run as a member of the group `docker`, or use `--engine local`",
            ) from error
        if unanswered and (
            isinstance(error, (requests.exceptions.ConnectionError, FileNotFoundError))
            or "Error while fetching" in text
        ):
            raise CouldNotRunError(
                f"no Docker engine answers at {where} (could not {what})",
                hint="start it (`python -m goldlock.bootstrap`), or use `--engine local`",
            ) from error
        raise CouldNotRunError(f"could not {what}: {text}", hint=hint) from error
