"""The tables and keys of goldlock.toml, as values."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from goldlock.formats import Format
from goldlock.tolerance import Kind, Loose, Tolerance, UpTo, override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def parse_size(text: str) -> int:
    """Bytes of a size such as `512m`, `1.5 GiB` or `65536`; units are powers of 1024, as in docker.

    Raises:
        ValueError: the text is not a size, or is none at all.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    size = int(float(match[1]) * _UNITS[match[2].lower()])
    if size < 1:
        raise ValueError(f"{text!r} is no size at all")
    return size


def placeholders(command: Iterable[str]) -> tuple[str, ...]:
    """The names in `{braces}` of a command, in the order in which they first stand there.

    `${NAME}` is the shell's and `{ }` with a space anybody's; neither is ours.
    """
    return tuple(dict.fromkeys(name for word in command for name in _PLACEHOLDER.findall(word)))


def fill(command: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """The command with the placeholders that have a value replaced; others stay as they are."""
    return [_PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), word) for word in command]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of goldlock.toml."""


class Limits(_Table, frozen=True, kw_only=True):
    """`[subject.limits]`: what a subject may use."""

    memory: str = "4g"
    cpus: float | None = None
    processes: int = 512
    output: str = "64m"
    """The most that is read of one answer."""
    scratch: str = "256m"
    """Size of the folder through which files are exchanged."""

    @property
    def memory_bytes(self) -> int:
        return parse_size(self.memory)

    @property
    def output_bytes(self) -> int:
        return parse_size(self.output)

    @property
    def scratch_bytes(self) -> int:
        return parse_size(self.scratch)


class BaseImage(_Table, frozen=True, kw_only=True):
    """`[subject.build.base]`: what the Dockerfile is built on where no image registry answers."""

    argument: str = "BASE"
    """The build argument that names the base image."""
    offline: tuple[str, ...] = ()
    """Command that builds a base without a registry and prints its reference as the last line of stdout."""


class Build(_Table, frozen=True, kw_only=True):
    """`[subject.build]`: how the image is made; paths are relative to goldlock.toml."""

    context: str = "."
    dockerfile: str = "Dockerfile"
    target: str | None = None
    arguments: dict[str, str] = {}
    python: str = ""
    """Version of the image's interpreter, such as "3.8", for which wheels are chosen."""
    requirements: tuple[str, ...] = ()
    """Locked requirement files whose wheels are downloaded, checked, and put into the wheelhouse."""
    wheelhouse: str = "wheelhouse"
    """Folder in the build context that receives the wheels."""
    base: BaseImage | None = None


class Local(_Table, frozen=True, kw_only=True):
    """`[subject.local]`: the subject where no engine answers, in a cached virtual environment."""

    python: str
    """Version of the interpreter, such as "3.8"."""
    requirements: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    """Command run once in the new environment, for what the image's build does after installing;
    `{site}` stands for its site-packages folder."""
    environment: dict[str, str] = {}
    artifacts: tuple[str, ...] = ()


class Subject(_Table, frozen=True, kw_only=True):
    """`[subject]`: what is checked."""

    name: str
    image: str = ""
    """With `archive`: which of its images; none where it holds one."""
    archive: str | None = None
    """What `docker save` or an OCI tool wrote, instead of an image that the engine has."""
    build: Build | None = None
    local: Local | None = None
    python: tuple[str, ...] = ("python",)
    """How to start the interpreter inside the image."""
    artifacts: tuple[str, ...] = ()
    """Model files or folders inside the subject."""
    environment: dict[str, str] = {}
    user: str | None = None
    writable: bool = False
    limits: Limits = Limits()


class Readiness(_Table, frozen=True, kw_only=True):
    """`[case.http.ready]`: the answer that says the service is up."""

    path: str = "/"
    status: int = 200
    timeout: float = 120


