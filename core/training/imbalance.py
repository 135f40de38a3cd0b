"""What is done about rare classes: weights, weighted sampling, focal loss, invented embeddings."""

import warnings

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
    """Return how much a scan of each class counts, float32; 1 for all if the recipe asks for no weights."""
    weights = np.ones(n_classes, np.float32)
    if imbalance.class_weights:
        present = np.unique(labels)
        weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights


def draw_order(imbalance: Imbalance, labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return the scans of an epoch in their order: each once, or every class alike often with replacement."""
    if imbalance.sampling == "shuffled":
        return random.permutation(len(labels))
    probabilities = 1 / np.bincount(labels)[labels]
    return random.choice(len(labels), len(labels), p=probabilities / probabilities.sum())


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

    def call(self, y_true, y_pred):  # type: ignore[no-untyped-def]
        """Return the loss of each scan; y_true is N (or N × 1) places, y_pred N × classes logits."""
        true = keras.ops.one_hot(keras.ops.reshape(y_true, (-1,)), y_pred.shape[-1])
        log_p = keras.ops.sum(keras.ops.log_softmax(y_pred) * true, axis=-1)
        return -((1 - keras.ops.exp(log_p)) ** self.gamma) * log_p


def oversample(
    how: Oversampling, embeddings: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Add invented embeddings to rare classes, with imbalanced-learn.

    Args:
        how: Method, target and neighbours.
        embeddings: float32, N × features, real ones.
        labels: int64, N.
        seed: Of the random choices.

    Returns:
        The real embeddings in their order and the invented ones behind them, with their labels.

    Raises:
        TrainingError: A class has too few embeddings to invent more between them.
    """
    present, counts = np.unique(labels, return_counts=True)
    target = how.target or int(counts.max())
    wanted = {int(index): max(int(count), target) for index, count in zip(present, counts, strict=True)}
    if all(wanted[int(index)] == count for index, count in zip(present, counts, strict=True)):
        return embeddings, labels
    oversampler, neighbours = OVERSAMPLERS[how.method]
    options = {} if neighbours is None else {neighbours: min(how.neighbours, int(counts.min()) - 1)}
    if neighbours is not None and counts.min() < 2:
        raise TrainingError(f"{how.method} needs two scans of every class or more; a class has one. Try repetition.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the support vector machine inside
            made, made_labels = oversampler(sampling_strategy=wanted, random_state=seed, **options).fit_resample(
                embeddings, labels
            )
    except (ValueError, RuntimeError) as error:
        raise TrainingError(f"{how.method} cannot balance these classes: {str(error).splitlines()[0]}") from error
    return np.asarray(made, np.float32), np.asarray(made_labels, np.int64)
