"""Interactive plots of what was computed elsewhere."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

BAR_COLOUR = "#0F6E84"
OTHER_COLOUR = "#9DB8BF"
CLASS_COLOURS = ("#0F6E84", "#E69F00", "#CC79A7", "#8C510A", "#56B4E9")  # told apart without colour vision too
SHADES = [[0.0, "#F4F8F9"], [1.0, "#0F6E84"]]


def probability_bars(probabilities: dict[str, float]) -> go.Figure:
    """Draw a bar per class, the most probable in colour.

    Args:
        probabilities: Class name to probability, in the order from top to bottom.
    """
    names, values = list(probabilities), list(probabilities.values())
    best = max(values)
    bars = go.Bar(
        x=values,
        y=names,
        orientation="h",
        marker_color=[BAR_COLOUR if value == best else OTHER_COLOUR for value in values],
        text=[f"{value:.1%}" for value in values],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    figure = go.Figure(bars)
    figure.update_xaxes(range=[0, 1.12], tickformat=".0%", tickvals=[0, 0.5, 1], title=None, fixedrange=True)
    figure.update_yaxes(autorange="reversed", title=None, fixedrange=True, automargin=True)
    figure.update_layout(height=60 + 46 * len(names), margin={"l": 0, "r": 8, "t": 8, "b": 24}, showlegend=False)
    return figure


def slice_curves(
    heights_mm: Sequence[float], probabilities: NDArray[np.float64], classes: Sequence[str], marked: int
) -> go.Figure:
    """Draw the probability of each class along the slices of a volume.

    Args:
        heights_mm: Height of each slice.
        probabilities: Slices × classes.
        classes: Names of the columns.
        marked: Place of the slice that is shown beside the plot.
    """
    figure = go.Figure()
    for name, values, colour in zip(classes, probabilities.T, cycle(CLASS_COLOURS)):
        label = "%{x:+.0f} mm: %{y:.1%}"
        figure.add_scatter(
            x=list(heights_mm), y=values, name=name, line_color=colour, hovertemplate=f"{label}<extra>{name}</extra>"
        )
    figure.add_vline(heights_mm[marked], line_dash="dot", line_color=OTHER_COLOUR)
    figure.update_xaxes(title="slice, mm above the commissures", fixedrange=True)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%", tickvals=[0, 0.5, 1], fixedrange=True, automargin=True)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    figure.update_layout(height=260, margin={"l": 0, "r": 8, "t": 8, "b": 0}, legend=legend)
    return figure


def confusion_plot(figures: dict[str, Any], *, as_share: bool) -> go.Figure:
    """Draw a confusion matrix, truth downwards and answer across.

    Args:
        figures: Plain values of `core.evaluation.metrics.Figures`, with `confusion` and `classes`.
        as_share: Whether cells show the share of their row instead of counts.
    """
    counts = np.array(figures["confusion"], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [name.removesuffix(" Demented") for name in figures["classes"]]
    text = [
        [f"{value:.0%}" if as_share else f"{value:.0f}" for value in row] for row in (shares if as_share else counts)
    ]
    heatmap = go.Heatmap(
        z=shares,
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
