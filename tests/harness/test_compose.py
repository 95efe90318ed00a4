"""Compose files as sources of a subject: read as Compose reads them, as far as goldlock can honour them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock import config as configuration
from goldlock.config.interpolation import env_file, interpolated
from goldlock.errors import ConfigurationError

TOML = """
[subject]
name = "Served.Model"
compose = { service = "api" }
[[case]]
name = "http"
inputs = "inputs.csv"
[case.http]
path = "/"
request = "rows"
response = { label = "labels" }
"""


BOMB = (
    "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
    "c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
    "services: {api: {image: a, command: [*d, *d, *d, *d, *d]}}"
)


def load(folder: Path, compose: str, toml: str = TOML, *, file: str = "compose.yaml") -> configuration.Config:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(compose, encoding="utf-8")
    return configuration.loads(toml, path=folder / "goldlock.toml")


def complaint(folder: Path, compose: str, toml: str = TOML) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, compose, toml)
    return f"{caught.value.message}\n{caught.value.hint}"


def test_everything_that_a_service_says_of_itself(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
services:
  api:
    image: registry.example:5000/team/model:2.1
    command: serve --port 9000 --name "two words"
    entrypoint: ["/enter", "-x"]
    environment:
      THREADS: 2
      DEBUG: yes
      RATE: 1.10
      EMPTY:
    user: "1000:1000"
    working_dir: /srv
    ports: ["127.0.0.1:8080:9000/tcp"]
    restart: always
  db:
    image: postgres
""",
    )
    subject = config.subject
    assert subject.image == "registry.example:5000/team/model:2.1"
    assert subject.command == ("serve", "--port", "9000", "--name", "two words")
    assert subject.entrypoint == ("/enter", "-x")
    # As text, whatever YAML 1.1 makes of it.
    assert subject.environment == {"THREADS": "2", "DEBUG": "yes", "RATE": "1.10"}
    assert (subject.user, subject.working_dir) == ("1000:1000", "/srv")
    assert config.case[0].http is not None
    assert config.case[0].http.port == 9000
    assert config.notes == ()


def test_what_goldlock_toml_says_itself_wins(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "services: {api: {image: a, user: root, expose: ['7000'], environment: [A=1, B=2]}}",
        TOML.replace("[[case]]", 'user = "5:5"\nenvironment = { B = "3" }\n[[case]]').replace(
            'path = "/"', 'path = "/"\nport = 7001'
        ),
    )
    assert (config.subject.user, config.subject.environment) == ("5:5", {"A": "1", "B": "3"})
    assert config.case[0].http is not None
    assert config.case[0].http.port == 7001


def test_a_build_becomes_the_subjects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVISION", "abc")
    config = load(
        tmp_path,
        """
services:
  api:
    build:
      context: ./app
      dockerfile: Model.dockerfile
      target: serve
      args: {VERSION: 3, REVISION:}
      cache_from: [x]
""",
        TOML.replace('{ service = "api" }', '{ file = "deploy/compose.yaml", service = "api" }'),
        file="deploy/compose.yaml",
    )
    build = config.subject.build
    assert build is not None
    assert (build.context, build.dockerfile, build.target) == ("deploy/app", "Model.dockerfile", "serve")
    assert build.arguments == {"VERSION": "3", "REVISION": "abc"}
    assert config.subject.image == "goldlock-served-model"
    assert config.notes == (
        "compose service api: build.cache_from not honoured; goldlock runs it alone and isolated",
    )


def test_variables_come_from_files_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAG", "environment")
    monkeypatch.setenv("PASSED", "on")
    monkeypatch.delenv("ABSENT", raising=False)
    (tmp_path / ".env").write_text("TAG=file\nWHO=nobody\n", encoding="utf-8")
    (tmp_path / "a.env").write_text(
        "# of the model\nONE=1\nTWO='$TAG' # both\nexport THREE=\"${TAG}\"\n", "utf-8"
    )
    config = load(
        tmp_path,
        """
x-base: &base {image: "model:${TAG}", labels: {a: b}}
services:
  api:
    <<: *base
    env_file: [a.env, {path: b.env, required: false}]
    user: ${WHO}
    environment: ["ONE=${ONE:-uno}", "PRICE=5$$", PASSED, ABSENT, "NONE=${ABSENT}"]
""",
    )
    assert config.subject.image == "model:environment"
    assert config.subject.user == "nobody"
    assert config.subject.environment == {
        "ONE": "uno", "TWO": "$TAG", "THREE": "environment", "PRICE": "5$", "PASSED": "on", "NONE": "",
    }  # fmt: skip
    assert config.notes == ("compose service api: variables without a value, taken as empty: ABSENT",)


def test_what_is_not_honoured_is_noted(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "services: {api: {image: a, volumes: ['./m:/m'], depends_on: [db], secrets: [], x-mine: 1, environment: {my.key: 1}}}",
    )
    assert config.notes == (
        "compose service api: depends_on, volumes not honoured; goldlock runs it alone and isolated",
        "compose service api: variables left out: my.key",
    )


