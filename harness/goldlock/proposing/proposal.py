"""From WHAT to a goldlock.toml: look, start, ask, and write down what worked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from goldlock import config as configuration
from goldlock.errors import ConfigurationError, CouldNotRunError, SubjectError
from goldlock.formats import Format
from goldlock.proposing import batching, commands, inside, sampling, serving, sourcing
from goldlock.proposing.recognising import Attempt, Inputs, Recogniser
from goldlock.proposing.seen import Seen
from goldlock.proposing.services import RECOGNISERS
from goldlock.proposing.sourcing import Kind, Source
from goldlock.proposing.writing import Proposal, text
from goldlock.scratch import scratch_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from goldlock.config import Config
    from goldlock.engines import Launch, Session
    from goldlock.engines import Source as Origin
    from goldlock.engines.docker import DockerEngine
    from goldlock.proposing.serving import Asked

_START = 120.0
_LOAD = 60.0
_EXAMPLE = "inputs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user said."""

    what: str
    path: Path
    """goldlock.toml, as it will stand."""
    name: str = ""
    inputs: Path | None = None
    run: tuple[str, ...] = ()
    port: int | None = None
    url_path: str = ""
    way: str = ""
    """`http`, `command`, or empty to find out."""
    starts: bool = True
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that can't be seen."""

    question: str
    option: str
    """The option that says it."""
    proposed: str = ""


