"""Interactive plots of what was computed elsewhere."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

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


def leak_bars(values: dict[str, Any]) -> go.Figure:
    """Draw the accuracy of each way of splitting with its interval, beside always answering the largest class.

    Args:
        values: As `core.service.leak.Leak.as_dict` gives them.
    """
    ways = [found for found in values.values() if isinstance(found, dict) and "interval" in found]
    shares = [found["accuracy"] for found in ways]
    titles = [found["title"].replace(", ", ",<br>") for found in ways]  # narrow enough for a phone
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=titles,
            orientation="h",
            marker_color=[OTHER_COLOUR if found["split"] == "slice" else BAR_COLOUR for found in ways],
            error_x={
                "type": "data",
                "array": [found["interval"][1] - found["accuracy"] for found in ways],
                "arrayminus": [found["accuracy"] - found["interval"][0] for found in ways],
                "color": "#D55E00",
            },
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    for found, title in zip(ways, titles, strict=True):
        figure.add_annotation(
            x=0, y=title, text=f"{found['accuracy']:.1%}", xanchor="left", xshift=8, showarrow=False,
            font_color="#000000" if found["split"] == "slice" else "#FFFFFF",
        )  # fmt: skip
    always = values["always"]
    figure.add_vline(
        always["accuracy"], line_dash="dot", line_color="#888888", annotation_position="top",
        annotation_text=f"always {always['class']}: {always['accuracy']:.0%}",
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1.05], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(height=80 + 56 * len(ways), margin={"l": 0, "r": 8, "t": 32, "b": 24}, showlegend=False)
    return figure


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


def learning_curves(epochs: pd.DataFrame) -> go.Figure:
    """Draw loss and accuracy of training and validation along the epochs of all phases.

    Args:
        epochs: As `core.service.run_files.read_logs` gives it.
    """
    figure = make_subplots(rows=1, cols=2, subplot_titles=("Loss", "Accuracy"), horizontal_spacing=0.12)
    for column, name in enumerate(("loss", "accuracy"), start=1):
        for prefix, title, colour in (("", "Training", OTHER_COLOUR), ("val_", "Validation", BAR_COLOUR)):
            curve = go.Scatter(
                x=epochs["at"], y=epochs.get(prefix + name, []), name=title, mode="lines+markers",
                line_color=colour, showlegend=column == 1, legendgroup=title,
                hovertemplate="epoch %{x}: %{y:.3f}<extra>" + title + "</extra>",
            )  # fmt: skip
            figure.add_trace(curve, row=1, col=column)
        for first in epochs.loc[epochs["phase"].diff() > 0, "at"]:
            figure.add_vline(x=first - 0.5, line_dash="dot", line_color=OTHER_COLOUR, row=1, col=column)
    figure.update_xaxes(title="Epoch", fixedrange=True, rangemode="tozero", dtick=1 if len(epochs) < 12 else None)
    figure.update_yaxes(fixedrange=True, rangemode="tozero")
    figure.update_yaxes(range=[0, 1], tickformat=".0%", col=2)
    legend = {"orientation": "h", "y": 1.18, "x": 1, "xanchor": "right"}
    figure.update_layout(height=320, margin={"l": 0, "r": 8, "t": 48, "b": 24}, legend=legend)
    return figure


def runs_curves(logs: dict[str, pd.DataFrame]) -> go.Figure:
    """Draw the validation loss of several runs along their epochs.

    Args:
        logs: Name of the run to what `core.service.run_files.read_logs` gives.
    """
    figure = go.Figure()
    for (name, epochs), colour in zip(logs.items(), cycle(CLASS_COLOURS), strict=False):
        figure.add_trace(
            go.Scatter(
                x=epochs["at"], y=epochs["val_loss"], name=name, mode="lines+markers", line_color=colour,
                hovertemplate="epoch %{x}: %{y:.3f}<extra>" + name + "</extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title="Epoch", fixedrange=True)
    figure.update_yaxes(title="Validation loss", fixedrange=True, rangemode="tozero")
    legend = {"orientation": "h", "y": 1.15, "x": 0}
    figure.update_layout(height=300, margin={"l": 0, "r": 8, "t": 32, "b": 24}, legend=legend, showlegend=True)
    return figure


def class_balance(counts: dict[str, dict[str, int]]) -> go.Figure:
    """Draw how many scans each class has, a bar a way of counting.

    Args:
        counts: Title of the way of counting to class to number.
    """
    colours = (OTHER_COLOUR, BAR_COLOUR) if len(counts) > 1 else (BAR_COLOUR,)
    bars = [
        go.Bar(x=list(values.values()), y=list(values), name=title, orientation="h", marker_color=colour,
               text=[f"{value:,}" for value in values.values()], textposition="outside", cliponaxis=False)
        for (title, values), colour in zip(counts.items(), cycle(colours), strict=False)
    ]  # fmt: skip
    figure = go.Figure(bars)
    longest = max((value for values in counts.values() for value in values.values()), default=1)
    figure.update_xaxes(range=[0, longest * 1.15], title=None, fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    classes = max(map(len, counts.values()), default=1)
    legend = {"orientation": "h", "y": 1.12, "x": 0}
    figure.update_layout(height=90 + 30 * classes * len(counts), margin={"l": 0, "r": 8, "t": 32, "b": 24},
                         showlegend=len(counts) > 1, legend=legend)  # fmt: skip
    return figure


def embedding_map(
    places: NDArray, labels: NDArray[np.str_], invented: NDArray[np.bool_], classes: Sequence[str]
) -> go.Figure:
    """Draw embeddings in the plane, a dot a scan, invented ones hollow.

    Args:
        places: N × 2.
        labels: N class names.
        invented: N, whether oversampling made it.
        classes: The classes in their order.
    """
    figure = go.Figure()
    names = labels
    for name, colour in zip(classes, cycle(CLASS_COLOURS), strict=False):
        for made in (False, True):
            chosen = (names == name) & (invented == made)
            if chosen.any():
                marker = {"color": colour, "size": 6, "symbol": "circle-open" if made else "circle", "opacity": 0.8}
                figure.add_trace(go.Scattergl(
                    x=places[chosen, 0], y=places[chosen, 1], mode="markers", marker=marker,
                    name=f"{name}, invented" if made else name, hovertemplate=f"{name}<extra></extra>",
                ))  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    legend = {"orientation": "h", "y": -0.02, "yanchor": "top"}
    figure.update_layout(height=460, margin={"l": 0, "r": 0, "t": 8, "b": 8}, legend=legend)
    return figure
