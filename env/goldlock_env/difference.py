"""What differs between two snapshots: one finding for each cause, not one for each consequence.

Keys, by layer: python: implementation, version, platform, abi, build, executable, library. packages: a
package's name, or ``name: path`` of an installed file, ``name: RECORD``, ``name: bytecode``,
``name: files``, ``name: editable``, ``name: shadowed``; ``conda: name`` of a package of conda's; for all packages:
``requires-python``, ``files``, ``path``, ``bytecode``, ``RECORD``, ``conda``. os: distribution, libc, packages, or a package's name. image: config-id, layers,
manifest-digest, reference, base. numerics: a variable's name, blas, blas.library, blas.version,
blas.kernel, blas.threads, simd. host: architecture, cpu-model, cpu-level, cpu-features, cores, kernel.
artifacts: a path. A layer as a whole that is unknown has the key ``all``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from goldlock_env.collecting import Findings
from goldlock_env.existence import Room, room
from goldlock_env.findings import IMPOSSIBLE, Finding, Layer, Severity
from goldlock_env.installed import compare_packages
from goldlock_env.layers import (
    ArtifactsLayer,
    Blas,
    HostLayer,
    ImageLayer,
    NumericsLayer,
    OsLayer,
    PackagesLayer,
    Pairs,
    PythonLayer,
)
from goldlock_env.policy import Policy
from goldlock_env.snapshot import Snapshot

T = TypeVar("T")

ALL = "all"
"""Key of the finding on a layer that is unknown as a whole."""

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def compare(expected: Snapshot, actual: Snapshot, policy: Policy | None = None) -> tuple[Finding, ...]:
    """Differences and unknowns, errors first; nothing for what is the same."""
    found = Findings(policy or Policy())
    python = _both(found, Layer.PYTHON, expected.python, actual.python, expected, actual)
    if python:
        _python(found, *python)
    packages = _both(found, Layer.PACKAGES, expected.packages, actual.packages, expected, actual)
    if packages:
        compare_packages(found, *packages, minors=_minors(python), room=_room(found, *packages, actual))
    system = _both(found, Layer.OS, expected.os, actual.os, expected, actual)
    if system:
        _os(found, *system)
    image = _both(found, Layer.IMAGE, expected.image, actual.image, expected, actual)
    if image:
        _image(found, *image)
    host = _both(found, Layer.HOST, expected.host, actual.host, expected, actual)
    if host:
        _host(found, *host)
    numerics = _both(found, Layer.NUMERICS, expected.numerics, actual.numerics, expected, actual)
    if numerics:
        _numerics(found, *numerics)
        _blas(
            found,
            *numerics,
            other_numpy=packages is not None and _numpy(packages[0]) != _numpy(packages[1]),
            other_cores=host is not None and host[0].cores != host[1].cores,
            other_level=host is not None and host[0].cpu_level != host[1].cpu_level,
        )
    # Without an artifact in either there is nothing to be unknown.
    if expected.artifacts or actual.artifacts or actual.reason(Layer.ARTIFACTS):
        artifacts = _both(found, Layer.ARTIFACTS, expected.artifacts, actual.artifacts, expected, actual)
        if artifacts:
            _artifacts(found, *artifacts)
    return found.sorted()


def _both(
    found: Findings,
    layer: Layer,
    expected: T | None,
    actual: T | None,
    expected_in: Snapshot,
    actual_in: Snapshot,
) -> tuple[T, T] | None:
    """Both sides of a layer; None, and one finding, when a side is unknown."""
    if expected is not None and actual is not None:
        return expected, actual
    absent, unseen = (side.reason(layer) or "nobody looked at it" for side in (expected_in, actual_in))
    if expected is not None:
        note = unseen
    elif actual is not None:
        note = f"not in what is expected: {absent}"
    else:
        note = (
            f"on both sides: {absent}" if absent == unseen else f"not in what is expected: {absent}; {unseen}"
        )
    found.unknown(layer, ALL, note)
    return None


def _minors(python: tuple[PythonLayer, PythonLayer] | None) -> tuple[str, str]:
    if python is None:
        return "", ""
    expected, actual = (f"{layer.implementation} {layer.minor}" for layer in python)
    return expected, actual


def _room(found: Findings, expected: PackagesLayer, actual: PackagesLayer, target: Snapshot) -> Room:
    """What the target has no room for; nothing where that is of no interest: each package then speaks for itself."""
    judged = room(expected, actual, target)
    return replace(judged, impossible=()) if found.ignores(Layer.PACKAGES, IMPOSSIBLE) else judged


def _python(found: Findings, expected: PythonLayer, actual: PythonLayer) -> None:
    layer = Layer.PYTHON
    other = found.differ(layer, "implementation", expected.implementation, actual.implementation, _ERROR)
    found.differ(layer, "platform", expected.platform, actual.platform, _INFO)
    if expected.minor != actual.minor:
        found.add(
            layer,
            "version",
            expected.version,
            actual.version,
            _ERROR,
            "another Python: packages have other wheels there, and some have none",
        )
        return
    if not other:
        _known(found, layer, "abi", expected.abi, actual.abi, _INFO)
    if found.differ(layer, "version", expected.version, actual.version, _WARNING) or other:
        return
    # Another build has another executable; that is one cause.
    if not _known(found, layer, "build", expected.build, actual.build, _INFO):
        _known(found, layer, "executable", expected.executable_sha256, actual.executable_sha256, _INFO)
        found.differ(layer, "library", expected.library_sha256, actual.library_sha256, _INFO)


def _known(
    found: Findings, layer: Layer, key: str, expected: str | None, actual: str | None, default: Severity
) -> bool:
    """Compare two values that every environment has: an absent one is unknown. Whether they differ."""
    if expected is not None and actual is not None:
        return found.differ(layer, key, expected, actual, default)
    if expected != actual:
        side = "not in what is expected" if expected is None else "could not be read"
        found.unknown(layer, key, side, expected=expected, actual=actual)
    return False


def _os(found: Findings, expected: OsLayer, actual: OsLayer) -> None:
    layer = Layer.OS
    other = expected.distribution is not None and actual.distribution not in (None, expected.distribution)
    _known(found, layer, "distribution", expected.distribution, actual.distribution, _WARNING)
    _known(found, layer, "libc", expected.libc, actual.libc, _WARNING)
    if expected.packages is None or actual.packages is None:
        notes = [expected.packages_unknown, actual.packages_unknown]
        found.unknown(
            layer, "packages", "; ".join(dict.fromkeys(note for note in notes if note)) or "not looked at"
        )
    elif other and expected.packages != actual.packages:
        # Another distribution has other packages: hundreds of consequences of one cause.
        found.add(
            layer,
            "packages",
            f"{len(expected.packages)} packages",
            f"{len(actual.packages)} packages",
            _WARNING,
            "not compared one by one: the distribution is another",
        )
    else:
        _mapping(found, layer, expected.packages, actual.packages, _WARNING)


def _mapping(found: Findings, layer: Layer, expected: Pairs, actual: Pairs, default: Severity) -> None:
    before, after = dict(expected), dict(actual)
    for key in sorted({*before, *after}):
        found.differ(layer, key, before.get(key), after.get(key), default)


def _image(found: Findings, expected: ImageLayer, actual: ImageLayer) -> None:
    layer = Layer.IMAGE
    # One that came in an archive has no name: its id is told below.
    if actual.reference != actual.config_id:
        found.differ(layer, "reference", expected.reference, actual.reference, _INFO)
    if expected.layers != actual.layers:
        at = next(
            (
                number
                for number, pair in enumerate(zip(expected.layers, actual.layers, strict=False))
                if pair[0] != pair[1]
            ),
            min(len(expected.layers), len(actual.layers)),
        )
        found.add(
            layer,
            "layers",
            _layer_at(expected.layers, at),
            _layer_at(actual.layers, at),
            _INFO,
            f"the first {at} of {len(expected.layers)} layers are the same",
        )
    elif not found.differ(layer, "config-id", expected.config_id, actual.config_id, _INFO) and None not in (
        expected.manifest_digest,
        actual.manifest_digest,
    ):
        # Known only where an image came through a registry: an absent one says nothing.
        found.differ(layer, "manifest-digest", expected.manifest_digest, actual.manifest_digest, _INFO)
    if None not in (expected.base, actual.base):
        found.differ(layer, "base", expected.base, actual.base, _INFO)


def _layer_at(layers: tuple[str, ...], at: int) -> str:
    which = layers[at] if at < len(layers) else "none"
    return f"{len(layers)} layers; number {at + 1}: {which}"


def _host(found: Findings, expected: HostLayer, actual: HostLayer) -> None:
    layer = Layer.HOST
    other = _instructions(expected) != _instructions(actual)
    if other:
        found.add(layer, "architecture", expected.architecture, actual.architecture, _WARNING)
    if not other:
        level = _known(found, layer, "cpu-level", expected.cpu_level, actual.cpu_level, _WARNING)
        if not level and expected.cpu_features != actual.cpu_features:
            found.add(
                layer, "cpu-features", _words(expected.cpu_features), _words(actual.cpu_features), _INFO
            )
    _known(found, layer, "cpu-model", expected.cpu_model, actual.cpu_model, _INFO)
    _known(found, layer, "cores", _number(expected.cores), _number(actual.cores), _INFO)
    _known(found, layer, "kernel", expected.kernel, actual.kernel, _INFO)


def _instructions(host: HostLayer) -> str:
    """The architecture by Linux's name for it: Windows and macOS have others for the same."""
    return {"AMD64": "x86_64", "arm64": "aarch64", "ARM64": "aarch64"}.get(
        host.architecture, host.architecture
    )


