"""Plots of cohorts."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.reporting.plots.style import BAR_COLOUR, CLASS_COLOURS, OTHER_COLOUR


def class_balance(counts: dict[str, dict[str, int]]) -> go.Figure:
    """Draw how many scans each class has, a bar a way of counting.

    Args:
        counts: Title of the way of counting to class to number.
    """
    colours = (OTHER_COLOUR, BAR_COLOUR) if len(counts) > 1 else (BAR_COLOUR,)
    bars = [
        go.Bar(
            x=list(values.values()),
            y=list(values),
            name=title,
            orientation="h",
            marker_color=colour,
            text=[f"{value:,}" for value in values.values()],
            textposition="outside",
            cliponaxis=False,
        )
        for (title, values), colour in zip(counts.items(), cycle(colours), strict=False)
    ]
    figure = go.Figure(bars)
    longest = max((value for values in counts.values() for value in values.values()), default=1)
    figure.update_xaxes(range=[0, longest * 1.15], title=None, fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    classes = max(map(len, counts.values()), default=1)
    legend = {"orientation": "h", "y": 1.12, "x": 0}
    figure.update_layout(
        height=90 + 30 * classes * len(counts),
        margin={"l": 0, "r": 8, "t": 32, "b": 24},
        showlegend=len(counts) > 1,
        legend=legend,
    )
    return figure


def embedding_map(
    points: NDArray, labels: NDArray[np.str_], synthetic: NDArray[np.bool_], classes: Sequence[str]
) -> go.Figure:
    """Draw embeddings in the plane, a dot a scan, synthetic ones hollow.

    Args:
        points: N × 2.
        labels: N class names.
        synthetic: N, whether oversampling made it.
        classes: The classes in their order.
    """
    figure = go.Figure()
    names = labels
    for name, colour in zip(classes, cycle(CLASS_COLOURS), strict=False):
        for made in (False, True):
            chosen = (names == name) & (synthetic == made)
            if chosen.any():
                marker = {"color": colour, "size": 6, "symbol": "circle-open" if made else "circle", "opacity": 0.8}
                figure.add_trace(
                    go.Scattergl(
                        x=points[chosen, 0],
                        y=points[chosen, 1],
                        mode="markers",
                        marker=marker,
                        name=f"{name}, synthetic" if made else name,
                        hovertemplate=f"{name}<extra></extra>",
                    )
                )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    legend = {"orientation": "h", "y": -0.02, "yanchor": "top"}
    figure.update_layout(height=460, margin={"l": 0, "r": 0, "t": 8, "b": 8}, legend=legend)
    return figure
