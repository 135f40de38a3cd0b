"""Interactive plots of an evaluation: curves, reliability, intervals."""

from collections.abc import Sequence
from itertools import cycle
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import precision_recall_curve, roc_curve

from core.reporting.plots.style import BAR_COLOUR, CLASS_COLOURS, SHADES

MARGIN = {"l": 0, "r": 8, "t": 8, "b": 0}
LABEL, LINE = 26, 16  # characters of a label in one line, and how high a line is in pixels
FRACTION_AXIS = {"range": [-0.02, 1.02], "tickformat": ".0%", "fixedrange": True, "automargin": True}


def roc_plot(
    labels: NDArray[np.int64], logits: NDArray[np.floating], classes: Sequence[str], *, ordered: bool
) -> go.Figure:
    """Draw the ROC curve of each class against the rest, and of impaired against healthy where classes are stages."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888888"}, showlegend=False)
    for (name, positive, score), colour in zip(_one_against_rest(labels, logits, classes, ordered=ordered),
                                               cycle(CLASS_COLOURS)):  # fmt: skip
        false, true, _ = roc_curve(positive, score)
        figure.add_scatter(x=false, y=true, mode="lines", name=name, line_color=colour)
    figure.update_xaxes(title="false alarms", **FRACTION_AXIS)
    figure.update_yaxes(title="found", **FRACTION_AXIS)
    return _laid_out(figure)


def precision_recall_plot(
    labels: NDArray[np.int64], logits: NDArray[np.floating], classes: Sequence[str], *, ordered: bool
) -> go.Figure:
    """Draw precision against recall of each class against the rest, and of impaired against healthy."""
    figure = go.Figure()
    for (name, positive, score), colour in zip(_one_against_rest(labels, logits, classes, ordered=ordered),
                                               cycle(CLASS_COLOURS)):  # fmt: skip
        precision, recall, _ = precision_recall_curve(positive, score)
        title = f"{name} (by chance {positive.mean():.0%})"
        figure.add_scatter(x=recall, y=precision, mode="lines", name=title, line_color=colour, line_shape="hv")
    figure.update_xaxes(title="recall", **FRACTION_AXIS)
    figure.update_yaxes(title="precision", **FRACTION_AXIS)
    return _laid_out(figure)


def reliability_plot(calibration: dict[str, Any]) -> go.Figure:
    """Draw how often answers of a probability are right, before and after a temperature.

    Args:
        calibration: One unit of what `core.evaluation.fold_calibration.calibration_of` gives.
    """
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888888"}, showlegend=False)
    for key, title, colour in (("as_is", "as it says", "#E69F00"), ("temperature", "with temperature", BAR_COLOUR)):
        bins = calibration[key]["reliability"]
        fraction = [one["accuracy"]["value"] for one in bins]
        figure.add_scatter(
            x=[one["confidence"] for one in bins], y=fraction, mode="lines+markers", name=title, line_color=colour,
            error_y={"type": "data", "array": [one["accuracy"]["high"] - one["accuracy"]["value"] for one in bins],
                     "arrayminus": [one["accuracy"]["value"] - one["accuracy"]["low"] for one in bins]},
            text=[f"{one['n']} answers" for one in bins],
            hovertemplate="said %{x:.0%}, right %{y:.0%}, %{text}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="probability of the answer", **FRACTION_AXIS)
    figure.update_yaxes(title="share that is right", **FRACTION_AXIS)
    return _laid_out(figure)


def intervals_plot(metrics: dict[str, dict[str, Any]], names: dict[str, str]) -> go.Figure:
    """Draw figures that are shares with their intervals, one row a figure and one colour a way of counting.

    Args:
        metrics: Title of the way of counting to plain values of `core.evaluation.metrics.Metrics`.
        names: Key of a figure to its title, from top to bottom.
    """
    figure = go.Figure()
    for (title, values), colour in zip(metrics.items(), cycle(CLASS_COLOURS)):
        shown = [key for key in names if values.get(key) is not None]
        figure.add_scatter(
            x=[values[key] for key in shown], y=[names[key] for key in shown], mode="markers", name=title,
            orientation="h", marker={"color": colour, "size": 10},
            error_x={"type": "data", "array": [values["intervals"][key][1] - values[key] for key in shown],
                     "arrayminus": [values[key] - values["intervals"][key][0] for key in shown]},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(range=[0, 1], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(scattermode="group")
    return _laid_out(figure, height=80 + 48 * len(names))


def standing_plot(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """Draw areas with their intervals, one row a network or covariate and one colour a group of people.

    Args:
        rows: As `core.evaluation.confounder_analysis.standing` gives them.
    """
    figure = go.Figure()
    for group, colour in zip(dict.fromkeys(row["group"] for row in rows), cycle(CLASS_COLOURS)):
        own = [row for row in rows if row["group"] == group]
        figure.add_scatter(
            x=[row["auc"] for row in own], y=["<br>".join(wrap(row["what"], LABEL)) for row in own], mode="markers",
            name=group, orientation="h", marker={"color": colour, "size": 10},
            error_x={"type": "data", "array": [row["interval"][1] - row["auc"] for row in own],
                     "arrayminus": [row["auc"] - row["interval"][0] for row in own]},
            customdata=[row["people"] for row in own],
            hovertemplate="%{y}: %{x:.3f}, %{customdata} people<extra></extra>",
        )  # fmt: skip
    figure.add_vline(0.5, line_dash="dot", line_color="#888888")
    figure.update_xaxes(range=[0, 1], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(scattermode="group")
    labels = {row["what"]: len(wrap(row["what"], LABEL)) for row in rows}
    return _laid_out(figure, height=100 + len(labels) * (24 + LINE * max(labels.values())))


def forest(rows: Sequence[tuple[str, float, float, float]], *, axis: str) -> go.Figure:
    """Draw differences with their intervals, one below the other, about a line at none.

    Args:
        rows: Title, difference and the ends of its interval, from top to bottom.
        axis: What is to the right of the line.
    """
    titles, values, low, high = zip(*rows, strict=True)
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[title.replace(", ", ",<br>") for title in titles],
            mode="markers",
            marker={"symbol": "square", "size": 12, "color": BAR_COLOUR},
            error_x={
                "type": "data",
                "array": [end - value for end, value in zip(high, values, strict=True)],
                "arrayminus": [value - end for end, value in zip(low, values, strict=True)],
                "color": BAR_COLOUR,
            },
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )
    reach = 1.1 * max(map(abs, (*low, *high, 0.01)))
    figure.add_vline(0, line_dash="dot", line_color="#888888")
    figure.update_xaxes(range=[-reach, reach], title=axis, tickformat="+.2f", fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(height=110 + 60 * len(rows), margin={"l": 0, "r": 8, "t": 8, "b": 40}, showlegend=False)
    return figure


def confusion_plot(metrics: dict[str, Any], *, as_fraction: bool) -> go.Figure:
    """Draw a confusion matrix, truth downwards and answer across.

    Args:
        metrics: Plain values of `core.evaluation.metrics.Metrics`, with `confusion` and `classes`.
        as_fraction: Whether cells show the share of their row instead of counts.
    """
    counts = np.array(metrics["confusion"], dtype=float)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [name.removesuffix(" Demented") for name in metrics["classes"]]
    text = [
        [f"{value:.0%}" if as_fraction else f"{value:.0f}" for value in row]
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
    labels: NDArray[np.int64], logits: NDArray[np.floating], classes: Sequence[str], *, ordered: bool
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    """Return name, who is positive and the score of each question that both answers are there for."""
    scores = softmax(logits.astype(np.float64), axis=1)
    asked = [(name, labels == index, scores[:, index]) for index, name in enumerate(classes)]
    if ordered:
        asked.append(("Impaired", labels > 0, 1 - scores[:, 0]))
    return [one for one in asked if 0 < one[1].sum() < len(labels)]


def _laid_out(figure: go.Figure, *, height: int = 380) -> go.Figure:
    legend = {"orientation": "h", "y": -0.22}
    return figure.update_layout(height=height, margin=MARGIN, legend=legend, template="plotly_white")