def _numerics(found: Findings, expected: NumericsLayer, actual: NumericsLayer) -> None:
    _mapping(found, Layer.NUMERICS, expected.environment, actual.environment, _ERROR)


def _blas(
    found: Findings,
    expected: NumericsLayer,
    actual: NumericsLayer,
    *,
    other_numpy: bool,
    other_cores: bool,
    other_level: bool,
) -> None:
    """BLAS, without what another NumPy, another number of cores or another CPU level explains."""
    layer = Layer.NUMERICS
    if expected.blas is None or actual.blas is None:
        reasons = dict.fromkeys(note for note in (expected.blas_unknown, actual.blas_unknown) if note)
        if reasons:
            kernels = (_kernel(expected.blas), _kernel(actual.blas))
            found.unknown(layer, "blas", "; ".join(reasons), expected=kernels[0], actual=kernels[1])
        # Without a reason there is no NumPy, and that is the packages' finding.
        return
    _known(found, layer, "blas.kernel", expected.blas.kernel, actual.blas.kernel, _WARNING)
    if not other_numpy:
        if not found.differ(layer, "blas.library", expected.blas.library, actual.blas.library, _INFO):
            _known(found, layer, "blas.version", expected.blas.version, actual.blas.version, _INFO)
        if not other_level and expected.simd != actual.simd:
            found.add(layer, "simd", _words(expected.simd), _words(actual.simd), _INFO)
    if not other_cores:
        threads = (_number(expected.blas.threads), _number(actual.blas.threads))
        _known(found, layer, "blas.threads", threads[0], threads[1], _INFO)


