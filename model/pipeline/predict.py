"""Name the species of many flowers: `python -m model.pipeline.predict MODEL.joblib IN.csv --output OUT.csv`.

joblib runs code that is in the file it loads, so the file is checked against manifest.json beside it first.
Exit codes: 0 predicted, 2 usage or an input that is no table of flowers, 3 the model was refused.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import List, Optional, Tuple

import joblib
import numpy as np

from model import artifacts, flowers


class Predictor:
    """A trained pipeline from a checked file. Raises ArtifactError when the manifest does not vouch for it."""

    def __init__(self, path: Path) -> None:
        data = artifacts.read(path)
        self._estimator = joblib.load(io.BytesIO(data))
        self.classes = [str(name) for name in self._estimator.classes_]

    def predict(self, features: np.ndarray) -> Tuple[List[str], np.ndarray]:
        """Labels, and probabilities as float64 of shape (rows, classes), of features of shape (rows, 4)."""
        probabilities = flowers.in_blocks(self._estimator.predict_proba, features, len(self.classes))
        return [self.classes[index] for index in probabilities.argmax(axis=1)], probabilities


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="predict", description="Name the species of the flowers in a CSV file."
    )
    parser.add_argument("model", type=Path, metavar="MODEL.joblib", help="with manifest.json beside it")
    parser.add_argument(
        "input", nargs="?", default=flowers.STANDARD, metavar="IN.csv", help="default: standard input"
    )
    parser.add_argument("--output", default=flowers.STANDARD, metavar="FILE", help="default: standard output")
    parser.add_argument("--format", choices=("csv", "json"), help="default: by the output's name, else CSV")
    options = parser.parse_args(arguments)
    form = options.format or ("json" if options.output.endswith(".json") else "csv")
    try:
        features, _ = flowers.parse(flowers.read_text(options.input))
        predictor = Predictor(options.model)
        labels, probabilities = predictor.predict(features)
        flowers.write_text(options.output, flowers.render(labels, probabilities, predictor.classes, form))
    except flowers.TableError as error:
        print(f"predict: {error}", file=sys.stderr)
        return 2
    except artifacts.ArtifactError as error:
        print(f"predict: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
