"""The plot of what a split of slices is worth."""

from typing import Any

import plotly.graph_objects as go

from core.reporting.plots.style import BAR_COLOUR, OTHER_COLOUR


def leakage_bars(values: dict[str, Any]) -> go.Figure:
    """Draw the accuracy of each way of splitting with its interval, beside always answering the largest class.

    Args:
        values: As `core.workflows.leakage.Leakage.as_dict` gives them.
    """
    schemes = [found for found in values.values() if isinstance(found, dict) and "interval" in found]
    fractions = [found["accuracy"] for found in schemes]
    titles = [found["title"].replace(", ", ",<br>") for found in schemes]  # narrow enough for a phone
    figure = go.Figure(
        go.Bar(
            x=fractions,
            y=titles,
            orientation="h",
            marker_color=[OTHER_COLOUR if found["split"] == "slice" else BAR_COLOUR for found in schemes],
            error_x={
                "type": "data",
                "array": [found["interval"][1] - found["accuracy"] for found in schemes],
                "arrayminus": [found["accuracy"] - found["interval"][0] for found in schemes],
                "color": "#D55E00",
            },
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    for found, title in zip(schemes, titles, strict=True):
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
    figure.update_layout(height=80 + 56 * len(schemes), margin={"l": 0, "r": 8, "t": 32, "b": 24}, showlegend=False)
    return figure
