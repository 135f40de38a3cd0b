"""Plain values for JSON: what is undefined becomes null, in one place, and is read as nothing else."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def number_or_none(value: float) -> float | None:
    """Return a number; None for NaN and infinities, which JSON does not know.

    >>> number_or_none(0.5), number_or_none(float("nan"))
    (0.5, None)
    """
    return float(value) if np.isfinite(value) else None


def plain(values: Any) -> Any:
    """Return values as JSON knows them: arrays and tuples as lists, NumPy's numbers as Python's, NaN as None.

    >>> plain({"auc": float("nan"), "counts": np.array([1, 2])})
    {'auc': None, 'counts': [1, 2]}
    """
    if isinstance(values, Mapping):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    if isinstance(values, np.ndarray | np.generic):
        return plain(values.tolist())
    return number_or_none(values) if isinstance(values, float) else values


def finite_json(text: str) -> Any:
    """Read JSON in which every number is finite.

    Raises:
        ValueError: It is no JSON, or holds NaN, an infinite number, or one too large for a float.
    """
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is no finite number")
    return value
