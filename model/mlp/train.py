"""Train the network and write its artifacts: `python -m model.mlp.train FOLDER`.

The same image on the same hardware writes the same bytes each time. The standardisation is kept as JSON,
not as a pickle: a pickle runs code when it is loaded, and JSON's numbers read back exactly.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Dict, List, Optional

import h5py
import numpy as np
from sklearn.datasets import load_iris

from model import artifacts
from model.mlp.predict import MODEL, SPECIES, STANDARDIZE
from model.mlp.tensorflow_quietly import tf

SEED = 1234
TRAIN_SHARE = 0.8
EPOCHS = 64
BATCH = 64
PACKAGES = ("h5py", "keras", "numpy", "scikit-learn", "tensorflow-cpu")
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def network() -> tf.keras.Model:
    """Four standardised measures in, the probabilities of three species out."""
    layers = tf.keras.layers
    # Named, because Keras would count them up within one process and write the count into the file.
    model = tf.keras.Sequential(
        [
            layers.Dense(24, activation="relu", input_shape=(4,), name="hidden"),
            layers.Dropout(0.4, name="dropout"),
            layers.BatchNormalization(name="normalise"),
            layers.Dense(len(SPECIES), activation="softmax", name="species"),
        ],
        name="mlp",
    )
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate=1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train() -> Dict[str, bytes]:
    """Train once; the artifacts by file name."""
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    iris = load_iris()
    together = np.column_stack([iris.data, iris.target])
    np.random.shuffle(together)
    count = int(len(together) * TRAIN_SHARE)
    features, labels = together[:, :4], together[:, 4].astype(np.int64)
    mean, deviation = features[:count].mean(axis=0), features[:count].std(axis=0)
    standardised = ((features - mean) / deviation).astype(np.float32)
    model = network()
    history = model.fit(
        standardised[:count],
        labels[:count],
        epochs=EPOCHS,
        batch_size=BATCH,
        verbose=0,
        validation_data=(standardised[count:], labels[count:]),
    )
    print(f"train: validation accuracy {history.history['val_accuracy'][-1]:.3f}", file=sys.stderr)
    saved = io.BytesIO()
    with warnings.catch_warnings(), h5py.File(saved, "w") as file:
        # Keras calls the format legacy; its own newer one is not the same bytes twice.
        warnings.simplefilter("ignore", UserWarning)
        # Without the optimizer's state: a prediction has no use for it.
        tf.keras.models.save_model(model, file, save_format="h5", include_optimizer=False)
    standardize = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    return {MODEL: saved.getvalue(), STANDARDIZE: (json.dumps(standardize, indent=2) + "\n").encode()}


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="train", description="Train the network and write its artifacts.")
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="where model.h5, standardize.json and manifest.json go"
    )
    options = parser.parse_args(arguments)
    provenance = artifacts.provenance(PACKAGES, VARIABLES)
    provenance.update({"op-determinism": True, "seed": SEED})
    try:
        artifacts.write(options.folder, train(), provenance)
    except OSError as error:
        print(f"train: {options.folder} cannot be written: {error}", file=sys.stderr)
        return 3
    print(f"train: artifacts written to {options.folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
