"""What is sent to build an image, and the digest that says whether it must be built again."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from goldlock import config
from goldlock.building import _Context
from goldlock.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from goldlock.config import Config

CONFIG = """\
[subject]
name = "mini"
image = "mini:1"

[subject.build]
python = "3.8"
requirements = ["requirements.txt"]
arguments = { MODE = "fast" }

[[case]]
name = "batch"
inputs = "inputs.csv"
command = { run = ["predict"] }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as users have it; goldlock.toml, lock and goldens stand in the build context."""
    for name, text in {
        "goldlock.toml": CONFIG,
        "goldlock.lock": "a lock",
        "Dockerfile": "ARG BASE=slim\nFROM ${BASE}\n",
        "requirements.txt": "demo==1.0\n",
        "inputs.csv": "a\n1\n",
        "app/predict.py": "print('label')\n",
        "app/weights.bin": "\0" * 1500,
        "goldens/batch/golden.toml": "a golden",
        ".goldlock/received/batch/received.json": "{}",
        ".git/HEAD": "ref",
        "wheelhouse/old-1.0-py3-none-any.whl": "left by an older tool",
    }.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    return tmp_path / "project"


def loaded(project: Path) -> Config:
    return config.load(project / "goldlock.toml")


def context(project: Path) -> _Context:
    build = loaded(project).subject.build
    assert build is not None
    return _Context(project / build.context, build)


def digest(project: Path) -> str:
    found = loaded(project)
    assert found.subject.build is not None
    return context(project).digest(found.subject.build, found)


def stream(project: Path, *wheels: Path) -> bytes:
    return b"".join(context(project).stream(wheels))


def members(project: Path, *wheels: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(stream(project, *wheels))) as archive:
        return {member.name: member for member in archive}


def names(project: Path) -> set[str]:
    return set(members(project))


# -- the stream --------------------------------------------------------------------------------------


def test_the_files_are_sent_without_those_of_git_goldlock_and_the_wheelhouse(project: Path) -> None:
    assert names(project) == {
        "goldlock.toml", "goldlock.lock", "Dockerfile", "requirements.txt", "inputs.csv", "app/predict.py",
        "app/weights.bin", "goldens/batch/golden.toml",
    }  # fmt: skip


def test_the_stream_is_an_archive_with_the_very_contents(project: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(stream(project))) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            assert content.read() == (project / member.name).read_bytes()
    assert len(stream(project)) % tarfile.BLOCKSIZE == 0


def test_the_stream_is_the_same_in_another_place_at_another_time(project: Path, tmp_path: Path) -> None:
    before = stream(project)
    for path in project.rglob("*"):
        os.utime(path, (1, 1))
    moved = tmp_path / "elsewhere"
    project.rename(moved)
    assert stream(moved) == before
    for member in members(moved).values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
    assert list(members(moved)) == sorted(members(moved))


def test_wheels_are_put_into_the_wheelhouse(project: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK" * 700)
    found = members(project, wheel)
    assert found["wheelhouse/demo-1.0-py3-none-any.whl"].size == 1400
    assert "wheelhouse/old-1.0-py3-none-any.whl" not in found


def test_programs_stay_programs(project: Path) -> None:
    (project / "app/predict.py").chmod(0o700)
    (project / "app/weights.bin").chmod(0o600)
    found = members(project)
    assert found["app/predict.py"].mode == 0o755
    assert found["app/weights.bin"].mode == 0o644


def test_links_are_sent_as_links_and_never_followed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (project / "outside").symlink_to(tmp_path / "secret")
    (project / "dangling").symlink_to("nowhere")
    (project / "folder").symlink_to("app")
    found = members(project)
    assert {name: found[name].linkname for name in ("outside", "dangling", "folder")} == {
        "outside": str(tmp_path / "secret"),
        "dangling": "nowhere",
        "folder": "app",
    }
    assert all(found[name].issym() for name in ("outside", "dangling", "folder"))
    assert not any(name.startswith("folder/") for name in found)
    assert b"secret\0" not in stream(project).replace(b"/secret\0", b"")


def test_pipes_and_sockets_are_passed_over(project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert "pipe" not in names(project)


def test_long_and_foreign_names_arrive(project: Path) -> None:
    name = f"{'a' * 120}/{'b' * 120}/gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n.txt"
    (project / name).parent.mkdir(parents=True)
    (project / name).write_text("x", encoding="utf-8")
    assert name in names(project)


# -- .dockerignore -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "left_out", "kept"),
    [
        ("app\n", {"app/predict.py", "app/weights.bin"}, {"Dockerfile"}),
        ("app/*.bin\n", {"app/weights.bin"}, {"app/predict.py"}),
        ("**/*.py\n", {"app/predict.py"}, {"app/weights.bin"}),
        ("app/*\n!app/predict.py\n", {"app/weights.bin"}, {"app/predict.py"}),
        ("*\n!app\n", {"requirements.txt", "inputs.csv"}, {"app/predict.py", "Dockerfile"}),
        ("# app\n\n  inputs.csv  \n", {"inputs.csv"}, {"app/predict.py"}),
        ("/inputs.csv\n", {"inputs.csv"}, {"app/predict.py"}),
        ("!.git\n!wheelhouse\n!.goldlock\n", set(), {"app/predict.py"}),
    ],
)
def test_dockerignore_says_what_is_left_out(
    project: Path, rules: str, left_out: set[str], kept: set[str]
) -> None:
    (project / ".dockerignore").write_text(rules, encoding="utf-8")
    found = names(project)
    assert not left_out & found
    assert kept <= found
    assert not any(name.startswith((".git/", "wheelhouse/", ".goldlock/")) for name in found)


def test_what_dockerignore_leaves_out_does_not_change_the_digest(project: Path) -> None:
    (project / ".dockerignore").write_text("notes\n.dockerignore\n", encoding="utf-8")
    before = digest(project)
    (project / "notes").write_text("new", encoding="utf-8")
    assert digest(project) == before


# -- the digest --------------------------------------------------------------------------------------


def change(project: Path, name: str) -> None:
    path = project / name
    path.write_bytes(path.read_bytes() + b"# changed\n")


@pytest.mark.parametrize("name", ["app/predict.py", "Dockerfile", "requirements.txt", "inputs.csv"])
def test_another_file_is_another_digest(project: Path, name: str) -> None:
    before = digest(project)
    change(project, name)
    assert digest(project) != before


def test_a_new_a_removed_and_a_renamed_file_are_other_digests(project: Path) -> None:
    seen = [digest(project)]
    (project / "new").write_text("x", encoding="utf-8")
    seen.append(digest(project))
    (project / "new").rename(project / "renamed")
    seen.append(digest(project))
    (project / "app/weights.bin").unlink()
    seen.append(digest(project))
    assert len(set(seen)) == 4


def test_a_file_that_becomes_a_program_is_another_digest(project: Path) -> None:
    before = digest(project)
    (project / "app/predict.py").chmod(0o755)
    assert digest(project) != before


def test_a_link_that_points_elsewhere_is_another_digest_and_what_it_points_to_is_not(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "target").write_text("1", encoding="utf-8")
    (project / "link").symlink_to(tmp_path / "target")
    before = digest(project)
    (tmp_path / "target").write_text("2", encoding="utf-8")
    assert digest(project) == before
    (project / "link").unlink()
    (project / "link").symlink_to("app")
    assert digest(project) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('python = "3.8"', 'python = "3.9"'),
        ('MODE = "fast"', 'MODE = "slow"'),
        ('python = "3.8"', 'python = "3.8"\ntarget = "train"'),
    ],
)
def test_another_way_to_build_is_another_digest(project: Path, old: str, new: str) -> None:
    before = digest(project)
    (project / "goldlock.toml").write_text(CONFIG.replace(old, new), encoding="utf-8")
    assert digest(project) != before


def test_requirements_outside_of_the_context_count(project: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.txt").write_text("demo==1.0\n", encoding="utf-8")
    text = CONFIG.replace('["requirements.txt"]', '["../shared.txt"]')
    (project / "goldlock.toml").write_text(text, encoding="utf-8")
    before = digest(project)
    (tmp_path / "shared.txt").write_text("demo==1.1\n", encoding="utf-8")
    assert digest(project) != before


def test_what_goldlock_writes_does_not_change_the_digest(project: Path) -> None:
    before = digest(project)
    change(project, "goldlock.lock")
    change(project, "goldens/batch/golden.toml")
    change(project, ".goldlock/received/batch/received.json")
    (project / "goldens/batch/outputs.csv").write_text("label\n1\n", encoding="utf-8")
    (project / "wheelhouse/new-1.0-py3-none-any.whl").write_bytes(b"x")
    # A case or a policy more says nothing of the image.
    (project / "goldlock.toml").write_text(f'{CONFIG}\n[policy]\nos = "info"\n', encoding="utf-8")
    assert digest(project) == before


def test_the_digest_is_the_same_in_another_place(project: Path, tmp_path: Path) -> None:
    before = digest(project)
    moved = tmp_path / "some" / "where"
    moved.parent.mkdir()
    project.rename(moved)
    assert digest(moved) == before


def test_a_missing_dockerfile_says_where_it_was_looked_for(project: Path) -> None:
    (project / "Dockerfile").unlink()
    with pytest.raises(ConfigurationError, match="project/Dockerfile can't be read") as caught:
        digest(project)
    assert "subject.build" in caught.value.hint


def test_missing_requirements_say_which(project: Path) -> None:
    (project / "requirements.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"requirements\.txt"):
        digest(project)


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_comments_in_another_encoding_are_no_obstacle(project: Path, name: str) -> None:
    path = project / name
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"# gr\xfcn\napp\n")
    assert ("app/predict.py" in names(project)) is (name == "Dockerfile")
