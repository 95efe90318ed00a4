"""The Docker engine, through the Docker SDK; the only package that imports it.

A session is one container: no network (a private one for a service), read-only root, no capabilities,
no new privileges, not as root, limited in memory, processes, output and time. Files are exchanged
through a volume that is a size-limited tmpfs, which also works where the engine is on another machine.
The container is held by the probe, and where the image has no Python by a program of goldlock's own; a container
that somebody else runs is only asked.
"""

from goldlock.engines.docker._engine import DockerEngine
from goldlock.engines.docker._images import context_files

__all__ = ["DockerEngine", "context_files"]
