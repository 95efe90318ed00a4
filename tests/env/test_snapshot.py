"""Snapshots read from a subject that may be broken or hostile."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.env.values import FULL, digest, snapshots

from goldlock_env import framing
from goldlock_env.decoding import MalformedError
from goldlock_env.errors import CouldNotRunError
from goldlock_env.findings import Layer
from goldlock_env.requirements import Requirement
from goldlock_env.snapshot import Artifact, ArtifactsLayer, ImageLayer, Snapshot


def frame(payload: bytes, *, version: int = 1) -> bytes:
    head = f"==goldlock-probe:{version} begin {len(payload)} {hashlib.sha256(payload).hexdigest()}==\n"
    return head.encode() + payload + framing.END + b"\n"


GOOD = json.dumps(FULL.to_mapping()).encode("ascii")


def _problem(output: bytes) -> str:
    with pytest.raises(CouldNotRunError) as caught:
        Snapshot.from_probe(output)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500
    return caught.value.message


@given(snapshots)
def test_a_snapshot_survives_its_mapping_and_json(snapshot: Snapshot) -> None:
    assert Snapshot.from_mapping(json.loads(json.dumps(snapshot.to_mapping()))) == snapshot


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_stands_around_it_is_no_matter(before: bytes, after: bytes) -> None:
    assert Snapshot.from_probe(before + b"\n" + frame(GOOD) + after) == FULL


@given(st.binary(max_size=300))
def test_arbitrary_output_is_refused_and_never_crashes(output: bytes) -> None:
    with pytest.raises(CouldNotRunError):
        Snapshot.from_probe(output)
    with pytest.raises(CouldNotRunError):
        Snapshot.from_probe(frame(output))


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (b"", "no snapshot"),
        (GOOD, "no snapshot"),
        (frame(GOOD)[:-200], "cut off"),
        (frame(GOOD)[:-4], "no end marker"),
        (frame(GOOD).replace(b"cpython", b"cpytho!", 1), "other output stands inside"),
        (frame(GOOD, version=2), "version 2"),
        (b"==goldlock-probe:1 begin 99999999999 " + b"0" * 64 + b"==\n{}", "more than 32 MiB"),
        (frame(GOOD) + frame(GOOD.replace(b"3.8.18", b"3.8.19")), "several snapshots"),
        (b"==goldlock-probe:1 begin 1 " + b"0" * 64 + b"==\n" + frame(GOOD)[:-30], "cut off"),
        ((b"==goldlock-probe:1 begin 1 " + b"0" * 64 + b"==\n") * 200, "over and over"),
        (b" " * (framing.LARGEST_OUTPUT + 1), "more than 64 MiB"),
        (frame('{"é": 1}'.encode()), "not ASCII"),
        (frame(b"[" * 100_000 + b"]" * 100_000), "nested too deeply"),
        (frame(b'{"snapshot-version": 1, "snapshot-version": 1}'), "the same key twice"),
        (frame(b'{"snapshot-version": NaN}'), "not whole"),
        (frame(b'{"snapshot-version": 1.5}'), "not whole"),
        (frame(b'{"snapshot-version": ' + b"9" * 5000 + b"}"), "too large"),
        (frame(b'{"snapshot-version": 99}'), "snapshot-version: is 99"),
        (frame(b"[]"), "expected a table"),
        (frame(b"{"), "not JSON"),
    ],
)
def test_bad_output_says_what_is_wrong(output: bytes, problem: str) -> None:
    assert problem in _problem(output)


def test_the_same_snapshot_twice_is_one() -> None:
    assert Snapshot.from_probe(frame(GOOD) + b"again\n" + frame(GOOD)) == FULL


def test_markers_inside_a_value_do_not_end_it() -> None:
    seen = copy.deepcopy(FULL.to_mapping())
    seen["unknown"] = {"image": "x ==goldlock-probe:1 end== y"}
    assert Snapshot.from_probe(frame(json.dumps(seen).encode())).reason(Layer.IMAGE).endswith("end== y")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m["python"].pop("version"), "python.version: is missing"),
        (lambda m: m["python"].update(version=3), "python.version: expected a string, got int"),
        (lambda m: m["python"].update(odd="x"), "python.odd: is not a key"),
        (lambda m: m.update(odd={}), "odd: is not a key"),
        (lambda m: m["python"].update({"executable-sha256": "sha256:zz"}), "expected a digest"),
        (lambda m: m["python"].update(version="x" * 5000), "longer than 4096"),
        (lambda m: m.update(packages=[]), "packages: expected a table, got list"),
        (lambda m: m["packages"].update(hashed="yes"), "packages.hashed: expected true or false"),
        (lambda m: m["packages"].update(distributions={}), "packages.distributions: expected a list"),
        (
            lambda m: m["packages"]["distributions"][1].update(files=-1),
            "distributions[1].files: expected a whole",
        ),
        (
            lambda m: m["packages"]["distributions"][1].update(files=True),
            "[1].files: expected a whole number",
        ),
        (lambda m: m["packages"]["distributions"][1].update(name="flask"), "has the package flask twice"),
        (lambda m: m["packages"]["distributions"][0].update(hashes=["x"]), "hashes[0]: expected a digest"),
        (lambda m: m["os"].update(packages=["x"]), "os.packages: expected a table"),
        (lambda m: m["os"].update(packages={"x": 1}), "os.packages.x: expected a string"),
        (lambda m: m.update(unknown={"weather": "x"}), "unknown.weather: is not a layer"),
        (lambda m: m["artifacts"]["files"][0].pop("size"), "artifacts.files[0].size: is missing"),
        (lambda m: m["artifacts"]["files"].append(m["artifacts"]["files"][0]), "same artifact twice"),
        (lambda m: m["numerics"].update(simd=["x"] * 200_001), "numerics.simd: has more than"),
        (
            lambda m: m["numerics"].update(environment={str(n): "" for n in range(200_001)}),
            "more than 200000 items",
        ),
    ],
)
def test_a_malformed_table_names_the_path(
    change: Callable[[dict[str, dict[str, object]]], object], problem: str
) -> None:
    mapping = copy.deepcopy(FULL.to_mapping())
    change(mapping)  # type: ignore[arg-type]
    with pytest.raises(MalformedError) as caught:
        Snapshot.from_mapping(mapping)
    assert problem in str(caught.value)
    assert problem in _problem(frame(json.dumps(mapping).encode("ascii")))


def test_a_key_that_is_no_string() -> None:
    with pytest.raises(MalformedError):
        Snapshot.from_mapping({1: 2})


def test_null_is_an_absent_value() -> None:
    mapping = copy.deepcopy(FULL.to_mapping())
    mapping["image"] = None
    assert Snapshot.from_mapping(mapping).image is None


def test_control_characters_are_written_out() -> None:
    mapping = copy.deepcopy(FULL.to_mapping())
    mapping["unknown"] = {"image": "\x1b[31m\n\u202e\ud800\U000e0001"}
    reason = Snapshot.from_mapping(mapping).reason(Layer.IMAGE)
    assert reason == "\\x1b[31m\\x0a\\u202e\\ud800\\U000e0001"


def test_the_engine_adds_its_layer() -> None:
    image = ImageLayer(reference="a", config_id="b", layers=())
    bare = Snapshot(unknown=(("image", "only the engine knows it"), ("os", "x")))
    assert bare.with_image(image) == Snapshot(image=image, unknown=(("os", "x"),))


@pytest.mark.parametrize("layer", [one for one in Layer if one not in (Layer.LOCK, Layer.GOLDEN)])
def test_a_layer_can_be_declared_unknown(layer: Layer) -> None:
    less = FULL.without(layer, "elsewhere")
    assert less.reason(layer) == "elsewhere"
    assert getattr(less, layer.value) is None
    assert set(FULL.to_mapping()) - set(less.to_mapping()) == {layer.value}


def test_a_lock_is_no_layer_of_a_snapshot() -> None:
    with pytest.raises(ValueError, match="no layer golden"):
        FULL.without(Layer.GOLDEN, "x")


def test_wheel_hashes_go_to_the_package_of_the_same_version() -> None:
    wanted = [
        Requirement(name="flask", version="3.0.3", hashes=(digest("w"),)),
        Requirement(name="numpy", version="1.25.0", hashes=(digest("v"),)),
    ]
    seen = FULL.with_wheel_hashes(wanted)
    assert seen.packages is not None
    assert [one.hashes for one in seen.packages.distributions] == [
        (digest("w"),),
        (digest("wheel 1"), digest("wheel 2")),
    ]
    assert Snapshot().with_wheel_hashes(wanted) == Snapshot()


def test_artifacts_get_the_names_they_have_in_the_image() -> None:
    here = ArtifactsLayer(
        files=(
            Artifact(path="/home/me/app/model.h5", sha256=digest("a"), size=1),
            Artifact(path="/home/me/model/deep/x", sha256=digest("b"), size=1),
            Artifact(path="/home/me/models", sha256=digest("c"), size=1),
        ),
        missing=("/home/me/model/gone",),
        unreadable=(("/home/me/model", "denied"),),
    )
    seen = Snapshot(artifacts=here).with_artifact_prefixes(
        {"/home/me/model/": "/opt/model", "/home/me/app": "/app"}
    )
    assert seen.artifacts is not None
    assert [one.path for one in seen.artifacts.files] == [
        "/app/model.h5",
        "/home/me/models",
        "/opt/model/deep/x",
    ]
    assert seen.artifacts.missing == ("/opt/model/gone",)
    assert seen.artifacts.unreadable == (("/opt/model", "denied"),)
    assert Snapshot().with_artifact_prefixes({}) == Snapshot()
