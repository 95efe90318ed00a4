"""pyarrow, which is imported where Parquet or Arrow is met and nowhere else."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from goldlock.tables._source import Source
from goldlock_env.errors import ConfigurationError


def pyarrow(part: str = "") -> Any:  # noqa: ANN401 - the module; its types are not published
    """Return pyarrow, or its submodule `part`. Raises ConfigurationError where it is not installed."""
    try:
        return importlib.import_module(f"pyarrow.{part}" if part else "pyarrow")
    except ImportError as error:
        raise ConfigurationError(
            f"Parquet and Arrow need pyarrow, which cannot be imported: {error}",
            hint="pip install 'goldlock[parquet]'",
        ) from error


@contextlib.contextmanager
def pyarrow_faults(source: Source, what: str, hint: str) -> Iterator[None]:
    """Turn whatever pyarrow says of broken bytes into an error that names them."""
    pa = pyarrow()
    try:
        yield
    except (
        pa.ArrowException,
        ValueError,
        TypeError,
        LookupError,
        OSError,
        MemoryError,
        NotImplementedError,
        OverflowError,
    ) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise source.fault(f"is not whole {what}: {said[0][:200]}", hint) from error
