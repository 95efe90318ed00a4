"""Train from a CSV file: `python -m model.pipeline.train IN.csv OUT.joblib`.

Writes the best estimator of a grid search to OUT.joblib and manifest.json beside it.
Exit codes: 0 trained, 2 usage or an input that is no table of labelled flowers, 3 could not write.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import List, Optional

import joblib
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from model import artifacts, flowers

SEED = 1234
FOLDS = 3
GRID = {"pca__n_components": [1, 2, 3, 4], "regression__C": [0.01, 0.1, 1.0, 10.0, 100.0]}
PACKAGES = ("joblib", "numpy", "scikit-learn", "scipy")
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED")


def train(features: np.ndarray, labels: List[str]) -> Pipeline:
    """The best pipeline of the grid, trained on all rows. Raises TableError when there are too few rows."""
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < FOLDS:
        raise flowers.TableError(f"{FOLDS} folds need two labels or more, each on {FOLDS} rows or more")
    search = GridSearchCV(
        Pipeline(
            [
                # Left to itself PCA takes a random solver for large tables.
                ("pca", PCA(svd_solver="full", random_state=SEED)),
                ("regression", LogisticRegression(max_iter=10_000, random_state=SEED)),
            ]
        ),
        GRID,
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=SEED),
    )
    search.fit(features, np.array(labels))
    print(
        f"train: accuracy in {FOLDS} folds {search.best_score_:.3f} with {search.best_params_}",
        file=sys.stderr,
    )
    return search.best_estimator_


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="train", description="Train from a CSV file of labelled flowers.")
    parser.add_argument(
        "input", metavar="IN.csv", help=f"columns {', '.join(flowers.FEATURES)}, {flowers.LABEL}"
    )
    parser.add_argument("model", type=Path, metavar="OUT.joblib", help="manifest.json is written beside it")
    options = parser.parse_args(arguments)
    try:
        text = flowers.read_text(options.input)
        estimator = train(*flowers.parse(text, labelled=True))
    except flowers.TableError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    data = io.BytesIO()
    joblib.dump(estimator, data)
    provenance = artifacts.provenance(PACKAGES, VARIABLES)
    provenance.update({"input": artifacts.digest(text.encode()), "seed": SEED})
    try:
        artifacts.write(options.model.parent, {options.model.name: data.getvalue()}, provenance)
    except OSError as error:
        print(f"train: {options.model} cannot be written: {error}", file=sys.stderr)
        return 3
    print(f"train: written to {options.model}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