class Command(_Table, frozen=True, kw_only=True):
    """`[case.command]`: ask by running a command; without `{input}` stdin, without `{output}` stdout."""

    run: tuple[str, ...]
    input: Format = Format.CSV
    output: Format = Format.CSV
    timeout: float = 600

    @property
    def reads_stdin(self) -> bool:
        return "input" not in placeholders(self.run)

    @property
    def writes_stdout(self) -> bool:
        return "output" not in placeholders(self.run)


class Http(_Table, frozen=True, kw_only=True):
    """`[case.http]`: ask by HTTP; bodies are JSON, mapped with JMESPath."""

    path: str
    request: str
    """JMESPath over the inputs that gives the request's body."""
    response: dict[str, str]
    """Output column to the JMESPath that finds it in the answer."""
    port: int = 8000
    method: str = "POST"
    headers: dict[str, str] = {}
    start: tuple[str, ...] = ()
    """Command that starts the service; empty: the image's own entry point."""
    batch: int | None = None
    """Rows in one request; None: all of them."""
    ready: Readiness = Readiness()
    timeout: float = 60
    local_start: tuple[str, ...] = ()
    """Command that starts it without an engine; `{port}` stands for a free port."""


class Column(_Table, frozen=True, kw_only=True):
    """`[case.columns.NAME]`: how far one output column may be from its golden."""

    kind: Kind | None = None
    rtol: float | None = None
    atol: float | None = None
    ulp: int | None = None
    reason: str = ""
    scores: str | tuple[str, ...] = ()
    """A label's columns of scores, from which its margin is taken: one a class, or a single one with a shape."""
    up_to: UpTo | None = None
    loose: tuple[Loose, ...] | None = None

    @property
    def score_names(self) -> tuple[str, ...]:
        return (self.scores,) if isinstance(self.scores, str) else self.scores

    def applied_to(self, base: Tolerance) -> Tolerance:
        """The tolerance that results where goldlock.toml says more than the golden or the default."""
        return override(base, **{**msgspec.structs.asdict(self), "scores": self.score_names})


class Case(_Table, frozen=True, kw_only=True):
    """`[[case]]`: one set of inputs and the way to ask for its outputs."""

    name: str
    inputs: str
    golden: str = ""
    """Folder of the golden; `goldens/<name>` where nothing is said."""
    command: Command | None = None
    http: Http | None = None
    columns: dict[str, Column] = {}
    rows_by: tuple[str, ...] = ()
    """Columns that name a row: rows in another order are then equivalent."""
    chunk: str = "16m"
    """Size of the rows that are read at once while they are compared; four times as much is held."""

    def __post_init__(self) -> None:
        if not self.golden:
            msgspec.structs.force_setattr(self, "golden", f"goldens/{self.name}")

    @property
    def chunk_bytes(self) -> int:
        return parse_size(self.chunk)

    @property
    def inputs_format(self) -> Format:
        """The format that the inputs file's name says."""
        return Format(PurePosixPath(self.inputs).suffix[1:].lower())


class Training(_Table, frozen=True, kw_only=True):
    """`[[training]]`: how the artifacts are made again."""

    name: str
    image: str
    run: tuple[str, ...]
    """`{output}` stands for the folder into which the artifacts go, `{name}` for the input of that name."""
    recorded: str
    """Host folder with the recorded artifacts and their manifest.json."""
    build: Build | None = None
    inputs: dict[str, str] = {}
    """Placeholder name to host file."""
    environment: dict[str, str] = {}
    timeout: float = 1800


class Accepted(_Table, frozen=True, kw_only=True):
    """`[[accepted]]`: a difference of the environment that is known and accepted for a while."""

    finding: str
    """Its name in reports: layer and key."""
    reason: str
    until: dt.date
    """The last day on which it is accepted."""
    actual: str | None = None
    """The value that is accepted; any where nothing is said."""


class Document(_Table, frozen=True, kw_only=True):
    """The whole file."""

    subject: Subject
    case: tuple[Case, ...] = ()
    training: tuple[Training, ...] = ()
    policy: dict[str, str] = {}
    accepted: tuple[Accepted, ...] = ()
    lock: str = "goldlock.lock"
