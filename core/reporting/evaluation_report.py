"""The report of an evaluation: one file of HTML that needs nothing else, with interactive plots."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.special import softmax

from core.evaluation.confounder_analysis import Subjects, standing
from core.evaluation.evaluation import evaluate
from core.evaluation.metrics import subject_level, subject_numbers
from core.evaluation.predictions import Predictions
from core.files import write_text
from core.networks.recipe import Recipe
from core.reporting.html import STYLE
from core.reporting.plots.evaluation import (
    confusion_plot,
    intervals_plot,
    precision_recall_plot,
    reliability_plot,
    roc_plot,
    standing_plot,
)
from core.reporting.tables import METRIC_TITLES, cell
from core.reporting.text import NOTICE
from core.reporting.text.evaluation import calibration_text, confounder_text, sets_text, subgroup_text
from core.runs.folder import logits_in

FRACTIONS = ("accuracy", "balanced_accuracy", "f1", "precision", "specificity", "auc", "auc_impaired")
WORST = 20


def write_report(
    predictions: Predictions,
    out: Path,
    people: Subjects | None = None,
    *,
    coverage: float = 0.9,
    beside: Sequence[Predictions] = (),
) -> dict[str, Any]:
    """Write the report of what a network said.

    Args:
        predictions: What it said.
        out: The HTML file.
        people: What is known of the people; None for nothing.
        coverage: Of the prediction sets.
        beside: Other networks, as for `core.evaluation.evaluation.evaluate`.

    Returns:
        What `core.evaluation.evaluation.evaluate` found.
    """
    recipe, values = predictions.recipe, evaluate(predictions, people, coverage=coverage, beside=beside)
    page = _Page()
    counted = f"{values['by_slice']['n']:,} slices of {values['by_slice']['people']:,} people"
    page.add(f"<h1>{escape(predictions.title)}</h1><p class=note>{escape(NOTICE)} Tested on {counted}. Intervals are 95 %, "
             "bootstrapped over people.</p>")  # fmt: skip
    for warning in values["warnings"]:
        page.add(f"<p class=warning>{escape(warning[:1].upper() + warning[1:])}</p>")
    schemes = {
        title: values[key] for key, title in (("by_subject", "by person"), ("by_slice", "by slice")) if values[key]
    }
    page.add("<h2>Figures</h2>")
    page.plot(intervals_plot(schemes, {key: METRIC_TITLES[key] for key in FRACTIONS if key in values["by_slice"]}))
    page.add(_table(schemes))
    for note in values["by_slice"]["notes"]:
        page.add(f"<p class=note>{escape(note)}</p>")
    page.add("<h2>Confusion</h2>")
    for title, metrics in schemes.items():
        page.add(f"<h3>{title.capitalize()}: counts, and per cent of each row</h3>")
        page.row([confusion_plot(metrics, as_fraction=fraction) for fraction in (False, True)])
    _add_curves(page, predictions.asked, recipe, by_subject=values["by_subject"] is not None)
    if values["calibration"] is not None:
        page.add("<h2>Calibration</h2>")
        page.row([reliability_plot(values["calibration"][unit]) for unit in ("by_subject", "by_slice")])
        words = escape(calibration_text(values["calibration"]))
        page.add(f"<p class=note>First by person, then by slice.</p><pre>{words}</pre>")
        page.add(f"<h2>Prediction sets</h2><pre>{escape(sets_text(values['prediction_sets']))}</pre>")
    if values["confounders"] is not None:
        page.add("<h2>What age, sex and site achieve alone</h2>")
        page.plot(standing_plot(standing(values)))
        page.add("<p class=note>Impaired or not, by person: area under the ROC curve with its 95 % interval.</p>"
                 f"<pre>{escape(confounder_text(values['confounders']))}</pre>")  # fmt: skip
    if len(values["by_part"]) > 1 or values["by_height"]:
        page.add("<h2>Parts and heights</h2>"
                 f"<pre>{escape(subgroup_text(values))}</pre>")  # fmt: skip
    if recipe.as_task().ordered:
        page.add(f"<h2>Worst errors</h2>{worst_errors(predictions.asked, recipe)}")
    write_text(out, page.html(predictions.title))
    return values


def worst_errors(tested: pd.DataFrame, recipe: Recipe) -> str:
    """Return a table, HTML, of the people, or slices where people are not known, whose answer is furthest from the
    truth, in stages; the surest first.
    """
    labels, given = logits_in(tested, recipe)
    logits: NDArray[np.floating] = given
    names = tested["subject"].to_numpy(str)
    if (names != "").all():
        names, numbers = np.unique(names, return_inverse=True)
        labels, logits = subject_level(labels, given, numbers)
    else:
        names = np.array([Path(path).name for path in tested["path"]])
    probabilities = softmax(logits.astype(np.float64), axis=1)
    predictions = probabilities.argmax(axis=1)
    apart = np.abs(predictions - labels)
    wrong = np.flatnonzero(apart)
    order = wrong[np.lexsort((-probabilities.max(axis=1)[wrong], -apart[wrong]))][:WORST]
    rows = "".join(
        f"<tr><td>{escape(str(names[row]))}</td><td>{escape(recipe.classes[labels[row]])}</td>"
        f"<td>{escape(recipe.classes[predictions[row]])}</td><td>{apart[row]}</td><td>{probabilities[row].max():.0%}</td></tr>"
        for row in order
    )
    head = "".join(f"<th>{title}</th>" for title in ("Who", "Truth", "Answer", "Stages apart", "Probability"))
    table = f"<div class=wide><table><tr>{head}</tr>{rows}</table></div>"
    return f"<p class=note>{len(order)} of {len(wrong)} wrong ones.</p>{table}"


class _Page:
    """A page that grows from top to bottom; the first plot brings the plotting library with it."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._plots = 0

    def add(self, html: str) -> None:
        self._parts.append(html)

    def plot(self, figure: go.Figure) -> None:
        self._plots += 1
        self.add(figure.to_html(full_html=False, include_plotlyjs=self._plots == 1, div_id=f"plot{self._plots}",
                                config={"displayModeBar": False, "responsive": True}))  # fmt: skip

    def row(self, metrics: list[go.Figure]) -> None:
        self.add("<div class=row>")
        for figure in metrics:
            self.add("<div>")
            self.plot(figure)
            self.add("</div>")
        self.add("</div>")

    def html(self, title: str) -> str:
        sized = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        head = f"{sized}<title>{escape(title)}</title><style>{STYLE}</style>"
        return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(self._parts)}</body></html>'


def _add_curves(page: _Page, tested: pd.DataFrame, recipe: Recipe, *, by_subject: bool) -> None:
    labels, given = logits_in(tested, recipe)
    logits: NDArray[np.floating] = given
    if by_subject:
        labels, logits = subject_level(labels, given, subject_numbers(tested["subject"].to_numpy(str)))
    ordered = recipe.as_task().ordered
    page.add(f"<h2>Curves, by {'subject' if by_subject else 'slice'}</h2>")
    page.row([draw(labels, logits, recipe.classes, ordered=ordered) for draw in (roc_plot, precision_recall_plot)])


def _table(schemes: dict[str, dict[str, Any]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in ("", *schemes))
    first = next(iter(schemes.values()))
    rows = "".join(f"<tr><td>{title}</td>{''.join(f'<td>{cell(metrics, key)}</td>' for metrics in schemes.values())}</tr>"
                   for key, title in METRIC_TITLES.items() if key in first)  # fmt: skip
    return f"<div class=wide><table><tr>{head}</tr>{rows}</table></div>"
