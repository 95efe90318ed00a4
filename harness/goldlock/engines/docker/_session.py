"""A session in a container of our own, made for it: isolated, limited, and gone without trace."""

from __future__ import annotations

import contextlib
import functools
import uuid
from typing import TYPE_CHECKING, Any

import docker.errors
import docker.types

from goldlock.engines import Launch, ownership, programs
from goldlock.engines.attached import Attached, Probing
from goldlock.engines.docker import _podman
from goldlock.engines.docker._errors import ERRORS, quietly, translated
from goldlock.engines.docker._exchange import VOLUME, Exchange, InVolume
from goldlock.engines.docker._running import RunningContainer, is_absent
from goldlock.engines.streams import packed
from goldlock.errors import CouldNotRunError, SubjectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from goldlock.engines.docker._engine import DockerEngine

_NOBODY = "65534:65534"
_PROGRAMS = "/goldlock-programs"
_STAY = f"{_PROGRAMS}/stay"


class DockerSession(RunningContainer):
    """One container; made by `DockerEngine.session`."""

    def __init__(self, engine: DockerEngine, launch: Launch, removal: contextlib.ExitStack) -> None:
        """Create and start the container, and start the probe in it."""
        super().__init__(engine, launch)
        self._podman = engine.podman is not None
        found = engine.inspect(launch.image)
        if found is None:
            raise CouldNotRunError(
                f"the engine has no image {launch.image}",
                hint="run `goldlock build`, pull it, or load it with `docker load`",
            )
        self._image = engine.layer(launch.image, found)
        self._config, self._added = found.get("Config") or {}, launch.environment
        self._user = launch.user or _unprivileged(self._config.get("User"))
        self._name = f"goldlock-{uuid.uuid4().hex[:12]}"
        self._network = "none"
        with translated(f"start a container of {launch.image}"):
            self._make_volume(removal)
            if launch.service is not None:
                self._make_network(removal)
                self._create(removal, *self._service_command())
                self._start()
            elif launch.keep_entrypoint or not self._hold_by_python(removal):
                self._hold_by_program(removal)
        if launch.service is not None or launch.keep_entrypoint:
            self._probe_within()

    def _service_command(self) -> tuple[Sequence[str] | None, Sequence[str] | None]:
        """Entry point and command of the container; None for the image's own."""
        launch = self._launch
        start = launch.service.start if launch.service else ()
        if start and not launch.keep_entrypoint:
            return start[:1], start[1:] or None
        return launch.entrypoint, start or launch.command

    def _hold_by_python(self, removal: contextlib.ExitStack) -> bool:
        """Have the probe as first process, which stays; whether there is an interpreter for it."""
        for number, python in enumerate(self._interpreters()):
            if number and not self._is_on_path(python[0]):
                # A start that fails takes a hundred times as long as this look.
                continue
            arguments = self._probe_arguments(python, hold=True)
            self._create(removal, arguments[:1], arguments[1:])
            attached = None
            try:
                # Podman makes the container ready for this: what is wrong with it may be told here already.
                attached = self._attach()
                self._api.start(self._id)
            except docker.errors.APIError as error:
                if attached is not None:
                    attached.close()
                if self._launch.python is not None or not is_absent(str(error.explanation)):
                    raise self._could_not_start(error) from error
                continue
            self._probed = Probing(attached, self._dies, lambda _said: None)
            self._found_python(python)
            return True
        self._found_python(())
        return False

    def _hold_by_program(self, removal: contextlib.ExitStack) -> None:
        """Have a program of ours as first process, or as what the image's entry point runs."""
        volume = f"{self._name}-programs"
        removal.callback(quietly, functools.partial(self._api.remove_volume, volume))
        self._api.create_volume(volume, driver="local", labels=ownership.labels())
        # The engine puts nothing where a container may only read: another container, never started, has it put.
        filler = f"{self._name}-filler"
        removal.callback(quietly, functools.partial(self._api.remove_container, filler, force=True, v=True))
        self._api.create_container(
            self.image_id,
            entrypoint=[_STAY],
            name=filler,
            host_config=self._api.create_host_config(
                network_mode="none",
                mounts=[docker.types.Mount(_PROGRAMS, volume, type="volume", no_copy=True)],
            ),
            labels=ownership.labels(),
        )
        program = packed("stay", programs.stay(self._engine.architecture), mode=0o755)
        if not self._api.put_archive(filler, _PROGRAMS, program):
            raise CouldNotRunError("the engine takes no files for a container")
        self._api.remove_container(filler, force=True, v=True)
        mounted = docker.types.Mount(_PROGRAMS, volume, type="volume", read_only=True, no_copy=True)
        if self._launch.keep_entrypoint:
            self._create(removal, self._launch.entrypoint, [_STAY], mounted)
        else:
            self._create(removal, [_STAY], None, mounted)
        self._start()

    def _make_volume(self, removal: contextlib.ExitStack) -> None:
        # Each removal is arranged first: a request that times out here may still be carried out there.
        removal.callback(quietly, functools.partial(self._api.remove_volume, self._name))
        size = _podman.tmpfs_size(
            self._launch.limits.scratch_bytes, podman=self._podman, here=self._engine.is_here
        )
        self._api.create_volume(
            self._name,
            driver="local",
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"{size},mode=1777"},
            labels=ownership.labels(),
        )

    def _make_network(self, removal: contextlib.ExitStack) -> None:
        removal.callback(quietly, functools.partial(self._api.remove_network, self._name))
        self._api.create_network(
            self._name, driver="bridge", internal=self._engine.is_here, labels=ownership.labels()
        )
        self._network = self._name

    def _create(
        self,
        removal: contextlib.ExitStack,
        entrypoint: Sequence[str] | None,
        command: Sequence[str] | None,
        *mounts: docker.types.Mount,
    ) -> None:
        """Create the container, in place of one that could not be started."""
        launch, api, limits = self._launch, self._api, self._launch.limits
        if self._id:
            api.remove_container(self._id, force=True, v=True)
        if entrypoint is not None and not entrypoint:
            # An empty one is none to Docker, and the image's own to Podman: the command takes its place.
            words = list(command or self._config.get("Cmd") or ())
            entrypoint, command = words[:1], words[1:] or None
        published = launch.service is not None and not self._engine.is_here
        config = api.create_host_config(
            network_mode=self._network,
            mounts=[docker.types.Mount(VOLUME, self._name, type="volume"), *mounts],
            tmpfs={"/tmp": f"rw,size={limits.scratch_bytes},mode=1777"},  # noqa: S108  # inside the container
            read_only=not launch.writable,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=limits.memory_bytes,
            memswap_limit=limits.memory_bytes,
            nano_cpus=None if limits.cpus is None else int(limits.cpus * 1e9),
            pids_limit=limits.processes,
            ulimits=[
                docker.types.Ulimit(name=name, soft=soft, hard=hard)
                for name, (soft, hard) in _podman.ulimits(podman=self._podman).items()
            ],
            log_config=docker.types.LogConfig(type="json-file", config={"max-size": "16m", "max-file": "1"}),
            port_bindings={launch.service.port: None} if published and launch.service else None,
        )
        removal.callback(quietly, functools.partial(api.remove_container, self._name, force=True, v=True))
        created = api.create_container(
            # By its id: the tag may be given to another image before this request arrives.
            self.image_id,
            command=None if command is None else list(command),
            entrypoint=None if entrypoint is None else list(entrypoint),
            name=self._name,
            host_config=config,
            user=self._user,
            working_dir=launch.working_dir,
            environment=dict(launch.environment),
            labels=ownership.labels(),
            ports=[launch.service.port] if launch.service else None,
            stdin_open=False,
            # Only where there is something to silence: Podman makes a timer even of "none".
            healthcheck={"test": ["NONE"]} if self._config.get("Healthcheck") else None,
        )
        self._id = str(created["Id"])

    def _start(self) -> None:
        try:
            self._api.start(self._id)
        except docker.errors.APIError as error:
            raise self._could_not_start(error) from error

    def _could_not_start(self, error: docker.errors.APIError) -> CouldNotRunError:
        return CouldNotRunError(
            f"image {self._launch.image} could not be started: {error.explanation}", hint=self._start_hint
        )

    def _attach(self) -> Attached:
        sock = self._api.attach_socket(self._id, params={"stdout": 1, "stderr": 1, "stream": 1})
        return Attached(sock)

    def _execute(
        self, command: Sequence[str], *, stdin: bool = False, user: str | None = None, bare: bool = False
    ) -> tuple[str, Attached]:
        # The container has its user from the beginning.
        return super()._execute(command, stdin=stdin, user=user or self._user, bare=bare)

    def _exchange(self) -> Exchange:
        return InVolume(self._api, self._id)

    def _memory_note(self) -> str:
        state = self._api.inspect_container(self._id)["State"]
        size = f"{self._launch.limits.memory_bytes / (1 << 20):,.0f} MiB"
        cause = "it used more memory than" if state.get("OOMKilled") else "probably it needs more memory than"
        return f"\nkilled (signal 9): {cause} subject.limits.memory, {size}"

    def address(self) -> tuple[str, int]:
        """Host and port of the service as seen from here."""
        service = self._launch.service
        if service is None:
            raise CouldNotRunError("this session runs no service")
        with translated("look at the running container"):
            settings = self._api.inspect_container(self._id)["NetworkSettings"]
        if self._engine.is_here:
            # Empty once the container has ended; `ended` tells the rest.
            return settings["Networks"][self._name]["IPAddress"] or "127.0.0.1", service.port
        # Empty once the container has ended; `ended` tells the rest.
        bindings = (settings.get("Ports") or {}).get(f"{service.port}/tcp") or [{"HostPort": 0}]
        return self._engine.host, int(bindings[0]["HostPort"])

    def _replaced(self, state: Mapping[str, Any]) -> str | None:  # noqa: ARG002  # ours is started once
        return None

    def _stop(self, identity: str, error: SubjectError) -> SubjectError:  # noqa: ARG002  # it goes with the container
        self._dies("was stopped by goldlock")
        return error

    def _dies(self, reason: str) -> None:
        """Kill the container: a hanging exec can't be stopped in another way."""
        self._dead = self._dead or reason
        with contextlib.suppress(*ERRORS):
            self._api.kill(self._id)


def _unprivileged(user: str | None) -> str:
    """An image's user, or nobody where that is root."""
    return user if user and user.partition(":")[0] not in {"", "root", "0"} else _NOBODY
