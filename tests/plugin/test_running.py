"""The miniature subject under pytest: its goldlock.toml, the fixture `subject`, and that nothing stays."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.plugin.conftest import Elsewhere

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    import docker
    from tests.engine.conftest import Project
    from tests.plugin.conftest import Ran

pytestmark = pytest.mark.engine

LAYERS = ("python", "packages", "os", "image", "numerics", "host", "artifacts", "lock", "golden")
COLUMNS = {"batch": ("label", "p_ash", "p_birch", "p_cedar"), "http": ("label", "probability")}
ASKING = """
    import urllib.request

    import numpy as np
    import pytest


    @pytest.mark.parametrize("turn", range(4))
    def test_asks(subject, turn):
        answer = subject.ask("batch", {name: [0.0, float(turn)] for name in "abcd"})
        assert answer["label"].shape == (2,)
        assert answer["p_ash"].dtype == np.float64

    @pytest.mark.parametrize("turn", range(4))
    def test_asks_by_http(subject, turn):
        assert subject.ask("http", np.zeros((3, 4)))["probability"].shape == (3, 3)
        host, port = subject.address
        with urllib.request.urlopen(f"http://{host}:{port}/health") as answer:
            assert answer.status == 200

    def test_runs(subject):
        assert subject.run(["cat"], stdin=b"through").stdout == b"through"
        ended = subject.run(["python", "-c", "import sys; print('no', file=sys.stderr); sys.exit(3)"])
        assert (ended.exit_code, ended.stderr) == (3, "no\\n")
        assert subject.snapshot.python.version.startswith("3.8.")

    def test_the_cases_own_inputs(subject):
        assert subject.ask("batch").keys() == subject.ask("batch", subject.config.folder / "inputs.csv").keys()
"""


@dataclass(frozen=True)
class Engine:
    """Counts what is made of one image, which no other process uses."""

    client: docker.DockerClient
    image: str

    @contextlib.contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The containers that are made of it while the block runs; afterwards none is left."""
        made: list[str] = []
        since = time.time()
        yield made
        # One event later than all of ours, so that the engine need not be waited for.
        # In whole seconds, and a moment ahead: Podman takes no others, and tells nothing of the second that runs.
        stream = self.client.events(
            since=int(since),
            until=int(time.time()) + 1,
            decode=True,
            filters={"type": "container", "event": "create"},
        )
        # Podman tells an image's name also where it was asked for by its id.
        names = {self.client.images.get(self.image).id, f"docker.io/library/{self.image}"}
        made += [event["Actor"]["ID"] for event in stream if event["Actor"]["Attributes"]["image"] in names]
        assert self.left() == []

    def left(self) -> list[str]:
        return [c["Id"] for c in self.client.api.containers(all=True, filters={"ancestor": self.image})]


@pytest.fixture(scope="module")
def engine(engine_client: docker.DockerClient, recorded: Project, build_image: Callable[..., str]) -> Engine:
    """An image as the locked one."""
    assert recorded.folder.exists()
    return Engine(
        client=engine_client, image=build_image("FROM goldlock-test-mini:latest\nLABEL test=plugin\n")
    )


