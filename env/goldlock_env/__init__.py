"""The environment lockfile tool: probe an interpreter, record what was seen, tell what changed.

The parts, in the order in which a check uses them:

``probing``       runs the probe on an interpreter, or gives the argument list that runs it elsewhere
``snapshot``      what the probe saw, as frozen values, one layer each
``lock``          the snapshot that is expected, as canonical TOML with its own digest
``difference``    two snapshots in, findings out
``policy``        which severity a finding has
``requirements``  pip's requirements files, read for the target's interpreter and not for ours

Only the standard library and ``packaging`` are imported; nothing of ``goldlock`` is.
"""

__all__ = ["difference", "errors", "findings", "lock", "policy", "probing", "requirements", "snapshot"]
