"""One finding for each cause: the right layer, key, values and severity, and nothing else blamed."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from tests.env.values import FULL, digest, snapshots

from goldlock_env.difference import compare
from goldlock_env.findings import Finding, Layer, Severity, Status
from goldlock_env.lock import Lock, dumps, loads
from goldlock_env.policy import Policy
from goldlock_env.snapshot import (
    AlteredFile,
    Artifact,
    ArtifactsLayer,
    Blas,
    ImageLayer,
    Package,
    Shadowed,
    Snapshot,
)

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741
Row = tuple[str, Status, Severity]


def rows(findings: tuple[Finding, ...]) -> list[Row]:
    return [(finding.name, finding.status, finding.severity) for finding in findings]


def change(layer: str, **values: object) -> Snapshot:
    return dataclasses.replace(FULL, **{layer: dataclasses.replace(getattr(FULL, layer), **values)})  # type: ignore[arg-type]


def packages(*altered: Package, extra: tuple[Package, ...] = (), **values: object) -> Snapshot:
    assert FULL.packages is not None
    by_name = {one.name: one for one in (*FULL.packages.distributions, *altered)}
    found = tuple(sorted([*by_name.values(), *extra], key=lambda one: one.name))
    return dataclasses.replace(
        FULL,
        packages=dataclasses.replace(FULL.packages, distributions=found, **values),  # type: ignore[arg-type]
    )


def numpy(**values: object) -> Package:
    assert FULL.packages is not None
    return dataclasses.replace(FULL.packages.distributions[1], **values)  # type: ignore[arg-type]


X = AlteredFile(path="numpy/core/x.so", expected=digest("x"), actual=digest("y"))

CASES: dict[str, tuple[Snapshot, list[Row]]] = {
    "nothing": (FULL, []),
    "python patch": (change("python", version="3.8.19", build="b", executable_sha256=digest("e")), [("python.version", Status.CHANGED, W)]),
    "python minor": (
        dataclasses.replace(
            packages(numpy(version="1.19.5", record_sha256=digest("r"), bytecode_sha256=None)),
            python=dataclasses.replace(FULL.python, version="3.6.15", abi="cpython-36m", build="b"),  # type: ignore[type-var]
        ),
        [("python.version", Status.CHANGED, E), ("packages.numpy", Status.CHANGED, E)],
    ),
    "python minor, other wheels": (
        dataclasses.replace(
            packages(numpy(record_sha256=digest("r"), bytecode_sha256=digest("b"))),
            python=dataclasses.replace(FULL.python, version="3.9.1"),  # type: ignore[type-var]
        ),
        [("python.version", Status.CHANGED, E), ("packages.RECORD", Status.CHANGED, I)],
    ),
    "implementation": (change("python", implementation="pypy"), [("python.implementation", Status.CHANGED, E)]),
    "platform": (change("python", platform="darwin"), [("python.platform", Status.CHANGED, I)]),
    "abi": (change("python", abi="cpython-38-x86_64-linux-musl"), [("python.abi", Status.CHANGED, I)]),
    "build": (change("python", build="b", executable_sha256=digest("e")), [("python.build", Status.CHANGED, I)]),
    "executable": (change("python", executable_sha256=digest("e")), [("python.executable", Status.CHANGED, I)]),
    "executable unreadable": (change("python", executable_sha256=None), [("python.executable", Status.UNKNOWN, I)]),
    "library": (change("python", library_sha256=None), [("python.library", Status.MISSING, I)]),
    "executable's place": (change("python", executable="/elsewhere/python"), []),
    "package newer": (packages(numpy(version="1.24.4", record_sha256=digest("n"), bytecode_sha256=digest("m"))), [("packages.numpy", Status.CHANGED, E)]),
    "package extra": (packages(extra=(Package(name="zzz", version="1"),)), [("packages.zzz", Status.EXTRA, W)]),
    "file altered": (packages(numpy(altered=(X,))), [("packages.numpy: numpy/core/x.so", Status.CHANGED, E)]),
    "file altered and compiled": (packages(numpy(altered=(X,), bytecode_sha256=digest("b"))), [("packages.numpy: numpy/core/x.so", Status.CHANGED, E)]),
    "file missing": (packages(numpy(missing=("numpy/a.py",))), [("packages.numpy: numpy/a.py", Status.MISSING, E)]),
    "RECORD rewritten": (packages(numpy(record_sha256=digest("r"), bytecode_sha256=digest("b"))), [("packages.numpy: RECORD", Status.CHANGED, E)]),
    "RECORD gone": (packages(numpy(record_sha256=None, bytecode_sha256=None, files=None, unknown="no RECORD")), [("packages.numpy: RECORD", Status.UNKNOWN, I), ("packages.numpy: files", Status.UNKNOWN, I)]),
    "bytecode": (packages(numpy(bytecode_sha256=digest("b"))), [("packages.numpy: bytecode", Status.CHANGED, E)]),
    "bytecode gone": (packages(numpy(bytecode_sha256=None)), [("packages.bytecode", Status.MISSING, I)]),
    "editable": (packages(numpy(editable=True, unknown="an editable install")), [("packages.numpy: editable", Status.CHANGED, I), ("packages.numpy: files", Status.UNKNOWN, I)]),
    "version unknown": (packages(numpy(version=None)), [("packages.numpy", Status.CHANGED, E)]),
    "not hashed": (packages(hashed=False), [("packages.files", Status.UNKNOWN, I)]),
    "shadowed": (packages(shadowed=(Shadowed(name="numpy", version="1.0"),)), [("packages.numpy: shadowed", Status.EXTRA, I)]),
    "OS package changed": (change("os", packages=(("libc6", "2.36-9"), ("zlib1g", "1:1.3"))), [("os.zlib1g", Status.CHANGED, W)]),
    "OS package missing": (change("os", packages=(("libc6", "2.36-9"),)), [("os.zlib1g", Status.MISSING, W)]),
    "OS package extra": (change("os", packages=(("curl", "8"), ("libc6", "2.36-9"), ("zlib1g", "1:1.2.13"))), [("os.curl", Status.EXTRA, W)]),
    "OS packages unknown": (change("os", packages=None, packages_unknown="rpm"), [("os.packages", Status.UNKNOWN, I)]),
    "distribution": (change("os", distribution="alpine 3.19", libc="musl 1.2.4", packages=(("musl", "1.2.4"),)), [("os.distribution", Status.CHANGED, W), ("os.libc", Status.CHANGED, W), ("os.packages", Status.CHANGED, W)]),
    "libc unknown": (change("os", libc=None), [("os.libc", Status.UNKNOWN, I)]),
    "image layers": (change("image", config_id="c", layers=(digest("l1"), digest("l3"), digest("l4"))), [("image.layers", Status.CHANGED, I)]),
    "image layer fewer": (change("image", config_id="c", layers=(digest("l1"),)), [("image.layers", Status.CHANGED, I)]),
    "image config": (change("image", config_id="c"), [("image.config-id", Status.CHANGED, I)]),
    "image reference and base": (change("image", reference="other", base="fat"), [("image.base", Status.CHANGED, I), ("image.reference", Status.CHANGED, I)]),
    "variable changed": (change("numerics", environment=(("OMP_NUM_THREADS", "2"),)), [("numerics.OMP_NUM_THREADS", Status.CHANGED, E)]),
    "variable unset": (change("numerics", environment=()), [("numerics.OMP_NUM_THREADS", Status.MISSING, E)]),
    "variable set": (change("numerics", environment=(("OMP_NUM_THREADS", "1"), ("TF_X", "1"))), [("numerics.TF_X", Status.EXTRA, E)]),
    "BLAS kernel": (change("numerics", blas=Blas(library="libopenblas64_.so", version="OpenBLAS 0.3.21", kernel="Haswell", threads=2)), [("numerics.blas.kernel", Status.CHANGED, W)]),
    "BLAS library": (change("numerics", blas=Blas(library="mkl.so", version="v", kernel="SkylakeX", threads=1)), [("numerics.blas.library", Status.CHANGED, I), ("numerics.blas.threads", Status.CHANGED, I)]),
    "BLAS unknown": (change("numerics", blas=None, blas_unknown="it hangs"), [("numerics.blas", Status.UNKNOWN, I)]),
    "NumPy gone": (change("numerics", blas=None), []),
    "SIMD": (change("numerics", simd=()), [("numerics.simd", Status.CHANGED, I)]),
    "CPU level": (
        dataclasses.replace(change("host", cpu_level="x86-64-v3", cpu_features=(), cpu_model="Core"), numerics=dataclasses.replace(FULL.numerics, simd=("AVX2",))),  # type: ignore[type-var]
        [("host.cpu-level", Status.CHANGED, W), ("host.cpu-model", Status.CHANGED, I)],
    ),
    "CPU features": (change("host", cpu_features=()), [("host.cpu-features", Status.CHANGED, I)]),
    "architecture": (change("host", architecture="aarch64", cpu_level=None), [("host.architecture", Status.CHANGED, W)]),
    "kernel": (change("host", kernel="6.2"), [("host.kernel", Status.CHANGED, I)]),
    "cores and threads": (
        dataclasses.replace(change("host", cores=8), numerics=dataclasses.replace(FULL.numerics, blas=dataclasses.replace(FULL.numerics.blas, threads=8))),  # type: ignore[type-var, union-attr]
        [("host.cores", Status.CHANGED, I)],
    ),
    "artifact changed": (change("artifacts", files=(Artifact(path="/app/model.h5", sha256=digest("m2"), size=10),)), [("artifacts./app/model.h5", Status.CHANGED, E)]),
    "artifact missing": (change("artifacts", files=(), missing=("/app/model.h5",)), [("artifacts./app/model.h5", Status.MISSING, E)]),
    "artifact folder missing": (change("artifacts", files=(), missing=("/app",)), [("artifacts./app/model.h5", Status.MISSING, E)]),
    "artifact unreadable": (change("artifacts", files=(), unreadable=(("/app/model.h5", "permission denied"),)), [("artifacts./app/model.h5", Status.UNKNOWN, I)]),
    "artifact asked for anew": (change("artifacts", missing=("/app/new",)), [("artifacts./app/new", Status.MISSING, E)]),
    "artifact extra": (
        change("artifacts", files=(Artifact(path="/app/a", sha256=digest("a"), size=1), *FULL.artifacts.files)),  # type: ignore[union-attr]
        [("artifacts./app/a", Status.EXTRA, W)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_gives_its_findings_and_no_others(case: str) -> None:
    actual, expected = CASES[case]
    assert rows(compare(FULL, actual, Policy())) == expected
    # Through a lock the answer is the same.
    lock = loads(dumps(Lock.of(FULL, subject="s")))
    assert rows(compare(lock.snapshot, actual)) == expected


def test_a_missing_package_says_what_was_expected() -> None:
    assert FULL.packages is not None
    less = dataclasses.replace(
        FULL, packages=dataclasses.replace(FULL.packages, distributions=FULL.packages.distributions[:1])
    )
    (finding,) = compare(FULL, less)
    assert (finding.key, finding.expected, finding.actual) == ("numpy", "1.24.3", None)
    assert (finding.status, finding.severity) == (Status.MISSING, E)
    hidden = dataclasses.replace(less, packages=dataclasses.replace(less.packages, unknown="/x (denied)"))  # type: ignore[type-var]
    assert rows(compare(FULL, hidden)) == [
        ("packages.numpy", Status.UNKNOWN, I),
        ("packages.path", Status.UNKNOWN, I),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"altered": (X,)}, []),
        ({}, [("packages.numpy: numpy/core/x.so", Status.CHANGED, E)]),
        ({"missing": ("numpy/core/x.so",)}, [("packages.numpy: numpy/core/x.so", Status.MISSING, E)]),
        ({"altered": (dataclasses.replace(X, actual=digest("z")),)}, [("packages.numpy: numpy/core/x.so", Status.CHANGED, E)]),
    ],
    ids=["the same", "repaired", "gone", "altered again"],
)  # fmt: skip
def test_what_was_locked_as_altered_is_expected_so(values: dict[str, object], expected: list[Row]) -> None:
    assert rows(compare(packages(numpy(altered=(X,))), packages(numpy(**values)))) == expected


def test_what_was_locked_as_missing_and_came_back() -> None:
    (finding,) = compare(packages(numpy(missing=("numpy/a.py",))), FULL)
    assert (finding.key, finding.status) == ("numpy: numpy/a.py", Status.EXTRA)


def test_bytecode_where_none_was_locked_is_an_error() -> None:
    assert rows(compare(packages(numpy(bytecode_sha256=None)), FULL)) == [
        ("packages.numpy: bytecode", Status.EXTRA, E)
    ]


def test_a_shadowed_package_that_is_gone() -> None:
    before = packages(shadowed=(Shadowed(name="numpy", version=None),))
    assert rows(compare(before, FULL)) == [("packages.numpy: shadowed", Status.MISSING, I)]


def test_hundreds_of_altered_files_do_not_drown_the_report() -> None:
    altered = tuple(
        AlteredFile(path=f"numpy/{n:04}.py", expected=digest("a"), actual=digest("b")) for n in range(500)
    )
    found = compare(FULL, packages(numpy(altered=altered)))
    assert len(found) == 51
    assert [one.actual for one in found if one.key == "numpy: files"] == ["450 more files"]


def test_many_other_wheels_and_missing_bytecode_are_one_finding() -> None:
    many = tuple(
        Package(name=f"p{n}", version="1", record_sha256=digest("r"), bytecode_sha256=digest("b"), files=1)
        for n in range(9)
    )
    bare = tuple(dataclasses.replace(one, bytecode_sha256=None) for one in many)
    (finding,) = compare(packages(extra=many), packages(extra=bare))
    assert finding.note.endswith("p0, p1, p2, p3, p4 and 4 more")


def test_a_manifest_digest_counts_only_where_both_have_one() -> None:
    with_digest = change("image", manifest_digest=digest("m"))
    assert compare(FULL, with_digest) == ()
    assert rows(compare(with_digest, change("image", manifest_digest=digest("n")))) == [
        ("image.manifest-digest", Status.CHANGED, I)
    ]
    assert compare(FULL, change("image", base=None)) == ()


def test_the_layers_a_local_run_cannot_vouch_for_are_one_unknown_each() -> None:
    local = FULL.without(Layer.OS, "a local run").without(Layer.IMAGE, "a local run")
    found = compare(FULL, local)
    assert rows(found) == [("os.all", Status.UNKNOWN, I), ("image.all", Status.UNKNOWN, I)]
    assert {one.note for one in found} == {"a local run"}
    assert [one.note for one in compare(local, FULL)] == ["not in what is expected: a local run"] * 2
    assert [one.note for one in compare(local, local)] == ["on both sides: a local run"] * 2
    unseen = FULL.without(Layer.OS, "not asked").without(Layer.IMAGE, "not asked")
    assert [one.note for one in compare(local, unseen)] == [
        "not in what is expected: a local run; not asked"
    ] * 2


def test_nothing_known_at_all() -> None:
    found = compare(Snapshot(), Snapshot())
    assert [one.layer for one in found] == [
        Layer.PYTHON, Layer.PACKAGES, Layer.OS, Layer.IMAGE, Layer.NUMERICS, Layer.HOST
    ]  # fmt: skip
    assert "nobody looked at it" in found[0].note


def test_artifacts_on_one_side_only() -> None:
    without = dataclasses.replace(FULL, artifacts=None)
    assert rows(compare(FULL, without)) == [("artifacts.all", Status.UNKNOWN, I)]
    assert rows(compare(without, FULL)) == [("artifacts.all", Status.UNKNOWN, I)]
    empty = dataclasses.replace(FULL, artifacts=ArtifactsLayer(files=()))
    assert rows(compare(empty, without)) == [("artifacts.all", Status.UNKNOWN, I)]


def test_the_unknown_on_the_expected_side_is_told_too() -> None:
    found = compare(change("host", cpu_level=None), FULL)
    assert [(one.key, one.note) for one in found] == [("cpu-level", "not in what is expected")]


def test_python_is_told_first_and_errors_before_all() -> None:
    actual = dataclasses.replace(
        packages(numpy(version="2.0"), extra=(Package(name="aaa", version="1"),)),
        python=dataclasses.replace(FULL.python, version="3.6.15"),  # type: ignore[type-var]
        host=dataclasses.replace(FULL.host, kernel="7"),  # type: ignore[type-var]
        image=ImageLayer(reference="other", config_id="x", layers=()),
        os=None,
    )
    assert [one.name for one in compare(FULL, actual)] == [
        "python.version", "packages.numpy", "packages.aaa",
        "image.layers", "image.reference", "host.kernel", "os.all",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"packages.numpy": "warning"}, [("packages.numpy", Status.CHANGED, W)]),
        ({"packages": "ignore"}, []),
        ({"packages": "error", "os": "error"}, [("packages.numpy", Status.CHANGED, E)]),
    ],
    ids=["weaker", "ignored", "stronger"],
)
def test_the_policy_has_the_last_word(policy: dict[str, str], expected: list[Row]) -> None:
    found = compare(FULL, packages(numpy(version="2.0")), Policy.from_mapping(policy))
    assert rows(found) == expected


def test_a_policy_never_makes_an_unknown_an_error_and_may_ignore_it() -> None:
    local = FULL.without(Layer.OS, "a local run")
    assert rows(compare(FULL, local, Policy.from_mapping({"os": "error"}))) == [("os.all", Status.UNKNOWN, I)]
    assert compare(FULL, local, Policy.from_mapping({"os": "ignore"})) == ()


@given(snapshots)
def test_a_snapshot_differs_in_nothing_from_itself(snapshot: Snapshot) -> None:
    assert all(one.status is Status.UNKNOWN for one in compare(snapshot, snapshot))


@given(snapshots, snapshots)
def test_any_two_snapshots_can_be_compared(first: Snapshot, second: Snapshot) -> None:
    found = compare(first, second)
    ranks = [one.severity.rank for one in found]
    assert ranks == sorted(ranks)
    assert all(
        (one.expected is None) == (one.status is Status.EXTRA)
        for one in found
        if one.status is not Status.UNKNOWN
    )
    assert all((one.status is Status.MISSING) <= (one.actual is None) for one in found)
