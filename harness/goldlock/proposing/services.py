"""The kinds of services that are recognised, each by what an image holds and by what it answers."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping

from goldlock.proposing import openapi
from goldlock.proposing.expressions import key, path, text
from goldlock.proposing.recognising import (
    Answers,
    Attempt,
    Inputs,
    Question,
    Ready,
    Recogniser,
    get,
    listed,
    table,
)
from goldlock.proposing.seen import Seen, flag_in

_WEB = re.compile(r"\b(flask|gunicorn|uvicorn|waitress-serve|hypercorn|uwsgi)\b")
_MOST_KEYS = 16
_HEALTH = ("/healthz", "/health", "/ready", "/readyz", "/ping", "/livez", "/-/healthy", "/")


class MLflow:
    """MLflow's scoring server: mlflow.org, "Deploy MLflow Model as a Local Inference Server"."""

    name, port = "MLflow", 8080

    def hint(self, seen: Seen) -> str:
        serves = re.search(r"mlflow(\.models| models serve|\.pyfunc\.scoring_server|.*_serve\()", seen.line)
        settings = any(name.startswith("MLFLOW_") for name in seen.environment)
        installed = seen.package("mlflow", "mlflow-skinny")
        return (installed or "mlflow") if serves or (settings and (installed or not seen.packages)) else ""

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        return (Question("/ping"), Question("/version"))

    def evidence(self, seen: Seen, answers: Answers) -> str:
        version = get(answers, "/version")
        said = version.text.strip().strip('"')
        if get(answers, "/ping").is_good and version.is_good and re.fullmatch(r"\d+\.\d+[\w.+-]*", said):
            return f"version {said} answers at /version"
        return ""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        return Ready(path="/ping")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        for request in (
            "{dataframe_split: {columns: names, data: rows}}",
            "{inputs: rows}",
            "{inputs: columns}",
            "{instances: rows}",
            # MLflow before 2.0
            "{columns: names, data: rows}",
        ):
            yield Attempt(path="/invocations", request=request, usual={"predictions": "predictions"})


class TensorFlowServing:
    """TensorFlow Serving, tensorflow.org/tfx/serving/api_rest; KServe's V1 protocol asks in the same words."""

    name, port = "TensorFlow Serving", 8501

    def hint(self, seen: Seen) -> str:
        if "tensorflow_model_server" in seen.line or "tf_serving_entrypoint" in seen.line:
            return "tensorflow_model_server"
        return "MODEL_BASE_PATH" if {"MODEL_NAME", "MODEL_BASE_PATH"} <= seen.environment.keys() else ""

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        name = self._model(seen, answers)
        own = f"/v1/models/{name}"
        return (Question("/v1/models"), Question(own), Question(f"{own}/metadata"))

    def evidence(self, seen: Seen, answers: Answers) -> str:
        own = f"/v1/models/{self._model(seen, answers)}"
        found = get(answers, own).fields
        return f"answers at {own}" if "model_version_status" in found or found.get("ready") is True else ""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        own = f"/v1/models/{self._model(seen, answers)}"
        if "ready" in get(answers, own).fields:
            return Ready(path=own, when="ready")
        # A model that is still loading is answered for, too.
        return Ready(path=own, when="model_version_status[?state=='AVAILABLE']")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        own = f"/v1/models/{self._model(seen, answers)}"
        metadata = table(get(answers, f"{own}/metadata").fields.get("metadata"))
        signatures = table(table(metadata.get("signature_def")).get("signature_def"))
        wanted = table(table(signatures.get("serving_default")).get("inputs"))
        requests = ["{instances: rows}", "{instances: records}", "{inputs: rows}", "{inputs: columns}"]
        if wanted and wanted.keys() == set(inputs.names):
            requests = ["{instances: records}", "{inputs: columns}", "{instances: rows}"]
        elif len(wanted) == 1:
            only = key(next(iter(wanted)))
            requests.insert(1, f"{{inputs: {{{only}: rows}}}}")
        for request in requests:
            yield Attempt(path=f"{own}:predict", request=request, usual={"predictions": "predictions"})

    def _model(self, seen: Seen, answers: Answers) -> str:
        named = [str(each) for each in listed(get(answers, "/v1/models").fields.get("models"))]
        said = flag_in(seen.words, "--model_name", "--model-name") or seen.environment.get("MODEL_NAME", "")
        return _chosen(said, named)


