"""Ends record and accept before every step that they take, for test_golden_ended.py.

    python ending_everywhere.py WHAT HOW FOLDER

WHAT is record, sibling, accept or merge. HOW is kill (SIGKILL) or interrupt (SIGINT, as Ctrl-C). For n from 1 on, a
child of this process does the real thing in a fresh copy of a project and is ended before its n-th step; then what is
left is looked at. A step is a line of the modules that write goldens (every write, fsync and flock stands in one), or
whatever Python's audit events tell of files and folders (open, rename, mkdir, remove, ...), in any module. The first
child that gets through ends the run. Prints what was found as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
from tests.harness.drafts import INPUTS, OUTPUTS, PROVENANCE, configured, make, names_in

from goldlock import accept as accepting
from goldlock import golden, interruption, received
from goldlock.errors import GoldlockError, Interrupted
from goldlock.golden import _folder, _write
from goldlock.tables import Table, whole

NEW = Table({"label": np.array(["Setosa", "Setosa"]), "p": np.array([0.5, 0.25], dtype=np.float32)})
MERGED = Table({"label": OUTPUTS.columns["label"], "p": NEW.columns["p"]})
LINES = {_folder.__file__, _write.__file__}
EVENTS = ("open", "os.", "shutil.", "fcntl.")


def prepare(project: Path, what: str) -> None:
    """Write a project as it stands before: for all but record with a golden, and another answer received."""
    project.mkdir()
    config = configured(project)
    if what == "record":
        return
    golden.record(config.resolve("goldens/mlp"), make(project))
    (config.resolve("goldens/mlp") / "README").write_text("ours")
    received.settle(
        config,
        "mlp",
        golden.load(config.resolve("goldens/mlp")),
        NEW,
        passes=False,
        lock_id=PROVENANCE.lock_id,
        image_id="",
        cpu_level="x86-64-v3",
    )


def writing(project: Path, what: str) -> Callable[[], object]:
    """Prepare the real thing; what is returned does it."""
    config = configured(project)
    if what == "record":
        return partial(golden.record, config.resolve("goldens/mlp"), make(project))
    columns = ["p"] if what == "merge" else []
    variant = "v3" if what == "sibling" else ""
    proposals = accepting.propose(config, config.case, columns=columns, variant=variant)
    return partial(accepting.accept, config, proposals, "why")


def ended(project: Path, what: str, how: str, last: int) -> int:
    """Act in a child that ends before its `last`-th step; return how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps, stepping = 0, False

    def step() -> None:
        nonlocal steps
        steps += stepping
        if steps == last and stepping:
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGINT)

    def trace(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code.co_filename not in LINES:
            return None
        if event == "line":
            step()
        return trace

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(EVENTS) and not event.startswith("os.kill"):
            step()

    code = 0
    write = writing(project, what)
    try:
        with interruption.installed():
            sys.addaudithook(audit)
            sys.settrace(trace)
            stepping = True
            write()
            stepping = False
    except Interrupted:
        code = 130
    finally:
        stepping = False
        sys.settrace(None)
        os._exit(code)


def look(project: Path, what: str, how: str) -> str:
    """Return what stands there: nothing, old, new, or the old one brought back (restored); anything else raises."""
    goldens = project / "goldens"
    first = goldens / "mlp"
    hidden = sorted(path.name for path in goldens.glob(".*")) if goldens.exists() else []
    if how == "interrupt" and hidden:
        raise AssertionError(f"left behind: {hidden}")
    if set(hidden) - {".mlp.new", ".mlp.old", ".mlp@v3.new"}:
        raise AssertionError(f"left behind: {hidden}")
    restored = golden.restore(first)
    if how == "interrupt" and restored:
        raise AssertionError("an interrupted accept was left half way")
    if what == "record":
        if not first.exists():
            return "nothing"
        found = golden.load(first)
        assert found.integrity == ()
        assert whole(found.outputs) == OUTPUTS
        return "new"
    there = golden.load_all(first)
    assert there.integrity == ()
    assert there.first.inputs.read_bytes() == INPUTS
    assert (first / "README").read_text() == "ours"
    outputs = whole(there.first.outputs)
    if what == "sibling":
        assert outputs == OUTPUTS
        assert [whole(other.outputs) for other in there.others] in ([], [NEW])
        return "new" if there.others else "old"
    if outputs == OUTPUTS:
        assert there.first.provenance == PROVENANCE
        return "restored" if restored else "old"
    assert outputs == (MERGED if what == "merge" else NEW)
    assert there.first.reason == "why"
    assert [entry.golden_id for entry in there.first.provenance.history] != []
    return "new"


def again(project: Path, what: str, state: str) -> None:
    """Whatever was left, the next run clears it away and succeeds."""
    if state != "new":
        writing(project, what)()
        assert look(project, what, "interrupt") == "new"
    elif what in {"accept", "merge"}:
        place = project / "goldens" / "mlp"
        golden.accept(place, replace(make(project), outputs=NEW), "once more")
        assert names_in(place.parent) == ["mlp"]


def main(what: str, how: str, folder: Path) -> None:
    """Run all endings and print their counts."""
    before, project = folder / "before", folder / "project"
    prepare(before, what)
    found: Counter[str] = Counter()
    code, step = 1, 0
    while code:
        step += 1
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(before, project)
        code = ended(project, what, how, step)
        try:
            assert code in {0, -signal.SIGKILL if how == "kill" else 130}
            hidden = any((project / "goldens").glob(".*"))
            state = look(project, what, how)
            if hidden:
                again(project, what, state)
        except (AssertionError, GoldlockError) as error:
            raise SystemExit(f"ended before step {step} with {code}: {error!r}") from error
        found[state] += 1
    sys.stdout.write(json.dumps({"steps": step, **found}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
