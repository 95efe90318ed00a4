"""Batch prediction as a plain script: CSV in, CSV out."""

import argparse
import csv
import json

parser = argparse.ArgumentParser()
parser.add_argument("--input", required=True)
parser.add_argument("--output", required=True)
arguments = parser.parse_args()

with open("weights.json") as file:
    weights = json.load(file)
with open(arguments.input, newline="") as file:
    rows = list(csv.DictReader(file))
with open(arguments.output, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["score", "label"])
    for row in rows:
        score = sum(float(row[name]) * weight for name, weight in weights.items())
        writer.writerow([repr(score), "large" if score > 10 else "small"])