class Asker(Protocol):
    """Whoever answers what can't be seen."""

    def __call__(self, need: Need) -> str:
        """The answer. Raises ConfigurationError where nobody is there to give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is to be written."""

    text: str
    proposal: Proposal
    files: Mapping[str, str] = field(default_factory=dict)
    """Other files beside goldlock.toml: the inputs made of a model's own example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The subject as far as it is known."""

    source: Source
    seen: Seen
    origin: Origin | None = None
    """What the engine starts or asks; None where nothing is to be started."""
    names_python: bool = False
    """Whether goldlock has to be told how its interpreter is started."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """Of inputs, by path in the image."""
    config: Config | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    name: str
    """As goldlock.toml names it."""
    made: str = ""
    """The text of the file where it is yet to be written."""


def propose(
    wanted: Wanted, engine: Callable[[], DockerEngine], ask: Asker, progress: Callable[[str], None]
) -> Result:
    """Look at a subject and propose its goldlock.toml; nothing is written.

    Args:
        wanted: what the command line said.
        engine: opens the engine; called unless a Dockerfile is only to be read.
        ask: asked for what can't be seen.
        progress: told each step.

    Raises:
        ConfigurationError: what was named is none of what can be looked at, or something can't be seen and nobody
            says it.
        CouldNotRunError: the engine, or the subject, did not do what it must.
    """
    folder = wanted.path.parent
    source = sourcing.on_disk(wanted.what, folder, wanted.arguments, wanted.target)
    opened = engine() if source is None or wanted.starts else None
    if source is None:
        assert opened is not None  # noqa: S101 - it was opened for this
        source = _on_engine(opened, wanted.what)
    for argument in source.missing:
        raise ConfigurationError(
            f"the Dockerfile's base image is `ARG {argument}`, which has no default",
            hint=f"name it: --build-arg {argument}=IMAGE",
        )
    name = sourcing.named(wanted.name) if wanted.name else source.name
    subject = _seen(opened, wanted, source, name, progress) if opened else _read(source)
    way = _way(wanted, subject.seen, ask)
    inputs = _inputs(wanted, subject, ask, progress)
    notes = _notes(subject)
    with scratch_folder() as scratch:
        path = folder / inputs.name
        if inputs.made:
            path = scratch / inputs.name
            path.write_text(inputs.made, encoding="utf-8")
        asked = _asked(path)
        if opened is None or subject.origin is None or not wanted.starts:
            asking = _unproven(way, wanted, subject.seen, asked.known)
        elif way == "http":
            asking = _served(opened, wanted, subject, asked, progress)
        else:
            asking = _ran(opened, wanted, subject, asked, progress)
    proposal = Proposal(
        name=name,
        subject={**source.keys, **_found(subject), **asking.subject},
        case=way,
        inputs=inputs.name,
        way=way,
        asked=asking.keys,
        seen=(*notes, *asking.seen),
        unproven=(*source.unproven, *asking.unproven),
    )
    written = text(proposal)
    return Result(text=written, proposal=proposal, files={inputs.name: inputs.made} if inputs.made else {})


def _on_engine(engine: DockerEngine, what: str) -> Source:
    """The image or the container of that name."""
    if engine.inspect(what) is not None:
        return sourcing.of_image(what)
    if engine.container(what) is not None:
        return sourcing.of_container(what)
    raise ConfigurationError(
        f"there is no file, image or container {what}",
        hint=f"check the name; an image must be here already: `docker pull {what}`, or `docker load`",
    )


def _read(source: Source) -> _Subject:
    """A subject of which only the Dockerfile is read."""
    if source.stage is None:
        return _Subject(source=source, seen=Seen())
    return _Subject(source=source, seen=sourcing.from_stage(source.stage))


def _seen(
    engine: DockerEngine, wanted: Wanted, source: Source, name: str, progress: Callable[[str], None]
) -> _Subject:
    """A subject whose image the engine has, or builds now: its configuration, and what lies in it."""
    from goldlock import running
    from goldlock.asking import way

    config = configuration.loads(text(Proposal(name=name, subject=source.keys)), path=wanted.path)
    origin = running.subject_source(engine, config, None, progress)
    details = (engine.container(wanted.what) if source.kind is Kind.CONTAINER else None) or engine.inspect(
        origin.image
    )
    if details is None:
        raise CouldNotRunError(f"the engine has no image {origin.image}", hint="pull it, or `docker load` it")
    seen = _as_configured(sourcing.from_config(details.get("Config") or {}), source, config)
    if not wanted.starts:
        return _Subject(source=source, seen=seen, config=config)
    launch = way.launch(config, origin, None, hash_files=False)
    for python in _interpreters(seen):
        try:
            with engine.session(replace(launch, python=python)) as session:
                snapshot = session.snapshot()
                found = inside.look(session, python)
        except CouldNotRunError:
            continue
        packages = snapshot.packages.distributions if snapshot.packages else ()
        progress(f"looked inside with {' '.join(python)}: {len(packages)} packages")
        seen = replace(
            seen,
            python=python,
            packages={each.name: each.version or "" for each in packages},
            sources=found.sources,
            models=found.models,
        )
        return _Subject(
            source=source,
            seen=seen,
            origin=origin,
            names_python=not found.is_usual,
            config=config,
            examples=found.examples,
        )
    progress("no Python inside that can be started")
    models = sourcing.copied_models(source.stage) if source.stage else ()
    return _Subject(source=source, seen=replace(seen, python=(), models=models), origin=origin, config=config)


def _as_configured(seen: Seen, source: Source, config: Config) -> Seen:
    """What the image says, with what a compose service says instead."""
    subject = config.subject
    if subject.entrypoint is not None:
        # As in an image: another entry point does without the image's command.
        seen = replace(seen, entrypoint=subject.entrypoint, command=())
    if subject.command is not None:
        seen = replace(seen, command=subject.command)
    seen = replace(seen, environment={**seen.environment, **subject.environment})
    port = source.port(config.folder)
    return seen if port is None else replace(seen, ports=(port,))


def _interpreters(seen: Seen) -> Iterator[tuple[str, ...]]:
    """How an interpreter may be started: as the image's own command does, then by the usual names."""
    words = seen.words
    named = words[0] if words else ""
    folder, slash, program = named.rpartition("/")
    found = [named] if program.startswith(("python", "pypy")) else []
    found += [f"{folder}/python"] if slash and not found else []
    for each in dict.fromkeys([*found, "python", "python3", "/usr/local/bin/python3", "/usr/bin/python3"]):
        yield (each,)


