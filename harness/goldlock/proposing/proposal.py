"""From WHAT to a goldlock.toml: look, start, ask, and write down what worked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goldlock import config as configuration
from goldlock.errors import ConfigurationError
from goldlock.proposing import commands, inputs, looking, sourcing, trying
from goldlock.proposing.looking import Subject
from goldlock.proposing.seen import Seen
from goldlock.proposing.services import RECOGNISERS
from goldlock.proposing.wanted import Asker, Need, Wanted
from goldlock.proposing.writing import Proposal, text
from goldlock.scratch import scratch_folder

if TYPE_CHECKING:
    from goldlock.engines.docker import DockerEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is to be written."""

    text: str
    proposal: Proposal
    files: Mapping[str, str] = field(default_factory=dict)
    """Other files beside goldlock.toml: the inputs made of a model's own example."""


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
        source = looking.on_engine(opened, wanted.what)
    for argument in source.missing:
        raise ConfigurationError(
            f"the Dockerfile's base image is `ARG {argument}`, which has no default",
            hint=f"name it: --build-arg {argument}=IMAGE",
        )
    name = sourcing.named(wanted.name) if wanted.name else source.name
    subject = looking.look(opened, wanted, source, name, progress) if opened else looking.read(source)
    way = _way(wanted, subject.seen, ask)
    rows = inputs.choose(wanted, subject.examples, ask, progress)
    notes = _notes(subject)
    with scratch_folder() as scratch:
        path = folder / rows.name
        if rows.made:
            path = scratch / rows.name
            path.write_text(rows.made, encoding="utf-8")
        asked = inputs.opened(path)
        if opened is None or subject.origin is None or not wanted.starts:
            asking = trying.unproven(way, wanted, subject.seen, asked.known)
        elif way == "http":
            asking = trying.served(opened, wanted, subject, asked, progress)
        else:
            asking = trying.ran(opened, wanted, subject, asked, progress)
    proposal = Proposal(
        name=name,
        subject={**source.keys, **_found(subject), **asking.subject},
        case=way,
        inputs=rows.name,
        way=way,
        asked=asking.keys,
        seen=(*notes, *asking.seen),
        unproven=(*source.unproven, *asking.unproven),
    )
    written = text(proposal)
    configuration.loads(written, path=wanted.path)
    return Result(text=written, proposal=proposal, files={rows.name: rows.made} if rows.made else {})


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


def _found(subject: Subject) -> dict[str, object]:
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


def _notes(subject: Subject) -> tuple[str, ...]:
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
