"""Interactive plots of what was computed elsewhere."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

BAR_COLOUR = "#0F6E84"
OTHER_COLOUR = "#9DB8BF"
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
