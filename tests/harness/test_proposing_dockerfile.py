"""Dockerfiles as people write them, read without building."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldlock.errors import ConfigurationError
from goldlock.proposing.dockerfile import joined, parse
from goldlock.proposing.seen import flag_in, port_in, unshelled
from goldlock.proposing.sourcing import copied_models, from_stage

SERVICE = r"""# syntax=docker/dockerfile:1
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS wheels
RUN pip wheel -r requirements.txt
ENTRYPOINT ["never", "seen"]

FROM python:${PYTHON}-slim as runtime
ENV PORT=8080 \
    # a comment between
    MODEL_NAME="iris model"
ENV OLD the whole line
LABEL run.cog.version=0.9
WORKDIR /srv
WORKDIR app
COPY --from=wheels /wheels /wheels
COPY --chown=1000:1000 model.joblib app.py ./
COPY ["weights.npz", "/opt/model/"]
EXPOSE ${PORT}/tcp 9090 53/udp
USER nobody
ENTRYPOINT ["gunicorn"]
CMD ["--bind", "0.0.0.0:8080", "app:app"]
"""


def test_the_last_stage_is_what_the_image_will_be() -> None:
    stage = parse(SERVICE).stage()
    assert (stage.name, stage.base) == ("runtime", "python:3.11-slim")
    assert stage.ports == (8080, 9090)
    assert stage.environment == {"PORT": "8080", "MODEL_NAME": "iris model", "OLD": "the whole line"}
    assert stage.labels == {"run.cog.version": "0.9"}
    assert (stage.folder, stage.user) == ("/srv/app", "nobody")
    assert stage.entrypoint == ("gunicorn",)
    assert copied_models(stage) == ("/opt/model/weights.npz", "/srv/app/model.joblib")
    assert from_stage(stage).port == 8080


def test_a_stage_is_found_by_name_and_number_and_takes_over_what_its_base_has() -> None:
    text = 'FROM a AS one\nEXPOSE 80\nCMD serve it\nFROM one AS two\nENTRYPOINT ["run"]\n'
    parsed = parse(text)
    assert parsed.stage("ONE").command == ("/bin/sh", "-c", "serve it")
    assert parsed.stage("0").ports == (80,)
    two = parsed.stage("two")
    assert (two.base, two.ports, two.entrypoint, two.command) == ("a", (80,), ("run",), ())
    with pytest.raises(ConfigurationError, match="no stage 'three'"):
        parsed.stage("three")


def test_a_base_that_is_an_argument_is_told() -> None:
    parsed = parse("ARG BASE\nARG OTHER=x\nFROM ${BASE}\n")
    assert parsed.used == ("BASE",)
    assert parsed.arguments["BASE"] is None
    assert parse("ARG BASE\nFROM $BASE\n", {"BASE": "mine:1"}).stage().base == "mine:1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "has no FROM"), ("RUN x\nFROM y", "starts with RUN"), ("FROM", "FROM without an image")],
)
def test_what_is_no_dockerfile_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        parse(text)


def test_another_escape_and_here_documents() -> None:
    text = "# escape=`\nFROM x\nRUN <<EOF\nEXPOSE 1\nEOF\nENV A=1 `\n  B=2\nEXPOSE 2\n"
    stage = parse(text).stage()
    assert stage.ports == (2,)
    assert stage.environment == {"A": "1", "B": "2"}


@given(st.text(alphabet="FROM \\\nEXPOSEENV=$\"'[]{}<#CMDabc:-"))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        parse("FROM x\n" + text)


@pytest.mark.parametrize(
    ("words", "port"),
    [
        (("flask", "run", "--port", "5000"), 5000),
        (("gunicorn", "-b", "0.0.0.0:80", "app"), 80),
        (("tensorflow_model_server", "--port=8500", "--rest_api_port=8501"), 8500),
        (("uvicorn", "app:app", "--host", "0.0.0.0"), None),
        (("python", "-p", "x"), None),
    ],
)
def test_a_port_in_a_command(words: tuple[str, ...], port: int | None) -> None:
    assert port_in(words) == port


def test_words_of_commands() -> None:
    assert unshelled(("/bin/sh", "-c", "exec python 'my app.py' --x")) == ("python", "my app.py", "--x")
    assert unshelled(("sh", "-c", "it's broken")) == ("it's", "broken")
    assert flag_in(("x", "--model_name=iris"), "--model_name") == "iris"
    assert flag_in(("x", "--model_name"), "--model_name") == ""
    assert joined("/a/b", "../c/./d") == "/a/c/d"
