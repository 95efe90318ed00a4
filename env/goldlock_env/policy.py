"""Which severity a finding has: the defaults of its origin, overridden by ``[policy]`` of goldlock.toml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from goldlock_env.errors import ConfigurationError
from goldlock_env.findings import Layer, Severity

IGNORE = "ignore"

# Layers whose keys are all known beforehand; in the others a key is a package, a variable or a path.
FIXED_KEYS: Mapping[Layer, frozenset[str]] = MappingProxyType(
    {
        Layer.PYTHON: frozenset(
            {"implementation", "version", "build", "abi", "platform", "executable", "library"}
        ),
        Layer.IMAGE: frozenset({"reference", "manifest-digest", "config-id", "layers", "base"}),
        Layer.HOST: frozenset({"architecture", "cpu-model", "cpu-level", "cpu-features", "cores", "kernel"}),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Overrides of severities, by layer or by layer and key: ``{"packages.numpy": "error"}``.

    The most specific entry wins: the whole key, then what stands before ``": "`` (the package of an
    altered file), then the key's dotted beginnings, then the layer.
    """

    entries: tuple[tuple[str, Severity | None], ...] = ()
    """Normalised name to severity (None: ignored), sorted by name."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> Policy:
        """Check and normalise what a person wrote.

        Raises ConfigurationError for a layer, a key of a fixed layer, or a value that does not exist.
        """
        entries: dict[str, Severity | None] = {}
        for name, value in mapping.items():
            layer, key = _split(name)
            normal = f"{layer.value}.{_normal_key(layer, key)}" if key else layer.value
            entries[normal] = _severity(name, value)
        return cls(tuple(sorted(entries.items(), key=lambda entry: entry[0])))

    def severity(self, layer: Layer, key: str, default: Severity) -> Severity | None:
        """Severity of a finding; None when it is to be ignored."""
        entries = dict(self.entries)
        for name in _candidates(layer, key):
            if name in entries:
                return entries[name]
        return default

    def ignores(self, layer: Layer, key: str) -> bool:
        """Whether such a finding is left out altogether."""
        return self.severity(layer, key, Severity.INFO) is None


def _candidates(layer: Layer, key: str) -> list[str]:
    """Names of policy entries that cover a key, the most specific first."""
    names = [f"{layer.value}.{key}"]
    head = key.split(": ", 1)[0]
    if head != key:
        names.append(f"{layer.value}.{head}")
    while "." in head:
        head = head.rsplit(".", 1)[0]
        names.append(f"{layer.value}.{head}")
    names.append(layer.value)
    return names


def _split(name: str) -> tuple[Layer, str]:
    head, _, key = name.partition(".")
    try:
        layer = Layer(head)
    except ValueError:
        known = [layer.value for layer in Layer]
        raise ConfigurationError(
            f"policy.{name}: there is no layer {head!r}{_nearest(head, known)}",
            hint=f"A policy names one of the layers {', '.join(known)}, or a layer and a key: packages.numpy.",
        ) from None
    fixed = FIXED_KEYS.get(layer)
    if key and fixed is not None and key not in fixed:
        raise ConfigurationError(
            f"policy.{name}: the layer {head} has no key {key!r}{_nearest(key, sorted(fixed))}",
            hint=f"Keys of {head}: {', '.join(sorted(fixed))}.",
        )
    return layer, key


def _normal_key(layer: Layer, key: str) -> str:
    if layer is not Layer.PACKAGES:
        return key
    package, separator, path = key.partition(": ")
    return re.sub(r"[-_.]+", "-", package).lower() + separator + path


def _severity(name: str, value: str) -> Severity | None:
    if value == IGNORE:
        return None
    try:
        return Severity(value)
    except ValueError:
        known = [*(severity.value for severity in Severity), IGNORE]
        raise ConfigurationError(
            f"policy.{name}: {value!r} is not a severity{_nearest(str(value), known)}",
            hint=f"Write one of {', '.join(known)}.",
        ) from None


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
