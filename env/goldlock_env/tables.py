"""Layers to tables of plain values and back: the one place that knows the keys.

The probe prints this form as JSON; the lock and saved reports hold it. Unknown values are left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from goldlock_env.decoding import MalformedError, Reader
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

Table = dict[str, object]

_OF_A_SNAPSHOT = frozenset(layer.value for layer in Layer) - {Layer.LOCK.value, Layer.GOLDEN.value}


def read_unknown(reader: Reader) -> Pairs:
    """Layer to reason."""
    pairs = reader.pairs("unknown")
    for name, _ in pairs:
        if name not in _OF_A_SNAPSHOT:
            raise MalformedError(f"unknown.{name}", "is not a layer of a snapshot")
    return pairs


def read_python(reader: Reader) -> PythonLayer:
    """The interpreter's table."""
    return PythonLayer(
        implementation=reader.text("implementation"),
        version=reader.text("version"),
        platform=reader.text("platform"),
        build=reader.optional_text("build"),
        abi=reader.optional_text("abi"),
        executable_sha256=reader.optional_digest("executable-sha256"),
        library_sha256=reader.optional_digest("library-sha256"),
        executable=reader.optional_text("executable"),
    )


def write_python(layer: PythonLayer) -> Table:
    """The interpreter's table."""
    return known(
        {
            "implementation": layer.implementation,
            "version": layer.version,
            "platform": layer.platform,
            "build": layer.build,
            "abi": layer.abi,
            "executable-sha256": layer.executable_sha256,
            "library-sha256": layer.library_sha256,
            "executable": layer.executable,
        }
    )


def read_packages(reader: Reader) -> PackagesLayer:
    """The packages' table."""
    return PackagesLayer(
        hashed=reader.flag("hashed"),
        unknown=reader.optional_text("unknown") or "",
        shadowed=read_shadowed(reader),
        conda=reader.optional_pairs("conda"),
        distributions=read_distributions(reader, "distributions"),
    )


def write_packages(layer: PackagesLayer) -> Table:
    """The packages' table."""
    return known(
        {
            "hashed": layer.hashed,
            "unknown": layer.unknown or None,
            "shadowed": write_shadowed(layer.shadowed),
            "conda": None if layer.conda is None else dict(layer.conda),
            "distributions": write_distributions(layer.distributions),
        }
    )


def read_distributions(reader: Reader, key: str) -> tuple[Package, ...]:
    """The packages, sorted by name; a name that comes twice is an error."""
    packages = sorted(reader.each(key, _read_package), key=lambda package: package.name)
    for before, after in itertools.pairwise(packages):
        if before.name == after.name:
            raise MalformedError(reader.path or key, f"has the package {after.name} twice")
    return tuple(packages)


def write_distributions(packages: Sequence[Package]) -> list[Table]:
    """The packages' tables."""
    return [
        known(
            {
                "name": package.name,
                "version": package.version,
                "requires-python": package.requires_python,
                "marker": package.marker or None,
                "hashes": list(package.hashes) or None,
                "record-sha256": package.record_sha256,
                "bytecode-sha256": package.bytecode_sha256,
                "files": package.files,
                "unhashed": package.unhashed or None,
                "editable": package.editable or None,
                "altered": [
                    {"path": file.path, "expected": file.expected, "actual": file.actual}
                    for file in package.altered
                ]
                or None,
                "missing": list(package.missing) or None,
                "unknown": package.unknown or None,
            }
        )
        for package in packages
    ]


def read_shadowed(reader: Reader) -> tuple[Shadowed, ...]:
    """The shadowed distributions, sorted."""
    shadowed = reader.each("shadowed", _read_shadowed)
    return tuple(sorted(shadowed, key=lambda one: (one.name, one.version or "")))


def write_shadowed(shadowed: Sequence[Shadowed]) -> list[Table] | None:
    """The shadowed distributions' tables."""
    return [known({"name": one.name, "version": one.version}) for one in shadowed] or None


def read_os(reader: Reader) -> OsLayer:
    """The user land's table."""
    return OsLayer(
        distribution=reader.optional_text("distribution"),
        libc=reader.optional_text("libc"),
        packages_unknown=(unknown := reader.optional_text("packages-unknown") or ""),
        packages=None if unknown else reader.pairs("packages"),
    )


def write_os(layer: OsLayer) -> Table:
    """The user land's table; packages that nobody could read always come with a reason."""
    return known(
        {
            "distribution": layer.distribution,
            "libc": layer.libc,
            "packages-unknown": layer.packages_unknown
            or ("not looked at" if layer.packages is None else None),
            "packages": None if layer.packages is None else dict(layer.packages),
        }
    )


