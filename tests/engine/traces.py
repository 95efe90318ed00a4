"""What goldlock must not leave behind: on the engine, in the project's folder, in the temporary folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.engine.conftest import Outcome

from goldlock.engines import ownership

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import docker
    from tests.engine.conftest import Project

PATIENCE = 30.0


def wait_for(condition: Callable[[], object], what: str, *, patience: float = PATIENCE) -> None:
    """Until the condition holds."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"in {patience:g} s there was no {what}"
        time.sleep(0.01)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@dataclass(frozen=True)
class Traces:
    """Runs goldlock in a project with a temporary folder of its own, and looks at what stays."""

    client: docker.DockerClient
    project: Project
    temporary: Path
    before: frozenset[str]

    @classmethod
    def of(cls, client: docker.DockerClient, project: Project, temporary: Path) -> Traces:
        temporary.mkdir()
        return cls(
            client=client, project=project, temporary=temporary, before=frozenset(files_of(project.folder))
        )

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return self.project.start(*arguments, env={"TMPDIR": str(self.temporary), **(env or {})})

    def end(self, process: subprocess.Popen[str], *, timeout: float = 120) -> Outcome:
        """Wait for goldlock's end; then nothing may be left."""
        with process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            finally:
                process.kill()
        assert "Traceback" not in stderr, stderr
        assert "internal error" not in stderr, stderr
        assert "Exception ignored" not in stderr, stderr
        self.check(process.pid)
        return Outcome(code=process.returncode, stdout=stdout, stderr=stderr)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120) -> Outcome:
        return self.end(self.start(*arguments, env=env), timeout=timeout)

    def on_engine(self, pid: int) -> list[str]:
        """Containers, volumes and networks of one goldlock process."""
        api, mine = self.client.api, {"label": ownership.OWNER}
        found = [
            ("container", api.containers(all=True, filters=mine)),
            ("volume", api.volumes(filters=mine).get("Volumes") or []),
            ("network", api.networks(filters=mine)),
        ]
        return [
            kind
            for kind, things in found
            for thing in things
            if f":{pid}:" in (thing.get("Labels") or {}).get(ownership.OWNER, "")
        ]

    def check(self, pid: int) -> None:
        assert self.on_engine(pid) == []
        assert files_of(self.temporary) == set()
        assert files_of(self.project.folder) == self.before
