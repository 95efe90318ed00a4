"""The model over HTTP, in the dialects of four kinds of service, on the standard library's server."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from model import predict

NAMES = ["a", "b", "c", "d"]


def answer(path, body):
    """The answer of one service's dialect, None where there is no such path."""
    if path.rstrip("/") == "/predict":  # as a small Flask service
        labels, probabilities = predict(body["features"])
        return {"predicted_labels": labels.tolist(), "probabilities": probabilities.tolist()}
    if path == "/invocations":  # as MLflow's scoring server
        split = body["dataframe_split"]
        order = [split["columns"].index(name) for name in NAMES]
        labels, _ = predict([[row[i] for i in order] for row in split["data"]])
        return {"predictions": labels.tolist()}
    if path == "/v1/models/mini:predict":  # as TensorFlow Serving
        _, probabilities = predict(body["instances"])
        return {"predictions": probabilities.tolist()}
    if path == "/predictions":  # as Cog: one input at a time
        given = body["input"]
        labels, probabilities = predict([[given[name] for name in NAMES]])
        return {"status": "succeeded", "output": {"label": labels.tolist()[0], "score": probabilities.max()}}
    return None


class Handler(BaseHTTPRequestHandler):
    """Answers JSON."""

    def do_GET(self):
        self.reply(200 if self.path == "/health" else 404, {"status": "ok"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = answer(self.path, body)
        self.reply(404 if found is None else 200, found)

    def reply(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Stay silent."""


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler).serve_forever()
