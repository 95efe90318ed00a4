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
    """Sizes are such as `512m` or `1.5g`, in powers of 1024."""
    cpus: float | None = None
    """How many CPUs' time; all of them where nothing is said."""
    processes: int = 512
    """Processes and threads at once."""
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
    """`[subject.build]`: how the image is made.

    The wheels are downloaded once into a cache on the host, their hashes checked; the build has no network, so that
    the Dockerfile installs with `pip install --no-index --find-links wheelhouse --require-hashes`. An image is built
    again only where its inputs have changed: their digest is a label of the image.
    """

    context: str = "."
    """Folder that is sent to the engine; its .dockerignore applies."""
    dockerfile: str = "Dockerfile"
    target: str | None = None
    """Stage to build; the last one where nothing is said."""
    arguments: dict[str, str] = {}
    """Build arguments."""
    python: str = ""
    """Version of the image's interpreter, such as "3.8", for which wheels are chosen; needed with `requirements`."""
    requirements: tuple[str, ...] = ()
    """Requirements files by pip-tools, with every hash, whose wheels are put into the wheelhouse."""
    wheelhouse: str = "wheelhouse"
    """Folder in the build context that receives the wheels."""
    base: BaseImage | None = None


class Local(_Table, frozen=True, kw_only=True):
    """`[subject.local]`: the subject where no engine answers, in a cached virtual environment.

    Commands run in goldlock.toml's folder, with the locked numeric variables.
    """

    python: str
    """Version of the interpreter, such as "3.8"."""
    requirements: tuple[str, ...]
    """Requirements files by pip-tools, with every hash."""
    prepare: tuple[str, ...] = ()
    """Command run once in the new environment, for what the image's build does after installing;
    `{site}` stands for its site-packages folder."""
    environment: dict[str, str] = {}
    """Environment variables to set."""
    artifacts: tuple[str, ...] = ()
    """Model files or folders on this host, in the order of `subject.artifacts`."""


class Compose(_Table, frozen=True, kw_only=True):
    """`[subject.compose]`: a service of a compose file, whose image is run as any other."""

    service: str
    file: str = "compose.yaml"
    """Relative to goldlock.toml."""


class Subject(_Table, frozen=True, kw_only=True):
    """`[subject]`: what is checked; one of image, archive, container and compose says where it comes from."""

    name: str
    """What reports call it."""
    image: str | None = None
    """Name, digest or id of its image; `goldlock build` tags the image so. Of a compose service that of its image,
    once it is read; with `archive`: which of its images, where it holds several."""
    archive: str | None = None
    """What `docker save` or Podman wrote, an OCI archive, or the folder of an OCI layout; also gzipped. It is loaded
    where the engine does not have it."""
    container: str | None = None
    """Name or id of a container that runs already: it is asked, and neither started nor stopped."""
    compose: Compose | None = None
    build: Build | None = None
    local: Local | None = None
    python: tuple[str, ...] | None = None
    """How to start the interpreter inside the image; empty: there is none. Python and python3 are tried otherwise."""
    keep_entrypoint: bool = False
    """Whether commands, and goldlock's own, are run through the image's entry point, as its arguments."""
    entrypoint: tuple[str, ...] | None = None
    """Instead of the image's, for a service that is started without `http.start`."""
    command: tuple[str, ...] | None = None
    """As `entrypoint`."""
    working_dir: str | None = None
    """Folder in which commands and services start; the image's own where nothing is said."""
    artifacts: tuple[str, ...] = ()
    """Model files or folders inside the image; their SHA-256 is locked."""
    environment: dict[str, str] = {}
    """Environment variables to set."""
    user: str | None = None
    """`uid` or `uid:gid`; the image's own where nothing is said, or nobody where that is root."""
    writable: bool = False
    """Whether the root file system may be written."""
    limits: Limits = Limits()


class Readiness(_Table, frozen=True, kw_only=True):
    """`[case.http.ready]`: the answer that says the service is up."""

    path: str = "/"
    """Asked with GET, again and again."""
    status: int = 200
    """The status that it then answers with."""
    when: str = ""
    """JMESPath over the JSON of the answer: ready where it is true. Empty: the status says it all."""
    timeout: float = 120
    """Seconds until goldlock gives up."""


class Command(_Table, frozen=True, kw_only=True):
    """`[case.command]`: ask by running a command.

    Output may be a record, a list of records, `{"columns": {"name": [...]}}` or `{"name": [...]}`; what is nested in
    a record is a column named by its path, such as `box.width`.
    """

    run: tuple[str, ...]
    """Words, no shell. `{input}` and `{output}` stand for the paths of two files; without `{input}` the inputs go to
    stdin, without `{output}` the answer is read from stdout."""
    input: Format = Format.CSV
    """Inputs of another format are converted; JSON is then a list of records."""
    output: Format = Format.CSV
    timeout: float = 600
    """Seconds."""

    @property
    def reads_stdin(self) -> bool:
        return "input" not in placeholders(self.run)

    @property
    def writes_stdout(self) -> bool:
        return "output" not in placeholders(self.run)


