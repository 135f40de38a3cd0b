"""Scikit-learn classifiers on embeddings, pixels or voxels: baselines described by the same recipes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from core.networks.recipe import Classic, Imbalance

LEAST = 1e-6  # lower bound on a probability before taking its logarithm


def fit_classic(
    how: Classic, imbalance: Imbalance, features: NDArray, labels: NDArray[np.int64], *, seed: int
) -> Pipeline:
    """Fit a classic classifier.

    Args:
        how: Kind and settings.
        imbalance: Its class weights are used by all except nearest neighbours.
        features: N × features.
        labels: int64, N.
        seed: Seed for everything random.
    """
    weights = "balanced" if imbalance.class_weights else None
    classifier: Any
    match how.kind:
        case "logistic_regression":
            classifier = LogisticRegression(C=how.strength, class_weight=weights, max_iter=2000, random_state=seed)
        case "svm":
            classifier = SVC(
                C=how.strength,
                kernel=how.kernel,
                class_weight=weights,
                decision_function_shape="ovr",
                random_state=seed,
            )
        case _:
            classifier = KNeighborsClassifier(how.neighbours)
    steps: list[Any] = [] if how.kind == "nearest_neighbours" else [StandardScaler()]
    if how.components is not None:
        steps.append(PCA(min(how.components, *features.shape), random_state=seed))
    return make_pipeline(*steps, classifier).fit(features, labels)


def classic_logits(classifier: Pipeline, features: NDArray, n_classes: int) -> NDArray[np.float32]:
    """Return N × classes scores: logarithms of probabilities, or the decision values of a support vector machine.

    Classes without training examples get a score far below all others.
    """
    if hasattr(classifier, "predict_proba"):
        scores = np.log(np.maximum(classifier.predict_proba(features), LEAST))
    else:
        scores = classifier.decision_function(features)
        if scores.ndim == 1:  # two classes
            scores = np.stack([-scores / 2, scores / 2], axis=1)
    logits = np.full((len(features), n_classes), scores.min() + np.log(LEAST), np.float32)
    logits[:, classifier.classes_] = scores
    return logits
