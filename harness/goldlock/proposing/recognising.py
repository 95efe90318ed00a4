"""What it takes to know a kind of service, and how it is then asked: the interface of `services`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from goldlock.proposing.seen import Seen


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """A request that changes nothing, by whose answer a service is known."""

    path: str
    method: str = "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: object = None
    """The JSON value, None where it was none."""
    text: str = ""
    """The beginning of the body."""

    @property
    def is_good(self) -> bool:
        return self.status == 200

    @property
    def fields(self) -> Mapping[str, object]:
        """The body where it is an object that came with status 200, else nothing."""
        return table(self.body) if self.is_good else {}


Answers = Mapping[Question, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is known of the rows that the subject will be asked."""

    names: tuple[str, ...] = ()
    count: int = 0
    are_numbers: bool = True
    """Whether every column holds numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """How one sees that the service is up."""

    path: str = "/"
    status: int = 200
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One way in which a service may want to be asked."""

    path: str
    request: str
    batch: int | None = None
    within: tuple[str, ...] = ()
    """Keys that lead to the part of the answer that holds the outputs."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """The response mapping where nobody can try it."""


class Recogniser(Protocol):
    """A kind of service."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def port(self) -> int:
        """Where it listens unless it is told otherwise."""

    def hint(self, seen: Seen) -> str:
        """What in an image speaks for it; empty where nothing does. No service need run."""

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        """What to ask; again with the answers to what was asked before, until nothing new comes."""

    def evidence(self, seen: Seen, answers: Answers) -> str:
        """What in the answers proves it; empty where nothing does."""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        """How one sees that it is up."""

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        """How it may want to be asked, the likeliest first."""


def get(answers: Answers, path: str, method: str = "GET") -> Answer:
    """The answer to a question, or one with status 0 where it was not asked."""
    return answers.get(Question(path, method), Answer(status=0))


def table(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[object]:
    """A JSON list, or an empty one where it is something else."""
    return value if isinstance(value, list) else []
