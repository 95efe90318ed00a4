"""The layers of a snapshot as frozen values. None is "unknown", never "equal"."""

from __future__ import annotations

from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]
"""A mapping of names to values as a frozen value, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonLayer:
    """The interpreter."""

    implementation: str
    """As in ``sys.implementation.name``: cpython, pypy."""
    version: str
    """All of it: 3.8.18, 3.14.0rc1."""
    platform: str = "linux"
    """``sys.platform``."""
    build: str | None = None
    """``sys.version`` on one line: revision, date and compiler."""
    abi: str | None = None
    """SOABI: cpython-38-x86_64-linux-gnu."""
    executable_sha256: str | None = None
    library_sha256: str | None = None
    """Digest of the loaded libpython; None for an interpreter that is one file."""
    executable: str | None = None
    """Its path. Told, never compared, never locked: the place is not the interpreter."""

    @property
    def minor(self) -> str:
        """Major and minor: 3.8."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class AlteredFile:
    """An installed file whose bytes are not those its RECORD promises."""

    path: str
    """POSIX, relative to the folder the package is installed in."""
    expected: str
    actual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed distribution, and what became of its files."""

    name: str
    """Normalised as in PEP 503."""
    version: str | None
    requires_python: str | None = None
    """Its metadata's Requires-Python: >=3.8; None where it states none, or nobody read it."""
    marker: str = ""
    """The requirements file's environment marker, which says for which targets it is; never probed."""
    hashes: tuple[str, ...] = ()
    """Digests of the wheels that requirements files allow for it (``sha256:...``); never probed."""
    record_sha256: str | None = None
    """Digest of the canonical RECORD; None without a RECORD."""
    bytecode_sha256: str | None = None
    """Digest over its bytecode that Python runs without looking at the source; None when there is none."""
    files: int | None = None
    """How many files were hashed against RECORD; None when they were not."""
    unhashed: int = 0
    """How many files RECORD lists without a hash: nobody can vouch for those."""
    editable: bool = False
    altered: tuple[AlteredFile, ...] = ()
    missing: tuple[str, ...] = ()
    """Paths that RECORD lists and that are not there."""
    unknown: str = ""
    """Why its files, or some of them, could not be vouched for; empty when all could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadowed:
    """A distribution that is installed and never imported: another of its name comes first on the path."""

    name: str
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesLayer:
    """The distributions that the interpreter sees."""

    hashed: bool
    """Whether the installed files were hashed."""
    distributions: tuple[Package, ...]
    """Sorted by name; each name once."""
    shadowed: tuple[Shadowed, ...] = ()
    conda: Pairs | None = None
    """Name to version and build of conda's packages; None where the environment is not conda's."""
    unknown: str = ""
    """Which folders of ``sys.path`` could not be read, and why: packages in those are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OsLayer:
    """The operating system's user land."""

    distribution: str | None
    """ID and VERSION_ID of os-release: debian 12."""
    libc: str | None
    """glibc 2.36, musl 1.2.4."""
    packages: Pairs | None
    """Name to version; None when they could not be read."""
    packages_unknown: str = ""
    """Why they could not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """The image, as the engine tells it."""

    reference: str
    config_id: str
    """``Id`` of an image inspection: the digest of its configuration, not of its manifest."""
    layers: tuple[str, ...]
    """Diff-ids: digests of the uncompressed layers, lowest first."""
    manifest_digest: str | None = None
    """What a registry knows the image by; None for an image that was built here."""
    base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blas:
    """The BLAS library that NumPy has loaded, asked in a process of its own."""

    library: str
    """File name of the shared library."""
    version: str | None = None
    """Its own description: OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY."""
    kernel: str | None = None
    """The kernel chosen for this CPU: SkylakeX, Haswell."""
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericsLayer:
    """What chooses among numeric code paths that are all installed."""

    environment: Pairs
    """Environment variables of an allow-list, by value."""
    blas: Blas | None = None
    """None when NumPy is not installed, or when it could not be asked."""
    simd: tuple[str, ...] = ()
    """CPU features that NumPy dispatches on and has switched on."""
    blas_unknown: str = ""
    """Why NumPy could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLayer:
    """The machine."""

    architecture: str
    cpu_model: str | None = None
    cpu_level: str | None = None
    """x86-64-v1 to x86-64-v4, by the x86-64 psABI; None on other architectures."""
    cpu_features: tuple[str, ...] = ()
    """Features that numeric libraries dispatch on beyond the level: avx512_vnni, amx_bf16."""
    cores: int | None = None
    """CPUs this process may run on."""
    kernel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A model file."""

    path: str
    """As it was asked for; a folder's files below it, POSIX."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactsLayer:
    """The model files that goldlock.toml names."""

    files: tuple[Artifact, ...]
    """Sorted by path."""
    missing: tuple[str, ...] = ()
    """Asked for and not there."""
    unreadable: Pairs = ()
    """Path to why its bytes could not be read."""
