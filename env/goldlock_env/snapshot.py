"""What the probe saw, all layers of it, read from bytes that nobody vouches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from goldlock_env import framing, tables
from goldlock_env.decoding import MalformedError, Reader, parse_json
from goldlock_env.errors import CouldNotRunError
from goldlock_env.findings import Layer
from goldlock_env.layers import (
    AlteredFile,
    Artifact,
    ArtifactsLayer,
    Blas,
    HostLayer,
    ImageLayer,
    NumericsLayer,
    OsLayer,
    Package,
    PackagesLayer,
    Pairs,
    PythonLayer,
    Shadowed,
)

if TYPE_CHECKING:
    from goldlock_env.requirements import Requirement

__all__ = [
    "SNAPSHOT_VERSION",
    "AlteredFile",
    "Artifact",
    "ArtifactsLayer",
    "Blas",
    "HostLayer",
    "ImageLayer",
    "NumericsLayer",
    "OsLayer",
    "Package",
    "PackagesLayer",
    "Pairs",
    "PythonLayer",
    "Shadowed",
    "Snapshot",
]

SNAPSHOT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All layers. A layer that could not be looked at is None, and ``unknown`` has the reason."""

    python: PythonLayer | None = None
    packages: PackagesLayer | None = None
    os: OsLayer | None = None
    image: ImageLayer | None = None
    numerics: NumericsLayer | None = None
    host: HostLayer | None = None
    artifacts: ArtifactsLayer | None = None
    unknown: Pairs = ()
    """Layer to why it could not be looked at."""

    @classmethod
    def from_probe(cls, output: bytes) -> Snapshot:
        """Find the snapshot in what the probe's process wrote to its standard output.

        Anything may stand around it: a subject's start-up prints what it likes. Raises
        CouldNotRunError when there is no snapshot, half of one, two that differ, or a malformed one.
        """
        try:
            text = framing.unframe(output)
            return cls.from_mapping(parse_json(text))
        except MalformedError as error:
            raise CouldNotRunError(
                f"the probe's output cannot be used: {error}",
                hint="The subject changed what the probe wrote. Look at its start-up code (sitecustomize, "
                "*.pth files), or at output that other processes write to the same stream.",
            ) from None

    @classmethod
    def from_mapping(cls, value: object) -> Snapshot:
        """Build from what ``to_mapping`` gives; the building is the validation. Raises MalformedError."""
        reader = Reader(value)
        version = reader.optional_integer("snapshot-version")
        if version != SNAPSHOT_VERSION:
            raise MalformedError(
                "snapshot-version", f"is {version}, and this goldlock reads {SNAPSHOT_VERSION}"
            )
        snapshot = cls(
            python=reader.table("python", tables.read_python),
            packages=reader.table("packages", tables.read_packages),
            os=reader.table("os", tables.read_os),
            image=reader.table("image", tables.read_image),
            numerics=reader.table("numerics", tables.read_numerics),
            host=reader.table("host", tables.read_host),
            artifacts=reader.table("artifacts", tables.read_artifacts),
            unknown=tables.read_unknown(reader),
        )
        reader.finish()
        return snapshot

    def to_mapping(self) -> dict[str, object]:
        """Tables, lists, strings, numbers and booleans only; unknown values are left out."""
        return tables.known(
            {
                "snapshot-version": SNAPSHOT_VERSION,
                "unknown": dict(self.unknown) or None,
                "python": self.python and tables.write_python(self.python),
                "packages": self.packages and tables.write_packages(self.packages),
                "os": self.os and tables.write_os(self.os),
                "image": self.image and tables.write_image(self.image),
                "numerics": self.numerics and tables.write_numerics(self.numerics),
                "host": self.host and tables.write_host(self.host),
                "artifacts": self.artifacts and tables.write_artifacts(self.artifacts),
            }
        )

    def with_image(self, image: ImageLayer) -> Snapshot:
        """The same with the engine's layer added."""
        return replace(self, image=image, unknown=_without(self.unknown, Layer.IMAGE))

    def with_artifacts(self, artifacts: ArtifactsLayer | None) -> Snapshot:
        """The same with the model files as somebody else than the probe has read them."""
        return replace(self, artifacts=artifacts, unknown=_without(self.unknown, Layer.ARTIFACTS))

    def without(self, layer: Layer, reason: str) -> Snapshot:
        """The same with a layer declared unknown: a local run's OS is not the subject's."""
        emptied = replace(
            self, unknown=tuple(sorted([*_without(self.unknown, layer), (layer.value, reason)]))
        )
        match layer:
            case Layer.PYTHON:
                return replace(emptied, python=None)
            case Layer.PACKAGES:
                return replace(emptied, packages=None)
            case Layer.OS:
                return replace(emptied, os=None)
            case Layer.IMAGE:
                return replace(emptied, image=None)
            case Layer.NUMERICS:
                return replace(emptied, numerics=None)
            case Layer.HOST:
                return replace(emptied, host=None)
            case Layer.ARTIFACTS:
                return replace(emptied, artifacts=None)
            case Layer.LOCK | Layer.GOLDEN:
                raise ValueError(f"a snapshot has no layer {layer.value}")

    def with_wheel_hashes(self, requirements: Iterable[Requirement]) -> Snapshot:
        """The same with each package's allowed wheel digests, where name and version agree."""
        if self.packages is None:
            return self
        hashes: Mapping[tuple[str, str | None], tuple[str, ...]] = {
            (requirement.name, requirement.version): requirement.hashes for requirement in requirements
        }
        distributions = tuple(
            replace(package, hashes=hashes.get((package.name, package.version), package.hashes))
            for package in self.packages.distributions
        )
        return replace(self, packages=replace(self.packages, distributions=distributions))

    def with_artifact_prefixes(self, prefixes: Mapping[str, str]) -> Snapshot:
        """The same with artifacts under other names: a local run has them elsewhere than the image.

        ``prefixes`` maps a file or folder as it was asked for to the name it is to have.
        """
        if self.artifacts is None:
            return self

        def rename(path: str) -> str:
            for ours, theirs in sorted(prefixes.items(), key=lambda pair: -len(pair[0])):
                stem = ours.rstrip("/")
                if path == stem or path.startswith(stem + "/"):
                    return theirs.rstrip("/") + path[len(stem) :]
            return path

        files = [replace(artifact, path=rename(artifact.path)) for artifact in self.artifacts.files]
        renamed = ArtifactsLayer(
            files=tuple(sorted(files, key=lambda artifact: artifact.path)),
            missing=tuple(sorted(rename(path) for path in self.artifacts.missing)),
            unreadable=tuple(sorted((rename(path), reason) for path, reason in self.artifacts.unreadable)),
        )
        return replace(self, artifacts=renamed)

    def for_lock(self) -> Snapshot:
        """The same without what differs from place to place and means nothing."""
        if self.python is None:
            return self
        return replace(self, python=replace(self.python, executable=None))

    def reason(self, layer: Layer) -> str:
        """Why a layer is unknown; empty when nobody said."""
        return dict(self.unknown).get(layer.value, "")


def _without(unknown: Pairs, layer: Layer) -> Pairs:
    return tuple(pair for pair in unknown if pair[0] != layer.value)
