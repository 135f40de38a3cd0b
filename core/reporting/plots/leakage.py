"""The plot of what a split of slices is worth."""

import plotly.graph_objects as go

from core.reporting.plots.style import BAR_COLOUR, OTHER_COLOUR
from core.results import Leakage


def leakage_bars(found: Leakage) -> go.Figure:
    """Draw the accuracy of each way of splitting with its interval, beside always answering the largest class."""
    titles = [scheme.title.replace(", ", ",<br>") for scheme in found.schemes]  # narrow enough for a phone
    accuracies = [scheme.accuracy for scheme in found.schemes]
    figure = go.Figure(
        go.Bar(
            x=[one.value for one in accuracies],
            y=titles,
            orientation="h",
            marker_color=[OTHER_COLOUR if scheme.by == "slice" else BAR_COLOUR for scheme in found.schemes],
            error_x={
                "type": "data",
                "array": [one.high - one.value for one in accuracies],
                "arrayminus": [one.value - one.low for one in accuracies],
                "color": "#D55E00",
            },
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    for scheme, title in zip(found.schemes, titles, strict=True):
        figure.add_annotation(
            x=0,
            y=title,
            text=f"{100 * scheme.accuracy.value:.1f} %",
            xanchor="left",
            xshift=8,
            showarrow=False,
            font_color="#000000" if scheme.by == "slice" else "#FFFFFF",
        )
    figure.add_vline(
        found.always_largest,
        line_dash="dot",
        line_color="#888888",
        annotation_position="top",
        annotation_text=f"always {found.largest_class}: {100 * found.always_largest:.0f} %",
    )
    figure.update_xaxes(range=[0, 1.05], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(
        height=80 + 56 * len(found.schemes), margin={"l": 0, "r": 8, "t": 32, "b": 24}, showlegend=False
    )
    return figure
