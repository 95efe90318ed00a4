"""Looking at a file system without an interpreter: the same parsers as inside, over a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from goldlock_env.findings import Layer
from goldlock_env.layers import NumericsLayer, OsLayer
from goldlock_env.probing import probe_root

if TYPE_CHECKING:
    from pathlib import Path

ALPINE = {
    "etc/os-release": "ID=alpine\nVERSION_ID=3.18.4\n",
    "lib/apk/db/installed": "P:musl\nV:1.2.4-r2\n\nP:model\nV:2-r0\n\n",
}
DEBIAN = {
    "usr/lib/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9+deb12u7\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            ALPINE,
            OsLayer(
                distribution="alpine 3.18.4",
                libc="musl 1.2.4",
                packages=(("model", "2-r0"), ("musl", "1.2.4-r2")),
            ),
        ),
        (
            DEBIAN,
            OsLayer(distribution="debian 12", libc="glibc 2.36", packages=(("libc6", "2.36-9+deb12u7"),)),
        ),
        (
            {"etc/os-release": "ID=fedora\n", "var/lib/rpm/rpmdb.sqlite": "x"},
            OsLayer(
                distribution="fedora",
                libc=None,
                packages=None,
                packages_unknown="an rpm database, which only rpm itself can read",
            ),
        ),
    ],
    ids=["apk", "dpkg", "rpm"],
)
def test_the_operating_system_is_that_of_the_folder(
    tmp_path: Path, files: dict[str, str], expected: OsLayer
) -> None:
    write(tmp_path, files)
    assert probe_root(tmp_path).os == expected


def test_numeric_variables_are_those_of_its_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    write(
        tmp_path, {"proc/1/environ": "OMP_NUM_THREADS=2\0TF_TOKEN=secret\0LD_PRELOAD=/x.so\0PATH=/bin\0odd\0"}
    )
    assert probe_root(tmp_path).numerics == NumericsLayer(
        environment=(("LD_PRELOAD", "/x.so"), ("OMP_NUM_THREADS", "2"))
    )


def test_what_needs_an_interpreter_is_unknown_and_the_host_is_this_one(tmp_path: Path) -> None:
    seen = probe_root(tmp_path)
    assert (seen.python, seen.packages, seen.artifacts) == (None, None, None)
    assert seen.reason(Layer.PYTHON)
    assert seen.host is not None
    assert seen.host.kernel