class Http(_Table, frozen=True, kw_only=True):
    """`[case.http]`: ask by HTTP; bodies are JSON, mapped with [JMESPath](https://jmespath.org)."""

    path: str
    """Where the request goes, such as `/predict`."""
    request: str
    """JMESPath that makes the request's body from `{names, rows, records, columns, row, record}`: the columns' names;
    the rows as lists, as objects, and by column; and the first row as a list and as an object, for services that take
    one (`batch = 1`)."""
    response: dict[str, str]
    """Output column to the JMESPath that finds it in the answer."""
    port: int = 8000
    """Port of the service inside the container."""
    method: str = "POST"
    headers: dict[str, str] = {}
    start: tuple[str, ...] = ()
    """Command that starts the service; empty: the image's own entry point."""
    batch: int | None = None
    """Rows in one request; all of them where nothing is said."""
    ready: Readiness = Readiness()
    timeout: float = 60
    """Seconds for one request."""
    local_start: tuple[str, ...] = ()
    """Command that starts it without an engine; `{port}` stands for a free port."""


class Column(_Table, frozen=True, kw_only=True):
    """`[case.columns.NAME]`: how far one output column may be from its golden.

    What stands here goes before what golden.toml recorded. Where nothing is said anywhere, text is a label; floats are
    close, rtol 1e-9 (1e-5 below float64), atol 0, 4 ulp; everything else is exact.

    A column that passes only because of `up-to` or `loose` is reported as equivalent, never as identical, with what was
    taken for what.
    """

    kind: Kind | None = None
    rtol: float | None = None
    """A number passes where `|actual - expected| <= atol + rtol * |expected|`; for `close` and `probability`, not for
    text, true/false and dates."""
    atol: float | None = None
    """See `rtol`; in the column's own unit."""
    ulp: int | None = None
    """A number also passes where at most so many representable numbers lie between it and the expected one."""
    reason: str = ""
    """Why it is ignored, or why its tolerance is what it is; `ignore` needs one."""
    scores: str | tuple[str, ...] = ()
    """For a `label`: the column, or a list of columns (one a class), from which its margin is taken."""
    up_to: UpTo | None = None
    """`sign` is for `close` and `exact`, `names` for `label` and `exact`."""
    loose: tuple[Loose, ...] | None = None

    @property
    def score_names(self) -> tuple[str, ...]:
        return (self.scores,) if isinstance(self.scores, str) else self.scores

    def applied_to(self, base: Tolerance) -> Tolerance:
        """The tolerance that results where goldlock.toml says more than the golden or the default."""
        return override(base, **{**msgspec.structs.asdict(self), "scores": self.score_names})


class Case(_Table, frozen=True, kw_only=True):
    """`[[case]]`: one set of inputs and the way to ask for its outputs: a command or HTTP, exactly one of them."""

    name: str
    inputs: str
    """File of inputs: `.csv`, `.json`, `.jsonl`, `.npz`, `.npy`, `.parquet` or `.arrow`; `record` copies it into the
    golden."""
    golden: str = ""
    """Folder of the golden; `goldens/NAME` where nothing is said. Others of the case stand beside it, as
    `NAME@OTHER`."""
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
    """`[[training]]`: how the artifacts are made again, by `goldlock reproduce`."""

    name: str
    image: str
    """Reference of the image in which it trains."""
    run: tuple[str, ...]
    """`{output}` stands for the folder into which the artifacts go, `{name}` for the input of that name."""
    recorded: str
    """Host folder with the recorded artifacts and their manifest.json."""
    build: Build | None = None
    inputs: dict[str, str] = {}
    """Placeholder name to host file."""
    environment: dict[str, str] = {}
    """Environment variables to set."""
    timeout: float = 1800
    """Seconds."""


class Accepted(_Table, frozen=True, kw_only=True):
    """`[[accepted]]`: a difference of the environment that is known and accepted for a while.

    It is shown as accepted, does not make a drift, and comes back on the day after `until`.
    """

    finding: str
    """Its name in reports, layer and key: `packages.certifi`."""
    reason: str
    until: dt.date
    """The last day on which it is accepted."""
    actual: str | None = None
    """The value that is accepted; any where nothing is said."""


class Document(_Table, frozen=True, kw_only=True):
    """People write this file; goldlock never changes one.

    It is read strictly: an unknown or misspelt key is an error that names the file, the line, the key's path and the
    nearest right name, and all errors are told at once (exit code 2). Paths on the host are relative to the file.
    """

    subject: Subject
    case: tuple[Case, ...] = ()
    training: tuple[Training, ...] = ()
    policy: dict[str, str] = {}
    """Severities by layer, or by layer and key: `error`, `warning`, `info` or `ignore`; the most specific wins."""
    accepted: tuple[Accepted, ...] = ()
    lock: str = "goldlock.lock"
    """The lock file."""
