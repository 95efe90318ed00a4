"""Building the subject's image: locked wheels, a pinned base, and a context that is sent as it is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import processes, wheelhouse
from goldlock.engines import ownership
from goldlock.engines.docker import context_files
from goldlock.errors import ConfigurationError, CouldNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from goldlock.config import BaseImage, Build, Config
    from goldlock.engines.docker import DockerEngine


def ensure_image(
    engine: DockerEngine,
    config: Config,
    build: Build,
    tag: str,
    progress: Callable[[str], None],
    *,
    force: bool = False,
) -> None:
    """Build an image unless the engine has one made from the very same inputs.

    The digest of all inputs (Dockerfile, context, requirements, arguments, base) is a label of the
    image, so that a changed line of code rebuilds it and an unchanged tree costs milliseconds.

    Args:
        engine: where to build.
        config: goldlock.toml; the build's paths are relative to its folder.
        build: the subject's build, or a training's.
        tag: reference that the image gets.
        progress: told each step.
        force: build even where the inputs are the same; the engine's cache still applies.

    Raises:
        ConfigurationError: Dockerfile, context or requirements can't be read.
        CouldNotRunError: base or wheels can't be had, or a step failed.
    """
    folder = config.folder
    context = _Context(folder / build.context, build)
    inputs = context.digest(build, config)
    if not force and engine.label(tag, ownership.INPUTS_LABEL) == inputs:
        return
    arguments = dict(build.arguments)
    labels = {ownership.INPUTS_LABEL: inputs}
    if build.base is not None and build.base.argument not in arguments:
        reference = _base(engine, build.base, context.dockerfile_text, folder, progress)
        arguments[build.base.argument] = reference
        labels[ownership.BASE_LABEL] = reference
    files = [folder / name for name in build.requirements]
    wheels = wheelhouse.ensure(files, build.python, progress) if files else ()
    progress(f"building {tag}" + (f" (target {build.target})" if build.target else ""))
    engine.build(
        context.stream(wheels),
        tag=tag,
        dockerfile=build.dockerfile,
        target=build.target,
        arguments=arguments,
        labels=labels,
        progress=progress,
    )


def _base(
    engine: DockerEngine, base: BaseImage, dockerfile: str, folder: Path, progress: Callable[[str], None]
) -> str:
    """The Dockerfile's own base where it is here or can be pulled, else the offline one."""
    match = re.search(rf"^ARG\s+{re.escape(base.argument)}(?:=(\S+))?\s*$", dockerfile, re.MULTILINE)
    if match is None:
        raise ConfigurationError(
            f"the Dockerfile has no `ARG {base.argument}` that names the base image",
            hint="give it one, or set subject.build.base.argument to the right name",
        )
    public: str | None = match[1]
    if public is None:
        return _offline_base(engine, base, folder)
    if engine.image(public) is not None:
        return public
    progress(f"pulling base image {public}")
    reason = engine.pull(public)
    if reason is None:
        return public
    if not base.offline:
        raise CouldNotRunError(
            f"base image {public} can't be pulled: {reason}",
            hint="load it with `docker load`, or set subject.build.base.offline to a command that builds one",
        )
    progress(f"base image {public} can't be pulled: {reason}")
    progress("building the offline base instead")
    return _offline_base(engine, base, folder)


def _offline_base(engine: DockerEngine, base: BaseImage, folder: Path) -> str:
    """Run the command that builds a base; the last word it prints is the base's reference."""
    if not base.offline:
        raise ConfigurationError(
            f"the Dockerfile's `ARG {base.argument}` has no default, and no command builds a base",
            hint="give the argument a default, or set subject.build.base.offline to a command",
        )
    try:
        done = processes.run(base.offline, cwd=folder, stderr=None)
    except OSError as error:
        raise ConfigurationError(
            f"subject.build.base.offline can't be run: {error}", hint="mend the command in goldlock.toml"
        ) from error
    lines = done.stdout.split()
    if done.returncode or not lines:
        raise CouldNotRunError(
            f"the offline base could not be built: `{' '.join(base.offline)}` ended with {done.returncode}",
            hint="its own message above says what is missing",
        )
    if engine.image(lines[-1]) is None:
        raise CouldNotRunError(
            f"`{' '.join(base.offline)}` named {lines[-1]!r} as the offline base, which the engine does not have",
            hint="the last word that it prints must be the reference of an image that it has made",
        )
    return lines[-1]


class _Context:
    """The files of a build context, filtered by .dockerignore, read once."""

    def __init__(self, root: Path, build: Build) -> None:
        self.root, self._wheelhouse = root, build.wheelhouse
        dockerfile = root / build.dockerfile
        try:
            self.dockerfile_text = dockerfile.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigurationError(
                f"Dockerfile {dockerfile} can't be read: {error.strerror}",
                hint="set subject.build.context and dockerfile in goldlock.toml",
            ) from error
        ignore = root / ".dockerignore"
        lines = (
            ignore.read_text(encoding="utf-8-sig", errors="replace").splitlines() if ignore.is_file() else []
        )
        rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        rules += [".git", ".goldlock", build.wheelhouse]
        listed = context_files(root, rules, build.dockerfile)
        self._files = sorted(name for name in listed if (root / name).is_symlink() or (root / name).is_file())

    def digest(self, build: Build, config: Config) -> str:
        """Digest of everything that goes into the image, apart from the base that is found.

        What goldlock itself writes is left out: a new lock of an image must not change that image.
        """
        own = [
            config.path,
            config.resolve(config.lock),
            *(config.resolve(case.golden) for case in config.case),
        ]
        excluded = {_normal(path) for path in own}
        digest = hashlib.sha256()
        stated = [build.target, build.dockerfile, sorted(build.arguments.items()), build.python]
        digest.update(json.dumps(stated).encode())
        for name in [*self._files, *(str(config.resolve(r).absolute()) for r in build.requirements)]:
            path = self.root / name
            if not excluded.isdisjoint(map(_normal, (path, *path.parents))):
                continue
            try:
                content = path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
            except OSError as error:
                raise ConfigurationError(
                    f"{path} goes into the image and can't be read: {error.strerror}",
                    hint="check requirements and context of subject.build in goldlock.toml, or list it in .dockerignore",
                ) from error
            entry = (
                f"{Path(name).name if Path(name).is_absolute() else name}\0{path.lstat().st_mode & 0o111:o}\0"
            )
            digest.update(entry.encode() + hashlib.sha256(content).digest())
        return f"sha256:{digest.hexdigest()}"

    def stream(self, wheels: Sequence[Path]) -> Iterator[bytes]:
        """The context as a tar stream; times and owners are fixed, so that the engine's cache holds."""
        sources = [(name, self.root / name) for name in self._files]
        sources += [(f"{self._wheelhouse}/{wheel.name}", wheel) for wheel in wheels]
        for name, path in sources:
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if path.lstat().st_mode & 0o100 else 0o644
            if path.is_symlink():
                member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
                yield member.tobuf()
                continue
            member.size = path.stat().st_size
            yield member.tobuf()
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    yield piece
            yield b"\0" * (-member.size % tarfile.BLOCKSIZE)
        yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _normal(path: Path) -> str:
    """A path without `..`, links left as they are: two ways to name one file are one."""
    return os.path.normpath(path.absolute())
