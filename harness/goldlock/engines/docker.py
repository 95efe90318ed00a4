"""The Docker engine, through the Docker SDK; the only module that imports it.

A session is one container: no network (a private one for a service), read-only root, no capabilities,
no new privileges, not as root, limited in memory, processes, output and time. Files are exchanged
through a volume that is a size-limited tmpfs, which also works where the engine is on another machine.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import time
import uuid
from typing import IO, TYPE_CHECKING, Any, cast

import docker
import docker.errors
import docker.types
import docker.utils.build
import requests.exceptions

from goldlock.config import fill
from goldlock.engines import Completed, Launch, ownership
from goldlock.engines.attached import Attached, Probing, too_slow
from goldlock.engines.streams import Capture, pack, unpack
from goldlock.errors import ConfigurationError, CouldNotRunError, SubjectError
from goldlock.interruption import deferred, interruptible
from goldlock_env import probing
from goldlock_env.layers import ImageLayer
from goldlock_env.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

EXCHANGE = "/goldlock"
"""Where the exchange volume is mounted in every container."""

_NOBODY = "65534:65534"
_START_HINT = "check subject.python, user and image in goldlock.toml"


class DockerEngine:
    """A Docker engine, or a Podman service that speaks its API, as DOCKER_HOST and the like name it."""

    name = "docker"

    def __init__(self) -> None:
        """Connect; raises `CouldNotRunError` where no engine answers."""
        hint = "set DOCKER_HOST to the unix:// or tcp:// address of an engine, or use `--engine local`"
        with _translated("connect to the Docker engine", hint=hint):
            if os.environ.get("DOCKER_HOST", "").startswith("ssh://"):
                raise CouldNotRunError(
                    "goldlock does not speak to an engine over ssh",
                    hint="forward its socket (`ssh -L ./docker.sock:/var/run/docker.sock HOST`) and set"
                    " DOCKER_HOST=unix://$PWD/docker.sock",
                )
            self._client = docker.from_env(timeout=60)
            version = self._client.version()
        self.api = self._client.api
        self.description = f"docker {version.get('Version', '?')} (API {version.get('ApiVersion', '?')})"
        self.is_here = self.api.base_url.startswith("http+docker://") and _is_this_machine(version)
        self._sweep()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _sweep(self) -> None:
        """Remove what a killed goldlock (SIGKILL, power) of this machine left behind."""
        with _translated("list left-over containers"):
            owned = {"label": ownership.LABEL}
            containers = self.api.containers(all=True, filters=owned)
            dead = [c["Id"] for c in containers if ownership.is_dead(c["Labels"].get(ownership.OWNER, ""))]
            for container in dead:
                _quietly(functools.partial(self.api.remove_container, container, force=True, v=True))
            for volume in (
                (self.api.volumes(filters=owned).get("Volumes") or []) if dead or not containers else []
            ):
                if ownership.is_dead((volume.get("Labels") or {}).get(ownership.OWNER, "")):
                    _quietly(functools.partial(self.api.remove_volume, volume["Name"]))
            for network in self.api.networks(filters=owned) if dead or not containers else []:
                if ownership.is_dead((network.get("Labels") or {}).get(ownership.OWNER, "")):
                    _quietly(functools.partial(self.api.remove_network, network["Id"]))

    # -- images ---------------------------------------------------------------------------------

    def inspect(self, reference: str) -> dict[str, Any] | None:
        """What the Engine API says of an image, None where the engine does not have it."""
        with _translated(f"look at image {reference}"):
            try:
                found: dict[str, Any] = self.api.inspect_image(reference)  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return None
            except docker.errors.APIError as error:
                if "invalid reference format" not in str(error.explanation):
                    raise
                raise ConfigurationError(
                    f"{reference!r} is not an image reference",
                    hint="write it as name:tag, name@sha256:... or registry/name:tag, in lower case",
                ) from error
        return found

    def image(self, reference: str) -> ImageLayer | None:
        """What identifies an image, None where the engine does not have it."""
        found = self.inspect(reference)
        return None if found is None else _image_layer(reference, found)

    def label(self, reference: str, name: str) -> str | None:
        """The value of an image's label, None where image or label is absent."""
        value = (((self.inspect(reference) or {}).get("Config") or {}).get("Labels") or {}).get(name)
        return None if value is None else str(value)

    def size(self, reference: str) -> int:
        """Bytes of an image's layers, uncompressed; 0 where it is absent."""
        return int((self.inspect(reference) or {}).get("Size") or 0)

    def pull(self, reference: str) -> str | None:
        """Pull an image; the reason where that can't be done."""
        try:
            for line in self.api.pull(reference, stream=True, decode=True):
                if "error" in line:
                    return str(line["error"])
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            return str(getattr(error, "explanation", None) or error)
        return None

    def save(self, reference: str) -> Iterator[bytes]:
        """Yield what `docker save` writes. Raises CouldNotRunError."""
        with _translated(f"save image {reference}"), _patient() as client:
            yield from client.api.get_image(reference)

    def load(self, chunks: Iterable[bytes]) -> str:
        """Take in an image as `docker load` does; returns its id. Raises CouldNotRunError, and what `chunks` raises."""
        said: list[str] = []
        with (
            _translated("load the image", hint="see whether the engine's disk has room"),
            _patient() as client,
        ):
            for line in client.api.load_image(cast("bytes", chunks)):  # type: ignore[no-untyped-call]
                if "error" in line:
                    raise CouldNotRunError(
                        f"the engine did not take the image: {str(line['error']).strip()}",
                        hint="see whether its disk has room, and whether the image is for this machine",
                    )
                said.append(str(line.get("stream", "")))
        found = re.findall(r"sha256:[0-9a-f]{64}", "".join(said))
        if not found:
            raise CouldNotRunError(
                f"the engine does not say what it loaded: {''.join(said).strip()}", hint="look at its log"
            )
        return str(found[-1])

    def remove(self, reference: str) -> None:
        """Remove an image. Raises CouldNotRunError where something uses it."""
        with _translated(f"remove image {reference}"):
            self.api.remove_image(reference)

    def build(
        self,
        context: Iterable[bytes],
        *,
        tag: str,
        dockerfile: str,
        target: str | None,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> None:
        """Build an image with no network from a tar stream.

        Raises:
            CouldNotRunError: a step failed; says which one, with the end of its output.
        """
        tail: list[str] = []
        step = ""
        with _translated(f"build {tag}", hint="mend the Dockerfile or subject.build in goldlock.toml"):
            for line in self.api.build(
                fileobj=cast("IO[bytes]", context),
                custom_context=True,
                tag=tag,
                dockerfile=dockerfile,
                target=target or "",
                buildargs=dict(arguments),
                labels=dict(labels),
                network_mode="none",
                rm=True,
                forcerm=True,
                decode=True,
                timeout=3600,
            ):
                if "error" in line:
                    end = "".join(tail[-30:]).strip()
                    raise CouldNotRunError(
                        f"building {tag} failed at {step or 'its start'}: {line['error'].strip()}\n{end}",
                        hint="mend that step of the Dockerfile, then run `goldlock build` again",
                    )
                text = line.get("stream", "")
                if text.startswith("Step "):
                    step = text.strip()
                    progress(step)
                tail = [*tail[-60:], text]

    # -- sessions -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def session(self, launch: Launch) -> Iterator[DockerSession]:
        """Start a container for the launch; it, its volume and its network go when the block ends."""
        # Signals wait while things are made and removed: one that came between two lines of the
        # clean-up would cut it short.
        with deferred(), contextlib.ExitStack() as removal:
            running = DockerSession(self, launch, removal)
            with interruptible():
                yield running


class DockerSession:
    """One container; made by `DockerEngine.session`."""

    def __init__(self, engine: DockerEngine, launch: Launch, removal: contextlib.ExitStack) -> None:
        """Create and start the container, and start the probe in it."""
        self._api, self._launch, self._local = engine.api, launch, engine.is_here
        found = engine.inspect(launch.image)
        if found is None:
            raise CouldNotRunError(
                f"the engine has no image {launch.image}",
                hint="run `goldlock build`, pull it, or load it with `docker load`",
            )
        self._image = _image_layer(launch.image, found)
        self._user = launch.user or _unprivileged((found.get("Config") or {}).get("User"))
        self._name = f"goldlock-{uuid.uuid4().hex[:12]}"
        self._dead: str | None = None
        with _translated(f"start a container of {launch.image}"):
            self._create(removal)
            if launch.service is None:
                self._probed = Probing(self._attach(), self._dies)
            self._start()
        if launch.service is not None:
            with self._said_if_ended(), _translated("probe the running service"):
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
        removal.callback(_quietly, functools.partial(api.remove_volume, self._name))
        api.create_volume(
            self._name,
            driver="local",
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"size={limits.scratch_bytes},mode=1777"},
            labels=labels,
        )
        network = "none"
        if launch.service is not None:
            removal.callback(_quietly, functools.partial(api.remove_network, self._name))
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
            ulimits=[docker.types.Ulimit(name="core", soft=0, hard=0)],
            log_config=docker.types.LogConfig(type="json-file", config={"max-size": "16m", "max-file": "1"}),
            port_bindings={launch.service.port: None} if published and launch.service else None,
        )
        if launch.service is None:
            command: list[str] | None = self._probe_arguments(hold=True)
        else:
            command = list(launch.service.start) or None
        removal.callback(_quietly, functools.partial(api.remove_container, self._name, force=True, v=True))
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
            healthcheck={"test": ["NONE"]},
        )
        self._id = str(created["Id"])

    def _start(self) -> None:
        try:
            self._api.start(self._id)
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
        with _translated(
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
            _translated(f"run {argv[0]} in the container"),
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
        with _translated("look at the running container"):
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
        with _translated("look at the running container"):
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
        with _translated("read the container's log"):
            return self._api.logs(self._id, tail=20).decode("utf-8", "replace").strip()

    def _dies(self, reason: str) -> None:
        """Kill the container: a hanging exec can't be stopped in another way."""
        self._dead = self._dead or reason
        with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
            self._api.kill(self._id)


_KILLED = 137


def _image_layer(reference: str, found: dict[str, Any]) -> ImageLayer:
    """What identifies an image, out of what the Engine API says of it."""
    digests = found.get("RepoDigests") or []
    return ImageLayer(
        reference=reference,
        manifest_digest=digests[0].rpartition("@")[2] if digests else None,
        config_id=found["Id"],
        layers=tuple((found.get("RootFS") or {}).get("Layers") or ()),
        base=((found.get("Config") or {}).get("Labels") or {}).get(ownership.BASE_LABEL),
    )


def _unprivileged(user: str | None) -> str:
    """An image's user, or nobody where that is root."""
    return user if user and user.partition(":")[0] not in {"", "root", "0"} else _NOBODY


def context_files(root: Path, rules: Sequence[str], dockerfile: str) -> set[str]:
    """Paths below a build context that .dockerignore's rules leave in, folders among them."""
    return set(docker.utils.build.exclude_paths(str(root), list(rules), dockerfile))


def _is_this_machine(version: Mapping[str, Any]) -> bool:
    """Whether an engine behind a socket of ours has networks that can be reached from here.

    One in a virtual machine (Docker Desktop) has another kernel; a rootless one has its own network
    namespace and lists rootlesskit among its components.
    """
    components = {str(component.get("Name")) for component in version.get("Components") or ()}
    return version.get("KernelVersion") == platform.release() and "rootlesskit" not in components


def _quietly(action: Callable[[], object]) -> None:
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        action()


@contextlib.contextmanager
def _patient() -> Iterator[docker.DockerClient]:
    """A connection for what takes minutes: an engine gathers a whole image before it sends the first byte."""
    client = docker.from_env(timeout=3600)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def _translated(what: str, hint: str = "see the engine's own log for more") -> Iterator[None]:
    """Turn the SDK's errors into ours, saying what to do next."""
    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        where = os.environ.get("DOCKER_HOST", "the default socket")
        # What the engine itself says may hold these words too; it answers, then.
        unanswered = not isinstance(error, docker.errors.APIError)
        if unanswered and "Permission denied" in text and not getattr(error, "filename", None):
            raise CouldNotRunError(
                f"not permitted to use the Docker engine at {where}",
                hint="run as a member of the group `docker`, or use `--engine local`",
            ) from error
        if unanswered and (
            isinstance(error, (requests.exceptions.ConnectionError, FileNotFoundError))
            or "Error while fetching" in text
        ):
            raise CouldNotRunError(
                f"no Docker engine answers at {where} (could not {what})",
                hint="start it (`python -m goldlock.bootstrap`), or use `--engine local`",
            ) from error
        raise CouldNotRunError(f"could not {what}: {text}", hint=hint) from error
