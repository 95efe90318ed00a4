"""Where `[subject]` says that the subject comes from: exactly one of several forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from goldlock.decoding import KeyPath, Problem

SOURCES = ("image", "archive", "container", "compose")
"""Keys of `[subject]` of which one is given."""
_NOT_OURS = {
    "build": "build makes an image; name it with subject.image",
    "environment": "its variables were given to it when it was started",
    "user": "commands are run as its own user",
    "working-dir": "commands are run in its own working folder",
    "entrypoint": "it was started with its own",
    "command": "it was started with its own",
    "writable": "its root is as it is",
}


def problems(document: Mapping[str, object]) -> Iterator[Problem]:
    """What is wrong with the source in a document that is otherwise a goldlock.toml."""
    subject = document.get("subject")
    if not isinstance(subject, dict):
        return
    path: KeyPath = ("subject",)
    given = [key for key in SOURCES if key in subject]
    if given == ["image", "archive"]:
        # The image is then one of the archive's.
        given = ["archive"]
    if not given:
        yield Problem(path, f"does not say what is checked: add one of {', '.join(SOURCES)}")
    elif len(given) > 1:
        yield Problem((*path, given[1]), f"stands beside {given[0]}; give one of {', '.join(SOURCES)}")
    if given == ["container"]:
        for key, why in _NOT_OURS.items():
            if key in subject:
                yield Problem((*path, key), f"means nothing for a container that runs already: {why}")
        for number, http in _https(document):
            if "start" in http:
                yield Problem(
                    ("case", number, "http", "start"), "means nothing for a container that runs already"
                )


def with_compose(document: Mapping[str, object], folder: Path) -> tuple[dict[str, object], tuple[str, ...]]:
    """The document with what its compose service says where it says nothing itself, and notes for the report.

    Raises:
        ConfigurationError: the compose file can't be used; see `compose.read`.
    """
    subject = document["subject"]
    assert isinstance(subject, dict)  # noqa: S101  # decoded before
    from goldlock.config import compose

    named = subject["compose"]
    service = compose.read(
        named.get("file", "compose.yaml"), named["service"], folder=folder, subject=subject["name"]
    )
    merged = {**service.subject, **subject}
    stated = service.subject.get("environment")
    if isinstance(stated, dict):
        merged["environment"] = {**stated, **subject.get("environment", {})}
    filled: dict[str, object] = {**document, "subject": merged}
    if service.port is not None:
        ports = {number: {"port": service.port, **http} for number, http in _https(document)}
        filled["case"] = [
            {**case, "http": ports[number]} if number in ports else case
            for number, case in enumerate(_cases(document))
        ]
    return filled, service.notes


def _cases(document: Mapping[str, object]) -> list[dict[str, object]]:
    cases = document.get("case")
    return cases if isinstance(cases, list) else []


def _https(document: Mapping[str, object]) -> Iterator[tuple[int, dict[str, object]]]:
    for number, case in enumerate(_cases(document)):
        http = case.get("http")
        if isinstance(http, dict):
            yield number, http
