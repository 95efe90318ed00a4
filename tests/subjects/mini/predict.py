"""Batch prediction: `predict.py INPUT OUTPUT`, where `-` is stdin or stdout and the ending says the format."""

import csv
import io
import json
import sys

import numpy as np
from model import predict

NAMES = ["a", "b", "c", "d"]


def read(data, ending):
    """Features of shape (rows, 4) from bytes."""
    if ending == "csv":
        return [[float(row[name]) for name in NAMES] for row in csv.DictReader(io.StringIO(data.decode()))]
    if ending == "npz":
        arrays = np.load(io.BytesIO(data))
        return np.stack([arrays[name] for name in NAMES], axis=1)
    records = [json.loads(line) for line in data.splitlines()] if ending == "jsonl" else json.loads(data)
    return [[record[name] for name in NAMES] for record in records]


def write(labels, probabilities, ending):
    """Bytes in the format of the ending."""
    columns = {"label": labels.tolist()}
    for number, name in enumerate(["ash", "birch", "cedar"]):
        columns["p_" + name] = probabilities[:, number].tolist()
    if ending == "npz":
        buffer = io.BytesIO()
        np.savez(buffer, **{name: np.array(values) for name, values in columns.items()})
        return buffer.getvalue()
    records = [dict(zip(columns, row)) for row in zip(*columns.values())]
    if ending == "json":
        return json.dumps(records).encode()
    if ending == "jsonl":
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        [[repr(v) if isinstance(v, float) else v for v in row] for row in zip(*columns.values())]
    )
    return text.getvalue().encode()


def main(source, target):
    """Read, predict, write."""

    def ending(path):
        return path.rpartition(".")[2] if "." in path else "csv"

    data = sys.stdin.buffer.read() if source.startswith("-") else open(source, "rb").read()
    labels, probabilities = predict(read(data, ending(source)))
    result = write(labels, probabilities, ending(target))
    if target.startswith("-"):
        sys.stdout.buffer.write(result)
    else:
        with open(target, "wb") as file:
            file.write(result)


main(sys.argv[1], sys.argv[2])
