"""Images: looking at them, pulling and building them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, cast

import docker
import docker.errors
import docker.utils.build

from goldlock.engines import ownership
from goldlock.engines.docker._errors import ERRORS, translated
from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock_env.layers import ImageLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


class Images:
    """What a Docker engine does with images; the part of `DockerEngine` that starts nothing."""

    api: docker.APIClient

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
        return None if found is None else image_layer(reference, found)

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
                network_mode="none",
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
                if text.startswith("Step "):
                    step = text.strip()
                    progress(step)
                tail = [*tail[-60:], text]


def image_layer(reference: str, found: dict[str, Any]) -> ImageLayer:
    """What identifies an image, out of what the Engine API says of it."""
    digests = found.get("RepoDigests") or []
    return ImageLayer(
        reference=reference,
        manifest_digest=digests[0].rpartition("@")[2] if digests else None,
        config_id=found["Id"],
        layers=tuple((found.get("RootFS") or {}).get("Layers") or ()),
        base=((found.get("Config") or {}).get("Labels") or {}).get(ownership.BASE_LABEL),
    )


def context_files(root: Path, rules: Sequence[str], dockerfile: str) -> set[str]:
    """Paths below a build context that .dockerignore's rules leave in, folders among them."""
    return set(docker.utils.build.exclude_paths(str(root), list(rules), dockerfile))
