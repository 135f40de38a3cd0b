"""Plots of one prediction."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.reporting.plots.style import BAR_COLOUR, CLASS_COLOURS, OTHER_COLOUR


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
        text=[f"{100 * value:.1f} %" for value in values],
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
        marked: Index of the slice that is shown beside the plot.
    """
    figure = go.Figure()
    for name, values, colour in zip(classes, probabilities.T, cycle(CLASS_COLOURS)):
        label = "%{x:+.0f} mm: %{y:.1%}"
        figure.add_scatter(
            x=list(heights_mm), y=values, name=name, line_color=colour, hovertemplate=f"{label}<extra>{name}</extra>"
        )
    figure.add_vline(heights_mm[marked], line_dash="dot", line_color=OTHER_COLOUR)
    figure.update_xaxes(title="slice, mm above the AC–PC line", fixedrange=True)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%", tickvals=[0, 0.5, 1], fixedrange=True, automargin=True)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    figure.update_layout(height=260, margin={"l": 0, "r": 8, "t": 8, "b": 0}, legend=legend)
    return figure
