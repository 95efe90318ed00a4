"""One linear model behind the HTTP interfaces of five kinds of servers; `service.py KIND PORT`.

kserve: the Open Inference Protocol, github.com/kserve/open-inference-protocol
tfserving: tensorflow.org/tfx/serving/api_rest
cog: github.com/replicate/cog, docs/http.md
bentoml: a BentoML service with one API, described at /docs.json
fastapi: an OpenAPI document at /openapi.json
"""

import json
import sys
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
WEIGHTS = [[0.42, 0.53, -0.95], [0.97, -0.32, -0.65], [-2.51, -0.21, 2.72], [-1.08, -0.94, 2.02]]
CLASSES = ["setosa", "versicolor", "virginica"]
STARTED = time.time()


def is_loading():
    return time.time() < STARTED + 2


def predict(rows):
    """Scores of each class for each row."""
    return [[sum(x * w[k] for x, w in zip(row, WEIGHTS)) for k in range(3)] for row in rows]


def labels(scores):
    return [CLASSES[row.index(max(row))] for row in scores]


def flat(data):
    return [leaf for each in data for leaf in flat(each)] if isinstance(data, list) else [data]


def number_rows(value):
    if not isinstance(value, list) or any(not isinstance(row, list) or len(row) != 4 for row in value):
        raise ValueError("expected a list of lists of four numbers")
    return [[float(x) for x in row] for row in value]


