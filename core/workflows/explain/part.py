"""Explaining a whole part of a split: a heatmap of each scan, the mean heatmap of each class, and how far they hold."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import StageLensError
from core.evaluation.bootstrap import fraction_over_people, mean_over_people
from core.evaluation.scored import subject_numbers
from core.explain import Explanation, explain_arrays, explainer, heatmap_on_scan
from core.explain.checks.faithfulness import Faithfulness, faithfulness
from core.explain.checks.stability import MEASURES, Stability, stability
from core.explain.part import Example, ExplainedPart, MeanMap, Steadiness
from core.explain.targets import class_indices
from core.networks.inference.engine import stretched
from core.networks.inference.predictor import Predictor
from core.networks.subset import Subset, load_subset
from core.scans import Scan
from core.workflows.explain.study import asked_of

CHECKS = ("stability", "faithfulness")
AT_ONCE = 16  # scans in one pass of a network
EXAMPLES = 6  # of each label

Progress = Callable[[Sequence[int]], Iterable[int]]


def explain_part(
    predictor: Predictor,
    split: pd.DataFrame,
    part: str = "test",
    method: str = "grad-cam",
    *,
    class_name: str | None = None,
    checks: Sequence[str] = (),
    at_most: int | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    progress: Progress = iter,
) -> ExplainedPart:
    """Explain the scans of one part of a split, as the network sees them when it is trained and evaluated.

    Args:
        predictor: A loaded bundle.
        split: A split table.
        part: train, val or test.
        method: Name of the method.
        class_name: The class to explain; None for each scan's predicted one. Scans that are rejected as out of
            distribution have none, and are explained only if a class is named.
        checks: Any of "stability" and "faithfulness", of each heatmap; both are for networks of slices.
        at_most: So many scans, drawn evenly from the labels and from as many people as there are; None for all.
        seed: For drawing scans, and examples.
        settings: Of the method.
        progress: Wraps the numbers of the scans, and shows how many are done.

    Raises:
        CohortError: The part is empty, or has a class that the network does not know.
        ScanError: A file cannot be read.
        StageLensError: The class, the method, a check or a setting is not known, or not for this network.
    """
    recipe, chosen = predictor.recipe, settings or {}
    explainer(method).checked_settings(chosen)
    class_indices(recipe, [class_name])
    unknown = [name for name in checks if name not in CHECKS]
    if unknown:
        raise StageLensError(f"{unknown[0]!r} is no check of a part's scans; there are {' and '.join(CHECKS)}.")
    if method == "regions":
        raise StageLensError("regions need each slice's height in mm, which no split says; explain single scans.")
    if checks and recipe.depth is not None:
        raise StageLensError(f"{' and '.join(CHECKS)} are for networks of slices.")
    rows = split[split["part"] == part].reset_index(drop=True)
    if at_most is not None and at_most < len(rows):
        rows = rows.loc[sorted(drawn_evenly(rows, at_most, seed))].reset_index(drop=True)
    data = load_subset(rows, part, recipe)
    rows = rows.assign(label=[recipe.classes[index] for index in data.labels])
    explanations: list[Explanation | None] = []
    found: list[dict[str, Any]] = []
    stabilities: list[Stability | None] = []
    for row, explanation in _explained(predictor, rows, data, method, class_name, chosen, progress):
        kept = explanation if class_name is not None or not explanation.prediction.rejected else None
        stable = faithful = None
        if checks and kept is not None and not kept.is_empty:
            scan = Scan(_image(data, row), (0.0, 255.0), f"scan {row + 1}", "scan of a split")
            batch = asked_of(predictor, scan, kept.class_name)
            if "stability" in checks:
                stable = stability(predictor, scan, method=method, settings=chosen, original=batch)
            if "faithfulness" in checks:
                faithful = faithfulness(batch, kept)
        explanations.append(kept)
        stabilities.append(stable)
        found.append(_values(explanation, kept, stable, faithful))
    known = rows[["path", "label", "subject", "slice"]]
    known.insert(0, "name", [Path(path).stem for path in rows["path"]])
    owners = subject_numbers(data.subjects)
    tried = np.array([one is not None for one in stabilities])
    holds = np.array([one.holds for one in stabilities if one is not None], bool)
    held = np.array([one.class_held == 1 for one in stabilities if one is not None], bool)
    return ExplainedPart(
        part=part,
        method=method,
        table=known.join(pd.DataFrame(found)),
        explanations=tuple(explanations),
        means=_mean_maps(recipe.classes, data, explanations, owners),
        examples={
            name: _examples(own, data, explanations, seed)
            for name in recipe.classes
            if len(own := rows[rows["label"] == name])
        },
        steadiness=_steadiness([one for one in stabilities if one is not None], owners[tried]),
        stable=fraction_over_people(holds, owners[tried]) if "stability" in checks else None,
        held=fraction_over_people(held, owners[tried]) if "stability" in checks else None,
    )


def drawn_evenly(rows: pd.DataFrame, count: int, seed: int) -> list[int]:
    """Draw rows of a split table so that labels take turns, and within each nobody comes twice before all came once.

    Args:
        rows: With label and subject.
        count: How many at most.
        seed: Any integer; the same seed draws the same rows.

    Returns:
        The rows' labels in the table's index.
    """
    owners = pd.Series(subject_numbers(rows["subject"].to_numpy(str)), rows.index, name="owner")
    drawn = rows[["label"]].join(owners).sample(frac=1, random_state=seed)
    drawn["turn"] = drawn.groupby(["label", "owner"]).cumcount()
    drawn = drawn.sort_values("turn", kind="stable")
    drawn["place"] = drawn.groupby("label").cumcount()
    return list(drawn.sort_values("place", kind="stable").index[:count])


def _explained(
    predictor: Predictor,
    rows: pd.DataFrame,
    data: Subset,
    method: str,
    class_name: str | None,
    settings: dict[str, Any],
    progress: Progress,
) -> Iterator[tuple[int, Explanation]]:
    """Yield the number and the explanation of each scan, several in one pass."""
    at_once = AT_ONCE if predictor.recipe.depth is None else 1
    waiting: list[Explanation] = []
    for row in progress(range(len(rows))):
        if not waiting:
            images = [_image(data, one) for one in range(row, min(row + at_once, len(rows)))]
            names = [Path(path).stem for path in rows["path"][row : row + len(images)]]
            waiting = explain_arrays(predictor, images, [class_name] * len(images), method, names=names, **settings)
        yield row, waiting.pop(0)


def _image(data: Subset, row: int) -> NDArray[np.float32]:
    return data.scans[row, ..., 0].astype(np.float32)


def _values(
    explanation: Explanation, kept: Explanation | None, stable: Stability | None, faithful: Faithfulness | None
) -> dict[str, Any]:
    """Return what the table says of one scan; a rejected one has no answer, and without a named class no heatmap."""
    prediction = explanation.prediction
    values: dict[str, Any] = {
        "answer": None if prediction.rejected else prediction.answer,
        **{f"p {name}": None if prediction.rejected else value for name, value in prediction.probabilities.items()},
        "calibrated": prediction.as_dict()["calibrated"],
        "rejected": prediction.rejected,
        "explained_class": None,
    }
    if kept is not None:
        values |= {
            "explained_class": kept.class_name,
            "peak": kept.peak,
            "empty": kept.is_empty,
            "background": kept.checks["background"],
            "background_evidence": kept.checks.get("background_evidence"),
            "half_mass_fraction": kept.checks.get("half_mass_fraction"),
            "failed_checks": "; ".join(
                (*kept.failed_checks, *(faithful.failed_checks if faithful is not None else ()))
            ),
        }
    if stable is not None:
        values |= {"stable": stable.holds, "class_held": stable.class_held, "stability": stable.verdict}
        for name, kind in stable.kinds.items():
            values |= {f"{measure} {name}": kind.measures[measure].mean for measure in ("ssim", "pearson")}
    if faithful is not None:
        for name, curve in (("deletion", faithful.deletion), ("insertion", faithful.insertion)):
            values |= {f"{name}_auc": curve.auc, f"{name}_random": float(curve.random_aucs.mean())}
        values |= {"infidelity": faithful.infidelity, "infidelity_of_zero_map": faithful.infidelity_of_zero_map}
    return values


def _mean_maps(
    classes: Sequence[str], data: Subset, explanations: Sequence[Explanation | None], owners: NDArray[np.int64]
) -> dict[str, MeanMap]:
    """Average the heatmaps of each class that scans were explained for, in the network's pixels."""
    means = {}
    drawn = {row: one for row, one in enumerate(explanations) if one is not None and not one.is_empty}
    shape = data.scans.shape[1:-1]
    for name in classes:
        rows = [row for row, one in drawn.items() if one.class_name == name]
        if not rows:
            continue
        heat = np.zeros(shape)
        for row in rows:
            positive = np.maximum(heatmap_on_scan(drawn[row]), 0).astype(np.float64)
            heat += positive / positive.sum() / len(rows)
        means[name] = MeanMap(
            image=data.scans[rows, ..., 0].mean(axis=0).astype(np.float32),
            explanation=replace(
                drawn[rows[0]],
                heatmap=heat.astype(np.float32),
                centres=stretched(shape, shape),
                shows=f"The mean of {len(rows)} heatmaps for {name}.",
                checks={},
                failed_checks=(),
            ),
            scans=len(rows),
            people=len(set(owners[rows])),
        )
    return means


def _examples(
    rows: pd.DataFrame, data: Subset, explanations: Sequence[Explanation | None], seed: int
) -> tuple[Example, ...]:
    """Choose some scans of one label, by chance and before anything is known of their heatmaps."""
    drawn = drawn_evenly(rows, EXAMPLES, seed)
    return tuple(Example(_image(data, row), rows["label"][row], explanations[row]) for row in drawn)


def _steadiness(stabilities: Sequence[Stability], owners: NDArray[np.int64]) -> dict[str, Steadiness]:
    """Average over the scans what each kind of change did to their heatmaps."""
    found = {}
    for name in stabilities[0].kinds if stabilities else ():
        kinds = [one.kinds[name] for one in stabilities]
        measures = {
            measure: mean_over_people(np.array([kind.measures[measure].mean for kind in kinds]), owners)
            for measure in MEASURES
        }
        held = mean_over_people(np.array([kind.class_held for kind in kinds]), owners)
        nulls = {
            measure: float(np.nanmean([(kind.measures[measure].null or (np.nan,))[0] for kind in kinds]))
            for measure in MEASURES
        }
        found[name] = Steadiness(kinds[0].title, measures | {"class_held": held}, nulls)
    return found