class KServe:
    """The Open Inference Protocol, KServe's V2: github.com/kserve/open-inference-protocol; also Triton, MLServer."""

    name, port = "KServe v2", 8080

    def hint(self, seen: Seen) -> str:
        for word in ("mlserver", "kserve", "tritonserver"):
            if word in seen.line.lower().split("/")[-1].split() or re.search(rf"\b{word}\b", seen.line):
                return seen.package(word) or word
        return "" if _WEB.search(seen.line) else seen.package("kserve", "mlserver")

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        asked = [Question("/v2/health/ready"), Question("/v2"), Question("/v2/models")]
        if get(answers, "/v2/health/ready").is_good or get(answers, "/v2").is_good:
            asked.append(Question("/v2/repository/index", "POST"))
            if get(answers, "/v2/models").status:
                asked.append(Question(f"/v2/models/{self._model(seen, answers)}"))
        return tuple(asked)

    def evidence(self, seen: Seen, answers: Answers) -> str:
        own = f"/v2/models/{self._model(seen, answers)}"
        if get(answers, "/v2/health/ready").is_good and get(answers, own).is_good:
            return f"answers at /v2/health/ready and {own}"
        return ""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        return Ready(path="/v2/health/ready")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        own = f"/v2/models/{self._model(seen, answers)}"
        described = [table(each) for each in listed(get(answers, own).fields.get("inputs"))]
        numbers = "FP64" if inputs.are_numbers else "BYTES"
        tensors = []
        names = [str(each.get("name")) for each in described]
        if len(described) > 1 and set(names) <= set(inputs.names):
            tensors.append(", ".join(_column_tensor(each, numbers) for each in described))
        elif described:
            tensors.append(_matrix_tensor(described[0], numbers))
        else:
            tensors += [
                _matrix_tensor({"name": "input-0", "datatype": kind}, kind) for kind in ("FP64", "FP32")
            ]
        if not described and inputs.names:
            each_column = [{"name": name, "datatype": numbers, "shape": [-1]} for name in inputs.names]
            tensors.append(", ".join(_column_tensor(each, numbers) for each in each_column))
        outputs = [str(table(each).get("name")) for each in listed(get(answers, own).fields.get("outputs"))]
        usual = {name: f"outputs[?name=={text(name)}].data | [0]" for name in outputs}
        for tensor in tensors:
            for batch in (None, 1):
                yield Attempt(
                    path=f"{own}/infer",
                    request=f"{{inputs: [{tensor}]}}",
                    batch=batch,
                    usual=usual or {"output": "outputs[0].data"},
                )

    def _model(self, seen: Seen, answers: Answers) -> str:
        named = [str(each) for each in listed(get(answers, "/v2/models").fields.get("models"))]
        index = get(answers, "/v2/repository/index", "POST")
        named += [str(table(each)["name"]) for each in listed(index.body) if "name" in table(each)]
        said = flag_in(seen.words, "--model_name", "--model-name")
        said = said or next(
            (
                seen.environment[name]
                for name in ("MODEL_NAME", "MLSERVER_MODEL_NAME")
                if name in seen.environment
            ),
            "",
        )
        return _chosen(said, named)


def _matrix_tensor(described: Mapping[str, object], otherwise: str) -> str:
    shape = listed(described.get("shape"))
    sizes = "[length(rows)]" if len(shape) == 1 else "[length(rows), length(names)]"
    kind = str(described.get("datatype") or otherwise)
    return (
        f"{{name: {text(str(described.get('name')))}, shape: {sizes}, datatype: {text(kind)}, data: rows[]}}"
    )


def _column_tensor(described: Mapping[str, object], otherwise: str) -> str:
    name = str(described.get("name"))
    sizes = "[length(rows), `1`]" if len(listed(described.get("shape"))) == 2 else "[length(rows)]"
    kind = str(described.get("datatype") or otherwise)
    return f"{{name: {text(name)}, shape: {sizes}, datatype: {text(kind)}, data: {path(['columns', name])}}}"


