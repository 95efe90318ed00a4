"""The network over HTTP; gunicorn starts it: `gunicorn 'model.mlp.service:create_app()'`.

POST /predict   {"features": [[f, f, f, f], ...], "probabilities": true}  ->  {"predicted_labels": [...], ...}
GET  /healthz   answers once the model is loaded
GET  /version   the lock's id, as the variable GOLDLOCK_LOCK_ID tells it, and the artifacts' digests

Errors are JSON too: {"error": "..."} with 400 for a body that is no JSON object, 422 for one that does not fit.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException, UnprocessableEntity

from model import flowers
from model.artifacts import ArtifactError
from model.mlp.predict import ARTIFACTS, SPECIES, Predictor

BODY_LIMIT = 1 << 20


def parse_body(data: bytes) -> Tuple[np.ndarray, bool]:
    """Features of shape (rows, 4), and whether probabilities are asked for.

    Raises BadRequest or UnprocessableEntity, whose description says what does not fit and where.
    """
    try:
        body = json.loads(data, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    if "features" not in body:
        raise UnprocessableEntity('the key "features" is missing')
    unknown = sorted(set(body) - {"features", "probabilities"})
    if unknown:
        raise UnprocessableEntity(
            f'unknown key {json.dumps(unknown[0])}; known are "features" and "probabilities"'
        )
    wanted = body.get("probabilities", False)
    if not isinstance(wanted, bool):
        raise UnprocessableEntity('"probabilities" is neither true nor false')
    rows = body["features"]
    if not isinstance(rows, list):
        raise UnprocessableEntity('"features" is not a list of rows')
    checked = [_row(row, index) for index, row in enumerate(rows)]
    return np.array(checked, dtype=np.float64).reshape(-1, len(flowers.FEATURES)), wanted


def _no_json(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _row(row: object, index: int) -> List[float]:
    if not isinstance(row, list) or len(row) != len(flowers.FEATURES):
        raise UnprocessableEntity(f"features[{index}] is not a list of {len(flowers.FEATURES)} numbers")
    values: List[float] = []
    for place, value in enumerate(row):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UnprocessableEntity(f"features[{index}][{place}] is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise UnprocessableEntity(f"features[{index}][{place}] is not a finite number")
        values.append(number)
    return values


def create_app(folder: Optional[Path] = None) -> Flask:
    """The application. Ends the process with exit code 3 when an artifact is refused."""
    try:
        predictor = Predictor(folder or Path(os.environ.get("MODEL_ARTIFACTS") or ARTIFACTS))
        # The first prediction is slower than the next ones: have it behind us.
        predictor.predict(np.zeros((1, len(flowers.FEATURES))))
    except ArtifactError as error:
        print(f"serve: {error}", file=sys.stderr, flush=True)
        sys.exit(3)
    app = Flask("model.mlp.service")
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.url_map.strict_slashes = False

    @app.post("/predict")
    def predict() -> Response:
        features, wanted = parse_body(request.get_data())
        labels, probabilities = predictor.predict(features)
        answer: Dict[str, object] = {"predicted_labels": labels}
        if wanted:
            answer.update(classes=list(SPECIES), probabilities=flowers.numbers(probabilities))
        return jsonify(answer)

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/version")
    def version() -> Response:
        return jsonify(artifacts=predictor.digests, lock=os.environ.get("GOLDLOCK_LOCK_ID"))

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500

    return app
