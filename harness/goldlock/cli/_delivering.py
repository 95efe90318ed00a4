"""Commands around the delivery in one file: pack, keygen; and what verify and report do with a pack and a record."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goldlock.cli._shared import config_option, load, progress, write_whole
from goldlock.errors import ConfigurationError
from goldlock.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined, unused-ignore]

    from goldlock.report import FailOn, Report

SUFFIX = ".goldlock"


@contextlib.contextmanager
def meter(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many bytes are done; elsewhere say once what goes on."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        progress(f"{label} ({total / 1e6:,.0f} MB)" if total else label)
        yield lambda _bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("  {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(printable(label), total=total or None)
        yield lambda done: shown.advance(task, done)


def is_pack(words: tuple[str, ...]) -> bool:
    """Whether the first of verify's words is a pack and not a case, whose name has no slash."""
    return bool(words) and (words[0].endswith(SUFFIX) or os.sep in words[0])


def public_key(path: Path | None) -> tuple[SSlibKey, str] | None:
    """Read --key, a public one."""
    if path is None:
        return None
    from goldlock.delivery import signing

    return signing.public_key(path), path.name


def private_key(path: Path | None) -> Ed25519PrivateKey | None:
    """Read a private key; the passphrase stands in the environment, or is asked for."""
    if path is None:
        return None
    from goldlock.delivery import signing

    passphrase = os.environ.get(signing.PASSPHRASE)
    if passphrase is None and sys.stdin.isatty() and path.is_file() and b"ENCRYPTED" in path.read_bytes():
        passphrase = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    return signing.private_key(path, None if passphrase is None else passphrase.encode())


@click.command()
@config_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The file to be.  [default: the subject's name{SUFFIX}]",
)
@click.option("--replace", is_flag=True, help="Replace a file that is there already.")
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), help="Sign with this private key (NAME.key)."
)
def pack(config_path: Path, output: Path | None, replace: bool, key: Path | None) -> None:  # noqa: FBT001
    """Write one file for a client: image, lock, goldens, configuration and bill of materials.

    The client checks it offline with `goldlock verify FILE.goldlock`. Packing twice gives the same bytes.

    \b
    Example:
      goldlock keygen vendor
      goldlock pack --key vendor.key
    """
    config = load(config_path)
    from goldlock import environment, running
    from goldlock.delivery import packing
    from goldlock.engines.docker import DockerEngine

    target = output or Path(f"{config.subject.name}{SUFFIX}")
    if not target.parent.is_dir():
        raise ConfigurationError(
            f"-o {target}: there is no folder {target.parent}", hint="make it, or name another"
        )
    if not target.name.endswith(SUFFIX):
        raise ConfigurationError(
            f"-o {target}: a pack's name ends in {SUFFIX}", hint=f"name it {target}{SUFFIX}"
        )
    if target.exists() and not replace:
        # Told again where it is written; here before anything is built.
        raise ConfigurationError(
            f"{target} is there already", hint="name another file with -o, or replace it with --replace"
        )
    signer = private_key(key)
    lock = environment.read_lock(config)
    with running.opened("docker", config, lock, progress) as engine:
        assert isinstance(engine, DockerEngine)  # noqa: S101  # that one was asked for
        reference = running.subject_source(engine, config, None, progress).image
        made, sha256 = packing.pack(
            engine, config, lock, reference, target, key=signer, replace=replace, meter=meter
        )
    signed = "signed" if signer is not None else "unsigned"
    click.echo(
        f"wrote {target} ({target.stat().st_size / 1e6:,.0f} MB, {signed}, {len(made.members)} members)"
    )
    click.echo(f"pack id {made.pack_id}")
    # What a receiver compares with `sha256sum`; the pack's id is that of what it holds.
    click.echo(f"file sha256:{sha256}")


@click.command()
@click.argument("name", type=click.Path(path_type=Path), metavar="NAME")
@click.option(
    "--passphrase",
    "locked",
    is_flag=True,
    help="Ask for a passphrase that locks the private key, where GOLDLOCK_KEY_PASSPHRASE does not give one.",
)
def keygen(name: Path, locked: bool) -> None:  # noqa: FBT001
    """Make a pair of Ed25519 keys: NAME.key, which signs and stays secret, and NAME.pub, for everybody.

    \b
    Example:
      goldlock keygen vendor
    """
    from goldlock.delivery import signing

    if not name.parent.is_dir():
        raise ConfigurationError(f"{name}: there is no folder {name.parent}", hint="make it, or name another")
    passphrase = os.environ.get(signing.PASSPHRASE)
    if locked and passphrase is None:
        if not sys.stdin.isatty():
            raise ConfigurationError(
                "nobody is there to be asked for a passphrase", hint=f"give it in {signing.PASSPHRASE}"
            )
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    if passphrase == "":
        raise ConfigurationError(
            "the passphrase is empty",
            hint=f"give one, or leave --passphrase away and unset {signing.PASSPHRASE}",
        )
    private, public, key_id = signing.generate(name, None if passphrase is None else passphrase.encode())
    click.echo(f"wrote {private} (keep it secret) and {public} (give it to whoever verifies)")
    click.echo(f"key id {key_id}")


def verify_pack(
    words: tuple[str, ...],
    *,
    key: Path | None,
    record: Path | None,
    sign_with: Path | None,
    engine_name: str,
    fail_on: FailOn,
    hash_files: bool,
    worst: int,
    rm_image: bool,
    finish: Callable[[Report], Report],
) -> Report:
    """Verify a pack, and write the acceptance record where one is asked for."""
    from goldlock.delivery import acceptance, receiving, signing

    path = Path(words[0])
    if not path.exists():
        raise ConfigurationError(f"there is no file {path}", hint="check the path of the pack")
    known, signer = public_key(key), private_key(sign_with)
    with receiving.opened(path, known, meter) as received:
        if known is not None:
            progress(f"signed with {known[1]}, and nothing in it was changed")
        report = finish(
            receiving.verified(
                received,
                words[1:],
                progress=progress,
                meter=meter,
                engine_name=engine_name,
                fail_on=fail_on,
                hash_files=hash_files,
                worst=worst,
                remove=rm_image,
            )
        )
        if record is not None:
            statement = acceptance.record(report, received)
            content = statement if signer is None else signing.sign(statement, signer)
            write_whole(record, content.decode())
    return report
