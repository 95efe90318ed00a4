"""Locked packages that another interpreter has no room for, and conda's own packages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.env.values import FULL

from goldlock_env import lock
from goldlock_env.difference import compare
from goldlock_env.findings import FOLLOWS, Finding, Layer, Severity, Status
from goldlock_env.policy import Policy
from goldlock_env.requirements import Requirement
from goldlock_env.snapshot import Package, PackagesLayer, Snapshot

LOCKED = (
    Package(name="absl-py", version="2.1.0", requires_python=">=3.7"),
    Package(name="flask", version="3.0.3", requires_python=">=3.8"),
    Package(name="numpy", version="1.24.3", requires_python=">=3.8"),
    Package(name="old", version="1.0", requires_python="<3.12,!=3.0.*"),
    Package(name="silent", version="1.0"),
    Package(name="six", version="1.16.0", requires_python=">=2.7, !=3.0.*"),
)


def snapshot(python: str, *packages: Package, conda: tuple[tuple[str, str], ...] | None = None) -> Snapshot:
    assert FULL.python is not None
    assert FULL.packages is not None
    layer = PackagesLayer(hashed=True, distributions=packages, conda=conda)
    return replace(FULL, python=replace(FULL.python, version=python), packages=layer)


def of_packages(expected: Snapshot, actual: Snapshot, policy: Policy | None = None) -> dict[str, Finding]:
    found = compare(expected, actual, policy)
    return {finding.key: finding for finding in found if finding.layer is Layer.PACKAGES}


EXPECTED = snapshot("3.8.18", *LOCKED)
CLIENT = snapshot("3.6.15", Package(name="numpy", version="1.19.5"), *LOCKED[3:])


def test_what_cannot_exist_is_one_error_and_what_follows_from_it_weighs_nothing() -> None:
    found = compare(EXPECTED, CLIENT)
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    assert [finding.name for finding in errors] == ["python.version", "packages.requires-python"]
    assert (errors[1].expected, errors[1].actual, errors[1].status) == (">=3.8", "3.6.15", Status.CHANGED)
    assert errors[1].note == (
        "3 of 6 locked packages cannot exist on Python 3.6: "
        "flask 3.0.3, numpy 1.24.3 (need >=3.8); absl-py 2.1.0 (needs >=3.7)"
    )
    follows = [finding for finding in found if finding.follows]
    assert [(one.key, one.status, one.severity, one.note) for one in follows] == [
        ("absl-py", Status.MISSING, Severity.INFO, FOLLOWS),
        ("flask", Status.MISSING, Severity.INFO, FOLLOWS),
        ("numpy", Status.CHANGED, Severity.INFO, FOLLOWS),
    ]


def test_what_could_exist_and_does_not_is_an_error_of_its_own() -> None:
    found = of_packages(EXPECTED, snapshot("3.6.15", Package(name="six", version="1.15.0")))
    assert [found[name].severity for name in ("six", "silent", "old")] == [Severity.ERROR] * 3


def test_an_upper_bound_leaves_out_too() -> None:
    found = of_packages(EXPECTED, snapshot("3.13.0", *(each for each in LOCKED if each.name != "old")))
    assert found["requires-python"].expected == "<3.12"
    assert found["requires-python"].note.endswith(
        "cannot exist on Python 3.13: old 1.0 (needs <3.12,!=3.0.*)"
    )


def test_a_version_that_is_there_all_the_same_can_exist() -> None:
    assert "requires-python" not in of_packages(EXPECTED, snapshot("3.6.15", *LOCKED))


def test_the_same_python_has_room_for_all_and_what_is_missing_is_missing() -> None:
    found = of_packages(EXPECTED, snapshot("3.8.18", *LOCKED[1:]))
    assert list(found) == ["absl-py"]
    assert found["absl-py"].severity is Severity.ERROR


@pytest.mark.parametrize("stated", [">=3.8.*", "nonsense", ""])
def test_a_demand_that_cannot_be_read_leaves_nothing_out(stated: str) -> None:
    odd = snapshot("3.8.18", Package(name="odd", version="1", requires_python=stated))
    found = of_packages(odd, snapshot("3.6.15"))
    assert list(found) == ["odd"]
    assert found["odd"].severity is Severity.ERROR


@pytest.mark.parametrize("version", ["3.6.15", "3.14.0rc1", "3.8.18+", "odd"])
def test_any_interpreter_can_be_judged(version: str) -> None:
    compare(EXPECTED, snapshot(version))
    compare(EXPECTED, replace(CLIENT, python=None))


def test_a_pre_release_of_the_needed_python_is_that_python() -> None:
    needs = snapshot("3.13.0", Package(name="new", version="1", requires_python=">=3.13"))
    assert "requires-python" not in of_packages(needs, snapshot("3.14.0rc1"))


def test_a_lock_that_does_not_tell_is_compared_as_before() -> None:
    old = snapshot("3.8.18", *(replace(each, requires_python=None) for each in LOCKED))
    assert "requires-python" not in lock.dumps(lock.Lock.of(old, subject="m"))
    found = of_packages(old, CLIENT)
    assert "requires-python" not in found
    assert {found[name].severity for name in ("absl-py", "flask", "numpy")} == {Severity.ERROR}


def test_a_lock_keeps_what_each_package_needs_and_for_whom_it_is() -> None:
    marked = [Requirement(name="six", version="1.16.0", marker='python_version >= "3.7"')]
    made = lock.Lock.of(EXPECTED, subject="m", requirements=marked)
    text = lock.dumps(made)
    assert (
        '\nname = "six"\nversion = "1.16.0"\nrequires-python = ">=2.7, !=3.0.*"\nmarker = "python_v' in text
    )
    assert lock.loads(text) == made
    assert lock.loads(text).integrity is None


def test_a_package_that_is_not_for_the_target_is_not_missed_there() -> None:
    marked = [
        Requirement(name="numpy", version="1.24.3", marker='python_version >= "3.7"'),
        Requirement(name="absl-py", version="2.1.0", marker="nonsense"),
        Requirement(name="flask", version="3.0.3", marker='sys_platform == "win32"'),
        Requirement(name="flask", version="3.0.3", marker='sys_platform == "linux"'),
    ]
    expected = lock.Lock.of(EXPECTED, subject="m", requirements=marked).snapshot
    found = of_packages(expected, snapshot("3.6.15", *LOCKED[3:]))
    assert "numpy" not in found
    assert found["requires-python"].note.startswith(
        "2 of 6 locked packages cannot exist on Python 3.6: flask"
    )


def test_the_policy_weighs_the_cause_and_each_package() -> None:
    ignored = of_packages(EXPECTED, CLIENT, Policy.from_mapping({"packages.requires-python": "ignore"}))
    assert "requires-python" not in ignored
    assert ignored["numpy"].severity is Severity.ERROR, "each speaks for itself again"
    milder = of_packages(
        EXPECTED,
        CLIENT,
        Policy.from_mapping({"packages.requires-python": "warning", "packages.numpy": "error"}),
    )
    assert milder["requires-python"].severity is Severity.WARNING
    assert (milder["numpy"].severity, milder["flask"].severity) == (Severity.ERROR, Severity.INFO)


def test_very_many_are_counted() -> None:
    many = [Package(name=f"p{n:03}", version="1", requires_python=">=3.8") for n in range(130)]
    note = of_packages(snapshot("3.8.18", *many), snapshot("3.6.15"))["requires-python"].note
    assert note.startswith("130 of 130 locked packages")
    assert note.endswith("p099 1 (need >=3.8); and 30 more")


MKL = (("mkl", "2023.1.0 h1_0"), ("numpy", "1.24.3 py38_0"), ("python_abi", "3.8 2_cp38"))
NUMPY = Package(name="numpy", version="1.24.3")


def test_conda_packages_are_compared_one_by_one() -> None:
    other = (("mkl", "2024.0.0 h1_0"), ("numpy", "1.24.3 py38_1"), ("openblas", "0.3 0"))
    expected, actual = snapshot("3.8.18", NUMPY, conda=MKL), snapshot("3.8.18", NUMPY, conda=other)
    found = of_packages(expected, actual)
    assert {key: (one.expected, one.actual, one.severity) for key, one in found.items()} == {
        "conda: mkl": ("2023.1.0 h1_0", "2024.0.0 h1_0", Severity.WARNING),
        "conda: numpy": ("1.24.3 py38_0", "1.24.3 py38_1", Severity.WARNING),
        "conda: openblas": (None, "0.3 0", Severity.WARNING),
        "conda: python_abi": ("3.8 2_cp38", None, Severity.WARNING),
    }
    quiet = Policy.from_mapping({"packages.conda": "ignore", "packages.conda: mkl": "error"})
    (only,) = of_packages(expected, actual, quiet).values()
    assert (only.key, only.severity) == ("conda: mkl", Severity.ERROR)


def test_a_python_package_that_conda_installed_is_told_once() -> None:
    newer = snapshot(
        "3.8.18", replace(NUMPY, version="1.24.4"), conda=(("numpy", "1.24.4 py38_0"), *MKL[:1], MKL[2])
    )
    assert list(of_packages(snapshot("3.8.18", NUMPY, conda=MKL), newer)) == ["numpy"]


def test_conda_on_one_side_only_is_one_difference() -> None:
    plain, conda = snapshot("3.8.18", NUMPY), snapshot("3.8.18", NUMPY, conda=MKL)
    for expected, actual, told in (
        (plain, conda, ("not conda's", "3 packages of conda")),
        (conda, plain, ("3 packages of conda", "not conda's")),
    ):
        (only,) = of_packages(expected, actual).values()
        assert (only.key, only.expected, only.actual, only.severity) == ("conda", *told, Severity.WARNING)


def test_conda_packages_come_through_the_lock() -> None:
    made = lock.Lock.of(snapshot("3.8.18", NUMPY, conda=MKL), subject="m")
    assert lock.loads(lock.dumps(made)).snapshot == made.snapshot


@pytest.mark.parametrize(("name", "same"), [("AMD64", True), ("aarch64", False)])
def test_an_architecture_is_the_same_by_any_name(name: str, same: bool) -> None:
    assert FULL.host is not None
    other = replace(FULL, host=replace(FULL.host, architecture=name))
    assert ("host.architecture" not in [finding.name for finding in compare(FULL, other)]) is same