def kserve(method, path, body):
    tensor = {"name": "input-0", "datatype": "FP64", "shape": [-1, 4]}
    if (method, path) == ("GET", "/v2"):
        return 200, {"name": "tiny", "version": "1.0", "extensions": []}
    if (method, path) == ("GET", "/v2/health/live"):
        return 200, {"live": True}
    if (method, path) == ("GET", "/v2/health/ready"):
        return (503, {"ready": False}) if is_loading() else (200, {"ready": True})
    if (method, path) == ("POST", "/v2/repository/index"):
        return 200, [{"name": "iris", "version": "1", "state": "READY", "reason": ""}]
    if (method, path) == ("GET", "/v2/models/iris"):
        outputs = [
            {"name": "scores", "datatype": "FP64", "shape": [-1, 3]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ]
        return 200, {
            "name": "iris",
            "versions": ["1"],
            "platform": "tiny",
            "inputs": [tensor],
            "outputs": outputs,
        }
    if (method, path) == ("POST", "/v2/models/iris/infer"):
        (given,) = body["inputs"]
        data = flat(given["data"])
        count, width = given["shape"]
        if (
            given["name"] != "input-0"
            or given["datatype"] != "FP64"
            or width != 4
            or len(data) != count * width
        ):
            return 400, {"error": "unexpected shape for input"}
        scores = predict([data[i * 4 : i * 4 + 4] for i in range(count)])
        outputs = [
            {"name": "scores", "datatype": "FP64", "shape": [count, 3], "data": flat(scores)},
            {"name": "label", "datatype": "BYTES", "shape": [count], "data": labels(scores)},
        ]
        return 200, {"model_name": "iris", "model_version": "1", "id": str(time.time()), "outputs": outputs}
    return 404, {"error": "not found"}


def tfserving(method, path, body):
    if (method, path) == ("GET", "/v1/models/iris"):
        state = "LOADING" if is_loading() else "AVAILABLE"
        status = {"error_code": "OK", "error_message": ""}
        return 200, {"model_version_status": [{"version": "1", "state": state, "status": status}]}
    if (method, path) == ("GET", "/v1/models/iris/metadata"):
        dims = {"dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}], "unknown_rank": False}
        inputs = {
            "dense_input": {
                "dtype": "DT_FLOAT",
                "tensor_shape": dims,
                "name": "serving_default_dense_input:0",
            }
        }
        signature = {"inputs": inputs, "outputs": {}, "method_name": "tensorflow/serving/predict"}
        metadata = {"signature_def": {"signature_def": {"serving_default": signature}}}
        return 200, {
            "model_spec": {"name": "iris", "signature_name": "", "version": "1"},
            "metadata": metadata,
        }
    if (method, path) == ("POST", "/v1/models/iris:predict"):
        if is_loading():
            return 404, {"error": "Servable not found for request: Latest(iris)"}
        if "instances" not in body:
            return 400, {"error": "Missing 'inputs' or 'instances' key"}
        return 200, {"predictions": predict(number_rows(body["instances"]))}
    return 404, {"error": "Malformed request: %s %s" % (method, path)}


def cog(method, path, body):
    if (method, path) == ("GET", "/"):
        return 200, {"docs_url": "/docs", "openapi_url": "/openapi.json", "predictions_url": "/predictions"}
    if (method, path) == ("GET", "/health-check"):
        setup = {
            "started_at": "2024-01-01T00:00:00+00:00",
            "completed_at": None,
            "logs": "",
            "status": "starting",
        }
        return 200, {"status": "STARTING" if is_loading() else "READY", "setup": setup}
    if (method, path) == ("GET", "/openapi.json"):
        if is_loading():
            return 503, {"error": "OpenAPI schema not available"}
        properties = {
            name: {"title": name, "type": "number", "x-order": order} for order, name in enumerate(NAMES)
        }
        given = {"title": "Input", "type": "object", "required": NAMES, "properties": properties}
        request = {"type": "object", "properties": {"input": {"$ref": "#/components/schemas/Input"}}}
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/PredictionRequest"}}}
        paths = {
            "/predictions": {"post": {"requestBody": {"content": content}}},
            "/health-check": {"get": {}},
        }
        schemas = {"Input": given, "PredictionRequest": request, "Output": {"type": "object"}}
        info = {"title": "Cog", "version": "0.1.0"}
        return 200, {"openapi": "3.0.2", "info": info, "paths": paths, "components": {"schemas": schemas}}
    if (method, path) == ("POST", "/predictions"):
        if is_loading():
            return 503, {"error": "Setup has not finished yet.", "status": "failed"}
        if sorted(body["input"]) != sorted(NAMES):
            return 422, {"detail": [{"loc": ["body", "input"], "msg": "field required"}]}
        scores = predict([[float(body["input"][name]) for name in NAMES]])
        now = datetime.now().isoformat()
        return 200, {
            "input": body["input"],
            "output": {"label": labels(scores)[0], "scores": scores[0]},
            "id": None,
            "version": None,
            "created_at": None,
            "started_at": now,
            "completed_at": now,
            "logs": "",
            "error": None,
            "status": "succeeded",
            "metrics": {"predict_time": time.time() - STARTED},
        }
    return 404, {"detail": "Not Found"}


def bentoml(method, path, body):
    if method == "GET" and path in ("/livez", "/readyz", "/healthz"):
        return (503, "") if path == "/readyz" and is_loading() else (200, "\n")
    if (method, path) == ("GET", "/docs.json"):
        matrix = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
        schema = {
            "title": "Input",
            "type": "object",
            "required": ["features"],
            "properties": {"features": matrix},
        }
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/classify__Input"}}}
        post = {"x-bentoml-name": "classify", "requestBody": {"required": True, "content": content}}
        paths = {"/classify": {"post": post}, "/livez": {"get": {}}, "/readyz": {"get": {}}}
        schemas = {"classify__Input": schema}
        info = {"title": "iris", "version": "None"}
        return 200, {"openapi": "3.0.2", "info": info, "paths": paths, "components": {"schemas": schemas}}
    if (method, path) == ("POST", "/classify"):
        if sorted(body) != ["features"]:
            return 400, {"error": "1 validation error for Input"}
        return 200, labels(predict(number_rows(body["features"])))
    return 404, {"error": "Not Found"}


def fastapi(method, path, body):
    if (method, path) == ("GET", "/openapi.json"):
        flower = {
            "type": "object",
            "required": NAMES,
            "properties": {name: {"type": "number"} for name in NAMES},
        }
        schema = {"type": "object", "required": ["flowers"]}
        schema["properties"] = {
            "flowers": {"type": "array", "items": {"$ref": "#/components/schemas/Flower"}}
        }
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Batch"}}}
        paths = {"/v2/species": {"post": {"requestBody": {"content": content}}}}
        return 200, {
            "openapi": "3.1.0",
            "paths": paths,
            "components": {"schemas": {"Flower": flower, "Batch": schema}},
        }
    if (method, path) == ("POST", "/v2/species"):
        if sorted(body) != ["flowers"]:
            return 422, {"detail": [{"type": "missing", "loc": ["body", "flowers"]}]}
        scores = predict([[each[name] for name in NAMES] for each in body["flowers"]])
        rows = [{"label": label, "margin": {"best": max(row)}} for label, row in zip(labels(scores), scores)]
        return 200, {"results": rows, "took": time.time() - STARTED}
    return 404, {"detail": "Not Found"}


KINDS = {"kserve": kserve, "tfserving": tfserving, "cog": cog, "bentoml": bentoml, "fastapi": fastapi}
KIND = KINDS[sys.argv[1]]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("GET", {})

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.answer("POST", json.loads(content) if content else {})
        except (ValueError, KeyError, TypeError) as error:
            self.reply(400, {"error": repr(error)})

    def answer(self, method, body):
        self.reply(*KIND(method, self.path, body))

    def reply(self, status, value):
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[2])), Handler).serve_forever()
