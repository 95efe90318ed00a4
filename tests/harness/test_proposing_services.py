"""Each kind of service, by what its image holds and by answers as the real servers give them."""

from __future__ import annotations

import jmespath
import pytest

from goldlock.asking.http import document
from goldlock.proposing.recognising import Answer, Answers, Attempt, Inputs, Question
from goldlock.proposing.seen import Seen
from goldlock.proposing.services import RECOGNISERS

INPUTS = Inputs(names=("a", "b"), count=2)
ROWS = [(1.0, 2.0), (3.0, 4.0)]
BY_NAME = {each.name: each for each in RECOGNISERS}


def _answers(bodies: dict[str, object], texts: dict[str, str] | None = None) -> Answers:
    found = {Question(path): Answer(status=200, body=body) for path, body in bodies.items()}
    return {
        **found,
        **{Question(path): Answer(status=200, text=text) for path, text in (texts or {}).items()},
    }


def _attempts(
    name: str, answers: Answers, seen: Seen | None = None, inputs: Inputs = INPUTS
) -> list[Attempt]:
    return list(BY_NAME[name].attempts(seen or Seen(), answers, inputs))


def _body(attempt: Attempt) -> object:
    return jmespath.search(attempt.request, document(INPUTS.names, ROWS))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("MLflow", Seen(entrypoint=("mlflow", "models", "serve", "-m", "/m"))),
        ("MLflow", Seen(command=("gunicorn", "mlflow.pyfunc.scoring_server.wsgi:app"))),
        (
            "MLflow",
            Seen(
                entrypoint=(
                    "python",
                    "-c",
                    "from mlflow.models import container as C; C._serve('python_function')",
                ),
                environment={"MLFLOW_DISABLE_ENV_CREATION": "true"},
            ),
        ),
        ("TensorFlow Serving", Seen(entrypoint=("/usr/bin/tf_serving_entrypoint.sh",), ports=(8500, 8501))),
        ("TensorFlow Serving", Seen(environment={"MODEL_NAME": "m", "MODEL_BASE_PATH": "/models"})),
        ("Cog", Seen(labels={"run.cog.version": "0.9.20"}, command=("python", "-m", "cog.server.http"))),
        ("Cog", Seen(labels={"org.cogmodel.config": "{}"})),
        ("BentoML", Seen(environment={"BENTO_PATH": "/home/bentoml/bento"}, command=("bentoml", "serve"))),
        ("KServe v2", Seen(command=("mlserver", "start", "/mnt/models"))),
        ("KServe v2", Seen(command=("tritonserver", "--model-repository=/models"))),
        ("OpenAPI", Seen(command=("uvicorn", "main:app"), packages={"fastapi": "0.110.0"})),
        ("plain HTTP", Seen(command=("flask", "run"), packages={"flask": "3.0.3"})),
        ("plain HTTP", Seen(ports=(8080,))),
    ],
)
def test_an_image_gives_a_hint(name: str, seen: Seen) -> None:
    assert next(each.name for each in RECOGNISERS if each.hint(seen)) == name


@pytest.mark.parametrize(
    "seen",
    [
        Seen(),
        Seen(entrypoint=("python", "predict.py"), packages={"mlflow-skinny": "2.17.2", "flask": "3.0.3"}),
        Seen(entrypoint=("/predict",), environment={"PATH": "/bin"}),
    ],
)
def test_a_batch_program_gives_none(seen: Seen) -> None:
    assert [each.name for each in RECOGNISERS if each.hint(seen)] == []


def test_mlflow() -> None:
    answers = _answers({}, {"/ping": "\n", "/version": "2.17.2"})
    assert BY_NAME["MLflow"].evidence(Seen(), answers) == "version 2.17.2 answers at /version"
    assert not BY_NAME["MLflow"].evidence(Seen(), _answers({}, {"/ping": "\n", "/version": "<html>"}))
    first = _attempts("MLflow", answers)[0]
    assert (first.path, first.batch) == ("/invocations", None)
    assert _body(first) == {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0], [3.0, 4.0]]}}


