"""Snapshots made up for tests: a full one, and arbitrary ones for Hypothesis."""

from __future__ import annotations

import hashlib

from hypothesis import strategies as st

from goldlock_env.findings import Layer
from goldlock_env.snapshot import (
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
    PythonLayer,
    Shadowed,
    Snapshot,
)


def digest(word: str) -> str:
    return f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"


FULL = Snapshot(
    python=PythonLayer(
        implementation="cpython",
        version="3.8.18",
        build="3.8.18 (default, Jan 1 2024, 00:00:00) [GCC 12.2.0]",
        abi="cpython-38-x86_64-linux-gnu",
        executable_sha256=digest("python"),
        library_sha256=digest("libpython"),
    ),
    packages=PackagesLayer(
        hashed=True,
        distributions=(
            Package(
                name="flask",
                version="3.0.3",
                record_sha256=digest("flask"),
                bytecode_sha256=digest("fb"),
                files=33,
            ),
            Package(
                name="numpy",
                version="1.24.3",
                hashes=(digest("wheel 1"), digest("wheel 2")),
                record_sha256=digest("numpy"),
                bytecode_sha256=digest("nb"),
                files=881,
            ),
        ),
    ),
    os=OsLayer(
        distribution="debian 12", libc="glibc 2.36", packages=(("libc6", "2.36-9"), ("zlib1g", "1:1.2.13"))
    ),
    image=ImageLayer(
        reference="localhost:5000/mlp:1",
        config_id=digest("config"),
        layers=(digest("l1"), digest("l2")),
        base="slim",
    ),
    numerics=NumericsLayer(
        environment=(("OMP_NUM_THREADS", "1"),),
        blas=Blas(library="libopenblas64_.so", version="OpenBLAS 0.3.21", kernel="SkylakeX", threads=2),
        simd=("AVX2", "AVX512F"),
    ),
    host=HostLayer(
        architecture="x86_64",
        cpu_model="Xeon",
        cpu_level="x86-64-v4",
        cpu_features=("avx512_vnni",),
        cores=2,
        kernel="6.1",
    ),
    artifacts=ArtifactsLayer(files=(Artifact(path="/app/model.h5", sha256=digest("model"), size=10),)),
)

words = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], include_characters=" "), min_size=1, max_size=12
)
notes = st.one_of(st.just(""), words)
maybe = st.none() | words
digests = st.builds(digest, words)
numbers = st.integers(0, 2**53)
pairs = st.dictionaries(words, words, max_size=4).map(lambda found: tuple(sorted(found.items())))
several = st.lists(words, max_size=3).map(tuple)

packages = st.builds(
    Package,
    name=words,
    version=maybe,
    requires_python=maybe,
    marker=notes,
    hashes=st.lists(digests, max_size=2).map(tuple),
    record_sha256=st.none() | digests,
    bytecode_sha256=st.none() | digests,
    files=st.none() | numbers,
    unhashed=numbers,
    editable=st.booleans(),
    altered=st.lists(
        st.builds(AlteredFile, path=words, expected=digests, actual=digests),
        max_size=2,
        unique_by=lambda one: one.path,
    ).map(lambda files: tuple(sorted(files, key=lambda one: one.path))),
    missing=st.lists(words, max_size=2).map(lambda paths: tuple(sorted(paths))),
    unknown=notes,
)
shadowed = st.lists(
    st.builds(Shadowed, name=words, version=maybe), max_size=2, unique_by=lambda one: (one.name, one.version)
).map(lambda found: tuple(sorted(found, key=lambda one: (one.name, one.version or ""))))
snapshots = st.builds(
    Snapshot,
    python=st.none()
    | st.builds(
        PythonLayer,
        implementation=words,
        version=words,
        platform=words,
        build=maybe,
        abi=maybe,
        executable_sha256=st.none() | digests,
        library_sha256=st.none() | digests,
        executable=maybe,
    ),
    packages=st.none()
    | st.builds(
        PackagesLayer,
        hashed=st.booleans(),
        unknown=notes,
        distributions=st.lists(packages, max_size=3, unique_by=lambda one: one.name).map(
            lambda found: tuple(sorted(found, key=lambda one: one.name))
        ),
        shadowed=shadowed,
        conda=st.none() | pairs,
    ),
    os=st.none()
    | st.builds(OsLayer, distribution=maybe, libc=maybe, packages=pairs)
    | st.builds(OsLayer, distribution=maybe, libc=maybe, packages=st.none(), packages_unknown=words),
    image=st.none()
    | st.builds(
        ImageLayer, reference=words, config_id=words, layers=several, manifest_digest=maybe, base=maybe
    ),
    numerics=st.none()
    | st.builds(
        NumericsLayer,
        environment=pairs,
        simd=several,
        blas_unknown=notes,
        blas=st.none()
        | st.builds(Blas, library=words, version=maybe, kernel=maybe, threads=st.none() | numbers),
    ),
    host=st.none()
    | st.builds(
        HostLayer,
        architecture=words,
        cpu_model=maybe,
        cpu_level=maybe,
        cpu_features=several,
        cores=st.none() | numbers,
        kernel=maybe,
    ),
    artifacts=st.none()
    | st.builds(
        ArtifactsLayer,
        files=st.lists(
            st.builds(Artifact, path=words, sha256=digests, size=numbers),
            max_size=3,
            unique_by=lambda one: one.path,
        ).map(lambda files: tuple(sorted(files, key=lambda one: one.path))),
        missing=st.lists(words, max_size=2).map(lambda paths: tuple(sorted(paths))),
        unreadable=pairs,
    ),
    unknown=st.dictionaries(
        st.sampled_from([layer.value for layer in Layer if layer not in (Layer.LOCK, Layer.GOLDEN)]),
        words,
        max_size=3,
    ).map(lambda found: tuple(sorted(found.items()))),
)