def _way(wanted: Wanted, seen: Seen, ask: Asker) -> str:
    if wanted.way:
        return wanted.way
    if wanted.run:
        return "command"
    service = next((hint for each in RECOGNISERS if (hint := each.hint(seen))), "")
    program = commands.is_likely(seen)
    if wanted.port is not None or wanted.url_path or (service and not program):
        return "http"
    if service and seen.ports:
        return "http"
    if service or not seen.words:
        answer = ask(
            Need(
                question="is it asked by http or by command?",
                option="--http or --command",
                proposed="http" if service else "",
            )
        )
        return "command" if answer.startswith("c") else "http"
    return "command"


def _inputs(wanted: Wanted, subject: _Subject, ask: Asker, progress: Callable[[str], None]) -> _Inputs:
    """The file of inputs: given, found, made of the model's own example, or asked for."""
    folder = wanted.path.parent
    if wanted.inputs is not None:
        return _Inputs(name=_named_from(wanted.inputs, folder))
    files = sourcing.files_below(folder)
    found = [each for each in sampling.samples(files) if not each.endswith(sampling.EXAMPLES)]
    examples = {each: _text(folder / each) for each in files if each.endswith(sampling.EXAMPLES)}
    for place, said in {**examples, **subject.examples}.items():
        rows = sampling.records(said)
        if rows and _EXAMPLE not in files and not found:
            progress(f"inputs: the example in {place}, {len(rows)} rows")
            return _Inputs(name=_EXAMPLE, made=sampling.as_json(rows))
    answer = ask(
        Need(question="which file holds inputs?", option="--inputs FILE", proposed=found[0] if found else "")
    )
    path = Path(answer)
    return _Inputs(name=_named_from(path if path.is_absolute() else folder / path, folder))


def _named_from(path: Path, folder: Path) -> str:
    if not path.is_file():
        raise ConfigurationError(
            f"there is no file of inputs {path}",
            hint="name a .csv, .json, .jsonl, .npz, .npy, .parquet or .arrow file with --inputs",
        )
    import os

    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _asked(path: Path) -> Asked:
    """The inputs as they are asked with. Raises ConfigurationError for a file that is no table."""
    from goldlock.tables import open_table

    try:
        kind = Format(path.suffix[1:].lower())
    except ValueError:
        raise ConfigurationError(
            f"inputs {path} are in no format that goldlock knows",
            hint=f"give them as one of {', '.join('.' + each.value for each in Format)}",
        ) from None
    try:
        table = open_table(path, kind, where=f"the inputs {path.name}")
    except CouldNotRunError as error:
        raise ConfigurationError(error.message, hint=error.hint) from error
    if not table.rows:
        raise ConfigurationError(f"the inputs {path} have no rows", hint="name another file with --inputs")
    numbers = all(each.dtype in _NUMBERS for each in table.types.values())
    known = Inputs(names=tuple(table.names), count=table.rows, are_numbers=numbers)
    return serving.Asked(path=path, format=kind, known=known)


