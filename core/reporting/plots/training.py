"""Plots of trainings."""

from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.reporting.plots.style import BAR_COLOUR, CLASS_COLOURS, OTHER_COLOUR


def learning_curves(epochs: pd.DataFrame) -> go.Figure:
    """Draw loss and accuracy of training and validation along the epochs of all phases.

    Args:
        epochs: As `core.runs.folder.read_logs` gives it.
    """
    figure = make_subplots(rows=1, cols=2, subplot_titles=("Loss", "Accuracy"), horizontal_spacing=0.12)
    for column, name in enumerate(("loss", "accuracy"), start=1):
        for prefix, title, colour in (("", "Training", OTHER_COLOUR), ("val_", "Validation", BAR_COLOUR)):
            curve = go.Scatter(
                x=epochs["at"],
                y=epochs.get(prefix + name, []),
                name=title,
                mode="lines+markers",
                line_color=colour,
                showlegend=column == 1,
                legendgroup=title,
                hovertemplate="epoch %{x}: %{y:.3f}<extra>" + title + "</extra>",
            )
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
        logs: Name of the run to what `core.runs.folder.read_logs` gives.
    """
    figure = go.Figure()
    for (name, epochs), colour in zip(logs.items(), cycle(CLASS_COLOURS), strict=False):
        figure.add_trace(
            go.Scatter(
                x=epochs["at"],
                y=epochs["val_loss"],
                name=name,
                mode="lines+markers",
                line_color=colour,
                hovertemplate="epoch %{x}: %{y:.3f}<extra>" + name + "</extra>",
            )
        )
    figure.update_xaxes(title="Epoch", fixedrange=True)
    figure.update_yaxes(title="Validation loss", fixedrange=True, rangemode="tozero")
    legend = {"orientation": "h", "y": 1.15, "x": 0}
    figure.update_layout(height=300, margin={"l": 0, "r": 8, "t": 32, "b": 24}, legend=legend, showlegend=True)
    return figure
