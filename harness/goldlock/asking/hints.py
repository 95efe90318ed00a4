"""What to do next, read from what a subject said when it failed."""

from __future__ import annotations

_READ_ONLY = ("read-only file system", "readonly file system", "erofs")
"""As strerror(3), the JVM and Node.js word it."""

_OTHER_PROCESSOR = "exec format error"


def hint_for(said: str, otherwise: str) -> str:
    """The hint for a failure whose cause the subject names itself, else the other one."""
    if any(words in said.lower() for words in _READ_ONLY):
        return "let it write to /tmp; if it can't bear a read-only root, set subject.writable = true in goldlock.toml"
    if _OTHER_PROCESSOR in said.lower():
        return "the image is for another processor than the engine's: ask for one, or build one, for this kind of machine"
    return otherwise
