"""A linear model with three classes: the whole of it in a few lines, so that drifts are easy to plant."""

import json
import os

import numpy as np

LABELS = np.array(["ash", "birch", "cedar"])
HERE = os.path.dirname(os.path.abspath(__file__))


def predict(features):
    """Labels and probabilities, shapes (rows,) and (rows, 3), for features of shape (rows, 4)."""
    with open(os.path.join(HERE, "weights.json")) as file:
        weights = json.load(file)
    scores = (
        np.asarray(features, dtype=np.float64).reshape(-1, 4) @ np.array(weights["matrix"])
        + weights["offset"]
    )
    raised = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(scores) else scores
    probabilities = raised / raised.sum(axis=1, keepdims=True)
    return LABELS[probabilities.argmax(axis=1)], probabilities
