"""Whose a thing on an engine is, and whether its owner still lives."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.engines import ownership

PRINT_OWNER = (
    "from goldlock.engines import ownership; print(ownership.labels()[ownership.OWNER], flush=True); input()"
)


def test_everything_of_ours_is_labelled_with_its_owner() -> None:
    labels = ownership.labels()
    assert labels[ownership.LABEL] == "1"
    assert labels[ownership.OWNER].split(":")[-2] == str(os.getpid())
    assert all(name.startswith("io.goldlock.") for name in labels)


def test_this_process_lives() -> None:
    assert not ownership.is_dead(ownership.labels()[ownership.OWNER])


def test_another_process_is_dead_once_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert not ownership.is_dead(owner)
        process.communicate("\n", timeout=20)
    assert process.returncode == 0
    assert ownership.is_dead(owner)


def test_a_process_that_only_has_the_number_of_the_owner_is_another() -> None:
    machine, pid, started = ownership.labels()[ownership.OWNER].rsplit(":", 2)
    assert ownership.is_dead(f"{machine}:{pid}:{int(started) - 1}")


def test_owners_on_other_machines_and_in_other_process_namespaces_count_as_living() -> None:
    machine, pid, started = ownership.labels()[ownership.OWNER].rsplit(":", 2)
    assert not ownership.is_dead(f"other{machine}:{pid}:{int(started) - 1}")
    assert not ownership.is_dead(f"{machine.partition('/')[0]}/pid:[1]:{pid}:1")


@pytest.mark.parametrize(
    "owner", ["", ":", "::", "host", "host:1", "host:x:1", "1:2:3", "\N{SUPERSCRIPT TWO}"]
)
def test_an_owner_that_cannot_be_read_counts_as_living(owner: str) -> None:
    assert not ownership.is_dead(owner)


@given(st.text())
def test_no_label_breaks_the_sweep(rest: str) -> None:
    machine = ownership.labels()[ownership.OWNER].rsplit(":", 2)[0]
    ownership.is_dead(rest)
    ownership.is_dead(f"{machine}:{rest}")
    ownership.is_dead(f"{machine}:{rest}:1")


@pytest.mark.parametrize("pid", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "-1", "0x1", ""])
def test_no_process_number_breaks_the_sweep(pid: str) -> None:
    machine = ownership.labels()[ownership.OWNER].rsplit(":", 2)[0]
    assert not ownership.is_dead(f"{machine}:{pid}:1")