def read_image(reader: Reader) -> ImageLayer:
    """The image's table."""
    return ImageLayer(
        reference=reader.text("reference"),
        config_id=reader.text("config-id"),
        layers=reader.texts("layers"),
        manifest_digest=reader.optional_text("manifest-digest"),
        base=reader.optional_text("base"),
    )


def write_image(layer: ImageLayer) -> Table:
    """The image's table."""
    return known(
        {
            "reference": layer.reference,
            "manifest-digest": layer.manifest_digest,
            "config-id": layer.config_id,
            "layers": list(layer.layers),
            "base": layer.base,
        }
    )


def read_numerics(reader: Reader) -> NumericsLayer:
    """The table of what chooses among code paths."""
    return NumericsLayer(
        environment=reader.pairs("environment"),
        blas=reader.table("blas", _read_blas),
        simd=reader.texts("simd"),
        blas_unknown=reader.optional_text("blas-unknown") or "",
    )


def write_numerics(layer: NumericsLayer) -> Table:
    """The table of what chooses among code paths."""
    blas = layer.blas
    return known(
        {
            "blas-unknown": layer.blas_unknown or None,
            "simd": list(layer.simd) or None,
            "environment": dict(layer.environment),
            "blas": None
            if blas is None
            else known(
                {
                    "library": blas.library,
                    "version": blas.version,
                    "kernel": blas.kernel,
                    "threads": blas.threads,
                }
            ),
        }
    )


def read_host(reader: Reader) -> HostLayer:
    """The machine's table."""
    return HostLayer(
        architecture=reader.text("architecture"),
        cpu_model=reader.optional_text("cpu-model"),
        cpu_level=reader.optional_text("cpu-level"),
        cpu_features=reader.texts("cpu-features"),
        cores=reader.optional_integer("cores"),
        kernel=reader.optional_text("kernel"),
    )


def write_host(layer: HostLayer) -> Table:
    """The machine's table."""
    return known(
        {
            "architecture": layer.architecture,
            "cpu-model": layer.cpu_model,
            "cpu-level": layer.cpu_level,
            "cpu-features": list(layer.cpu_features) or None,
            "cores": layer.cores,
            "kernel": layer.kernel,
        }
    )


def read_artifacts(reader: Reader) -> ArtifactsLayer:
    """The model files, sorted by path; a path that comes twice is an error."""
    files = sorted(reader.each("files", _read_artifact), key=lambda artifact: artifact.path)
    if len({artifact.path for artifact in files}) != len(files):
        raise MalformedError(reader.path, "has the same artifact twice")
    return ArtifactsLayer(
        files=tuple(files),
        missing=tuple(sorted(reader.texts("missing"))),
        unreadable=reader.pairs("unreadable"),
    )


def write_artifacts(layer: ArtifactsLayer) -> Table:
    """The model files' table."""
    return known(
        {
            "missing": list(layer.missing) or None,
            "unreadable": dict(layer.unreadable) or None,
            "files": [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in layer.files],
        }
    )


def _read_package(reader: Reader) -> Package:
    return Package(
        name=reader.text("name"),
        version=reader.optional_text("version"),
        requires_python=reader.optional_text("requires-python"),
        marker=reader.optional_text("marker") or "",
        hashes=reader.digests("hashes"),
        record_sha256=reader.optional_digest("record-sha256"),
        bytecode_sha256=reader.optional_digest("bytecode-sha256"),
        files=reader.optional_integer("files"),
        unhashed=reader.optional_integer("unhashed") or 0,
        editable=reader.flag("editable"),
        altered=tuple(sorted(reader.each("altered", _read_altered), key=lambda file: file.path)),
        missing=tuple(sorted(reader.texts("missing"))),
        unknown=reader.optional_text("unknown") or "",
    )


def _read_altered(reader: Reader) -> AlteredFile:
    return AlteredFile(
        path=reader.text("path"), expected=reader.digest("expected"), actual=reader.digest("actual")
    )


def _read_shadowed(reader: Reader) -> Shadowed:
    return Shadowed(name=reader.text("name"), version=reader.optional_text("version"))


def _read_blas(reader: Reader) -> Blas:
    return Blas(
        library=reader.text("library"),
        version=reader.optional_text("version"),
        kernel=reader.optional_text("kernel"),
        threads=reader.optional_integer("threads"),
    )


def _read_artifact(reader: Reader) -> Artifact:
    return Artifact(path=reader.text("path"), sha256=reader.digest("sha256"), size=reader.integer("size"))


def known(table: Mapping[str, object]) -> Table:
    """The table without its unknown values."""
    return {key: value for key, value in table.items() if value is not None}
