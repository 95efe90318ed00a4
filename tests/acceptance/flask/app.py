"""A team's first service: a linear model behind Flask."""

import json

import numpy as np
from flask import Flask, jsonify, request

app = Flask(__name__)
with open("model.json") as file:
    model = json.load(file)


@app.route("/health")
def health():
    return "ok"


@app.route("/predict", methods=["POST"])
def predict():
    features = np.array(request.get_json()["features"], dtype=float)
    scores = features @ np.array(model["weights"]) + np.array(model["bias"])
    labels = [model["classes"][i] for i in scores.argmax(axis=1)]
    return jsonify({"labels": labels, "scores": scores.tolist()})
