"""Interactive plots and tables of heatmaps and of the checks made of them."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from core.explain import Explanation, explainer, heatmap_on_scan
from core.explain.checks.faithfulness import Faithfulness, agreement
from core.explain.checks.randomisation import CascadingRandomisation
from core.explain.checks.sanity_report import THRESHOLD
from core.explain.checks.stability import Stability
from core.reporting.plots.style import BAR_COLOUR, OTHER_COLOUR

NULL_COLOUR = "#7A7A7A"
FOR_AND_AGAINST = [[0.0, "#7D5FFF"], [0.5, "#222222"], [1.0, "#FF8C14"]]
LONGEST = 256  # pixels a side of an interactive picture


def heatmap_plot(picture: NDArray[np.uint8], explanation: Explanation) -> go.Figure:
    """Draw a heatmap with the scan beside it; the pointer reads the raw value of a pixel.

    Args:
        picture: The scan, uint8, H × W.
        explanation: Of it.
    """
    shrink = min(1.0, LONGEST / max(picture.shape))
    size = (round(picture.shape[1] * shrink), round(picture.shape[0] * shrink))
    grey = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    heat = cv2.resize(heatmap_on_scan(explanation), size, interpolation=cv2.INTER_LINEAR)
    most = float(np.abs(heat).max()) or 1.0
    signed = bool((heat < 0).any())
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.02, subplot_titles=("The scan", explanation.class_name))
    figure.add_trace(go.Heatmap(z=grey, colorscale="gray", showscale=False, hoverinfo="skip"), row=1, col=1)
    figure.add_trace(
        go.Heatmap(
            z=heat,
            colorscale=FOR_AND_AGAINST if signed else "Inferno",
            zmin=-most if signed else 0,
            zmax=most,
            hovertemplate="%{z:.3g}<extra></extra>",
            colorbar={"thickness": 12, "tickformat": ".2g"},
        ),
        row=1,
        col=2,
    )
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(visible=False, autorange="reversed", scaleanchor="x", fixedrange=True)
    figure.update_yaxes(scaleanchor="x2", col=2)
    figure.update_layout(height=440, margin={"l": 0, "r": 0, "t": 32, "b": 0})
    return figure


def path_curve(alphas: Sequence[float], logits: Sequence[float], class_name: str, marked: int) -> go.Figure:
    """Draw a class's logit along a path, with the point that is looked at."""
    figure = go.Figure(
        go.Scatter(
            x=list(alphas),
            y=list(logits),
            mode="lines+markers",
            line_color=BAR_COLOUR,
            hovertemplate="%{x:.0%}: %{y:.2f}<extra></extra>",
        )
    )
    figure.add_vline(alphas[marked], line_dash="dot", line_color=OTHER_COLOUR)
    figure.update_xaxes(title="fraction of the scan", tickformat=".0%", fixedrange=True)
    figure.update_yaxes(title=f"logit of {class_name}", fixedrange=True, automargin=True)
    figure.update_layout(height=300, margin={"l": 0, "r": 8, "t": 8, "b": 0})
    return figure


def stability_bars(found: Stability) -> go.Figure:
    """Draw how alike the maps of changed scans are, with intervals, beside what meaningless maps give."""
    names = list(found.kinds)
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=("Structural similarity", "Correlation"),
    )
    for column, measure in enumerate(("ssim", "pearson"), start=1):
        spreads = [found.kinds[name].measures[measure] for name in names]
        means = np.array([spread.mean for spread in spreads])
        low, high = (np.array([spread.interval[side] for spread in spreads]) for side in (0, 1))
        figure.add_trace(
            go.Bar(
                x=means,
                y=names,
                orientation="h",
                marker_color=BAR_COLOUR,
                name="this heatmap",
                error_x={"array": high - means, "arrayminus": means - low, "color": NULL_COLOUR},
                hovertemplate="%{y}: %{x:.2f}<extra></extra>",
                showlegend=column == 1,
            ),
            row=1,
            col=column,
        )
        nulls = [spread.null[0] if spread.null else None for spread in spreads]
        figure.add_trace(
            go.Scatter(
                x=nulls,
                y=names,
                mode="markers",
                name="meaningless maps",
                showlegend=column == 1,
                marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": NULL_COLOUR}},
                hovertemplate="meaningless: %{x:.2f}<extra></extra>",
            ),
            row=1,
            col=column,
        )
    figure.update_xaxes(range=[-0.1, 1.05], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    legend = {"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0}
    figure.update_layout(height=90 + 34 * len(names), margin={"l": 0, "r": 8, "t": 32, "b": 0}, legend=legend)
    return figure


def cascading_randomisation_curve(found: CascadingRandomisation) -> go.Figure:
    """Draw the likeness to the trained network's map as layers lose what they learned, from the answer downwards."""
    means = found.similarities.mean(axis=1)
    labels = ["trained", *found.layers]
    figure = go.Figure(
        go.Scatter(
            x=list(range(len(labels))),
            y=[1.0, *means],
            mode="lines+markers",
            line_color=BAR_COLOUR,
            text=labels,
            hovertemplate="%{text}: %{y:.2f}<extra></extra>",
        )
    )
    figure.add_hline(THRESHOLD, line_dash="dot", line_color=OTHER_COLOUR)
    figure.update_xaxes(tickvals=list(range(len(labels))), ticktext=labels, tickangle=-35, fixedrange=True)
    figure.update_yaxes(title="structural similarity", range=[-0.35, 1.05], fixedrange=True)
    figure.update_layout(height=340, margin={"l": 0, "r": 8, "t": 8, "b": 0})
    return figure


def faithfulness_curves(found: Faithfulness) -> go.Figure:
    """Draw what the probability does while the strongest pixels are deleted or inserted, random orders beside."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=("Deletion", "Insertion")
    )
    for column, curve in enumerate((found.deletion, found.insertion), start=1):
        for number, scores in enumerate(curve.random):
            figure.add_trace(
                go.Scatter(
                    x=curve.fractions,
                    y=scores,
                    line_color=OTHER_COLOUR,
                    opacity=0.6,
                    name="random pixels",
                    showlegend=column == 1 and number == 0,
                    hoverinfo="skip",
                ),
                row=1,
                col=column,
            )
        figure.add_trace(
            go.Scatter(
                x=curve.fractions,
                y=curve.scores,
                line={"color": BAR_COLOUR, "width": 3},
                name="this heatmap",
                showlegend=column == 1,
                hovertemplate="%{x:.0%}: %{y:.2f}<extra></extra>",
            ),
            row=1,
            col=column,
        )
    figure.update_xaxes(title="fraction changed", tickformat=".0%", fixedrange=True)
    figure.update_yaxes(range=[0, 1.02], fixedrange=True)
    figure.update_yaxes(title="probability", col=1)
    legend = {"orientation": "h", "y": -0.3, "yanchor": "top", "x": 0}
    figure.update_layout(height=340, margin={"l": 0, "r": 8, "t": 32, "b": 0}, legend=legend)
    return figure


def agreement_table(explanations: Sequence[Explanation]) -> pd.DataFrame:
    """Put how far methods agree into a square: correlation above the diagonal, shared strongest tenth below it."""
    titles = [explainer(one.method).title for one in explanations]
    found = agreement(list(explanations))
    table = pd.DataFrame("", index=titles, columns=titles)
    for row, one in enumerate(explanations):
        for column, other in enumerate(explanations):
            if one.method != other.method:
                values = found[one.method][other.method]
                shared = f"top {100 * values['top']:.0f} %"
                table.iat[row, column] = f"r = {values['pearson']:.2f}" if row < column else shared
    return table