def test_tensorflow_serving() -> None:
    status = {"model_version_status": [{"version": "1", "state": "LOADING", "status": {"error_code": "OK"}}]}
    dims = {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False}
    signature = {"inputs": {"dense_input": {"dtype": "DT_FLOAT", "tensor_shape": dims}}, "outputs": {}}
    metadata = {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}
    seen = Seen(environment={"MODEL_NAME": "iris"})
    answers = _answers({"/v1/models/iris": status, "/v1/models/iris/metadata": metadata})
    kind = BY_NAME["TensorFlow Serving"]
    assert kind.evidence(seen, answers) == "answers at /v1/models/iris"
    ready = kind.ready(seen, answers)
    assert not jmespath.search(ready.when, status)
    status["model_version_status"][0]["state"] = "AVAILABLE"
    assert jmespath.search(ready.when, status)
    bodies = [_body(each) for each in kind.attempts(seen, answers, INPUTS)]
    assert bodies[:2] == [
        {"instances": [[1.0, 2.0], [3.0, 4.0]]},
        {"inputs": {"dense_input": [[1.0, 2.0], [3.0, 4.0]]}},
    ]


def test_tensorflow_serving_with_an_input_for_each_column() -> None:
    signature = {"inputs": {"a": {}, "b": {}}}
    metadata = {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}
    answers = _answers({"/v1/models/model/metadata": metadata})
    assert _body(_attempts("TensorFlow Serving", answers)[0]) == {
        "instances": [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]
    }


def test_kserve_v1_tells_the_names_of_its_models() -> None:
    answers = _answers(
        {"/v1/models": {"models": ["iris"]}, "/v1/models/iris": {"name": "iris", "ready": True}}
    )
    kind = BY_NAME["TensorFlow Serving"]
    assert Question("/v1/models/iris") in kind.questions(Seen(), answers)
    assert kind.evidence(Seen(), answers)
    assert kind.ready(Seen(), answers).when == "ready"


def test_kserve_v2_with_one_tensor() -> None:
    kind = BY_NAME["KServe v2"]
    described = {"name": "input-0", "datatype": "FP32", "shape": [-1, 2]}
    model = {"name": "iris", "inputs": [described], "outputs": [{"name": "label", "datatype": "BYTES"}]}
    answers = {
        **_answers({"/v2/health/ready": {"ready": True}, "/v2/models/iris": model}),
        Question("/v2/models"): Answer(status=404),
        Question("/v2/repository/index", "POST"): Answer(
            status=200, body=[{"name": "iris", "state": "READY"}]
        ),
    }
    assert kind.evidence(Seen(), answers) == "answers at /v2/health/ready and /v2/models/iris"
    first, second = kind.attempts(Seen(), answers, INPUTS)
    assert _body(first) == {
        "inputs": [{"name": "input-0", "shape": [2, 2], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}]
    }
    assert (first.batch, second.batch) == (None, 1)
    assert first.usual == {"label": "outputs[?name=='label'].data | [0]"}


def test_kserve_v2_with_a_tensor_for_each_column() -> None:
    inputs = [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in ("a", "b")]
    seen = Seen(environment={"MLSERVER_MODEL_NAME": "iris"})
    answers = _answers({"/v2/models/iris": {"inputs": inputs, "outputs": []}})
    first = _attempts("KServe v2", answers, seen)[0]
    assert _body(first) == {
        "inputs": [
            {"name": "a", "shape": [2, 1], "datatype": "FP64", "data": [1.0, 3.0]},
            {"name": "b", "shape": [2, 1], "datatype": "FP64", "data": [2.0, 4.0]},
        ]
    }


COG_HEALTH = {  # Cog 0.23.1
    "status": "STARTING",
    "setup": {"started_at": "2026-11-28T11:55:43.541297898+00:00", "status": "starting"},
    "version": {"coglet": "0.23.1", "python_sdk": "0.23.1", "python": "3.11.7"},
}


