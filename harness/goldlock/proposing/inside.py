"""The look into a running subject through its own interpreter: sources, model files, ports that it listens on.

What runs there is one text, valid on Python 2.7 and 3.4 onwards; what it prints is read back as untrusted JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goldlock.errors import CouldNotRunError
from goldlock.proposing.recognising import listed, table

if TYPE_CHECKING:
    from goldlock.engines import Session

_TIMEOUT = 60
_MARK = "goldlock-look:"

# Walks the likely places only, follows no links, and stops after so many entries.
_LOOK = r"""
import json, os, sys
skip = set("site-packages dist-packages node_modules __pycache__ .git proc sys dev".split())
ends = tuple(".pkl .pickle .joblib .h5 .hdf5 .keras .pt .pth .onnx .safetensors .cbm .ubj .bst .tflite .gguf .skops".split())
names = set("MLmodel saved_model.pb model.json weights.json model.txt model.npz weights.npz model.bin".split())
here = os.getcwd()
places = [here, "/app", "/model", "/models", "/opt/ml/model", "/opt/ml", "/opt/model", "/opt/app", "/srv", "/src", "/home", "/mnt/models"]
places += [v for k, v in sorted(os.environ.items()) if "MODEL" in k.upper() and v.startswith("/") and os.path.exists(v)]
models, sources, examples, left, seen = [], {}, {}, 20000, set()
for place in places:
    if place == "/" or not os.path.isdir(place):
        if place != "/" and os.path.isfile(place): models.append(place)
        continue
    for folder, folders, files in os.walk(place):
        real = os.path.realpath(folder)
        left -= 1 + len(files)
        if real in seen or left < 0:
            folders[:] = []
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if f not in skip and not f.startswith("."))
        if folder[len(place):].count("/") >= 5 or "pyvenv.cfg" in files:
            folders[:] = []
            if "pyvenv.cfg" in files: continue
        models += [os.path.join(folder, f) for f in sorted(files) if f in names or f.lower().endswith(ends)]
        for name in ("serving_input_example.json", "input_example.json"):
            path = os.path.join(folder, name)
            if name in files and len(examples) < 4 and os.path.getsize(path) < 65536:
                with open(path, "rb") as file:
                    examples[path] = file.read().decode("utf-8", "replace")
for folder in ([here] if here != "/" else []) + ["/app", "/src", "/srv"]:
    try:
        inside = sorted(os.listdir(folder))
    except OSError:
        continue
    deeper = [os.path.join(d, f) for d in inside if os.path.isdir(os.path.join(folder, d)) and d not in skip for f in sorted(os.listdir(os.path.join(folder, d)))[:50]]
    for name in (inside + deeper)[:400]:
        path = os.path.join(folder, name)
        if name.endswith(".py") and len(sources) < 30 and os.path.isfile(path) and os.path.getsize(path) < 65536:
            with open(path, "rb") as file:
                sources[path] = file.read().decode("utf-8", "replace")
usual = [os.path.join(d, "python") for d in os.environ.get("PATH", "").split(os.pathsep) if os.path.isfile(os.path.join(d, "python"))][:1]
own = sys.executable or ""
same = [p for p in usual if os.path.dirname(p) == os.path.dirname(own) and os.path.realpath(p) == os.path.realpath(own)]
print(sys.argv[1] + json.dumps({"folder": here, "same": bool(same), "usual": bool(usual), "models": models[:1000], "sources": sources, "examples": examples}))
"""
_LISTENING = r"""
import json, sys
ports, local = set(), set()
for name in ("/proc/net/tcp", "/proc/net/tcp6"):
    try:
        with open(name) as file:
            rows = [line.split() for line in file][1:]
    except (IOError, OSError):
        continue
    for row in rows:
        address, _, port = row[1].rpartition(":")
        # 0A is LISTEN; 127.0.0.11 is the engine's own name server; 127.0.0.1 and ::1 nobody else can reach.
        if row[3] == "0A" and address != "0B00007F":
            mine = address in ("0100007F", "0" * 24 + "01000000")
            (local if mine else ports).add(int(port, 16))
print(sys.argv[1] + json.dumps({"ports": sorted(ports), "local": sorted(local - ports)}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What lies in a subject."""

    folder: str = "/"
    is_usual: bool = False
    """Whether goldlock finds that interpreter by itself: it is what `python` starts, or else `python3`."""
    models: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    """Texts of MLflow's examples of inputs, by path."""


def look(session: Session, python: Sequence[str]) -> Inside:
    """Sources and model files; empty where the interpreter could not look."""
    found = _asked(session, python, _LOOK)
    sources = {name: str(text) for name, text in table(found.get("sources")).items()}
    models = tuple(str(each) for each in listed(found.get("models")))
    return Inside(
        folder=str(found.get("folder") or "/"),
        is_usual=found.get("same") is True or (found.get("usual") is False and tuple(python) == ("python3",)),
        models=grouped(models),
        sources=sources,
        examples={name: str(text) for name, text in table(found.get("examples")).items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """The ports on which a subject listens."""

    ports: tuple[int, ...] = ()
    local: tuple[int, ...] = ()
    """Those that only its own machine can reach."""


def listening(session: Session, python: Sequence[str]) -> Listening:
    """The ports on which the subject listens; none where nobody could look."""
    found = _asked(session, python, _LISTENING)
    ports, local = (
        tuple(each for each in listed(found.get(name)) if isinstance(each, int) and 0 < each < 65536)
        for name in ("ports", "local")
    )
    return Listening(ports=ports, local=local)


def _asked(session: Session, python: Sequence[str], script: str) -> Mapping[str, object]:
    try:
        # -I would keep PYTHON* variables away, and -E and -s too; 2.7 knows the latter two only.
        done = session.run([*python, "-E", "-s", "-c", script, _MARK], timeout=_TIMEOUT)
    except CouldNotRunError:
        return {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            try:
                return table(json.loads(line[len(_MARK) :]))
            except (ValueError, RecursionError):
                return {}
    return {}


def grouped(models: Sequence[str], *, most: int = 5) -> tuple[str, ...]:
    """Model files as artifacts: the folder of an MLflow model or a SavedModel, and of files that are many.

    A folder holds what lies in it; a SavedModel's version folder is named by its parent.
    """
    folders: set[str] = set()
    for path in models:
        folder, _, name = path.rpartition("/")
        if name == "MLmodel":
            folders.add(folder)
        elif name == "saved_model.pb":
            parent, _, version = folder.rpartition("/")
            folders.add(parent if version.isdigit() and parent else folder)
    single = [path for path in models if path.rpartition("/")[2] not in {"MLmodel", "saved_model.pb"}]
    by_folder: dict[str, list[str]] = {}
    for path in single:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    files = set()
    for folder, inside in by_folder.items():
        if len(inside) > most:
            folders.add(folder)
        else:
            files.update(inside)

    def is_below(path: str) -> bool:
        return any(path != each and path.startswith(f"{each}/") for each in folders)

    return tuple(sorted(path for path in folders | files if not is_below(path)))
