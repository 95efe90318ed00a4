"""The real images: what they answer, what they refuse, and as whom they run."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import docker
    from docker.models.containers import Container

pytestmark = [pytest.mark.engine, pytest.mark.model]
MODEL = Path(__file__).resolve().parents[2] / "model"
HEADER = "SepalLength,SepalWidth,PetalLength,PetalWidth\n"
LABELS = {"io.goldlock.test": "model"}


@contextmanager
def container(
    client: docker.DockerClient, image: str, files: Mapping[str, bytes] | None = None, **options: object
) -> Iterator[Container]:
    """A created container with `files` in /input; removed in the end."""
    options = {"network_mode": "none", "cap_drop": ["ALL"], "labels": LABELS, **options}
    made = client.containers.create(image, **options)
    try:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, data in (files or {}).items():
                info = tarfile.TarInfo(f"input/{name}")
                info.size, info.mode = len(data), 0o644
                archive.addfile(info, io.BytesIO(data))
        if files:
            made.put_archive("/", stream.getvalue())
        yield made
    finally:
        made.remove(force=True, v=True)


def run(
    client: docker.DockerClient,
    image: str,
    command: Sequence[str],
    files: Mapping[str, bytes] | None = None,
    **options: object,
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the image's entry point with `command`."""
    with container(client, image, files, command=list(command), **options) as made:
        made.start()
        code = made.wait(timeout=120)["StatusCode"]
        return code, made.logs(stderr=False).decode(), made.logs(stdout=False).decode()


def recorded(model: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (MODEL / model / "artifacts").iterdir()}


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def flowers(count: int = 150) -> str:
    lines = (MODEL / "pipeline" / "iris.csv").read_text(encoding="utf-8").splitlines()[1 : count + 1]
    return HEADER + "".join(f"{line.rpartition(',')[0]}\n" for line in lines)


def test_predict_answers_the_same_for_one_row_as_for_many(
    engine_client: docker.DockerClient, predict_image: str
) -> None:
    answers = []
    for count in (150, 1):
        files = {"in.csv": flowers(count).encode()}
        code, out, err = run(engine_client, predict_image, ["--input", "/input/in.csv"], files)
        assert (code, err) == (0, "")
        answers.append(out.splitlines())
    assert answers[0][0] == "label,probability_Setosa,probability_Versicolor,probability_Virginica"
    assert len(answers[0]) == 151
    assert answers[1] == answers[0][:2]


def test_predict_refuses_a_changed_weight(engine_client: docker.DockerClient, predict_image: str) -> None:
    files = recorded("mlp")
    files["model.h5"] = flipped(files["model.h5"])
    files["in.csv"] = flowers(1).encode()
    arguments = ["--artifacts", "/input", "--input", "/input/in.csv"]
    code, out, err = run(engine_client, predict_image, arguments, files)
    assert (code, out) == (3, "")
    assert "model.h5: its SHA-256 is" in err
    assert "Traceback" not in err


def test_predict_refuses_a_table_with_its_line(
    engine_client: docker.DockerClient, predict_image: str
) -> None:
    files = {"in.csv": f"{HEADER}1,2,nan,4\n".encode()}
    code, out, err = run(engine_client, predict_image, ["--input", "/input/in.csv"], files)
    assert (code, out) == (2, "")
    assert err == "predict: line 2: PetalLength is 'nan', not a finite number\n"


def test_pipeline_predicts_with_the_model_inside(
    engine_client: docker.DockerClient, pipeline_image: str
) -> None:
    code, out, _ = run(engine_client, pipeline_image, ["/input/in.csv"], {"in.csv": flowers().encode()})
    assert code == 0
    labels = [line.partition(",")[0] for line in out.splitlines()[1:]]
    true = [name for name in ("Setosa", "Versicolor", "Virginica") for _ in range(50)]
    assert sum(a == b for a, b in zip(labels, true, strict=True)) >= 140


def test_pipeline_trains_and_predicts_through_files(
    engine_client: docker.DockerClient, pipeline_image: str
) -> None:
    files = {"iris.csv": (MODEL / "pipeline" / "iris.csv").read_bytes(), "in.csv": flowers(3).encode()}
    steps = (
        "python -m model.pipeline.train /input/iris.csv /dev/shm/m/model.joblib"
        " && python -m model.pipeline.predict /dev/shm/m/model.joblib /input/in.csv --format json"
    )
    code, out, err = run(
        engine_client, pipeline_image, ["-c", steps], files, entrypoint=["sh"], read_only=False
    )
    assert code == 0, err
    assert [record["label"] for record in json.loads(out)] == ["Setosa"] * 3


def test_pipeline_runs_no_code_of_a_model_it_refuses(
    engine_client: docker.DockerClient, pipeline_image: str
) -> None:
    files = recorded("pipeline")
    files["model.joblib"] = b"cos\nsystem\n(S'echo run'\ntR."
    files["in.csv"] = flowers(1).encode()
    command = ["-m", "model.pipeline.predict", "/input/model.joblib", "/input/in.csv"]
    code, out, err = run(engine_client, pipeline_image, command, files, entrypoint=["python"])
    assert (code, out) == (3, "")
    assert "model.joblib: its SHA-256 is" in err


def test_training_refuses_a_folder_it_cannot_write(
    engine_client: docker.DockerClient, train_image: str
) -> None:
    command = ["-m", "model.pipeline.train", "/app/model/pipeline/iris.csv", "/proc/none/model.joblib"]
    code, _, err = run(engine_client, train_image, command, entrypoint=["python"])
    assert code == 3
    assert "cannot be written" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["predict_image", "serve_image", "train_image", "pipeline_image"])
