"""Chromium for the tests that look at a page: found, or installed where that is possible, or the reason why not.

The system's own browser is driven; Playwright's download of one is not used. On Debian and Ubuntu, as root, it is
installed with apt-get, which is said on stderr.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from goldlock.bootstrap import Machine

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

ALLOW_NO_BROWSER = "GOLDLOCK_ALLOW_NO_BROWSER"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_APT_TIMEOUT = 900.0


class NoBrowserError(RuntimeError):
    """There is no Chromium, and none can be installed here; the message says why."""


@functools.cache
def executable() -> str:
    """Path of a Chromium; raises NoBrowserError."""
    found = _found()
    if found is None:
        reason = _install(Machine.here())
        found = _found()
        if found is None:
            raise NoBrowserError(
                f"no Chromium on this machine ({', '.join(_NAMES)}): {reason or 'the package brought none'}"
                f"\n(set {ALLOW_NO_BROWSER}=1 to skip the tests that need one)"
            )
    return found


def launch(playwright: Playwright) -> Browser:
    """A headless Chromium; raises NoBrowserError."""
    # As root Chromium starts without its sandbox only; these pages are our own.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=executable(), args=arguments)


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


def _install(machine: Machine) -> str:
    """Install Debian's package; an empty answer is success, any other the reason."""
    if not machine.debian():
        return "install it with this system's package manager"
    if not machine.root:
        return "run `sudo apt-get install chromium`"
    print("goldlock: installing chromium (apt-get)", file=sys.stderr, flush=True)  # noqa: T201 - minutes may pass
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        try:
            done = subprocess.run(
                [machine.program("apt-get") or "apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=machine.environment(),
                timeout=_APT_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"apt-get {arguments[0]}: {error}"
    # A failed update alone does no harm when the old lists still lead to the package.
    return f"apt-get ended with {done.returncode}:\n{done.stderr[-2000:]}" if done.returncode else ""
