"""Which severity wins."""

from __future__ import annotations

import pytest

from goldlock_env.errors import ConfigurationError
from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.policy import Policy


@pytest.mark.parametrize(
    ("entries", "layer", "key", "expected"),
    [
        ({}, Layer.PACKAGES, "numpy", Severity.INFO),
        ({"packages": "warning"}, Layer.PACKAGES, "numpy", Severity.WARNING),
        ({"packages": "warning", "packages.numpy": "error"}, Layer.PACKAGES, "numpy", Severity.ERROR),
        ({"packages": "warning", "packages.numpy": "error"}, Layer.PACKAGES, "scipy", Severity.WARNING),
        ({"packages.numpy": "error"}, Layer.PACKAGES, "numpy: numpy/core/x.so", Severity.ERROR),
        (
            {"packages.numpy": "error", "packages.numpy: numpy/core/x.so": "ignore"},
            Layer.PACKAGES,
            "numpy: numpy/core/x.so",
            None,
        ),
        ({"packages.Scikit_Learn": "error"}, Layer.PACKAGES, "scikit-learn", Severity.ERROR),
        ({"numerics.blas": "ignore"}, Layer.NUMERICS, "blas.kernel", None),
        (
            {"numerics.blas": "ignore", "numerics.blas.kernel": "error"},
            Layer.NUMERICS,
            "blas.kernel",
            Severity.ERROR,
        ),
        ({"host.cpu-model": "ignore"}, Layer.HOST, "cpu-model", None),
        ({"packages": "error"}, Layer.OS, "numpy", Severity.INFO),
    ],
)
def test_the_most_specific_entry_wins(
    entries: dict[str, str], layer: Layer, key: str, expected: Severity | None
) -> None:
    policy = Policy.from_mapping(entries)
    assert policy.severity(layer, key, Severity.INFO) is expected
    assert policy.ignores(layer, key) is (expected is None)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"pakages": "error"}, "policy.pakages: there is no layer 'pakages'; did you mean 'packages'?"),
        ({"zzz.x": "error"}, "policy.zzz.x: there is no layer 'zzz'"),
        (
            {"host.cpu-modle": "error"},
            "policy.host.cpu-modle: the layer host has no key 'cpu-modle'; did you mean 'cpu-model'?",
        ),
        (
            {"packages.numpy": "eror"},
            "policy.packages.numpy: 'eror' is not a severity; did you mean 'error'?",
        ),
    ],
)
def test_what_does_not_exist_is_named_with_the_nearest(entries: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Policy.from_mapping(entries)
    assert caught.value.message == problem
    assert caught.value.hint
    assert caught.value.exit_code == 2
    assert str(caught.value) == f"{caught.value.message}\n{caught.value.hint}"


def test_values_are_written_as_words() -> None:
    finding = Finding(
        layer=Layer.PYTHON,
        key="version",
        expected="1",
        actual="2",
        status=Status.CHANGED,
        severity=Severity.ERROR,
    )
    assert (
        f"{finding.name} {finding.status} {finding.severity} {finding.layer}"
        == "python.version changed error python"
    )