def _artifacts(found: Findings, expected: ArtifactsLayer, actual: ArtifactsLayer) -> None:
    layer = Layer.ARTIFACTS
    before = {artifact.path: artifact.sha256 for artifact in expected.files}
    after = {artifact.path: artifact.sha256 for artifact in actual.files}
    unreadable = dict(actual.unreadable)
    for path in sorted({*before, *after}):
        if path not in after and path in unreadable:
            continue
        # One that is new beside the locked ones may be a cache; nothing that was recorded has changed.
        default = _WARNING if path not in before else _ERROR
        found.differ(layer, path, before.get(path), after.get(path), default)
    for path, reason in actual.unreadable:
        found.unknown(layer, path, f"could not be read: {reason}", expected=before.get(path))
    for path in actual.missing:
        covered = any(known == path or known.startswith(path.rstrip("/") + "/") for known in before)
        if not covered and path not in expected.missing:
            found.add(layer, path, "a file", None, _ERROR, "asked for, and neither locked nor there")


def _numpy(packages: PackagesLayer) -> str | None:
    return next((package.version for package in packages.distributions if package.name == "numpy"), None)


def _kernel(blas: Blas | None) -> str | None:
    return None if blas is None else blas.kernel or blas.library


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _words(words: tuple[str, ...]) -> str:
    return " ".join(words) or "none"