def test_cog_before_and_after_its_setup() -> None:
    kind = BY_NAME["Cog"]
    starting: Answers = {
        Question("/health-check"): Answer(status=200, body=COG_HEALTH),
        Question("/openapi.json"): Answer(status=503, body={"error": "OpenAPI schema not available"}),
    }
    assert kind.evidence(Seen(), starting)
    when = kind.ready(Seen(), starting).when
    assert [jmespath.search(when, {**COG_HEALTH, "status": each}) for each in ("STARTING", "READY")] == [
        False,
        True,
    ]
    first = _attempts("Cog", starting)[0]
    assert (first.batch, first.within, _body(first)) == (1, ("output",), {"input": {"a": 1.0, "b": 2.0}})


def test_cog_with_one_input_that_takes_all_rows() -> None:
    schemas = {"Input": {"properties": {"table": {"type": "array"}, "scale": {"type": "number"}}}}
    answers = _answers({"/openapi.json": {"paths": {"/predictions": {}}, "components": {"schemas": schemas}}})
    first = _attempts("Cog", answers)[0]
    assert (_body(first), first.batch) == ({"input": {"table": [[1.0, 2.0], [3.0, 4.0]]}}, None)


def _described(path: str, schema: object, schemas: object = None) -> object:
    post = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    return {"paths": {path: {"post": post}, "/livez": {"get": {}}}, "components": {"schemas": schemas or {}}}


def test_bentoml_describes_an_array_as_a_list_of_numbers() -> None:
    # BentoML 1.4.40, for `features: np.ndarray`.
    features = {"items": {"type": "number"}, "title": "Features", "type": "array"}
    schema = {
        "type": "object",
        "title": "Input",
        "required": ["features"],
        "properties": {"features": features},
    }
    answers = _answers({"/docs.json": _described("/classify", schema), "/livez": None})
    assert BY_NAME["BentoML"].evidence(Seen(), answers) == "answers at /livez and /docs.json"
    first, second = _attempts("BentoML", answers)
    assert (first.path, _body(first), first.batch) == (
        "/classify",
        {"features": [[1.0, 2.0], [3.0, 4.0]]},
        None,
    )
    assert (_body(second), second.batch) == ({"features": [1.0, 2.0]}, 1)


def test_bentoml_with_a_data_frame() -> None:
    frame = {"items": {"type": "object"}, "title": "Frame", "type": "array"}
    schema = {"type": "object", "required": ["frame"], "properties": {"frame": frame}}
    answers = _answers({"/docs.json": _described("/predict", schema), "/livez": None})
    assert _body(_attempts("BentoML", answers)[0]) == {"frame": [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]}


NUMBER = {"type": "number"}
FLOWER = {"type": "object", "required": ["a", "b"], "properties": {"a": NUMBER, "b": NUMBER}}


@pytest.mark.parametrize(
    ("schema", "body", "batch"),
    [
        ({"$ref": "#/components/schemas/Flower"}, {"a": 1.0, "b": 2.0}, 1),
        (
            {"type": "array", "items": {"$ref": "#/components/schemas/Flower"}},
            [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}],
            None,
        ),
        ({"type": "array", "items": {"type": "array", "items": NUMBER}}, [[1.0, 2.0], [3.0, 4.0]], None),
        (
            {
                "properties": {
                    "rows": {"anyOf": [{"type": "array", "items": {"type": "array"}}, {"type": "null"}]}
                }
            },
            {"rows": [[1.0, 2.0], [3.0, 4.0]]},
            None,
        ),
        (
            {
                "properties": {
                    "a": {"type": "array", "items": NUMBER},
                    "b": {"type": "array", "items": NUMBER},
                }
            },
            {"a": [1.0, 3.0], "b": [2.0, 4.0]},
            None,
        ),
        (
            {"properties": {"flower": {"allOf": [{"$ref": "#/components/schemas/Flower"}]}}},
            {"flower": {"a": 1.0, "b": 2.0}},
            1,
        ),
        ({"properties": {"anything": {}}}, {"anything": [[1.0, 2.0], [3.0, 4.0]]}, None),
    ],
)
def test_openapi(schema: object, body: object, batch: int | None) -> None:
    answers = _answers({"/openapi.json": _described("/species", schema, {"Flower": FLOWER})})
    assert BY_NAME["OpenAPI"].evidence(Seen(), answers) == "/openapi.json describes POST /species"
    first = _attempts("OpenAPI", answers)[0]
    assert (first.path, _body(first), first.batch) == ("/species", body, batch)


