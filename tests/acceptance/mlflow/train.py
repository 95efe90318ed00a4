"""Train on the iris table that scikit-learn brings, and save as MLflow does."""

import sys

import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

flowers = load_iris(as_frame=True)
features = flowers.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
model = LogisticRegression(max_iter=500).fit(features, flowers.target_names[flowers.target])
mlflow.sklearn.save_model(
    model,
    sys.argv[1],
    signature=mlflow.models.infer_signature(features, model.predict(features)),
    pip_requirements=["scikit-learn"],
)
