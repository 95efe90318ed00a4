"""The Docker engine, through the Docker SDK; the only package that imports it.

A session is one container: no network (a private one for a service), read-only root, no capabilities,
no new privileges, not as root, limited in memory, processes, output and time. Files are exchanged
through a volume that is a size-limited tmpfs, which also works where the engine is on another machine.
"""

from goldlock.engines.docker._engine import DockerEngine
from goldlock.engines.docker._images import context_files
from goldlock.engines.docker._session import EXCHANGE, DockerSession

__all__ = ["EXCHANGE", "DockerEngine", "DockerSession", "context_files"]
