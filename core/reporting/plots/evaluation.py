"""Interactive plots of an evaluation: curves, reliability, intervals."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import precision_recall_curve, roc_curve

from core.cohorts.tasks import Task
from core.evaluation.evaluation import Standing
from core.evaluation.threshold import impaired_score
from core.reporting.plots.style import BAR_COLOUR, CLASS_COLOURS, SHADES
from core.results import Estimate, Metrics, UnitCalibration

MARGIN = {"l": 0, "r": 8, "t": 8, "b": 0}
LABEL, LINE = 26, 16  # characters of a label in one line, and how high a line is in pixels
FRACTION_AXIS = {"range": [-0.02, 1.02], "tickformat": ".0%", "fixedrange": True, "automargin": True}


def roc_plot(labels: NDArray[np.int64], logits: NDArray[np.floating], task: Task) -> go.Figure:
    """Draw the ROC curve of each class against the rest, and of impaired against healthy where classes are stages."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888888"}, showlegend=False)
    for (name, positive, score), colour in zip(_one_against_rest(labels, logits, task), cycle(CLASS_COLOURS)):
        false, true, _ = roc_curve(positive, score)
        figure.add_scatter(x=false, y=true, mode="lines", name=name, line_color=colour)
    figure.update_xaxes(title="false-positive rate", **FRACTION_AXIS)
    figure.update_yaxes(title="true-positive rate", **FRACTION_AXIS)
    return _laid_out(figure)


def precision_recall_plot(labels: NDArray[np.int64], logits: NDArray[np.floating], task: Task) -> go.Figure:
    """Draw precision against recall of each class against the rest, and of impaired against healthy."""
    figure = go.Figure()
    for (name, positive, score), colour in zip(_one_against_rest(labels, logits, task), cycle(CLASS_COLOURS)):
        precision, recall, _ = precision_recall_curve(positive, score)
        title = f"{name} (random: {100 * positive.mean():.0f} %)"
        figure.add_scatter(x=recall, y=precision, mode="lines", name=title, line_color=colour, line_shape="hv")
    figure.update_xaxes(title="recall", **FRACTION_AXIS)
    figure.update_yaxes(title="precision", **FRACTION_AXIS)
    return _laid_out(figure)


