"""Name the species of many flowers: `python -m model.mlp.predict --input IN.csv --output OUT.csv`.

Exit codes: 0 predicted, 2 usage or an input that is no table of flowers, 3 an artifact was refused.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np

from model import artifacts, flowers

MODEL = "model.h5"
STANDARDIZE = "standardize.json"
SPECIES = ("Setosa", "Versicolor", "Virginica")
ARTIFACTS = Path(__file__).resolve().parent / "artifacts"


class Predictor:
    """The trained network with its standardisation, loaded from a folder of checked artifacts.

    Raises ArtifactError when an artifact is not the one the manifest names.
    """

    def __init__(self, folder: Path) -> None:
        # Checked before TensorFlow is imported: a refusal takes no seconds.
        model = artifacts.read(folder / MODEL)
        standardize = artifacts.read(folder / STANDARDIZE)
        self.digests = artifacts.digests(folder)
        try:
            values = json.loads(standardize)
            self._mean = np.array(values["mean"], dtype=np.float64)
            self._deviation = np.array(values["deviation"], dtype=np.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise artifacts.ArtifactError(
                f"{folder / STANDARDIZE}: not a standardisation: {error}"
            ) from error

        import h5py

        from model.mlp.tensorflow_quietly import tf

        try:
            with h5py.File(io.BytesIO(model), "r") as file:
                self._network = tf.keras.models.load_model(file, compile=False)
        except (OSError, ValueError) as error:
            raise artifacts.ArtifactError(f"{folder / MODEL}: not a model: {error}") from error

    def predict(self, features: np.ndarray) -> Tuple[List[str], np.ndarray]:
        """Labels, and probabilities as float32 of shape (rows, 3), of features in cm of shape (rows, 4)."""
        with np.errstate(over="ignore", invalid="ignore"):
            standardised = ((features - self._mean) / self._deviation).astype(np.float32)
        probabilities = flowers.in_blocks(
            lambda rows: self._network(rows, training=False).numpy(), standardised, len(SPECIES)
        ).astype(np.float32)
        return [SPECIES[index] for index in probabilities.argmax(axis=1)], probabilities


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="predict", description="Name the species of the flowers in a CSV file."
    )
    parser.add_argument("--input", default=flowers.STANDARD, metavar="IN.csv", help="default: standard input")
    parser.add_argument(
        "--output", default=flowers.STANDARD, metavar="OUT.csv", help="default: standard output"
    )
    parser.add_argument(
        "--artifacts", type=Path, default=ARTIFACTS, metavar="FOLDER", help="default: those shipped"
    )
    options = parser.parse_args(arguments)
    try:
        features, _ = flowers.parse(flowers.read_text(options.input))
        labels, probabilities = Predictor(options.artifacts).predict(features)
        flowers.write_text(options.output, flowers.render(labels, probabilities, SPECIES))
    except flowers.TableError as error:
        print(f"predict: {error}", file=sys.stderr)
        return 2
    except artifacts.ArtifactError as error:
        print(f"predict: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
