"""The report of an evaluation: one file of HTML that needs nothing else, with interactive plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from scipy.special import softmax

from core.evaluation.confounders import SubjectFacts
from core.evaluation.evaluation import Evaluation, evaluate
from core.evaluation.predictions import Predictions
from core.evaluation.scored import scored_table
from core.files import write_text
from core.reporting.class_report import class_report
from core.reporting.pictures.examples import examples
from core.reporting.plots.evaluation import (
    confusion_plot,
    intervals_plot,
    precision_recall_plot,
    reliability_plot,
    roc_plot,
    standing_plot,
)
from core.reporting.tables import METRIC_TITLES, cell
from core.reporting.templates import page, rendered
from core.reporting.text import NOTICE
from core.reporting.text.card_data import origin_of
from core.reporting.text.evaluation import calibration_text, confounder_text, sets_text, subgroup_text
from core.results import Metrics
from core.words import counted
from core.words import people as people_text

FRACTIONS = ("accuracy", "balanced_accuracy", "f1", "precision", "specificity", "auc", "auc_impaired")
WORST = 20


@dataclass(frozen=True)
class WorstErrors:
    """The people, or slices where people are not known, whose answer is furthest from the truth, in stages.

    Attributes:
        shown: Who, truth, answer, stages apart and probability of each; the surest first.
        wrong: How many are wrong.
    """

    shown: tuple[tuple[str, ...], ...]
    wrong: int


def write_report(
    predictions: Predictions,
    out: Path,
    people: SubjectFacts | None = None,
    *,
    coverage: float = 0.9,
    beside: Sequence[Predictions] = (),
) -> Evaluation:
    """Write the report of what a network said.

    Args:
        predictions: What it said.
        out: The HTML file.
        people: What is known of the people; None for nothing.
        coverage: Nominal, of the prediction sets.
        beside: Other networks, as for `core.evaluation.evaluation.evaluate`.

    Returns:
        What was evaluated.
    """
    found = evaluate(predictions, people, coverage=coverage, beside=beside)
    units, plots = found.by_unit, _Plots()
    calibration = found.calibration
    body = rendered(
        "evaluation_report.html.j2",
        title=predictions.title,
        notice=NOTICE,
        origin=origin_of(predictions.asked["path"]),
        counted=f"{counted(found.by_slice.n, 'slice')} of {people_text(found.by_slice.people)}",
        evaluation=found,
        intervals=plots.drawn(
            intervals_plot(units, {key: METRIC_TITLES[key] for key in FRACTIONS if key in found.by_slice.estimates})
        ),
        metrics=[
            [title, *(cell(metrics, key) for metrics in units.values())]
            for key, title in METRIC_TITLES.items()
            if key in found.by_slice.estimates
        ],
        classes={unit: _class_rows(metrics) for unit, metrics in units.items()},
        examples=examples(predictions),
        confusion={
            unit: [plots.drawn(confusion_plot(metrics, as_fraction=as_fraction)) for as_fraction in (False, True)]
            for unit, metrics in units.items()
        },
        curves=[plots.drawn(plot) for plot in _curves(predictions)],
        reliability=[
            plots.drawn(reliability_plot(unit))
            for unit in ((calibration.by_subject, calibration.by_slice) if calibration is not None else ())
        ],
        calibration="" if calibration is None else calibration_text(calibration),
        sets="" if found.prediction_sets is None else sets_text(found.prediction_sets),
        standing="" if found.confounders is None else plots.drawn(standing_plot(found.standing())),
        confounders="" if found.confounders is None else confounder_text(found.confounders),
        subgroups=subgroup_text(found),
        worst=worst_errors(predictions) if predictions.recipe.as_task().ordered else None,
    )
    write_text(out, page(predictions.title, body))
    return found


def _class_rows(metrics: Metrics) -> list[list[str]]:
    """Return the classification report as a head and rows of text."""
    table = class_report(metrics)
    rows = [[f"{one:,}" if isinstance(one, int) else _cell(one) for one in row] for row in table.values.tolist()]
    return [[str(name) for name in table.columns], *rows]


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "–" if np.isnan(value) else f"{value:.3f}"


def worst_errors(predictions: Predictions) -> WorstErrors:
    """Return whose answer is furthest from the truth."""
    tested, classes = predictions.asked, predictions.recipe.classes
    scored = scored_table(tested, predictions.recipe)
    if scored.known:
        names = np.unique(scored.subjects)
        labels, logits = scored.by_subject()
    else:
        names = np.array([Path(path).name for path in tested["path"]])
        labels, logits = scored.labels, scored.logits.astype(np.float64)
    probabilities = softmax(logits, axis=1)
    answers, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    apart = np.abs(answers - labels)
    wrong = np.flatnonzero(apart)
    order = wrong[np.lexsort((-surest[wrong], -apart[wrong]))][:WORST]
    shown = tuple(
        (str(names[row]), classes[labels[row]], classes[answers[row]], str(apart[row]), f"{100 * surest[row]:.0f} %")
        for row in order
    )
    return WorstErrors(shown, len(wrong))


class _Plots:
    """Plots as HTML; the first one brings the plotting library with it."""

    def __init__(self) -> None:
        self._count = 0

    def drawn(self, plot: go.Figure) -> Markup:
        """Return a plot as HTML."""
        self._count += 1
        html = plot.to_html(
            full_html=False,
            include_plotlyjs=self._count == 1,
            div_id=f"plot{self._count}",
            config={"displayModeBar": False, "responsive": True},
        )
        return Markup(html)  # noqa: S704 - made by plotly


def _curves(predictions: Predictions) -> list[go.Figure]:
    scored = scored_table(predictions.asked, predictions.recipe)
    labels, logits = scored.by_subject() if scored.known else (scored.labels, scored.logits)
    return [draw(labels, logits, scored.task) for draw in (roc_plot, precision_recall_plot)]
