"""A session: one container that was made for it, probed and asked."""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from typing import TYPE_CHECKING

import docker.errors
import docker.types

from goldlock.config import fill
from goldlock.engines import Completed, Launch, ownership
from goldlock.engines.attached import Attached, Probing, too_slow
from goldlock.engines.docker import _podman
from goldlock.engines.docker._errors import ERRORS, quietly, translated
from goldlock.engines.streams import Capture, pack, unpack
from goldlock.errors import CouldNotRunError, SubjectError
from goldlock_env import probing
from goldlock_env.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from goldlock.engines.docker._engine import DockerEngine

EXCHANGE = "/goldlock"
"""Where the exchange volume is mounted in every container."""

_NOBODY = "65534:65534"
_KILLED = 137
_START_HINT = "check subject.python, user and image in goldlock.toml"


class DockerSession:
    """One container; made by `DockerEngine.session`."""

    def __init__(self, engine: DockerEngine, launch: Launch, removal: contextlib.ExitStack) -> None:
        """Create and start the container, and start the probe in it."""
        self._api, self._launch, self._local = engine.api, launch, engine.is_here
        self._podman = engine.podman is not None
        found = engine.inspect(launch.image)
        if found is None:
            raise CouldNotRunError(
                f"the engine has no image {launch.image}",
                hint="run `goldlock build`, pull it, or load it with `docker load`",
            )
        self._image = engine.layer(launch.image, found)
        settings = found.get("Config") or {}
        self._user = launch.user or _unprivileged(settings.get("User"))
        # Only where there is something to silence: Podman makes a timer even of "none".
        self._healthcheck = {"test": ["NONE"]} if settings.get("Healthcheck") else None
        self._name = f"goldlock-{uuid.uuid4().hex[:12]}"
        self._dead: str | None = None
        with translated(f"start a container of {launch.image}"):
            self._create(removal)
            # Podman makes the container ready when it is attached to: what is wrong with it may be told there.
            with self._startable():
                if launch.service is None:
                    self._probed = Probing(self._attach(), self._dies)
                self._api.start(self._id)
        if launch.service is not None:
            with self._said_if_ended(), translated("probe the running service"):
                self._probed = Probing(self._execute(self._probe_arguments(hold=False))[1], self._dies)

    @property
    def image_id(self) -> str | None:
        """The config id of the image."""
        return self._image.config_id

    def _probe_arguments(self, *, hold: bool) -> list[str]:
        return probing.probe_arguments(
            self._launch.python,
            artifacts=self._launch.artifacts,
            hash_files=self._launch.hash_files,
            hold=hold,
        )

    def _create(self, removal: contextlib.ExitStack) -> None:
        launch, api, limits = self._launch, self._api, self._launch.limits
        labels = ownership.labels()
        # Each removal is arranged first: a request that times out here may still be carried out there.
        removal.callback(quietly, functools.partial(api.remove_volume, self._name))
        size = _podman.tmpfs_size(limits.scratch_bytes, podman=self._podman, here=self._local)
        api.create_volume(
            self._name,
            driver="local",
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"{size},mode=1777"},
            labels=labels,
        )
        network = "none"
        if launch.service is not None:
            removal.callback(quietly, functools.partial(api.remove_network, self._name))
            api.create_network(self._name, driver="bridge", internal=self._local, labels=labels)
            network = self._name
        published = launch.service is not None and not self._local
        config = api.create_host_config(
            network_mode=network,
            mounts=[docker.types.Mount(EXCHANGE, self._name, type="volume")],
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
        if launch.service is None:
            command: list[str] | None = self._probe_arguments(hold=True)
        else:
            command = list(launch.service.start) or None
        removal.callback(quietly, functools.partial(api.remove_container, self._name, force=True, v=True))
        created = api.create_container(
            launch.image,
            command=command[1:] if command else None,
            entrypoint=command[:1] if command else None,
            name=self._name,
            host_config=config,
            user=self._user,
            environment=dict(launch.environment),
            labels=labels,
            ports=[launch.service.port] if launch.service else None,
            stdin_open=False,
            healthcheck=self._healthcheck,
        )
        self._id = str(created["Id"])

    @contextlib.contextmanager
    def _startable(self) -> Iterator[None]:
        try:
            yield
        except docker.errors.APIError as error:
            raise CouldNotRunError(
                f"image {self._launch.image} could not be started: {error.explanation}", hint=_START_HINT
            ) from error

    def _attach(self) -> Attached:
        sock = self._api.attach_socket(self._id, params={"stdout": 1, "stderr": 1, "stream": 1})
        return Attached(sock)

    def _execute(self, command: Sequence[str], *, stdin: bool = False) -> tuple[str, Attached]:
        made = self._api.exec_create(self._id, list(command), stdin=stdin, stdout=True, stderr=True)
        return made["Id"], Attached(self._api.exec_start(made["Id"], socket=True))

    def snapshot(self) -> Snapshot:
        """What the probe saw in this container; waits for it."""
        return self._probed.result().with_image(self._image)

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: Path | None = None,
        stdout: Path | None = None,
        files: Mapping[str, Path] | None = None,
        output: str | None = None,
        into: Path | None = None,
        timeout: float,
    ) -> Completed:
        """Run a command in the container; see `goldlock.engines.Session.run`."""
        folder = uuid.uuid4().hex[:8]
        names = [*(files or {}), *([output] if output else [])]
        paths = {
            name.rstrip("/").partition(".")[0]: f"{EXCHANGE}/{folder}/{name.rstrip('/')}" for name in names
        }
        argv = fill(command, paths)
        with translated(
            "exchange files with the container", hint="raise subject.limits.scratch if the inputs are large"
        ):
            members = [(folder, None), *((f"{folder}/{n}", path) for n, path in (files or {}).items())]
            if output and output.endswith("/"):
                members.append((f"{folder}/{output.rstrip('/')}", None))
            if names and not self._api.put_archive(self._id, EXCHANGE, pack(members)):
                raise SubjectError("the container takes no files")
        end = time.monotonic() + timeout
        with (
            self._said_if_ended(),
            translated(f"run {argv[0]} in the container"),
            contextlib.ExitStack() as stack,
        ):
            said = None if stdout is None else stack.enter_context(stdout.open("wb", buffering=0))
            capture = Capture(self._launch.limits.output_bytes, said)
            identity, attached = self._execute(argv, stdin=stdin is not None)
            try:
                attached.exchange(stdin, capture, timeout)
                code = self._exit_code(identity, end, timeout)
            except SubjectError:
                # First this: while nobody reads the stream, the engine waits long before it kills.
                attached.close()
                self._dies("was stopped by goldlock")
                raise
            finally:
                attached.close()
            written: dict[str, Path] = {}
            if code == 0 and output and into is not None:
                written = self._read(f"{folder}/{output.rstrip('/')}", output.rstrip("/"), into)
        return Completed(
            exit_code=code,
            stdout=bytes(capture.stdout),
            stderr=capture.stderr + (self._memory_note() if code == _KILLED else ""),
            files=written,
        )

    def _exit_code(self, identity: str, end: float, timeout: float) -> int:
        """Wait for the end of a command, which may come after that of its output."""
        while True:
            seen = self._api.exec_inspect(identity)
            if not seen["Running"] and seen["ExitCode"] is not None:
                return int(seen["ExitCode"])
            if time.monotonic() >= end:
                raise too_slow(timeout)
            time.sleep(0.01)

    @contextlib.contextmanager
    def _said_if_ended(self) -> Iterator[None]:
        """Where the engine refuses because the container has ended, say how that came about."""
        try:
            yield
        except SubjectError:
            raise
        except CouldNotRunError as error:
            # The runtime knows of an end a moment before the engine does.
            end = time.monotonic() + 1
            while (reason := self.ended()) is None:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.05)
            raise SubjectError(f"the subject {reason}", hint=_START_HINT) from error

    def _memory_note(self) -> str:
        state = self._api.inspect_container(self._id)["State"]
        size = f"{self._launch.limits.memory_bytes / (1 << 20):,.0f} MiB"
        cause = "it used more memory than" if state.get("OOMKilled") else "probably it needs more memory than"
        return f"\nkilled (signal 9): {cause} subject.limits.memory, {size}"

    def _read(self, path: str, name: str, into: Path) -> dict[str, Path]:
        try:
            chunks, _ = self._api.get_archive(self._id, f"{EXCHANGE}/{path}")
            with contextlib.closing(chunks):
                return unpack(chunks, into, limit=self._launch.limits.output_bytes)
        except docker.errors.NotFound:
            raise SubjectError(
                f"ended with exit code 0 and wrote no {name}",
                hint="the command must write to the path that {output} stands for",
            ) from None

    def address(self) -> tuple[str, int]:
        """Host and port of the service as seen from here."""
        service = self._launch.service
        if service is None:
            raise CouldNotRunError("this session runs no service")
        with translated("look at the running container"):
            settings = self._api.inspect_container(self._id)["NetworkSettings"]
        if self._local:
            # Empty once the container has ended; `ended` tells the rest.
            return settings["Networks"][self._name]["IPAddress"] or "127.0.0.1", service.port
        # Empty once the container has ended; `ended` tells the rest.
        bindings = (settings.get("Ports") or {}).get(f"{service.port}/tcp") or [{"HostPort": 0}]
        # A virtual machine's or a rootless engine's ports are forwarded to this machine's own.
        own = self._api.base_url.startswith("http+docker://")
        host = "127.0.0.1" if own else self._api.base_url.partition("//")[2].rpartition(":")[0]
        return host, int(bindings[0]["HostPort"])

    def ended(self) -> str | None:
        """Why the container is no longer running, None while it runs."""
        with translated("look at the running container"):
            state = self._api.inspect_container(self._id)["State"]
            if state["Running"] or self._dead is not None:
                return self._dead
        code = state["ExitCode"]
        reason = f"ended with exit code {code}"
        if code == _KILLED or state.get("OOMKilled"):
            reason += self._memory_note()
        return f"{reason}\n{log}" if (log := self.said()) else reason

    def said(self) -> str:
        """The last lines of the container's own log."""
        with translated("read the container's log"):
            return self._api.logs(self._id, tail=20).decode("utf-8", "replace").strip()

    def _dies(self, reason: str) -> None:
        """Kill the container: a hanging exec can't be stopped in another way."""
        self._dead = self._dead or reason
        with contextlib.suppress(*ERRORS):
            self._api.kill(self._id)


def _unprivileged(user: str | None) -> str:
    """An image's user, or nobody where that is root."""
    return user if user and user.partition(":")[0] not in {"", "root", "0"} else _NOBODY
