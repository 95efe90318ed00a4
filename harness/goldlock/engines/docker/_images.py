"""Images: looking at them, pulling and building them."""

from __future__ import annotations

import contextlib
import re
from typing import IO, TYPE_CHECKING, Any, cast

import docker
import docker.errors
import docker.utils.build

from goldlock.engines import ownership
from goldlock.engines.docker import _podman
from goldlock.engines.docker._errors import ERRORS, translated
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock_env.layers import ImageLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


class Images:
    """What a Docker engine does with images; the part of `DockerEngine` that starts nothing."""

    api: docker.APIClient
    podman: str | None
    """Podman's version; None where Docker answers."""

    def inspect(self, reference: str) -> dict[str, Any] | None:
        """What the Engine API says of an image, None where the engine does not have it."""
        with translated(f"look at image {reference}"):
            try:
                found: dict[str, Any] = self.api.inspect_image(reference)  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return None
            except docker.errors.APIError as error:
                if "invalid reference format" not in str(error.explanation):
                    raise
                raise ConfigurationError(
                    f"{reference!r} is not an image reference",
                    hint="write it as name:tag, name@sha256:... or registry/name:tag, in lower case",
                ) from error
        return found

    def image(self, reference: str) -> ImageLayer | None:
        """What identifies an image, None where the engine does not have it."""
        found = self.inspect(reference)
        return None if found is None else self.layer(reference, found)

    def layer(self, reference: str, found: dict[str, Any]) -> ImageLayer:
        """What identifies an image, out of what `inspect` says of it."""
        digests = found.get("RepoDigests") or []
        manifest = digests[0].rpartition("@")[2] if digests else None
        return ImageLayer(
            reference=reference,
            manifest_digest=manifest if self.podman is None else _podman.registry_digest(reference),
            config_id=found["Id"],
            layers=tuple((found.get("RootFS") or {}).get("Layers") or ()),
            base=((found.get("Config") or {}).get("Labels") or {}).get(ownership.BASE_LABEL),
        )

    def label(self, reference: str, name: str) -> str | None:
        """The value of an image's label, None where image or label is absent."""
        value = (((self.inspect(reference) or {}).get("Config") or {}).get("Labels") or {}).get(name)
        return None if value is None else str(value)

    def size(self, reference: str) -> int:
        """Bytes of an image's layers, uncompressed; 0 where it is absent."""
        return int((self.inspect(reference) or {}).get("Size") or 0)

    def pull(self, reference: str) -> str | None:
        """Pull an image; the reason where that can't be done."""
        try:
            for line in self.api.pull(reference, stream=True, decode=True):
                if "error" in line:
                    return str(line["error"])
        except ERRORS as error:
            return str(getattr(error, "explanation", None) or error)
        return None

    def save(self, reference: str) -> Iterator[bytes]:
        """Yield what `docker save` writes. Raises CouldNotRunError."""
        with translated(f"save image {reference}"), _patient() as client:
            yield from client.api.get_image(reference)

    def load(self, chunks: Iterable[bytes]) -> str:
        """Take in an image as `docker load` does; returns its id. Raises CouldNotRunError, and what `chunks` raises."""
        said: list[str] = []
        with (
            translated("load the image", hint="see whether the engine's disk has room"),
            _patient() as client,
        ):
            for line in client.api.load_image(cast("bytes", chunks)):  # type: ignore[no-untyped-call]
                if "error" in line:
                    raise CouldNotRunError(
                        f"the engine did not take the image: {str(line['error']).strip()}",
                        hint="see whether its disk has room, and whether the image is for this machine",
                    )
                said.append(str(line.get("stream", "")))
        found = re.findall(r"sha256:[0-9a-f]{64}", "".join(said))
        if not found:
            raise CouldNotRunError(
                f"the engine does not say what it loaded: {''.join(said).strip()}", hint="look at its log"
            )
        return str(found[-1])

    def remove(self, reference: str) -> None:
        """Remove an image. Raises CouldNotRunError where something uses it."""
        with translated(f"remove image {reference}"):
            self.api.remove_image(reference)

    def build(
        self,
        context: Iterable[bytes],
        *,
        tag: str,
        dockerfile: str,
        target: str | None,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> None:
        """Build an image with no network from a tar stream.

        Raises:
            CouldNotRunError: a step failed; says which one, with the end of its output.
        """
        tail: list[str] = []
        step = ""
        with translated(f"build {tag}", hint="mend the Dockerfile or subject.build in goldlock.toml"):
            for line in self.api.build(
                fileobj=cast("IO[bytes]", context),
                custom_context=True,
                tag=tag,
                dockerfile=dockerfile,
                target=target or "",
                buildargs=dict(arguments),
                labels=dict(labels),
                network_mode="none" if self.podman is None else _podman.BUILD_WITHOUT_NETWORK,
                rm=True,
                forcerm=True,
                decode=True,
                timeout=3600,
            ):
                if "error" in line:
                    end = "".join(tail[-30:]).strip()
                    raise CouldNotRunError(
                        f"building {tag} failed at {step or 'its start'}: {line['error'].strip()}\n{end}",
                        hint="mend that step of the Dockerfile, then run `goldlock build` again",
                    )
                text = line.get("stream", "")
                if text.startswith(("Step ", "STEP ")):
                    step = text.strip()
                    progress(step)
                tail = [*tail[-60:], text]


@contextlib.contextmanager
def _patient() -> Iterator[docker.DockerClient]:
    """A connection for what takes minutes: an engine gathers a whole image before it sends the first byte."""
    client = docker.from_env(timeout=3600)
    try:
        yield client
    finally:
        client.close()


def context_files(root: Path, rules: Sequence[str], dockerfile: str) -> set[str]:
    """Paths below a build context that .dockerignore's rules leave in, folders among them."""
    return set(docker.utils.build.exclude_paths(str(root), list(rules), dockerfile))
