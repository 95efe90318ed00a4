"""Programs that predict in batches: how they may want to be called, and what they wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from goldlock.formats import Format
from goldlock.proposing.seen import Seen, unshelled

_INPUT = re.compile(r"--?(i|in|input|inputs|infile|in-file|input-(?:file|path|csv)|data|features|csv|source)")
_OUTPUT = re.compile(
    r"--?(o|out|output|outputs|outfile|out-file|output-(?:file|path|csv)|predictions|target|dest)"
)
_DECLARED = re.compile(r"""(?:add_argument|option|argument)\(\s*((?:["'][\w-]+["']\s*,?\s*)+)""")
_HELP = {"-h", "--help"}
_MAGIC = (
    (b"\x93NUMPY", Format.NPY),
    (b"PK\x03\x04", Format.NPZ),
    (b"PAR1", Format.PARQUET),
    (b"ARROW1", Format.ARROW),
)


def is_likely(seen: Seen) -> str:
    """What speaks for a batch program; empty where nothing does."""
    if any(_INPUT.fullmatch(word.partition("=")[0]) for word in seen.words):
        return f"`{seen.line}` takes an input"
    declared = _declared(seen)
    if any(_INPUT.fullmatch(_dashed(name)) for name in declared):
        return f"{_program(seen)} declares {next(n for n in declared if _INPUT.fullmatch(_dashed(n)))}"
    source = seen.sources.get(_program(seen), "")
    if re.search(r"\bsys\.argv\b|\bsys\.stdin\b", source):
        return f"{_program(seen)} reads its arguments or stdin"
    return ""


def candidates(seen: Seen) -> Iterator[tuple[str, ...]]:
    """Commands that may predict, the likeliest first; `{input}` and `{output}` as goldlock.toml has them."""
    yielded = set()
    for words in _bases(seen):
        for each in _ways(words, seen):
            if each and each not in yielded:
                yielded.add(each)
                yield each


def sniffed(data: bytes) -> Format | None:
    """The format of a table that a program wrote; None for what is none."""
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return found
    try:
        said = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = said.strip().splitlines()
    if not lines:
        return None
    if lines[0].lstrip().startswith(("{", "[")):
        if _is_json(said):
            return (
                Format.JSONL
                if lines[0].startswith("{") and len(lines) == 1 and _is_row(lines[0])
                else Format.JSON
            )
        return Format.JSONL if all(_is_json(line) for line in lines) else None
    commas = {line.count(",") for line in lines if '"' not in line}
    return Format.CSV if len(commas) <= 1 else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_row(line: str) -> bool:
    """Whether one object is a record, and no mapping of names to columns."""
    value = json.loads(line)
    return isinstance(value, Mapping) and not any(isinstance(each, list | dict) for each in value.values())


def _bases(seen: Seen) -> Iterator[tuple[str, ...]]:
    """The image's own command; CMD may be a mere default of the entry point's arguments."""
    full = tuple(word for word in seen.words if word not in _HELP)
    yield full
    if seen.entrypoint and seen.command:
        yield unshelled(seen.entrypoint)


def _ways(words: tuple[str, ...], seen: Seen) -> Iterator[tuple[str, ...]]:
    if not words:
        return
    filled, used = _filled(words)
    if used:
        yield filled
    bare = tuple(word for word, kept in zip(*_without_files(words), strict=True) if kept)
    declared = _declared(seen)
    source_flag = next((name for name in declared if _INPUT.fullmatch(_dashed(name))), "")
    target_flag = next((name for name in declared if _OUTPUT.fullmatch(_dashed(name))), "")
    if source_flag:
        into = (*_given(source_flag, "{input}"),)
        if target_flag:
            yield (*bare, *into, *_given(target_flag, "{output}"))
        yield (*bare, *into)
    source = seen.sources.get(_program(seen), "")
    if re.search(r"\bstdin\b", source) and "argv" not in source:
        yield bare
    yield (*bare, "{input}", "{output}")
    yield (*bare, "--input", "{input}", "--output", "{output}")
    yield (*bare, "{input}")
    yield (*bare, "--input", "{input}")
    yield bare
    yield (*bare, "-i", "{input}", "-o", "{output}")


def _given(flag: str, value: str) -> tuple[str, ...]:
    return (flag, value) if flag.startswith("-") else (value,)


def _dashed(name: str) -> str:
    return name.replace("_", "-") if name.startswith("-") else f"--{name.replace('_', '-')}"


def _filled(words: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The command with the values of its own flags for files replaced by the placeholders."""
    found, used, skip = [], False, False
    for index, word in enumerate(words):
        if skip:
            skip = False
            continue
        flag, equals, _ = word.partition("=")
        name = (
            "{input}"
            if _INPUT.fullmatch(_dashed(flag))
            else "{output}"
            if _OUTPUT.fullmatch(_dashed(flag))
            else ""
        )
        if not name or not flag.startswith("-"):
            found.append(word)
        elif equals:
            found.append(f"{flag}={name}")
            used = True
        else:
            found += [flag, name]
            used, skip = True, index + 1 < len(words) and not words[index + 1].startswith("--")
    return tuple(found), used


def _without_files(words: Sequence[str]) -> tuple[Sequence[str], list[bool]]:
    """The words, and which of them are no flags for files nor their values."""
    kept, skip = [], False
    for word in words:
        flag, equals, _ = word.partition("=")
        is_file = flag.startswith("-") and bool(
            _INPUT.fullmatch(_dashed(flag)) or _OUTPUT.fullmatch(_dashed(flag))
        )
        kept.append(not (skip or is_file))
        skip = is_file and not equals
    return words, kept


def _program(seen: Seen) -> str:
    """The path of the source of the program that the command runs, empty where it was not seen."""
    for word in seen.words:
        for file in seen.sources:
            if file == word or file.rpartition("/")[2] == word.rpartition("/")[2]:
                return file
    module = next((seen.words[i + 1] for i, word in enumerate(seen.words[:-1]) if word == "-m"), "")
    return next(
        (file for file in seen.sources if module and file.endswith(module.replace(".", "/") + ".py")), ""
    )


def _declared(seen: Seen) -> list[str]:
    """Names of arguments that the program's source declares (argparse, click), the long one of each."""
    found = []
    for match in _DECLARED.finditer(seen.sources.get(_program(seen), "")):
        names = re.findall(r"""["']([\w-]+)["']""", match[1])
        found.append(max(names, key=len))
    return found