@pytest.fixture
def project(mini: Project) -> Elsewhere:
    """The miniature subject's folder, as a project that is tested with pytest."""
    elsewhere = Elsewhere(mini.folder)
    elsewhere.write("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--strict-markers"\n')
    return elsewhere


def node(case: str, column: str) -> str:
    return f"goldlock.toml::{case}::{column}"


def failed(ran: Ran) -> set[str]:
    return {test for test, outcome in ran.outcomes().items() if outcome in {"FAILED", "ERROR"}}


ALL = {
    *(node(case, column) for case, columns in COLUMNS.items() for column in ("table", *columns)),
    *(node("environment", layer) for layer in LAYERS),
}


class TestVerification:
    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_everything_passes_with_one_container_a_way_whatever_the_workers(
        self, project: Elsewhere, engine: Engine, engine_name: str, workers: tuple[str, ...]
    ) -> None:
        with engine.counted() as made:
            ran = project.pytest(
                "-rA", "--goldlock-image", engine.image, "--goldlock-fail-on", "error", *workers
            )
        assert failed(ran) == set(), ran.stdout
        assert ran.outcomes().keys() == ALL
        assert len(made) == 2
        assert f"engine {engine_name} " in ran.stdout

    @pytest.mark.parametrize(
        ("arguments", "containers", "tests"),
        [
            (("goldlock.toml::batch::label",), 1, 1),
            (("-k", "http"), 1, 3),
            (("-k", "packages or numerics"), 1, 2),
            (("goldlock.toml::environment::golden",), 0, 1),
            (("--collect-only",), 0, 0),
        ],
    )
    def test_only_what_is_selected_is_asked(
        self, project: Elsewhere, engine: Engine, arguments: tuple[str, ...], containers: int, tests: int
    ) -> None:
        with engine.counted() as made:
            ran = project.pytest("--goldlock-image", engine.image, *arguments)
        assert ran.code == 0, ran.stdout
        assert len(made) == containers
        assert ran.counts.get("passed", 0) == tests

    def test_moved_probabilities_fail_their_columns_with_their_own_messages(
        self, project: Elsewhere, drifted: Callable[..., str]
    ) -> None:
        model = (project.folder / "model.py").read_bytes()
        moved = model.replace(b'weights["offset"]', b'weights["offset"] - np.array([0, 0, 0.01])')
        image = drifted("COPY model.py /app/", {"model.py": moved})
        before = project.files("goldens")
        ran = project.pytest("-rA", "--goldlock-image", image, "--goldlock-received", "-n", "2")
        assert failed(ran) == {
            *(node("batch", column) for column in COLUMNS["batch"][1:]),
            node("http", "probability"),
        }
        message = ran.section("batch: p_ash")
        assert "drifted: the output differs from its golden" in message
        assert "p_birch" not in message
        assert "would pass at" in message
        assert "received .goldlock/received/batch" in ran.stdout
        assert "goldlock accept batch -c goldlock.toml --reason TEXT" in ran.stdout
        assert (project.folder / ".goldlock/received/batch").is_dir()
        assert project.files("goldens") == before
        again = project.pytest("--lf", "--goldlock-image", "goldlock-test-mini:latest")
        assert again.counts["passed"] == 4
        assert not (project.folder / ".goldlock/received/batch").exists()

    def test_another_environment_fails_its_layer_and_no_output(
        self, project: Elsewhere, drifted: Callable[..., str]
    ) -> None:
        ran = project.pytest("-rA", "--goldlock-image", drifted("ENV OMP_NUM_THREADS=2"))
        assert failed(ran) == {node("environment", "numerics")}
        message = ran.section("environment: numerics")
        assert "error    numerics.OMP_NUM_THREADS  expected 1, actual 2" in message
        passing = project.pytest(
            "--goldlock-image", drifted("ENV OMP_NUM_THREADS=2"), "--goldlock-fail-on", "outputs"
        )
        assert passing.code == 0

    def test_a_subject_that_does_not_answer_is_an_error_of_its_case(
        self, project: Elsewhere, drifted: Callable[..., str]
    ) -> None:
        image = drifted("COPY predict.py /app/", {"predict.py": b"raise SystemExit('no model')\n"})
        ran = project.pytest("-rA", "--goldlock-image", image, "-k", "batch or http")
        assert failed(ran) == {node("batch", column) for column in ("table", *COLUMNS["batch"])}
        assert {ran.outcomes()[each] for each in failed(ran)} == {"ERROR"}
        assert "no model" in ran.stdout

    def test_a_column_that_the_golden_does_not_have_fails_the_table(
        self, project: Elsewhere, drifted: Callable[..., str]
    ) -> None:
        predict = (project.folder / "predict.py").read_text()
        other = predict.replace('"p_" + name', '"p_" + name.replace("cedar", "oak")')
        assert other != predict
        image = drifted("COPY predict.py /app/", {"predict.py": other.encode()})
        ran = project.pytest("-rA", "--goldlock-image", image, "-k", "batch")
        assert failed(ran) == {node("batch", "table"), node("batch", "p_cedar")}
        assert "p_oak" in ran.section("batch: table")


class TestSubject:
    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_is_one_container_a_way_for_all_tests_and_workers(
        self, project: Elsewhere, engine: Engine, workers: tuple[str, ...]
    ) -> None:
        project.write("tests/test_asks.py", ASKING)
        with engine.counted() as made:
            ran = project.pytest("tests", "--goldlock-image", engine.image, *workers)
        assert ran.counts == {"passed": 10}, ran.stdout
        assert len(made) == 2

    def test_one_that_died_over_a_question_is_started_again(self, project: Elsewhere, engine: Engine) -> None:
        project.write(
            "test_asks.py",
            """
            import pytest
            from goldlock.errors import SubjectError

            @pytest.fixture(scope="session")
            def mine(subject):
                return subject

            def test_dies(mine):
                with pytest.raises(SubjectError, match=r"within 0\\.5 s"):
                    mine.run(["sleep", "60"], timeout=0.5)
                assert mine.run(["echo", "again"]).stdout == b"again\\n"
            """,
        )
        with engine.counted() as made:
            ran = project.pytest(
                "test_asks.py", "--goldlock-image", engine.image, "--goldlock-config", "goldlock.toml"
            )
        assert ran.counts == {"passed": 1}, ran.stdout
        assert len(made) == 2


class TestEndings:
    """Whatever ends the run, containers and private folders go."""

    STAYS = """
        import pathlib, time

        def test_stays(subject):
            subject.run(["true"])
            pathlib.Path("started").touch()
            time.sleep(60)
    """

    @pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_nothing_stays(
        self,
        project: Elsewhere,
        engine: Engine,
        tmp_path: Path,
        end: signal.Signals,
        workers: tuple[str, ...],
    ) -> None:
        project.write("test_stays.py", self.STAYS)
        (temporary := tmp_path / "t").mkdir()
        plugins = ("xdist.plugin",) if workers else ()
        with self._started(project, engine, temporary, *workers, plugins=plugins) as process:
            _until((project.folder / "started").exists)
            assert engine.left()
            process.send_signal(end)
            process.communicate(timeout=60)
        _until(lambda: not engine.left())
        _until(lambda: not [path for path in temporary.iterdir() if path.name.startswith("goldlock")])

    @contextlib.contextmanager
    def _started(
        self, project: Elsewhere, engine: Engine, temporary: Path, *arguments: str, plugins: tuple[str, ...]
    ) -> Iterator[subprocess.Popen[str]]:
        with project.start(
            "test_stays.py",
            "--goldlock-image",
            engine.image,
            *arguments,
            env={"TMPDIR": str(temporary)},
            plugins=plugins,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def test_a_worker_that_dies_takes_nothing_along_and_leaves_nothing(
        self, project: Elsewhere, engine: Engine, tmp_path: Path
    ) -> None:
        project.write(
            "test_dies.py",
            """
            import os

            def test_dies(subject):
                subject.run(["true"])
                os._exit(1)

            def test_lives(subject):
                assert subject.run(["echo", "here"]).stdout == b"here\\n"
            """,
        )
        (temporary := tmp_path / "t").mkdir()
        with engine.counted() as made:
            ran = project.pytest(
                "test_dies.py", "-n", "1", "--goldlock-image", engine.image, env={"TMPDIR": str(temporary)}
            )
        assert ran.counts == {"failed": 1, "passed": 1}, ran.stdout
        assert len(made) == 1
        assert list(temporary.glob("goldlock*")) == []


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