class Cog:
    """Cog's HTTP API: github.com/replicate/cog, docs/http.md."""

    name, port = "Cog", 5000

    def hint(self, seen: Seen) -> str:
        labels = [name for name in seen.labels if name.startswith(("run.cog.", "org.cogmodel."))]
        return (labels[0] if labels else "") or ("cog.server.http" if "cog.server" in seen.line else "")

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        return (Question("/health-check"), Question("/openapi.json"))

    def evidence(self, seen: Seen, answers: Answers) -> str:
        health = get(answers, "/health-check").fields
        is_state = str(health.get("status")) in {"READY", "STARTING", "BUSY", "SETUP_FAILED"}
        # It describes itself once it is set up, or not at all where no schema was built in.
        return (
            "answers at /health-check" if is_state and ("setup" in health or self._document(answers)) else ""
        )

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        return Ready(path="/health-check", when="status == 'READY'")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        schemas = table(table(self._document(answers).get("components")).get("schemas"))
        wanted = table(table(schemas.get("Input")).get("properties"))
        requests: list[tuple[str, int | None]] = [("{input: record}", 1)]
        if wanted and not set(inputs.names) & wanted.keys():
            likely = [(name, table(each).get("type")) for name, each in wanted.items()]
            requests = [
                *((f"{{input: {{{key(name)}: rows}}}}", None) for name, kind in likely if kind == "array"),
                *((f"{{input: {{{key(name)}: row}}}}", 1) for name, kind in likely if kind == "array"),
                *requests,
            ]
        for request, batch in requests:
            yield Attempt(
                path="/predictions",
                request=request,
                batch=batch,
                within=("output",),
                usual={"output": "output"},
            )

    def _document(self, answers: Answers) -> Mapping[str, object]:
        document = get(answers, "/openapi.json").fields
        return document if "/predictions" in table(document.get("paths")) else {}


class BentoML:
    """BentoML's HTTP server: docs.bentoml.com, "Create online API Services"."""

    name, port = "BentoML", 3000

    def hint(self, seen: Seen) -> str:
        settings = [name for name in seen.environment if name.startswith(("BENTOML_", "BENTO_"))]
        labels = [name for name in seen.labels if name.startswith(("bentoml", "org.bentoml"))]
        if settings or labels or re.search(r"\bbentoml\b", seen.line):
            return seen.package("bentoml") or (settings or labels or ["bentoml"])[0]
        return ""

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        return (Question("/docs.json"), Question("/livez"), Question("/readyz"))

    def evidence(self, seen: Seen, answers: Answers) -> str:
        is_open = bool(openapi.operations(get(answers, "/docs.json").fields))
        return "answers at /livez and /docs.json" if get(answers, "/livez").is_good and is_open else ""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        return Ready(path="/readyz")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        document = get(answers, "/docs.json").fields
        yield from _described(document, inputs)
        if not openapi.operations(document):
            yield Attempt(path="/predict", request="{features: rows}", usual={"value": "@"})


class OpenApi:
    """A service that describes itself at /openapi.json, as FastAPI's do."""

    name, port = "OpenAPI", 8000

    def hint(self, seen: Seen) -> str:
        runs = re.search(r"\b(uvicorn|fastapi|hypercorn)\b", seen.line)
        return seen.package("fastapi") or "FastAPI" if runs else ""

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        return (Question("/openapi.json"), *(Question(each) for each in _HEALTH))

    def evidence(self, seen: Seen, answers: Answers) -> str:
        found = openapi.operations(get(answers, "/openapi.json").fields)
        return f"/openapi.json describes POST {found[0].path}" if found else ""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        return _healthy(answers, otherwise="/openapi.json")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        yield from _described(get(answers, "/openapi.json").fields, inputs)


