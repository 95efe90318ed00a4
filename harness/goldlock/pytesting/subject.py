"""The fixture `subject`: the running subject of a goldlock.toml, as a client that asks it."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from goldlock import config as configuration
from goldlock.errors import ConfigurationError
from goldlock.pytesting.requests import Address, Ask, Execute, Look, Request
from goldlock_env.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from goldlock.config import Config
    from goldlock.pytesting.run import Run
    from goldlock.tables import Array

_Some = TypeVar("_Some", bound=Request)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command in the subject ended."""

    exit_code: int
    stdout: bytes
    stderr: str


class Subject:
    """One subject, whose container all tests and workers of a run share; started by the first question."""

    def __init__(self, path: Path, run: Run) -> None:
        """Of the goldlock.toml at `path`; nothing is started."""
        self.config: Config = configuration.load(path)
        self._run = run

    def ask(self, case: str, inputs: object = None) -> dict[str, Array]:
        """Ask in the way of a case; return its output columns, each with a row on its first axis.

        Args:
            case: name of a case in goldlock.toml.
            inputs: a dict of columns, a table of pandas, polars or pyarrow, a path; an array of shape
                (rows, columns), whose columns are then called as in the case's own inputs; None for those.

        Raises GoldlockError, such as SubjectError where the subject gives no proper answer.
        """
        __tracebackhide__ = True
        given: Mapping[str, Array] | str | None
        if inputs is None:
            given = None
        elif isinstance(inputs, str | Path):
            given = str(Path(inputs).absolute())
        else:
            given = self._columns(case, inputs)
        return cast("dict[str, Array]", self._ask(Ask, case=case, inputs=given))

    def _columns(self, case: str, inputs: object) -> dict[str, Array]:
        import numpy as np

        from goldlock.pytesting.values import taken
        from goldlock.tables import open_table

        if isinstance(inputs, dict):
            inputs = {name: np.asarray(column) for name, column in inputs.items()}
        table = taken(inputs)
        if table.about["kind"] == "table" and not table.table.absent:
            return dict(table.table.columns)
        array = table.table.columns.get("value")
        if table.about["kind"] != "array" or array is None or array.ndim != 2:
            raise ConfigurationError(
                "a subject is asked with a table without absent values or an array of shape (rows, columns)",
                hint="give a dict of columns of one length",
            )
        (found,) = self.config.select([case])
        own = self.config.resolve(found.inputs)
        names = open_table(own, found.inputs_format, where=str(own)).names
        if len(names) != array.shape[1]:
            raise ConfigurationError(
                f"the array has {array.shape[1]} columns, the inputs of case {case!r} {len(names)}",
                hint=f"give those: {', '.join(names)}",
            )
        return {name: array[:, place] for place, name in enumerate(names)}

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the subject's service, started and ready: that of the first HTTP case."""
        __tracebackhide__ = True
        for case in self.config.case:
            if case.http is not None:
                return self.address_of(case.name)
        raise ConfigurationError(
            f"{self.config.path.name} has no HTTP case, so the subject runs no service",
            hint="add a [[case]] with [case.http], or use subject.run([...])",
        )

    def address_of(self, case: str) -> tuple[str, int]:
        """Host and port of the service of an HTTP case, where several cases have several services."""
        __tracebackhide__ = True
        host, port = cast("tuple[str, int]", self._ask(Address, case=case))
        return host, port

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout: float = 60) -> Completed:
        """Run a command in the subject, without a shell; what it writes there stays for the next one.

        Raises SubjectError where it takes longer than `timeout` seconds or says too much.
        """
        __tracebackhide__ = True
        answer = self._ask(Execute, command=tuple(command), stdin=stdin, timeout=timeout)
        code, stdout, stderr = cast("tuple[int, bytes, str]", answer)
        return Completed(exit_code=code, stdout=stdout, stderr=stderr)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The subject's environment, as `goldlock lock` sees it; installed files are not hashed."""
        return Snapshot.from_mapping(cast("dict[str, Any]", self._ask(Look)))

    def _ask(self, kind: type[_Some], **of: object) -> object:
        __tracebackhide__ = True
        return self._run.ask(kind(config=str(self.config.path), settings=self._run.settings, **of))


def nearest(folder: Path, root: Path, *, name: str) -> Path:
    """The goldlock.toml in a folder, or in the nearest one above it up to the root folder.

    Raises ConfigurationError: there is none.
    """
    for above in (folder, *folder.parents):
        if (above / name).is_file():
            return above / name
        if above == root:
            break
    raise ConfigurationError(
        f"there is no {name} in {folder} or above it, up to {root}",
        hint="name one with --goldlock-config FILE or goldlock_config in the ini file",
    )
