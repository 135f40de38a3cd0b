"""The classification report: precision, recall, F1 and support of each class with their averages, and the confusion
matrix, as scikit-learn's `classification_report` has them, with specificity and AUC beside them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.reporting.text.numbers import with_interval
from core.results import Metrics

if TYPE_CHECKING:
    from core.evaluation.evaluation import Evaluation

OF_CLASS = {"precision": "Precision", "recall": "Recall", "f1": "F1", "specificity": "Specificity", "auc": "AUC"}
MACRO, WEIGHTED, ACCURACY = "Macro average", "Weighted average", "Accuracy"


def class_report(metrics: Metrics) -> pd.DataFrame:
    """Return a row a class, the mean over the classes that are present, the mean weighted by support, and accuracy.

    Recall is a class's sensitivity. A class that is absent has no values; averages leave it out.

    Args:
        metrics: By slice or by subject.

    Returns:
        The columns Class, Precision, Recall, F1, Specificity, AUC (float, NaN where undefined) and Support.
    """
    support = np.asarray(metrics.confusion).sum(axis=1)
    rows = [
        {"Class": name, **{title: _value(metrics, name, key) for key, title in OF_CLASS.items()}}
        for name in metrics.classes
    ]
    table = pd.DataFrame(rows).assign(Support=support)
    present = table[table["Support"] > 0]
    averages = [
        {"Class": name, **{title: _mean(present[title], weights) for title in OF_CLASS.values()}}
        for name, weights in ((MACRO, np.ones(len(present))), (WEIGHTED, present["Support"].to_numpy(float)))
    ]
    accuracy = {"Class": ACCURACY, "Recall": metrics["accuracy"].value}
    more = pd.DataFrame([*averages, accuracy]).assign(Support=int(support.sum()))
    return pd.concat([table, more], ignore_index=True)


def class_report_text(metrics: Metrics) -> str:
    """Say the classification report and the confusion matrix of one way of counting, in aligned columns."""
    table = class_report(metrics)
    head = [str(name) for name in table.columns]
    cells = [
        [
            str(row["Class"]),
            *("" if np.isnan(row[title]) else f"{row[title]:.3f}" for title in OF_CLASS.values()),
            f"{row['Support']:,}",
        ]
        for _, row in table.iterrows()
    ]
    names = [f"{number}  {name}" for number, name in enumerate(metrics.classes, start=1)]
    counts = [
        ["truth, and answers in columns", *(str(number) for number in range(1, len(names) + 1))],
        *([name, *(f"{count:,}" for count in row)] for name, row in zip(names, metrics.confusion, strict=True)),
    ]
    title = f"by {metrics.unit}, each class against the others"
    return "\n".join([title, *_aligned([head, *cells]), *_aligned(counts)])


def recall_text(networks: Mapping[str, "Evaluation"]) -> str:
    """Put the recall of each class by several networks beside each other, by subject and by slice.

    Args:
        networks: What each was called, and what was measured of it, on the same scans.
    """
    lines = []
    for unit in ("by subject", "by slice"):
        measured = {name: one.by_unit[unit] for name, one in networks.items() if unit in one.by_unit}
        if not measured:
            continue
        first = next(iter(measured.values()))
        support = np.asarray(first.confusion).sum(axis=1)
        lines += [
            f"recall {unit}, with its 95 % interval over people",
            *_aligned(
                [
                    ["", "Support", *measured],
                    *(
                        [name, f"{count:,}", *(_recall(metrics, name) for metrics in measured.values())]
                        for name, count in zip(first.classes, support, strict=True)
                    ),
                ]
            ),
        ]
    return "\n".join(lines)


def balance_text(counts: Mapping[str, tuple[int, int]]) -> str:
    """Say how many training scans each class has, and how many embeddings there were after oversampling.

    Args:
        counts: Both by class.
    """
    rows = [[name, f"{before:,}", f"{after:,}"] for name, (before, after) in counts.items()]
    return "\n".join(_aligned([["training part", "scans", "embeddings after oversampling"], *rows]))


def _recall(metrics: Metrics, name: str) -> str:
    found = metrics.by_class.get(name, {}).get("recall")
    return "–" if found is None else with_interval(found)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *(one.rjust(w) for one, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _value(metrics: Metrics, name: str, key: str) -> float:
    """Return a metric of a class; NaN where it was not measured, as in cards of earlier versions."""
    found = metrics.by_class.get(name, {}).get(key)
    return float("nan") if found is None else found.value


def _mean(values: pd.Series, weights: np.ndarray) -> float:
    known = values.notna().to_numpy()
    if not known.any():
        return float("nan")
    return float(np.average(values[known], weights=weights[known]))