@pytest.mark.parametrize(
    ("compose", "said"),
    [
        ("services: {web: {image: a}}", "compose.yaml has no service 'api'; known here: web"),
        ("services: {api: {image: a, extends: {service: b}}}", "service api extends another service"),
        ("include: [other.yaml]\nservices: {api: {image: a}}", "compose.yaml includes other files"),
        ("services: {api: {command: x}}", "service api has neither image nor build"),
        ("services: [api]", "compose.yaml: services is not a mapping"),
        ("services: {api: {image: 'a:${TAG?which one}'}}", "variable TAG must be set: which one"),
        ("services: {api: {image: 'a:$(tag)'}}", "holds a $ that begins no variable"),
        ("services: {api: {image: a, command: 'say \"x'}}", "command that can't be split"),
        ("services: {api: {image: a, env_file: absent.env}}", "needs absent.env, which can't be read"),
        ("services: {api: {image: [a]}}", "subject.image must be text"),
        ("services: {api: {image: a, user: 'a b'}}", "subject.user must be a user"),
        ("services: {api: {build: {dockerfile_inline: FROM a}}}", "Dockerfile inside the compose file"),
        ("services: {api: {build: 'https://example.org/x.git'}}", "which is no folder"),
        ("services: {api: !reset {image: a}}", "not valid YAML"),
        ("services: [", "compose.yaml:1:"),
        ("services: {? [a, b] : c}", "not"),
        ("services: {? {a: b} : c}", "not"),
        (
            BOMB,
            "more than 20,000 values",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose: str, said: str
) -> None:
    monkeypatch.delenv("TAG", raising=False)
    assert said in complaint(tmp_path, compose)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration.loads(TOML, path=tmp_path / "goldlock.toml")
    assert f"compose file {tmp_path / 'compose.yaml'} can't be read" in caught.value.message


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "subject does not say what is checked: add one of image, "),
        ('image = "a"\ncontainer = "b"', "subject.container stands beside image; give one of"),
        ('image = "a"\ncompose = { service = "b" }', "subject.compose stands beside image"),
        ('container = "b"\nuser = "1"', "subject.user means nothing for a container that runs already"),
        (
            'container = "b"\nwritable = true',
            "subject.writable means nothing for a container that runs already",
        ),
        ('container = " "', "subject.container must not be empty"),
        ("compose = {}", "subject.compose.service is missing"),
        ('image = "sha256:0abc"\nbuild = {}', "subject.image must be a name that the build can give"),
        ('image = "a"\nworking-dir = "here"', "subject.working-dir must be an absolute path"),
    ],
)
def test_exactly_one_source_is_named(tmp_path: Path, lines: str, said: str) -> None:
    text = f'[subject]\nname = "a"\n{lines}\n'
    with pytest.raises(ConfigurationError) as caught:
        configuration.loads(text, path=tmp_path / "goldlock.toml")
    assert said in caught.value.message


def test_a_container_starts_no_service(tmp_path: Path) -> None:
    text = TOML.replace('compose = { service = "api" }', 'container = "c"').replace(
        '"/"', '"/"\nstart = ["x"]'
    )
    with pytest.raises(ConfigurationError) as caught:
        configuration.loads(text, path=tmp_path / "goldlock.toml")
    assert "case[0].http.start means nothing for a container that runs already" in caught.value.message


# The table of the Compose Specification, with a variable that is set, one that is empty and one that is not.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$SET ${SET} $$SET $${SET}", "x x $SET ${SET}"),
        ("${SET:-d}${EMPTY:-d}${UNSET:-d}", "xdd"),
        ("${SET-d}${EMPTY-d}${UNSET-d}", "xd"),
        ("${SET:+r}${EMPTY:+r}${UNSET:+r}", "r"),
        ("${SET+r}${EMPTY+r}${UNSET+r}", "rr"),
        ("${UNSET:-${EMPTY:-${SET}}}/${UNSET:-a:b-c}", "x/a:b-c"),
        ("${SET:?no}", "x"),
        ("${UNSET:-}", ""),
        ("no dollar", "no dollar"),
    ],
)
def test_variables_are_replaced_as_compose_does(text: str, expected: str) -> None:
    assert interpolated(text, {"SET": "x", "EMPTY": ""}, set()) == expected


@pytest.mark.parametrize("text", ["$", "$1", "${", "${}", "${a b}", "${A:x}", "${A", "${A:-${B}", "a$-"])
def test_a_dollar_that_begins_no_variable_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        interpolated(text, {}, set())


@given(st.text())
def test_any_text_is_replaced_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        interpolated(text, {"A": "1"}, set())
    escaped = text.replace("$", "$$")
    assert interpolated(escaped, {}, set()) == text


@given(st.text())
def test_any_env_file_is_read_or_refused(text: str) -> None:
    try:
        found = env_file(text, {})
    except ConfigurationError:
        return
    assert all(isinstance(name, str) for name in found)


def test_an_env_file_as_people_write_it() -> None:
    text = "# comment\n\nA=1\n export B = two words # tail\nC='a # $A'\nD=\"x\\n${A}\" # tail\nE=${A}#kept\nF\nG=\nH=${OUT}\n"
    assert env_file(text, {"OUT": "o"}) == {
        "A": "1", "B": "two words", "C": "a # $A", "D": "x\n1", "E": "1#kept", "F": None, "G": "", "H": "o",
    }  # fmt: skip