_NUMBERS = frozenset(
    f"{kind}{bits}"
    for kind, widths in (("int", "8 16 32 64"), ("uint", "8 16 32 64"), ("float", "16 32 64"))
    for bits in widths.split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """The case, and what it taught about the subject."""

    keys: Mapping[str, object]
    seen: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    subject: Mapping[str, object] = field(default_factory=dict)


def _served(
    engine: DockerEngine, wanted: Wanted, subject: _Subject, asked: Asked, progress: Callable[[str], None]
) -> _Asking:
    """Start the service and find out how it is asked."""
    seen = subject.seen
    hinted = next((each for each in RECOGNISERS if each.hint(seen)), None)
    ports = [wanted.port] if wanted.port else _ports(seen, hinted)
    return _relaxing(
        lambda relaxed: _asked_service(engine, wanted, subject, asked, ports, relaxed, progress),
        progress,
        is_guest=subject.source.kind is Kind.CONTAINER,
    )


def _relaxing(
    attempt: Callable[[Mapping[str, object]], _Asking], progress: Callable[[str], None], *, is_guest: bool
) -> _Asking:
    """Try with what goldlock allows by itself, then with what the subject was refused, the least first."""
    relaxed: Mapping[str, object] = {}
    root, whole = {"user": "0:0"}, {"writable": True}
    possible: Iterator[Mapping[str, object]] = iter([whole, root, {**whole, **root}])
    while True:
        try:
            return attempt(relaxed)
        except SubjectError as error:
            needed = _denied(error.message)
            following = next((each for each in possible if needed & each.keys()), None)
            if following is None or is_guest:
                raise
            relaxed = following
            progress(f"something is refused to it; trying again with {', '.join(relaxed)}")


def _ports(seen: Seen, hinted: Recogniser | None) -> list[int]:
    """Where it may listen, the likeliest first."""
    if hinted is not None and hinted.port in seen.ports:
        return [hinted.port]
    return [seen.port or (hinted.port if hinted else 8000)]


def _denied(message: str) -> set[str]:
    """The keys that would allow what a log says was refused."""
    found = set()
    if "Read-only file system" in message or "Errno 30" in message:
        found.add("writable")
    if any(each in message for each in ("Permission denied", "Operation not permitted", "Errno 13")):
        found |= {"user", "writable"}
    return found


def _asked_service(
    engine: DockerEngine,
    wanted: Wanted,
    subject: _Subject,
    asked: Asked,
    ports: list[int],
    relaxed: Mapping[str, object],
    progress: Callable[[str], None],
) -> _Asking:
    seen, port = subject.seen, ports[0]
    for _ in range(2):
        with _started(engine, subject, relaxed, port) as session:
            progress(f"started it; waiting for an answer at port {port}")
            elsewhere = serving.opened(session, port, subject.seen.python or (), seconds=_START)
            if elsewhere is not None:
                if wanted.port:
                    raise SubjectError(
                        f"it listens on {', '.join(map(str, elsewhere.ports))}, not on {port}",
                        hint="name that port with --port",
                    )
                port = elsewhere.ports[0]
                continue
            known = serving.recognised(session, seen, seconds=_LOAD)
            progress(f"recognised: {known.recogniser.name} ({known.evidence})")
            known = serving.when_ready(session, seen, known, port)
            attempts = list(known.recogniser.attempts(seen, known.answers, asked.known))
            if wanted.url_path:
                attempts = _at(wanted.url_path, attempts, seen, known, asked.known)
            served = serving.proven(session, known, seen, asked, port, attempts, progress)
            return _Asking(
                keys=serving.written(served.http),
                seen=(
                    f"{served.kind}: {served.evidence}; {served.rows} rows asked, {served.rows} answered",
                    *_left_out(served),
                    *_allowed(relaxed),
                ),
                subject=relaxed,
            )
    raise SubjectError(
        f"it listens on port {port}, where nothing answers from outside",
        hint="the service must listen on 0.0.0.0, not on 127.0.0.1",
    )


def _at(
    path: str, attempts: list[Attempt], seen: Seen, known: serving.Recognised, inputs: Inputs
) -> list[Attempt]:
    """The attempts at the path that the user named, and the plain ones there."""
    own = [each for each in attempts if each.path == path]
    plain = RECOGNISERS[-1].attempts(seen, known.answers, inputs)
    others = [replace(each, path=path) for each in (*attempts, *plain)]
    unique = {(each.request, each.batch): each for each in reversed([*own, *others])}
    return list(reversed(unique.values()))


def _left_out(served: serving.Served) -> Iterator[str]:
    if served.unstable:
        yield f"left out, as they differ from one answer to the next: {', '.join(served.unstable)}"
    if served.lost:
        yield f"left out, as they have no value for each row: {', '.join(served.lost)}"


def _allowed(relaxed: Mapping[str, object]) -> Iterator[str]:
    if relaxed:
        yield f"it does not run without {' and '.join(relaxed)}"


def _started(
    engine: DockerEngine, subject: _Subject, relaxed: Mapping[str, object], port: int
) -> AbstractContextManager[Session]:
    from goldlock.engines import Service

    return engine.session(replace(_launch(subject, relaxed), service=Service(port=port)))


def _launch(subject: _Subject, relaxed: Mapping[str, object]) -> Launch:
    from msgspec import structs

    from goldlock.asking import way

    assert subject.config is not None  # noqa: S101 - what is started was configured before
    assert subject.origin is not None  # noqa: S101
    config = subject.config
    config = structs.replace(config, subject=structs.replace(config.subject, **relaxed))
    launch = way.launch(config, subject.origin, None, hash_files=False)
    return replace(launch, python=subject.seen.python or ())


def _ran(
    engine: DockerEngine, wanted: Wanted, subject: _Subject, asked: Asked, progress: Callable[[str], None]
) -> _Asking:
    """Run the program until one way of calling it answers."""

    def attempt(relaxed: Mapping[str, object]) -> _Asking:
        possible = [wanted.run] if wanted.run else itertools.islice(commands.candidates(subject.seen), 12)
        found = batching.ran(
            engine, _launch(subject, relaxed), possible, asked, progress, is_given=bool(wanted.run)
        )
        rows = f"{asked.known.count} rows in, {found.rows} out: {', '.join(found.columns)}"
        return _Asking(keys=batching.written(found.command), seen=(rows, *_allowed(relaxed)), subject=relaxed)

    if subject.source.kind is Kind.CONTAINER and not wanted.run:
        raise ConfigurationError(
            "commands are not guessed in a container that runs already",
            hint='say how it is called: --run "python predict.py {input} {output}"',
        )
    return _relaxing(attempt, progress, is_guest=subject.source.kind is Kind.CONTAINER)


def _unproven(way: str, wanted: Wanted, seen: Seen, inputs: Inputs) -> _Asking:
    """The likeliest case, which nobody has tried."""
    if way == "command":
        words = wanted.run or next(commands.candidates(seen), ())
        if not words:
            raise ConfigurationError(
                "its command can't be seen", hint='say it: --run "python predict.py {input} {output}"'
            )
        return _Asking(keys={"run": list(words)}, unproven=("the command was not run (--no-start)",))
    recogniser = next((each for each in RECOGNISERS if each.hint(seen)), RECOGNISERS[-1])
    attempt = next(iter(recogniser.attempts(seen, {}, inputs)))
    port = wanted.port or _ports(seen, recogniser)[0]
    http = configuration.Http(
        path=wanted.url_path or attempt.path,
        request=attempt.request,
        response=dict(attempt.usual),
        batch=attempt.batch,
        port=port,
        ready=serving.readiness(recogniser.ready(seen, {})),
    )
    hint = recogniser.hint(seen)
    return _Asking(
        keys=serving.written(http),
        seen=(f"{recogniser.name}" + (f": {hint}" if hint else ""),),
        unproven=("the service was not started (--no-start): path, request and response are the usual ones",),
    )


def _found(subject: _Subject) -> dict[str, object]:
    """Keys of `[subject]` that say what was found inside."""
    seen = subject.seen
    found: dict[str, object] = {}
    if seen.python and subject.names_python:
        found["python"] = list(seen.python)
    if seen.models and seen.python != ():
        found["artifacts"] = list(seen.models)
    return found


_FRAMEWORKS = [
    "mlflow",
    "mlflow-skinny",
    "bentoml",
    "cog",
    "kserve",
    "mlserver",
    "flask",
    "fastapi",
    "tensorflow",
    "keras",
    "torch",
    "scikit-learn",
    "xgboost",
    "lightgbm",
    "catboost",
    "onnxruntime",
    "transformers",
    "numpy",
]


def _notes(subject: _Subject) -> tuple[str, ...]:
    seen = subject.seen
    frameworks = [seen.package(each) for each in _FRAMEWORKS if each in seen.packages]
    notes = []
    if frameworks:
        notes.append(", ".join(frameworks[:6]) + " in the image")
    elif seen.python == ():
        notes.append("no Python in the image: its packages stay unknown")
    if seen.line:
        notes.append(f"it starts `{seen.line[:90]}`")
    return tuple(notes)
