"""goldlock.toml: what people say about the subject, how it is asked, and what may differ.

Reading is strict. `load` reports everything that is wrong at once, each with its line, the path of
its key and the nearest right name; what it returns is consistent, and nothing else checks it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from goldlock.config.rules import inconsistencies
from goldlock.config.sources import problems, with_compose
from goldlock.config.structure import (
    Accepted,
    BaseImage,
    Build,
    Case,
    Column,
    Command,
    Compose,
    Document,
    Http,
    Limits,
    Local,
    Readiness,
    Subject,
    Training,
    fill,
    parse_size,
    placeholders,
)
from goldlock.decoding import complaint, decode, did_you_mean, parse
from goldlock.errors import ConfigurationError
from goldlock_env.acceptance import Acceptance, accepting, notes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from goldlock_env.findings import Finding

__all__ = [
    "FILE_NAME",
    "Accepted",
    "BaseImage",
    "Build",
    "Case",
    "Column",
    "Command",
    "Compose",
    "Config",
    "Http",
    "Limits",
    "Local",
    "Readiness",
    "Subject",
    "Training",
    "fill",
    "load",
    "loads",
    "parse_size",
    "placeholders",
]

FILE_NAME = "goldlock.toml"

_Named = TypeVar("_Named", Case, Training)


class Config(Document, frozen=True, kw_only=True):
    """The whole file, and where it stands."""

    path: Path
    """goldlock.toml itself, absolute."""
    notes: tuple[str, ...] = ()
    """What a report must say of it: what a compose service states and goldlock does not honour."""

    @property
    def folder(self) -> Path:
        """What every relative path in the file is relative to."""
        return self.path.parent

    def resolve(self, relative: str) -> Path:
        """The host path that a path in the file means."""
        return self.folder / relative

    def select(self, names: Sequence[str] = ()) -> tuple[Case, ...]:
        """The named cases in the file's order; all of them when no name is given.

        Raises:
            ConfigurationError: a name that no case has; the nearest one is in the message.
        """
        return _select("case", self.case, names, self.path)

    def select_training(self, names: Sequence[str] = ()) -> tuple[Training, ...]:
        """Like `select`, for trainings."""
        return _select("training", self.training, names, self.path)

    def accepting(self, findings: Iterable[Finding], today: dt.date) -> tuple[Finding, ...]:
        """The findings, with those marked that `[[accepted]]` speaks of; see `goldlock_env.acceptance`."""
        return accepting(findings, self._acceptances, today)

    def acceptance_notes(self, findings: Sequence[Finding], today: dt.date) -> tuple[str, ...]:
        """What is to be said of `[[accepted]]` itself: what ends soon, and what nothing is left of."""
        return notes(findings, self._acceptances, today)

    @property
    def _acceptances(self) -> list[Acceptance]:
        return [Acceptance(**structs.asdict(each)) for each in self.accepted]


def load(path: Path) -> Config:
    """Read and check goldlock.toml.

    Raises:
        ConfigurationError: no such file, not TOML, or not consistent; the message has a line for each problem.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path} does not exist",
            hint=f"Run goldlock where {FILE_NAME} is, name it with --config, or have `goldlock init` write one (`goldlock schema config` tells all keys).",
        ) from error
    except IsADirectoryError as error:
        raise ConfigurationError(f"{path} is a folder", hint=f"Name the file: {path / FILE_NAME}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text: {error}", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", hint="Check its permissions."
        ) from error
    return loads(text, path=path)


def loads(text: str, *, path: Path) -> Config:
    """Check the text of a goldlock.toml that stands, or will stand, at `path`.

    Raises:
        ConfigurationError: as `load`.
    """
    where, parsed = str(path), parse(text, where=str(path))
    document = _consistent(parsed, text, where)
    notes: tuple[str, ...] = ()
    if document.subject.compose is not None:
        merged, notes = with_compose(parsed, path.absolute().parent)
        document = _consistent(merged, text, where, folded=True)
    return Config(
        subject=document.subject,
        case=document.case,
        training=document.training,
        policy=document.policy,
        accepted=document.accepted,
        lock=document.lock,
        path=path.absolute(),
        notes=notes,
    )


def _consistent(parsed: Mapping[str, object], text: str, where: str, *, folded: bool = False) -> Document:
    """Return the document; one with a compose service folded into it has a second source by right."""
    document = decode(parsed, Document)
    if not isinstance(document, Document):
        raise complaint(document, text=text, where=where)
    found = (*(() if folded else problems(parsed)), *inconsistencies(document))
    if found:
        raise complaint(found, text=text, where=where)
    return document


def _select(what: str, known: Sequence[_Named], names: Sequence[str], path: Path) -> tuple[_Named, ...]:
    by_name = {each.name: each for each in known}
    for name in names:
        if name not in by_name:
            raise ConfigurationError(
                f"{path} has no {what} named {name!r}; {did_you_mean(name, by_name)}",
                hint=f"Name one of its {what}s, or none for all of them.",
            )
    return tuple(each for each in known if not names or each.name in names)
