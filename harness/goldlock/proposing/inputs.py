"""The rows that the subject is asked: a file that is there, or the example that a model brings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.formats import Format
from goldlock.proposing import sampling, sourcing
from goldlock.proposing.recognising import Inputs
from goldlock.proposing.serving import Asked
from goldlock.proposing.wanted import Asker, Need, Wanted

_EXAMPLE = "inputs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The inputs as goldlock.toml has them."""

    name: str
    """As goldlock.toml names it."""
    made: str = ""
    """The text of the file where it is yet to be written."""


def choose(wanted: Wanted, examples: Mapping[str, str], ask: Asker, progress: Callable[[str], None]) -> Named:
    """The file of inputs: given, found, made of the model's own example, or asked for.

    `examples` are texts of examples that were found in the image, by path.
    """
    folder = wanted.path.parent
    if wanted.inputs is not None:
        return Named(name=_named_from(wanted.inputs, folder))
    files = sourcing.files_below(folder)
    found = [each for each in sampling.samples(files) if not each.endswith(sampling.EXAMPLES)]
    beside = {each: _text(folder / each) for each in files if each.endswith(sampling.EXAMPLES)}
    for place, said in {**beside, **examples}.items():
        rows = sampling.records(said)
        if rows and _EXAMPLE not in files and not found:
            progress(f"inputs: the example in {place}, {len(rows)} rows")
            return Named(name=_EXAMPLE, made=sampling.as_json(rows))
    answer = ask(
        Need(question="which file holds inputs?", option="--inputs FILE", proposed=found[0] if found else "")
    )
    path = Path(answer)
    return Named(name=_named_from(path if path.is_absolute() else folder / path, folder))


def _named_from(path: Path, folder: Path) -> str:
    if not path.is_file():
        raise ConfigurationError(
            f"there is no file of inputs {path}",
            hint="name a .csv, .json, .jsonl, .npz, .npy, .parquet or .arrow file with --inputs",
        )
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def opened(path: Path) -> Asked:
    """The inputs as they are asked with. Raises ConfigurationError for a file that is no table."""
    from goldlock.tables import dtype_of, is_float, is_whole, open_table

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
    kinds = [each.dtype for each in table.types.values()]
    numbers = all(is_float(each) or is_whole(each) for each in map(dtype_of, kinds))
    known = Inputs(names=tuple(table.names), count=table.rows, are_numbers=numbers)
    return Asked(path=path, format=kind, known=known)
