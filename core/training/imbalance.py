"""Handling class imbalance: class weights, weighted sampling, focal loss, synthetic embeddings."""

import warnings
from typing import Any

import keras
import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, SVMSMOTE, BorderlineSMOTE, RandomOverSampler
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from core.errors import TrainingError
from core.networks.recipe import Imbalance, Oversampling

OVERSAMPLERS = {
    "smote": (SMOTE, "k_neighbors"),
    "borderline_smote": (BorderlineSMOTE, "k_neighbors"),
    "svm_smote": (SVMSMOTE, "k_neighbors"),
    "adasyn": (ADASYN, "n_neighbors"),
    "repetition": (RandomOverSampler, None),
}


def class_weights(imbalance: Imbalance, labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Return the weight of each class, float32; 1 for all if the recipe does not use class weights."""
    weights = np.ones(n_classes, np.float32)
    if imbalance.class_weights:
        present = np.unique(labels)
        weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights


def draw_order(imbalance: Imbalance, labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return the order of the scans in an epoch: each once, or every class equally often, with replacement."""
    if imbalance.sampling == "shuffled":
        return random.permutation(len(labels))
    weights = 1 / np.bincount(labels)[labels]
    return random.choice(len(labels), len(labels), p=weights / weights.sum())


def loss_of(imbalance: Imbalance) -> keras.losses.Loss:
    """Return the loss on logits and integer labels."""
    if imbalance.loss == "cross_entropy":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return SparseFocal(imbalance.focal_gamma)


class SparseFocal(keras.losses.Loss):
    """Focal loss, -(1 - p)^gamma log p of the true class (Lin et al., Focal Loss, ICCV 2017, equation 4)."""

    def __init__(self, gamma: float) -> None:
        super().__init__(name="focal")
        self.gamma = gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each scan; y_true is N (or N × 1) class indices, y_pred N × classes logits."""
        true = keras.ops.one_hot(keras.ops.reshape(y_true, (-1,)), y_pred.shape[-1])
        log_p = keras.ops.sum(keras.ops.log_softmax(y_pred) * true, axis=-1)
        return -((1 - keras.ops.exp(log_p)) ** self.gamma) * log_p


def oversample(
    how: Oversampling, embeddings: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Add synthetic embeddings to rare classes, with imbalanced-learn.

    Args:
        how: Method, target and neighbours.
        embeddings: float32, N × features, the real ones.
        labels: int64, N.
        seed: Seed for the random choices.

    Returns:
        The real embeddings in their order, followed by the synthetic ones, with their labels.

    Raises:
        TrainingError: A class has too few embeddings to interpolate between.
    """
    present, counts = np.unique(labels, return_counts=True)
    target = how.target or int(counts.max())
    wanted = {int(label): max(int(count), target) for label, count in zip(present, counts, strict=True)}
    if list(wanted.values()) == counts.tolist():
        return embeddings, labels
    oversampler, neighbours = OVERSAMPLERS[how.method]
    options = {} if neighbours is None else {neighbours: min(how.neighbours, int(counts.min()) - 1)}
    if neighbours is not None and counts.min() < 2:
        raise TrainingError(f"{how.method} needs at least two scans of every class; a class has one. Use repetition.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from the support vector machine in SVM-SMOTE
            sampler = oversampler(sampling_strategy=wanted, random_state=seed, **options)
            resampled, new_labels = sampler.fit_resample(embeddings, labels)
    except (ValueError, RuntimeError) as error:
        raise TrainingError(f"{how.method} cannot balance these classes: {str(error).splitlines()[0]}") from error
    return np.asarray(resampled, np.float32), np.asarray(new_labels, np.int64)