def reliability_plot(calibration: UnitCalibration) -> go.Figure:
    """Draw how often answers of a probability are right, before and after a temperature."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888888"}, showlegend=False)
    for key, title, colour in (("as_is", "uncalibrated", "#E69F00"), ("temperature", "with temperature", BAR_COLOUR)):
        bins = calibration.scalings[key].reliability
        accuracies = [one.accuracy for one in bins]
        figure.add_scatter(
            x=[one.confidence for one in bins],
            y=[one.value for one in accuracies],
            error_y=_error_bars(accuracies),
            mode="lines+markers",
            name=title,
            line_color=colour,
            text=[f"{one.n} answers" for one in bins],
            hovertemplate="said %{x:.0%}, right %{y:.0%}, %{text}<extra></extra>",
        )
    figure.update_xaxes(title="probability of the answer", **FRACTION_AXIS)
    figure.update_yaxes(title="fraction that is right", **FRACTION_AXIS)
    return _laid_out(figure)


def intervals_plot(metrics: Mapping[str, Metrics], names: Mapping[str, str]) -> go.Figure:
    """Draw metrics that are fractions with their intervals, one row a metric and one colour a way of counting.

    Args:
        metrics: By the title of the way of counting.
        names: Key of a metric to its title, from top to bottom.
    """
    figure = go.Figure()
    for (title, own), colour in zip(metrics.items(), cycle(CLASS_COLOURS)):
        shown = {key: own[key] for key in names if key in own.estimates and own[key].defined}
        figure.add_scatter(
            x=[one.value for one in shown.values()],
            y=[names[key] for key in shown],
            error_x=_error_bars(list(shown.values())),
            mode="markers",
            name=title,
            orientation="h",
            marker={"color": colour, "size": 10},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    figure.update_xaxes(range=[0, 1], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(scattermode="group")
    return _laid_out(figure, height=80 + 48 * len(names))


def standing_plot(rows: Sequence[Standing]) -> go.Figure:
    """Draw AUCs with their intervals, one row a network or covariate and one colour a group of people."""
    figure = go.Figure()
    for group, colour in zip(dict.fromkeys(row.group for row in rows), cycle(CLASS_COLOURS)):
        own = [row for row in rows if row.group == group]
        figure.add_scatter(
            x=[row.auc.value for row in own],
            y=["<br>".join(wrap(row.what, LABEL)) for row in own],
            error_x=_error_bars([row.auc for row in own]),
            mode="markers",
            name=group,
            orientation="h",
            marker={"color": colour, "size": 10},
            customdata=[row.people for row in own],
            hovertemplate="%{y}: %{x:.3f}, %{customdata} people<extra></extra>",
        )
    figure.add_vline(0.5, line_dash="dot", line_color="#888888")
    figure.update_xaxes(range=[0, 1], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(scattermode="group")
    labels = {row.what: len(wrap(row.what, LABEL)) for row in rows}
    return _laid_out(figure, height=100 + len(labels) * (24 + LINE * max(labels.values())))


def forest(differences: Mapping[str, Estimate], *, axis: str) -> go.Figure:
    """Draw differences with their intervals, one below the other, about a line at none.

    Args:
        differences: By title, from top to bottom.
        axis: What is to the right of the line.
    """
    figure = go.Figure(
        go.Scatter(
            x=[one.value for one in differences.values()],
            y=[title.replace(", ", ",<br>") for title in differences],
            error_x=_error_bars(list(differences.values())) | {"color": BAR_COLOUR},
            mode="markers",
            marker={"symbol": "square", "size": 12, "color": BAR_COLOUR},
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )
    reach = 1.1 * max(0.01, *(abs(end) for one in differences.values() for end in (one.low, one.high)))
    figure.add_vline(0, line_dash="dot", line_color="#888888")
    figure.update_xaxes(range=[-reach, reach], title=axis, tickformat="+.2f", fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(height=110 + 60 * len(differences), margin={"l": 0, "r": 8, "t": 8, "b": 40}, showlegend=False)
    return figure


def confusion_plot(metrics: Metrics, *, as_fraction: bool) -> go.Figure:
    """Draw a confusion matrix, truth downwards and answer across.

    Args:
        metrics: With their confusion matrix.
        as_fraction: Whether cells show the fraction of their row instead of counts.
    """
    counts = np.array(metrics.confusion, dtype=float)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [name.removesuffix(" Demented") for name in metrics.classes]
    text = [
        [f"{100 * value:.0f} %" if as_fraction else f"{value:.0f}" for value in row]
        for row in (fractions if as_fraction else counts)
    ]
    heatmap = go.Heatmap(
        z=fractions,
        x=labels,
        y=labels,
        text=text,
        texttemplate="%{text}",
        customdata=counts,
        colorscale=SHADES,
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
        hovertemplate="truth %{y}, answer %{x}<br>%{customdata:.0f} of this row, %{z:.1%}<extra></extra>",
    )
    figure = go.Figure(heatmap)
    figure.update_xaxes(title="answer", fixedrange=True, automargin=True)
    figure.update_yaxes(title="truth", autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(height=340, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    return figure


def _one_against_rest(
    labels: NDArray[np.int64], logits: NDArray[np.floating], task: Task
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    """Return name, who is positive and the score of each question that both answers are there for."""
    scores = softmax(logits.astype(np.float64), axis=1)
    asked = [(name, labels == index, scores[:, index]) for index, name in enumerate(task.classes)]
    if task.ordered and task.decides:
        name = f"{task.positive} or later" if task.positive else "Impaired"
        asked.append((name, np.array(task.positives)[labels], impaired_score(logits, task.positives)))
    return [one for one in asked if 0 < one[1].sum() < len(labels)]


def _error_bars(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return intervals as plotly's error bars."""
    return {
        "type": "data",
        "array": [one.high - one.value for one in estimates],
        "arrayminus": [one.value - one.low for one in estimates],
    }


def _laid_out(figure: go.Figure, *, height: int = 380) -> go.Figure:
    legend = {"orientation": "h", "y": -0.22}
    return figure.update_layout(height=height, margin=MARGIN, legend=legend, template="plotly_white")
