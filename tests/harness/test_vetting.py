"""Binary answers are read in a process of their own first, which a hostile one may end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from goldlock.asking.vetting import vet
from goldlock.errors import SubjectError
from goldlock.formats import Format
from goldlock.tables import Limits, Table, write_table

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(size=1 << 26)
BINARY = [Format.PARQUET, Format.ARROW]


@pytest.fixture(params=BINARY, ids=lambda fmt: fmt.value)
def answer(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Format]:
    fmt: Format = request.param
    path = tmp_path / f"answer.{fmt.value}"
    write_table(Table({"x": np.arange(200_000), "y": np.array(["text"] * 200_000, dtype=object)}), path, fmt)
    return path, fmt


def test_a_whole_file_is_passed(answer: tuple[Path, Format]) -> None:
    vet(*answer, where="the answer", limits=LIMITS)


def test_a_cut_off_file_is_the_subjects_fault(answer: tuple[Path, Format]) -> None:
    path, fmt = answer
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SubjectError, match="the answer: ") as caught:
        vet(path, fmt, where="the answer", limits=LIMITS)
    assert caught.value.hint


def test_a_file_over_the_limit_is_the_subjects_fault(answer: tuple[Path, Format]) -> None:
    with pytest.raises(SubjectError, match="the limit is 100"):
        vet(*answer, where="the answer", limits=Limits(size=100))


def test_a_reader_that_ends_is_told_and_goldlock_goes_on(answer: tuple[Path, Format]) -> None:
    """With so little memory the reader ends somewhere in native code, or says that it has none."""
    with pytest.raises(SubjectError, match=r"the answer: (reading it|could not|is damaged|.*memory)"):
        vet(*answer, where="the answer", limits=LIMITS, memory=48 << 20)


@pytest.mark.parametrize("fmt", sorted(set(Format) - set(BINARY)))
def test_other_formats_are_not_read_twice(fmt: Format, tmp_path: Path) -> None:
    vet(tmp_path / "absent", fmt, where="the answer", limits=LIMITS)