class Plain:
    """A service of its own kind, such as a small Flask program: JSON in, JSON out, at a path that speaks for itself."""

    name, port = "plain HTTP", 5000
    _paths = ("/predict", "/predictions", "/invocations", "/score", "/infer", "/api/predict", "/v1/predict")
    _keys = ("features", "instances", "inputs", "data", "rows", "records")

    def hint(self, seen: Seen) -> str:
        if found := self._routes(seen):
            return (
                f"{seen.package('flask', 'fastapi', 'bottle', 'aiohttp') or 'a program'} with POST {found[0]}"
            )
        if runs := _WEB.search(seen.line):
            return seen.package("flask", "gunicorn", "waitress") or f"`{runs[0]}`"
        return f"port {seen.ports[0]}" if seen.ports else ""

    def questions(self, seen: Seen, answers: Answers) -> tuple[Question, ...]:
        return tuple(Question(each) for each in (*_HEALTH, *self._routes(seen)))

    def evidence(self, seen: Seen, answers: Answers) -> str:
        return (self.hint(seen) or "it answers") if any(each.status for each in answers.values()) else ""

    def ready(self, seen: Seen, answers: Answers) -> Ready:
        return _healthy(answers, otherwise="")

    def attempts(self, seen: Seen, answers: Answers, inputs: Inputs) -> Iterator[Attempt]:
        source = "\n".join(seen.sources.values())
        spoken = re.findall(
            r"""(?:json|get_json\([^)]*\)|body|payload|data|request)(?:\[|\.get\()\s*["'](\w+)["']""", source
        )
        others = re.findall(r"""[\w)](?:\[|\.get\()\s*["'](\w+)["']""", source)
        named = list(dict.fromkeys([*spoken, *others]))[:_MOST_KEYS]
        keys = list(dict.fromkeys([*(each for each in named if each not in inputs.names), *self._keys]))
        whole: list[tuple[str, int | None]] = [
            ("rows", None),
            ("records", None),
            ("columns", None),
            ("record", 1),
        ]
        by_record = set(named) & set(inputs.names)
        for path_ in dict.fromkeys([*self._routes(seen), *self._paths]):
            requests: list[tuple[str, int | None]] = [("record", 1)] if by_record else []
            requests += [(f"{{{key(name)}: rows}}", None) for name in keys]
            requests += [(f"{{{key(name)}: records}}", None) for name in keys]
            requests += whole
            requests += [(f"{{{key(name)}: row}}", 1) for name in keys]
            for request, batch in requests:
                yield Attempt(path=path_, request=request, batch=batch, usual={"predictions": "predictions"})

    def _routes(self, seen: Seen) -> list[str]:
        matches = [
            match
            for source in seen.sources.values()
            for match in re.finditer(r"""\.(route|post)\(\s*["'](/[^"'<{]*)["']([^)]*)\)""", source)
        ]
        found = [match[2] for match in matches if match[1] == "post" or "POST" in match[3]]
        # A handler of http.server has no routes: it compares its path.
        compared = [
            match[1]
            for source in seen.sources.values()
            if "do_POST" in source
            for match in re.finditer(r"""\bpath(?:\.\w+\([^)]*\))?\s*[!=]=\s*["'](/[^"'?]*)["']""", source)
        ]
        return list(dict.fromkeys([*found, *(each for each in compared if each not in _HEALTH)]))


RECOGNISERS: tuple[Recogniser, ...] = (
    MLflow(),
    Cog(),
    BentoML(),
    KServe(),
    TensorFlowServing(),
    OpenApi(),
    Plain(),
)
"""The one whose evidence is the most special comes first; the last one takes what is left."""


def _chosen(said: str, named: list[str]) -> str:
    """The model of a server as its paths have it: the one that the image speaks of, else the server's first."""
    model = said if said and (not named or said in named) else (named[0] if named else said or "model")
    return urllib.parse.quote(model, safe="")


def _described(document: Mapping[str, object], inputs: Inputs) -> Iterator[Attempt]:
    for operation in openapi.operations(document):
        for request, batch in openapi.requests(operation, document, inputs):
            yield Attempt(path=operation.path, request=request, batch=batch, usual={"value": "@"})


def _healthy(answers: Answers, *, otherwise: str) -> Ready:
    """The first path of health that answers 200; or any that answers, with its status."""
    for each in (*_HEALTH, otherwise):
        if get(answers, each).is_good:
            return Ready(path=each)
    return Ready(path="/", status=get(answers, "/").status or 200)
