"""A session in a container that somebody else runs: it is asked, and otherwise left alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from goldlock.engines import Launch
from goldlock.engines.docker._errors import translated
from goldlock.engines.docker._exchange import Exchange, InMemory, InRoot
from goldlock.engines.docker._running import RunningContainer
from goldlock.errors import CouldNotRunError, SubjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from goldlock.engines.docker._engine import DockerEngine

_IN_MEMORY = "/dev/shm"  # noqa: S108  # the container's; engines mount one into each, writable for all
_HINT = "start it (`docker start {0}`), or name another one as subject.container in goldlock.toml"


class GuestSession(RunningContainer):
    """Of a container that is not ours: never started, stopped, limited or removed here."""

    def __init__(self, engine: DockerEngine, launch: Launch, container: str) -> None:
        """Find it, and start the probe in it. Raises `CouldNotRunError` where it does not run."""
        super().__init__(engine, launch)
        self._name = container
        found = found_container(self._api, container)
        state = found["State"]
        if not state["Running"] or state.get("Paused"):
            status = state.get("Status") or "stopped"
            raise CouldNotRunError(
                f"container {container} does not run ({status})", hint=_HINT.format(container)
            )
        self._id, self._since = str(found["Id"]), state.get("StartedAt")
        self._config, self._host = found.get("Config") or {}, found.get("HostConfig") or {}
        known = engine.inspect(found["Image"])
        self._image = None if known is None else engine.layer(engine.image_of(container), known)
        self._probe_within()

    def _exchange(self) -> Exchange:
        if self._host.get("ReadonlyRootfs"):
            return InMemory((*(self._host.get("Tmpfs") or ()), _IN_MEMORY), self._through)
        return InRoot(self._api, self._id, self._engine.architecture, self._through)

    def address(self) -> tuple[str, int]:
        """Its own address where that can be reached from here, else the published port."""
        service = self._launch.service
        if service is None:
            raise CouldNotRunError("this session runs no service")
        with translated("look at the running container"):
            found = self._api.inspect_container(self._id)
        settings = found["NetworkSettings"]
        own = [network["IPAddress"] for network in settings["Networks"].values() if network.get("IPAddress")]
        published = (settings.get("Ports") or {}).get(f"{service.port}/tcp") or ()
        if self._engine.is_here and own:
            return str(own[0]), service.port
        if published:
            return self._engine.host, int(published[0]["HostPort"])
        if self._host.get("NetworkMode") == "host":
            return self._engine.host, service.port
        if (ended := self.ended()) is not None:
            raise SubjectError(f"the container {ended}")
        raise SubjectError(
            f"container {self._name} can't be reached: it publishes no port {service.port}",
            hint="set the case's http.port to a port that it publishes, or connect it to a network",
        )

    def _memory_note(self) -> str:
        return "\nkilled (signal 9): probably by its limit of memory, or by whoever runs it"

    def _replaced(self, state: Mapping[str, Any]) -> str | None:
        return None if state.get("StartedAt") == self._since else "ended and was started again meanwhile"

    def _stop(self, identity: str, error: SubjectError) -> SubjectError:
        """Kill the command alone, where its process can be seen from here; engines have no request for it."""
        with translated("look at the command that did not end"):
            pid = int(self._api.exec_inspect(identity).get("Pid") or 0)
        try:
            if pid and self._id in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8"):
                os.kill(pid, signal.SIGKILL)
                return error
        except OSError:
            pass
        return SubjectError(
            f"{error.message.removesuffix(' and was stopped')}; the command may still run in the container",
            hint=error.hint,
        )

    def _dies(self, reason: str) -> None:
        """Nothing: the container is not ours to end."""


def found_container(api: docker.APIClient, container: str) -> dict[str, Any]:
    """What the engine says of a container. Raises `CouldNotRunError` where it has none of that name."""
    with translated(f"look at container {container}"):
        try:
            found: dict[str, Any] = api.inspect_container(container)
        except docker.errors.NotFound:
            raise CouldNotRunError(
                f"the engine has no container {container}", hint=_HINT.format(container)
            ) from None
    return found
