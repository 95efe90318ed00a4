"""The private folder of a test run, and what its broker says when things go wrong."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from goldlock.errors import ConfigurationError, CouldNotRunError
from goldlock.pytesting import client as clients
from goldlock.pytesting.client import Client
from goldlock.pytesting.home import Home
from goldlock.pytesting.requests import Address, Look, Request


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder whose path is longer than a socket's address may be."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_is_private_and_short_enough_for_a_socket_and_goes(deep: Path) -> None:
    home = Home()
    try:
        assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
        assert len(str(home.folder / "socket")) < 108
        assert list(deep.iterdir()) == []
    finally:
        home.end()
    assert not home.folder.exists()


def test_an_error_of_the_broker_is_raised_where_it_was_asked(tmp_path: Path) -> None:
    home = Home()
    client = Client(home.folder, lambda _line: None)
    try:
        with pytest.raises(ConfigurationError, match=r"nowhere\.toml does not exist"):
            client.ask(Look(config=str(tmp_path / "nowhere.toml")))
        # Once more, by the same process.
        with pytest.raises(ConfigurationError, match=r"nowhere\.toml does not exist"):
            client.ask(Address(config=str(tmp_path / "nowhere.toml"), case="x"))
    finally:
        client.close()
        home.end()
    assert not home.folder.exists()


def test_an_engine_that_does_not_answer_is_told(tmp_path: Path) -> None:
    (tmp_path / "goldlock.toml").write_text('[subject]\nname = "x"\nimage = "example/x:1"\n')
    home = Home()
    client = Client(home.folder, lambda _line: None)
    try:
        with pytest.raises(CouldNotRunError, match="connect to the Docker engine"):
            client.ask(Request(config=str(tmp_path / "goldlock.toml")))
    finally:
        client.close()
        home.end()


def test_a_broker_that_does_not_start_is_told_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_STARTING", 0.2)
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    home = Home()
    client = Client(home.folder, lambda _line: None)
    try:
        with pytest.raises(CouldNotRunError, match="did not start"):
            client.ask(Look(config="goldlock.toml"))
    finally:
        client.close()
        home.end()