def test_an_image_runs_as_nobody_in_particular_with_bytecode_that_holds_no_time(
    engine_client: docker.DockerClient, request: pytest.FixtureRequest, name: str
) -> None:
    code = (
        "import glob, os, sys; files = glob.glob(sys.prefix + '/lib/**/numpy/**/*.pyc', recursive=True);"
        "flags = {open(file, 'rb').read(8)[4:] for file in files};"
        "print(os.getuid(), os.getgid(), sys.version_info[:2], flags)"
    )
    image = request.getfixturevalue(name)
    status, out, err = run(engine_client, image, ["-c", code], entrypoint=["python"], read_only=True)
    assert status == 0, err
    # PEP 552: flag 1, the file is checked by hash; flag 2 not set, the source is not looked at.
    assert out == "65532 65532 (3, 8) {b'\\x01\\x00\\x00\\x00'}\n"


ASK = """
import http.client, json, sys, time, urllib.request
for attempt in range(600):
    try:
        urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=60).read()
        break
    except OSError:
        time.sleep(0.1)
path, body = sys.argv[1], sys.argv[2].encode() if len(sys.argv) > 2 else None
if body and body.startswith(b'@'):
    body = b' ' * int(body[1:])
connection = http.client.HTTPConnection('127.0.0.1', 8000, timeout=60)
try:
    connection.request('GET' if body is None else 'POST', path, body)
except BrokenPipeError:
    # A service may answer and close before it has read a body that is too large.
    pass
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""


@pytest.fixture(scope="module")
def service(engine_client: docker.DockerClient, serve_image: str) -> Iterator[Container]:
    with container(
        engine_client, serve_image, read_only=False, environment={"GOLDLOCK_LOCK_ID": "sha256:abc"}
    ) as made:
        made.start()
        yield made


def ask(service: Container, path: str, body: str | None = None) -> tuple[int, dict[str, object]]:
    arguments = [path] if body is None else [path, body]
    code, output = service.exec_run(["python", "-c", ASK, *arguments])
    assert code == 0, output.decode()
    status, answer = json.loads(output)
    return status, answer


@pytest.mark.parametrize("path", ["/predict", "/predict/"])
def test_the_service_names_species(service: Container, path: str) -> None:
    body = json.dumps({"features": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]})
    assert ask(service, path, body) == (200, {"predicted_labels": ["Setosa", "Virginica"]})


def test_the_service_answers_an_empty_list_with_an_empty_list(service: Container) -> None:
    assert ask(service, "/predict", '{"features": []}') == (200, {"predicted_labels": []})


def test_the_service_and_the_batch_give_the_same_probabilities(
    service: Container, engine_client: docker.DockerClient, predict_image: str
) -> None:
    body = {"features": [[5.1, 3.5, 1.4, 0.2]], "probabilities": True}
    _, answer = ask(service, "/predict", json.dumps(body))
    files = {"in.csv": flowers(1).encode()}
    _, out, _ = run(engine_client, predict_image, ["--input", "/input/in.csv"], files)
    assert answer["probabilities"] == [[float(cell) for cell in out.splitlines()[1].split(",")[1:]]]
    assert answer["classes"] == ["Setosa", "Versicolor", "Virginica"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("", 400, "not JSON"),
        ("features=1", 400, "not JSON"),
        ('{"features": [[1, 2, NaN, 4]]}', 400, "NaN is no JSON number"),
        ('{"features": [[1, 2, Infinity, 4]]}', 400, "Infinity is no JSON number"),
        ("[" * 100_000, 400, "not JSON"),
        ("[]", 400, "not a JSON object"),
        ("{}", 422, 'the key "features" is missing'),
        ('{"features": {}}', 422, '"features" is not a list of rows'),
        ('{"features": [1, 2, 3, 4]}', 422, "features[0] is not a list of 4 numbers"),
        ('{"features": [[1, 2, 3, 4], [1, 2, 3]]}', 422, "features[1] is not a list of 4 numbers"),
        ('{"features": [[1, 2, 3, "4"]]}', 422, "features[0][3] is not a number"),
        ('{"features": [[1, 2, true, 4]]}', 422, "features[0][2] is not a number"),
        ('{"features": [[1, 2, 3, 1e999]]}', 422, "features[0][3] is not a finite number"),
        ('{"features": [], "probability": true}', 422, 'unknown key "probability"'),
        ('{"features": [], "probabilities": 1}', 422, '"probabilities" is neither true nor false'),
        ("@2000000", 413, "exceeds"),
    ],
)
def test_the_service_says_what_does_not_fit(service: Container, body: str, status: int, message: str) -> None:
    code, answer = ask(service, "/predict", body)
    assert code == status
    assert message in str(answer["error"])


def test_the_service_tells_its_version(service: Container) -> None:
    manifest = json.loads(recorded("mlp")["manifest.json"])
    assert ask(service, "/version") == (200, {"artifacts": manifest["artifacts"], "lock": "sha256:abc"})


def test_the_service_answers_errors_of_the_address_in_json(service: Container) -> None:
    assert ask(service, "/nowhere")[0] == 404
    assert ask(service, "/predict")[0] == 405


def test_the_service_refuses_a_changed_weight_and_ends(
    engine_client: docker.DockerClient, serve_image: str
) -> None:
    files = recorded("mlp")
    files["standardize.json"] = flipped(files["standardize.json"])
    code, _, err = run(engine_client, serve_image, [], files, environment={"MODEL_ARTIFACTS": "/input"})
    assert code == 3
    assert "standardize.json: its SHA-256 is" in err
    assert "Traceback" not in err