def test_references_in_circles_end() -> None:
    schemas = {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}
    answers = _answers({"/openapi.json": _described("/x", {"$ref": "#/components/schemas/A"}, schemas)})
    assert _attempts("OpenAPI", answers) == []


FLASK = """
@app.route("/health")
def health(): ...

@app.route("/score", methods=["POST"])
def score():
    rows = request.get_json()["table"]
"""


def test_a_flask_program_is_asked_as_its_source_says() -> None:
    seen = Seen(sources={"/srv/app.py": FLASK}, packages={"flask": "3.0.3"})
    kind = BY_NAME["plain HTTP"]
    assert kind.hint(seen) == "flask 3.0.3 with POST /score"
    first = _attempts("plain HTTP", {}, seen)[0]
    assert (first.path, _body(first)) == ("/score", {"table": [[1.0, 2.0], [3.0, 4.0]]})


HANDLER = """
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)

    def do_POST(self):
        if self.path != "/v2/price":
            return self.send_error(404)
        rows = json.loads(self.rfile.read(size))["data"]
"""


def test_a_handler_of_http_server_is_asked_at_the_path_that_it_compares() -> None:
    seen = Seen(sources={"/srv/serve.py": HANDLER}, ports=(9000,))
    assert BY_NAME["plain HTTP"].hint(seen) == "a program with POST /v2/price"
    first = _attempts("plain HTTP", {}, seen)[0]
    assert (first.path, _body(first)) == ("/v2/price", {"data": [[1.0, 2.0], [3.0, 4.0]]})


def test_keys_that_a_source_takes_out_of_anything_are_tried_before_the_usual_ones() -> None:
    seen = Seen(
        sources={"/app/serve.py": 'rows = json.loads(raw)\nsums = [sum(row) for row in rows["matrix"]]'}
    )
    assert _attempts("plain HTTP", {}, seen)[0].request == "{matrix: rows}"


def test_without_a_source_the_usual_words_are_tried() -> None:
    first = _attempts("plain HTTP", {})[0]
    assert (first.path, first.request) == ("/predict", "{features: rows}")


def test_readiness_of_a_plain_service_is_a_path_that_answers() -> None:
    kind = BY_NAME["plain HTTP"]
    assert kind.ready(Seen(), _answers({"/health": None, "/": None})).path == "/health"
    ready = kind.ready(Seen(), {Question("/"): Answer(status=404)})
    assert (ready.path, ready.status) == ("/", 404)


@pytest.mark.parametrize("kind", RECOGNISERS, ids=lambda each: each.name)
def test_nonsense_is_no_evidence_and_breaks_nothing(kind: object) -> None:
    recogniser = BY_NAME[kind.name]  # type: ignore[attr-defined]
    for body in (
        None,
        1,
        "x",
        [],
        [[]],
        {"models": 1},
        {"paths": [1]},
        {"status": [], "inputs": "x", "metadata": []},
    ):
        questions = {q for other in RECOGNISERS for q in other.questions(Seen(), {})}
        answers = {question: Answer(status=200, body=body) for question in questions}
        for _ in range(3):
            answers |= {q: Answer(status=200, body=body) for q in recogniser.questions(Seen(), answers)}
        recogniser.evidence(Seen(), answers)
        recogniser.ready(Seen(), answers)
        for attempt in recogniser.attempts(Seen(), answers, INPUTS):
            _body(attempt)
