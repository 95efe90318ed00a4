"""goldlock.toml as it stands in a pack: its paths inside, its image by config id, nothing that builds or runs elsewhere."""

from __future__ import annotations

import datetime as dt
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec
import tomli_w
from msgspec import structs

from goldlock.delivery.manifest import CONFIG, LOCK, RefusedError
from goldlock.errors import GoldlockError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from goldlock.config import Config

_HEADER = "# Written by `goldlock pack`.\n\n"
_ELSEWHERE = ("build", "local", "archive", "container", "compose")
"""Keys of [subject] that say where else it comes from."""


def golden_folder(case: str) -> str:
    """Where a pack has a case's golden."""
    return f"goldens/{case}"


def packed(config: Config, image: str, inputs: Mapping[str, str]) -> str:
    """The text for a pack.

    Args:
        config: as it stands in the project.
        image: config id of the image.
        inputs: case to the name of its inputs in its golden's folder.
    """
    away = {key: None for key in _ELSEWHERE if key in config.subject.__struct_fields__}
    cases = tuple(
        structs.replace(
            case, golden=golden_folder(case.name), inputs=f"{golden_folder(case.name)}/{inputs[case.name]}"
        )
        for case in config.case
    )
    document: dict[str, object] = {
        "subject": _said(structs.replace(config.subject, image=image, **away)),
        "case": [_said(case) for case in cases],
        "policy": config.policy,
        "accepted": [_said(accepted) for accepted in config.accepted],
        "lock": LOCK,
    }
    return _HEADER + tomli_w.dumps({key: value for key, value in document.items() if value})


def _said(value: object) -> object:
    """A value for TOML, without what is so anyway."""
    if isinstance(value, msgspec.Struct):
        defaults = {field.name: field for field in structs.fields(value)}
        found = {}
        for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            own, field = getattr(value, name), defaults[name]
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
            if own is None or own == (default() if callable(default) else default):
                continue
            found[encoded] = _said(own)
        return found
    if isinstance(value, dict):
        return {key: _said(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_said(each) for each in value]
    return msgspec.to_builtins(value, builtin_types=(dt.date,))


def unpacked(text: str, path: Path, image: str, where: str) -> Config:
    """Read a pack's goldlock.toml, which can only be what `packed` writes: no path in it leads out.

    Args:
        text: of the file.
        path: where it stands now.
        image: the config id that it must name.
        where: the pack.

    Raises:
        RefusedError: it is something else.
    """
    from goldlock import config as configs

    try:
        config = configs.loads(text, path=path)
        again = packed(config, image, {case.name: PurePosixPath(case.inputs).name for case in config.case})
    except GoldlockError as error:
        raise RefusedError(
            f"{where}: its {CONFIG} cannot be used: {error.message}", hint="use the goldlock that wrote it"
        ) from error
    if again != text:
        raise RefusedError(
            f"{where}: its {CONFIG} is not one that `goldlock pack` writes",
            hint="use the goldlock that wrote it",
        )
    return config
